"""Cheap starts and ends of processes: a table is some hundred of them, and many need longer to import than to work.

Nothing here acts unless ``program`` was called: who imports the package keeps the garbage collector as it was.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
from collections.abc import Iterator

_programs: list[str] = []


def program(name: str) -> None:
    """This process runs one command and ends. It need not search all modules for cycles then: half a second with torch.

    Exit handlers run as ever.
    """
    _programs.append(name)
    atexit.register(gc.freeze)


@contextlib.contextmanager
def imports() -> Iterator[None]:
    """For a block of heavy imports: the garbage collector does not look at what they make, now or later.

    Importing torch takes a fifth less processor time.
    """
    if not _programs:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
