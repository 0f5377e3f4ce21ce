"""Large arrays in ``.npy`` and ``.npz`` files, row by row: nothing is ever loaded whole, nothing is unpickled.

A ``.npy`` file and a member that an ``.npz`` archive stores uncompressed (as ``numpy.savez`` does) are mapped into
memory; a compressed member is unpacked from its start up to the row asked for, so ask in rising order.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from zssar.errors import UserError

LARGEST_ROW = 2**28  # bytes
DAMAGE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, MemoryError)


class Rows:
    """An array on disk: ``shape``, ``dtype``, ``rows[i]``, ``rows[a:b]`` for consecutive rows.

    Raises UserError, naming file and member, if there is no such array or it is damaged.
    """

    def __init__(self, path: Path | str, member: str = ""):
        self.path, self.member = str(path), member
        self.name = f"{path}: {member}" if member else str(path)
        try:
            self._open()
        except Exception as error:  # numpy evaluates the header as Python text; a damaged one fails in any way
            raise UserError(f"{self.name}: not a readable array ({error})") from None

    def _open(self) -> None:
        self._mapped, self._stream = None, None
        if not self.member:
            with open(self.path, "rb") as file:
                self._header(file)
                offset = file.tell()
            self._map(offset)
            return
        archive = zipfile.ZipFile(self.path)
        entry = archive.getinfo(f"{self.member}.npy")
        self._stream = archive.open(entry)
        self._header(self._stream)
        self._start = self._stream.tell()
        if entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1:
            with open(self.path, "rb") as file:
                file.seek(entry.header_offset)
                local = file.read(30)
                name, extra = struct.unpack("<HH", local[26:30])
            self._stream.close()
            self._map(entry.header_offset + 30 + name + extra + self._start)

    def _header(self, file: Any) -> None:
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        version = np.lib.format.read_magic(file)
        if version not in read:
            raise ValueError(f"format version {version}")
        self.shape, fortran, self.dtype = read[version](file)
        if self.dtype.hasobject:
            raise ValueError("it holds Python objects, which are not read")
        if fortran and len(self.shape) > 1:
            raise ValueError("it is stored by columns; save it again with numpy.ascontiguousarray")
        if not self.shape or min(self.shape) < 0:
            raise ValueError(f"shape {self.shape}")
        self._row = int(np.prod(self.shape[1:], dtype=object)) * self.dtype.itemsize
        if self._row > LARGEST_ROW:
            raise ValueError(f"rows of {self._row} bytes")

    def _map(self, offset: int) -> None:
        missing = offset + self._row * self.shape[0] - os.path.getsize(self.path)
        if missing > 0:
            raise ValueError(f"{missing} bytes are missing at its end")
        if self._row and self.shape[0]:
            self._mapped = np.memmap(self.path, self.dtype, "r", offset, self.shape)
        else:
            self._mapped = np.zeros(self.shape, self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice) -> np.ndarray:
        if self._mapped is not None:
            return np.array(self._mapped[rows])
        start, stop, _ = (rows, rows + 1, 1) if isinstance(rows, int) else rows.indices(len(self))
        wanted = self._row * max(0, stop - start)
        try:
            self._stream.seek(self._start + self._row * start)
            content = self._stream.read(wanted)
        except DAMAGE as error:
            raise UserError(f"{self.name}: rows {start} to {stop - 1} cannot be read ({error})") from None
        if len(content) != wanted:
            raise UserError(f"{self.name}: ends before row {stop - 1} of {len(self)}")
        found = np.frombuffer(content, self.dtype).reshape(max(0, stop - start), *self.shape[1:])
        return found[0] if isinstance(rows, int) else found


def members(path: Path | str) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """name -> (shape, dtype) of the arrays in an ``.npz`` archive. Raises UserError if it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
    except DAMAGE as error:
        raise UserError(f"{path}: not a readable .npz archive ({error})") from None
    found = {}
    for name in names:
        try:
            rows = Rows(path, name)
        except UserError:  # a scalar, objects, or damaged: whoever needs it gets the error when opening it
            continue
        found[name] = (rows.shape, rows.dtype)
    return found


def shared(path: Path | str, member: str = "") -> Rows:
    """``Rows`` that stay open between calls; every process has its own, since a position in a file is shared."""
    try:
        stamp = os.stat(path).st_mtime_ns
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    return _shared(str(path), member, stamp, os.getpid())


@lru_cache(maxsize=4)
def _shared(path: str, member: str, stamp: int, process: int) -> Rows:
    return Rows(path, member)
