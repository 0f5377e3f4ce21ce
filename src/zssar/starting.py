"""Cheap starts and ends of processes: a table is some hundred of them, and many need longer to import than to work."""

from __future__ import annotations

import atexit
import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def imports() -> Iterator[None]:
    """For a block of heavy imports: the garbage collector does not look at what they make, now or later.

    Importing torch takes a fifth less processor time.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if on:
            gc.enable()


def quick_exit() -> None:
    """When the process ends, do not search all modules for cycles: half a second with torch. Exit handlers run."""
    atexit.register(gc.freeze)
