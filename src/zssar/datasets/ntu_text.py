"""The text of a ``.skeleton`` file to arrays, exactly and with errors that name their line.

Equality: every coordinate equals ``numpy.float32(float(token))`` bit for bit. Tokens of at most 18 digits are decided
by one exact or one bracketed float64 operation (Clinger, "How to read floating point numbers accurately", PLDI 1990);
the rest goes through Python's ``float``. Body ids are read as 64-bit integers, never as floating point: they lie near
2^56, where float64 steps by 8 or 16.

The grammar is checked line by line (a record may not spill over its line), so that a lost or doubled number is an
error at its line instead of a shift of all that follows. Blank lines, LF, CR and CRLF are all accepted. The columns
that nobody uses (pixels, orientation, states) must consist of the characters of numbers, or be NaN or Inf.
"""

from __future__ import annotations

import os
import re

import numpy as np

from zssar.datasets import ntu_scan as scanner
from zssar.datasets.ntu_scan import JOINTS

_SMALLEST_BODY = 2 * scanner.BODY_FIELDS + 3 + JOINTS * 2 * scanner.JOINT_FIELDS  # bytes of the shortest body
_TOKEN = re.compile(rb"[^ \t\r\n\0]+")
_LINE = re.compile(rb"[^\r\n\0]*")
_DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NUMBER_LIKE = re.compile(rb"[0-9+.eE-]+")
_NOT_FINITE = re.compile(rb"[+-]?(nan|inf|infinity|1\.#(ind|qnan|snan|inf)0*)", re.IGNORECASE)  # .NET, C, old MSVC
_BOM = b"\xef\xbb\xbf"


MOST_CELLS = 1_000_000  # bodies times frames of one recording: 300 MB


class TextError(Exception):
    """The text breaks the grammar. ``line`` counts from 1; 0 means the file as a whole."""

    def __init__(self, reason: str, line: int):
        super().__init__(reason, line)
        self.reason, self.line = reason, line


class Parser:
    """Parses one text after the other with buffers that only grow: memory is that of the largest text so far."""

    def __init__(self) -> None:
        self.slow = np.empty((256, 2), np.int64)
        self._reserve(1 << 20)

    def _reserve(self, size: int) -> None:
        bodies = size // _SMALLEST_BODY + 1
        self.size, self.text = size, bytearray(size + 1 + scanner.BLOCK)
        self.data = np.frombuffer(self.text, np.uint8)
        self.xyz = np.empty((bodies, JOINTS, 3), np.float32)
        self.track, self.frame = np.empty(bodies, np.int32), np.empty(bodies, np.int32)

    def parse_file(self, path: str, largest: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """``parse`` for the content of a file of at most ``largest`` bytes. Raises OSError too."""
        with open(path, "rb", buffering=0) as file:
            expected = os.fstat(file.fileno()).st_size
            if expected > largest:
                raise TextError(f"larger than {largest >> 20} MB: not one recording", 0)
            if expected > self.size:
                self._reserve(max(expected, 2 * self.size))
            with memoryview(self.text) as view:
                size, got = 0, 1
                while got and size < self.size:
                    got = file.readinto(view[size : self.size])
                    size += got
        return self._parse(size)

    def parse(self, text: bytes, most_cells: int = MOST_CELLS) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """joints float32 (M, T, 25, 3), present bool (M, T), and the lines whose body was dropped as not finite.

        One row per body id, in order of first appearance; two bodies under one id in one frame get rows of their own.
        Raises TextError; also for more than ``most_cells`` = M x T, which no Kinect recording of an action has.
        """
        if len(text) > self.size:
            self._reserve(max(len(text), 2 * self.size))
        self.text[: len(text)] = text
        return self._parse(len(text), most_cells)

    def _parse(self, size: int, most_cells: int = MOST_CELLS) -> tuple[np.ndarray, np.ndarray, list[int]]:
        text = self.text
        text[size] = 0  # what lies behind it is of an earlier text
        status, at, frames, bodies, tracks, slow = self._scan(size)
        if slow > len(self.slow):
            self.slow = np.empty((slow, 2), np.int64)
            status, at, frames, bodies, tracks, slow = self._scan(size)
        broken, lines = np.zeros(bodies, bool), []
        if slow:
            lines = self._decide(text, self.slow[:slow], broken)
        if status != scanner.OK:
            raise TextError(_reason(status, text, at), _line(text, at))
        if not bodies:
            raise TextError("no frame has a body", 0)
        if tracks * frames > most_cells:
            raise TextError(f"{frames} frames with {tracks} body ids: too long for one recording", 1)
        joints, present = np.zeros((tracks, frames, JOINTS, 3), np.float32), np.zeros((tracks, frames), bool)
        good = slice(0, bodies) if not lines else np.flatnonzero(~broken)
        track, frame = self.track[good], self.frame[good]
        joints[track, frame], present[track, frame] = self.xyz[good], True
        return joints, present, lines

    def _scan(self, size: int) -> tuple[int, ...]:
        start = len(_BOM) if self.text.startswith(_BOM) else 0
        return scanner.scan(self.data, size, start, self.xyz.reshape(-1), self.track, self.frame, self.slow)

    def _decide(self, text: bytearray, slow: np.ndarray, broken: np.ndarray) -> list[int]:
        """What the scanner left undecided, in the order of the text; returns the lines of values that are not finite.

        The scanner stops at its first error, so every undecided token lies before that and is reported first.
        """
        flat, lines = self.xyz.reshape(-1), []
        for index, start in slow.tolist():
            if index < 0:
                for token in _TOKEN.finditer(_LINE.match(text, start)[0]):
                    if not _NUMBER_LIKE.fullmatch(token[0]):
                        _check(token[0], text, start + token.start())
                continue
            value = _check(_TOKEN.match(text, start)[0], text, start)
            flat[index] = value
            body = index // (JOINTS * 3)
            if not np.isfinite(value) and not broken[body]:
                broken[body] = True
                lines.append(_line(text, start))
        return lines


def _check(token: bytes, text: bytearray, at: int) -> np.float32:
    """The value of a token, NaN for one that says it is not finite. Raises TextError if it is no number."""
    if _DECIMAL.fullmatch(token):
        with np.errstate(over="ignore"):
            return np.float32(float(token))
    if _NOT_FINITE.fullmatch(token):
        return np.float32("nan")
    raise TextError(_reason(scanner.NOT_A_NUMBER, text, at), _line(text, at))


def _line(text: bytearray, at: int) -> int:
    breaks = text.count(b"\n", 0, at)
    return 1 + (breaks or text.count(b"\r", 0, at))


def _reason(status: int, text: bytearray, at: int) -> str:
    found = _TOKEN.match(text, at)
    token = repr(found[0][:40].decode("ascii", "replace")) if found else "nothing"
    return {
        scanner.TRUNCATED: "truncated: the file ends before its last frame is complete",
        scanner.NOT_A_NUMBER: f"not a number: {token}",
        scanner.TOO_FEW: "the line has too few numbers",
        scanner.TOO_MANY: f"the line has too many numbers: {token} is one too many",
        scanner.NO_FRAMES: "zero frames",
        scanner.JOINT_COUNT: f"{token} joints, not {JOINTS}",
        scanner.TRAILING: f"text after the last frame: {token}",
        scanner.NOT_AN_INTEGER: f"not an unsigned integer: {token}",
        scanner.TRACKS: f"more than {scanner.MAX_TRACKS} body ids",
    }[status]
