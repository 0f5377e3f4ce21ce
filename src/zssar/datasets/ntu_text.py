"""The text of a ``.skeleton`` file to arrays, exactly and with errors that name their line.

Equality: every coordinate equals ``numpy.float32(float(token))`` bit for bit. Tokens of at most 19 digits are decided
by one exact or one bracketed float64 operation (Clinger, "How to read floating point numbers accurately", PLDI 1990);
the rest goes through Python's ``float``. Body ids are read as 64-bit integers, never as floating point: they lie near
2^56, where float64 steps by 8 or 16.

The grammar is checked line by line (a record may not spill over its line), so that a lost or doubled number is an
error at its line instead of a shift of all that follows. Blank lines, LF, CR and CRLF are all accepted.
"""

from __future__ import annotations

import re

import numpy as np

from zssar.datasets import ntu_scan as scanner
from zssar.datasets.ntu_scan import JOINTS

_SMALLEST_BODY = 2 * scanner.BODY_FIELDS + 3 + JOINTS * 2 * scanner.JOINT_FIELDS  # bytes of the shortest body
_TOKEN = re.compile(rb"[^ \t\r\n]+")


class TextError(Exception):
    """The text breaks the grammar. ``line`` counts from 1."""

    def __init__(self, reason: str, line: int):
        super().__init__(reason, line)
        self.reason, self.line = reason, line


class Parser:
    """Parses one file after the other with buffers that only grow: memory is that of the largest file so far."""

    def __init__(self) -> None:
        self._reserve(1 << 20)

    def _reserve(self, size: int) -> None:
        self.size, bodies = size, size // _SMALLEST_BODY + 1
        self.xyz = np.empty((bodies, JOINTS, 3), np.float32)
        self.track, self.frame = np.empty(bodies, np.int32), np.empty(bodies, np.int32)
        self.broken, self.slow = np.empty(bodies, np.int64), np.empty((256, 2), np.int64)

    def parse(self, text: bytes, most_cells: int = 1_000_000) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """joints float32 (M, T, 25, 3), present bool (M, T), and the lines whose body was dropped as not finite.

        One row per body id, in order of first appearance; two bodies under one id in one frame get rows of their own.
        Raises TextError; also for more than ``most_cells`` = M x T, which no Kinect recording of an action has.
        """
        data = np.frombuffer(text, np.uint8)
        if len(text) > self.size:
            self._reserve(max(len(text), 2 * self.size))
        buffers = (self.xyz, self.track, self.frame, self.broken)
        status, at, frames, bodies, tracks, slow = scanner.scan(data, *buffers, self.slow)
        if slow > len(self.slow):
            self.slow = np.empty((slow, 2), np.int64)
            status, at, frames, bodies, tracks, slow = scanner.scan(data, *buffers, self.slow)
        if status != scanner.OK:
            raise TextError(_reason(status, text, at), _line(text, at))
        if not bodies:
            raise TextError("no frame has a body", 0)
        if tracks * frames > most_cells:
            raise TextError(f"{frames} frames with {tracks} body ids: too long for one recording", 1)
        if slow:
            self._exact(text, self.slow[:slow])
        joints, present = np.zeros((tracks, frames, JOINTS, 3), np.float32), np.zeros((tracks, frames), bool)
        xyz, track, frame, broken = (a[:bodies] for a in buffers)
        scanner.spread(xyz, track, frame, broken, joints, present)
        return joints, present, [_line(text, int(p)) for p in broken[broken >= 0]]

    def _exact(self, text: bytes, slow: np.ndarray) -> None:
        """Tokens that the fast path could not decide, by Python's correctly rounded ``float``."""
        flat = self.xyz.reshape(-1)
        for index, start in slow.tolist():
            with np.errstate(over="ignore"):
                value = np.float32(float(_TOKEN.match(text, start)[0]))
            flat[index] = value
            if not np.isfinite(value) and self.broken[index // (JOINTS * 3)] < 0:
                self.broken[index // (JOINTS * 3)] = start


def _line(text: bytes, at: int) -> int:
    breaks = text.count(b"\n", 0, at)
    return 1 + (breaks or text.count(b"\r", 0, at))


def _token(text: bytes, at: int) -> str:
    words = text[at : at + 40].split(None, 1)
    return words[0].decode("ascii", "replace") if words else ""


def _reason(status: int, text: bytes, at: int) -> str:
    token = _token(text, at)
    return {
        scanner.TRUNCATED: "truncated: the file ends before its last frame is complete",
        scanner.NOT_A_NUMBER: f"not a number: {token!r}",
        scanner.TOO_FEW: "the line has too few numbers",
        scanner.TOO_MANY: f"the line has too many numbers: {token!r} is one too many",
        scanner.NO_FRAMES: "zero frames",
        scanner.JOINT_COUNT: f"{token} joints, not {JOINTS}",
        scanner.TRAILING: f"text after the last frame: {token!r}",
        scanner.NOT_AN_INTEGER: f"not an unsigned integer: {token!r}",
        scanner.TRACKS: f"more than {scanner.MAX_TRACKS} body ids",
    }[status]
