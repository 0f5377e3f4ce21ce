"""The compiled byte scanner behind ``ntu_text``: one pass over the text, nothing kept per token.

It decides what is common and exact, and leaves every odd spelling (NaN, more than 18 digits, huge exponents, words) to
Python: positions of such tokens go into ``slow``. ``data`` holds ``size`` bytes of text, a NUL byte after them, so that
no loop needs to ask for the end of the text, and BLOCK bytes more, of whatever content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

JOINTS = 25
BODY_FIELDS = 10
JOINT_FIELDS = 12
MAX_TRACKS = 64  # ids in one file; a Kinect tracks 6 bodies at a time, real files hold a handful of ids

OK, TRUNCATED, NOT_A_NUMBER, TOO_FEW, TOO_MANY, NO_FRAMES, JOINT_COUNT, TRAILING, NOT_AN_INTEGER, TRACKS = range(10)

# Classes of bytes, as bits.
_NUMBER, _BLANK, _END, _OTHER = 1, 2, 4, 8
_CLASS = np.full(256, _OTHER, np.uint8)
_CLASS[list(b"0123456789+-.eE")] = _NUMBER
_CLASS[list(b" \t")] = _BLANK
_CLASS[list(b"\r\n\0")] = _END

# Unsigned indices spare numba's test for negative ones; mixing them with int64 would give float64.
_ONE = np.uintp(1)
_ZERO, _NINE, _TEN = np.uint64(48), np.uint64(9), np.uint64(10)

# Bytes looked at together, and masks over their bits.
BLOCK = 32
_WHOLE, _NONE, _LOWEST, _LAST = np.uint64(2**BLOCK - 1), np.uint64(0), np.uint64(1), np.uint64(BLOCK - 1)

_POWERS = 10.0 ** np.arange(23)  # exact in float64
_EXACT = np.uint64(2**53)
_EDGE = 2.0**-50  # wider than the error of two roundings


def inlined(function: Callable) -> Any:
    """Compiled into its callers: passing arrays to a function costs more than these small ones take."""
    return numba.njit(error_model="numpy", inline="always")(function)


def compiled(function: Callable) -> Any:
    """``numba.njit`` with a disk cache: beside the module or, where that is read-only, in the user's cache folder.

    Where neither can be written (some containers), the function is compiled anew in every run, which costs seconds.
    """
    try:
        return numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba's "no locator available"
        return numba.njit(error_model="numpy")(function)


@inlined
def _digits(data, q, w):
    """(w continued by the digits at ``q``, end)."""
    while True:
        digit = np.uint64(data[q]) - _ZERO
        if digit > _NINE:
            return w, q
        w = w * _TEN + digit
        q += _ONE


@inlined
def _number(data, p):
    """(value, end, decided) of the token at ``p``; decided: the value is what float32(float(token)) gives."""
    q = np.uintp(p)
    negative = data[q] == 45
    if negative or data[q] == 43:
        q += _ONE
    first = q
    w, q = _digits(data, q, np.uint64(0))
    digits, exponent = np.int64(q - first), 0
    if data[q] == 46:
        first = q + _ONE
        w, q = _digits(data, first, w)
        exponent = np.int64(first - q)
        digits -= exponent
    p = np.int64(q)
    if data[q] == 69 or data[q] == 101:
        power, p = _exponent(data, p + 1)
        exponent += power
    if not _CLASS[data[p]] & (_BLANK | _END) or not 0 < digits <= 18 or not -22 <= exponent <= 22:
        while not _CLASS[data[p]] & (_BLANK | _END):
            p += 1
        return np.float32(0), p, False
    x = np.float64(np.int64(w))
    x = x / _POWERS[-exponent] if exponent < 0 else x * _POWERS[exponent]
    if negative:
        x = -x
    if w < _EXACT:
        return np.float32(x), p, True
    low, high = np.float32(x * (1 - _EDGE)), np.float32(x * (1 + _EDGE))
    return low, p, low == high


@compiled
def _exponent(data, p):
    """(power of ten, end) behind the letter e; an impossible power if there are no digits."""
    minus = data[p] == 45
    if minus or data[p] == 43:
        p += 1
    value, first = 0, p
    while 48 <= data[p] <= 57:
        value = min(value * 10 + (data[p] - 48), 1000)
        p += 1
    if p == first:
        value = 1000
    return (-value if minus else value), p


def _any_of(builder, block, characters: bytes):
    """The bytes of a vector that are one of these, as the bits of a number."""
    found = None
    for byte in characters:
        equal = builder.icmp_unsigned("==", block, ir.Constant(block.type, [byte] * BLOCK))
        found = equal if found is None else builder.or_(found, equal)
    return found


@intrinsic
def _look(typing, data, q):
    """(blanks, bytes of numbers, ends of line) among the BLOCK bytes at ``q``, one bit each, the first one lowest."""

    def generate(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.gep(array.data, [args[1]])
        block = builder.load(builder.bitcast(place, ir.VectorType(ir.IntType(8), BLOCK).as_pointer()))
        block.align = 1
        zeros, nine = (ir.Constant(block.type, [byte] * BLOCK) for byte in (48, 9))
        digits = builder.icmp_unsigned("<=", builder.sub(block, zeros), nine)
        masks = (
            _any_of(builder, block, b" \t"),
            builder.or_(digits, _any_of(builder, block, b"+-.eE")),
            _any_of(builder, block, b"\r\n\0"),
        )
        words = [builder.zext(builder.bitcast(m, ir.IntType(BLOCK)), ir.IntType(64)) for m in masks]
        return context.make_tuple(builder, signature.return_type, words)

    return types.UniTuple(types.uint64, 3)(data, q), generate


@intrinsic
def _bits(typing, word):
    """How many bits of a number are set."""
    return types.int64(word), lambda context, builder, signature, args: builder.ctpop(args[0])


@inlined
def _fields(data, p):
    """(number of fields, all number-like, end) of the rest of a line that begins behind a token."""
    q = np.uintp(p)
    blanks, others, pairs, before = 0, _NONE, _NONE, _NONE
    while True:
        blank, number, end = _look(data, q)
        inside = ((end & (~end + _LOWEST)) - _LOWEST) & _WHOLE  # the bytes before the first end of line
        blank &= inside
        blanks += _bits(blank)
        others |= inside & ~(blank | number)
        pairs |= blank & ((blank << _LOWEST) | before)
        if end:
            break
        before = blank >> _LAST
        q += np.uintp(BLOCK)
    q += np.uintp(_bits(inside))
    if not pairs and not _CLASS[data[q - _ONE]] & _BLANK:  # the usual line: one blank before every field
        return blanks, others == 0, np.int64(q)
    fields, kind_before = 0, _BLANK
    for k in range(p, np.int64(q)):
        kind = np.int64(_CLASS[data[k]])
        fields += kind != _BLANK and kind_before == _BLANK
        kind_before = kind
    return fields, others == 0, np.int64(q)


@inlined
def _next_record(data, p):
    while data[p] == 10 or data[p] == 13 or data[p] == 32 or data[p] == 9:
        p += 1
    return p


@compiled
def _integer(data, size, p):
    """(value, end, status) of an unsigned 64-bit integer at ``p``."""
    if p == size:
        return np.uint64(0), p, TRUNCATED
    value, start = np.uint64(0), p
    while 48 <= data[p] <= 57:
        digit = np.uint64(data[p] - 48)
        if value > (np.uint64(18446744073709551615) - digit) // np.uint64(10):
            return value, start, NOT_AN_INTEGER
        value = value * np.uint64(10) + digit
        p += 1
    if p == start or not _CLASS[data[p]] & (_BLANK | _END):
        return value, start, NOT_AN_INTEGER
    return value, p, OK


@compiled
def _wrong_count(data, size, p, end, count, wanted):
    """(position, status) for a line that has ``count`` fields from ``p`` to ``end`` and should have ``wanted``."""
    if count < wanted:
        return end, TRUNCATED if end == size else TOO_FEW
    for _ in range(wanted):
        while _CLASS[data[p]] == _BLANK:
            p += 1
        while not _CLASS[data[p]] & (_BLANK | _END):
            p += 1
    while _CLASS[data[p]] == _BLANK:
        p += 1
    return p, TOO_MANY


@compiled
def _integer_line(data, size, p, more, slow, slow_count):
    """(integer, position, status, slow_count) of a line that opens with an integer and has ``more`` further fields."""
    value, p, status = _integer(data, size, _next_record(data, p))
    if status != OK:
        return value, p, status, slow_count
    count, plain, end = _fields(data, p)
    if count != more:
        p, status = _wrong_count(data, size, p, end, count, more)
        return value, p, status, slow_count
    if not plain:
        if slow_count < slow.shape[0]:
            slow[slow_count, 0], slow[slow_count, 1] = -1, p
        slow_count += 1
    return value, end, OK, slow_count


@compiled
def _joints(data, size, p, xyz, at, slow, slow_count):
    """(position, status, slow_count): joint count and joint lines; x y z into ``xyz`` (flat) from ``at`` on.

    The other nine fields are only checked. slow gets (index into xyz, position) per undecided coordinate and (-1,
    position) for undecided other fields.
    """
    p = _next_record(data, p)
    joints, end, status, slow_count = _integer_line(data, size, p, 0, slow, slow_count)
    if status != OK or joints != JOINTS:
        return (end, status, slow_count) if status != OK else (p, JOINT_COUNT, slow_count)
    p = end
    for _ in range(JOINTS):
        p = _next_record(data, p)
        for _ in range(3):
            while _CLASS[data[p]] == _BLANK:
                p += 1
            if _CLASS[data[p]] == _END:
                return p, (TRUNCATED if p == size else TOO_FEW), slow_count
            xyz[at], end, decided = _number(data, p)
            if not decided:
                if slow_count < slow.shape[0]:
                    slow[slow_count, 0], slow[slow_count, 1] = at, p
                slow_count += 1
            at += 1
            p = end
        count, plain, end = _fields(data, p)
        if count != JOINT_FIELDS - 3:
            p, status = _wrong_count(data, size, p, end, count, JOINT_FIELDS - 3)
            return p, status, slow_count
        if not plain:
            if slow_count < slow.shape[0]:
                slow[slow_count, 0], slow[slow_count, 1] = -1, p
            slow_count += 1
        p = end
    return p, OK, slow_count


@compiled
def _track(identity, frame, ids, last, tracks):
    """The track of a body: its id, and among bodies that share an id in one frame the order in the frame."""
    for t in range(tracks):
        if ids[t] == identity and last[t] != frame:
            return t
    return tracks


@compiled
def scan(data, size, start, xyz, track, frame, slow):
    """One text from ``start`` on. Fills xyz (B x 25 x 3, flat), track and frame (B,), slow (S, 2).

    Returns (status, position, frames, bodies, tracks, slow tokens); the position is that of the error. More slow
    tokens than ``slow`` has rows are counted only.
    """
    ids, last = np.empty(MAX_TRACKS, np.uint64), np.empty(MAX_TRACKS, np.int64)
    bodies, tracks = 0, 0
    claimed, p, status, slow_count = _integer_line(data, size, start, 0, slow, 0)
    frames = np.int64(min(claimed, np.uint64(2**62)))
    if status == OK and frames == 0:
        status, p = NO_FRAMES, start
    done = 0
    while status == OK and done < frames:
        count, p, status, slow_count = _integer_line(data, size, p, 0, slow, slow_count)
        body = np.uint64(0)
        while status == OK and body < count:
            identity, p, status, slow_count = _integer_line(data, size, p, BODY_FIELDS - 1, slow, slow_count)
            if status != OK:
                break
            t = _track(identity, done, ids, last, tracks)
            if t == MAX_TRACKS or bodies == track.size:  # the buffer fits any complete text of this size
                status = TRACKS if t == MAX_TRACKS else TRUNCATED
                break
            tracks = max(tracks, t + 1)
            ids[t], last[t] = identity, done
            track[bodies], frame[bodies] = t, done
            p, status, slow_count = _joints(data, size, p, xyz, bodies * JOINTS * 3, slow, slow_count)
            bodies += 1
            body += np.uint64(1)
        done += 1
    if status == OK:
        p = _next_record(data, p)
        if p < size:
            status = TRAILING
    return status, p, frames, bodies, tracks, slow_count
