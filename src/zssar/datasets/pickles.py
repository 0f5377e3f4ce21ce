"""Pickles that other people made, read without running what is in them: numpy arrays and plain containers only.

A pickle is a program. The usual loaders run whatever it names, so a downloaded file can do anything that its reader
may do. Here a name that is not on a short list ends the reading.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from zssar.errors import UserError


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """What old protocols use to store bytes; other codecs are refused."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return text.encode("latin1")


def _multiarray(name: str) -> Any:
    return getattr(np._core.multiarray, name)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _latin1,
}
for _package in ("numpy.core", "numpy._core"):  # renamed in numpy 2
    _ALLOWED |= {(f"{_package}.multiarray", name): _multiarray(name) for name in ("_reconstruct", "scalar")}
    _ALLOWED[f"{_package}.numeric", "_frombuffer"] = np._core.numeric._frombuffer
for _module in ("builtins", "__builtin__"):
    _ALLOWED |= {(_module, t.__name__): t for t in (set, frozenset, bytearray, complex)}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return _ALLOWED[module, name]


def load(path: Path | str) -> Any:
    """The content of a pickle. Raises UserError if it is damaged or holds anything but arrays and plain containers."""
    try:
        with open(path, "rb") as file:
            # latin1: what Python 2 wrote as str comes back as str
            return _Restricted(file, encoding="latin1").load()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: not read: {error}. Only pickles of arrays and plain containers are read, others could run code"
        ) from None
    except Exception as error:  # a damaged pickle fails wherever its bytes lead
        raise UserError(f"{path}: a damaged pickle ({type(error).__name__}: {str(error)[:80]})") from None


def cached(path: Path | str) -> Any:
    """As ``load``; the last file stays in memory, where forked processes share it. Not to be changed by the caller."""
    stat = Path(path).stat() if Path(path).is_file() else None
    return _cached(str(path), stat and (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=1)
def _cached(path: str, stamp: Any) -> Any:
    return load(path)
