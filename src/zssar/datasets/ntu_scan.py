"""The compiled byte scanner behind ``ntu_text``: one pass, nothing kept per token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

JOINTS = 25
BODY_FIELDS = 10
JOINT_FIELDS = 12
MAX_TRACKS = 64  # ids in one file; a Kinect tracks 6 bodies at a time, real files hold a handful of ids

OK, TRUNCATED, NOT_A_NUMBER, TOO_FEW, TOO_MANY, NO_FRAMES, JOINT_COUNT, TRAILING, NOT_AN_INTEGER, TRACKS = range(10)
_FAST, _SLOW, _NONFINITE, _BAD = range(4)

POWERS = 10.0 ** np.arange(23)  # exact in float64
_EDGE = 2.0**-50  # wider than the error of two roundings and of the digits beyond the 19th
_WORDS = np.array(
    [
        list(word.ljust(10, b" "))
        for word in (b"nan", b"inf", b"infinity", b"1.#ind", b"1.#qnan", b"1.#inf", b"1.#snan")
    ],
    np.uint8,
)


def compiled(function: Callable) -> Any:
    """``numba.njit`` with a disk cache: beside the module or, where that is read-only, in the user's cache folder.

    Where neither can be written (some containers), the function is compiled anew in every run, which costs seconds.
    """
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba's "no locator available"
        return numba.njit(nogil=True)(function)


@compiled
def _blank_or_end(data, p):
    return p >= data.size or data[p] == 32 or data[p] == 10 or data[p] == 13 or data[p] == 9


@compiled
def _is_nonfinite_word(data, p, end):
    if p < end and (data[p] == 43 or data[p] == 45):
        p += 1
    for word in range(_WORDS.shape[0]):
        length = 0
        while length < 10 and _WORDS[word, length] != 32:
            length += 1
        if end - p < length:
            continue
        equal = True
        for k in range(length):
            c = data[p + k]
            if 65 <= c <= 90:
                c += 32
            equal = equal and c == _WORDS[word, k]
        rest = p + length
        while rest < end and data[rest] == 48:  # MSVC pads: -1.#IND00
            rest += 1
        if equal and rest == end and (length == end - p or word > 2):
            return True
    return False


@compiled
def _token_end(data, p):
    while not _blank_or_end(data, p):
        p += 1
    return p


@compiled
def _exponent(data, p):
    """(power of ten, end, kind) of an exponent at ``p``; 0 if there is none."""
    if p >= data.size or (data[p] != 69 and data[p] != 101):
        return 0, p, _FAST
    p += 1
    minus = p < data.size and data[p] == 45
    if p < data.size and (minus or data[p] == 43):
        p += 1
    value, start = 0, p
    while p < data.size and 48 <= data[p] <= 57:
        value = min(value * 10 + (data[p] - 48), 100000)
        p += 1
    return (-value if minus else value), p, (_FAST if p > start else _BAD)


@compiled
def _number(data, start):
    """(value, end, kind) of the token at ``start``; the value holds only for kind _FAST."""
    p, size = start, data.size
    negative = data[p] == 45
    if negative or data[p] == 43:
        p += 1
    w = np.uint64(0)
    kept, exponent, digits, inexact = 0, 0, 0, False
    point = False
    while p < size:
        c = data[p]
        if 48 <= c <= 57:
            digits += 1
            if kept < 19:
                w = w * np.uint64(10) + np.uint64(c - 48)
                kept += w > 0
                exponent -= point
            else:
                inexact |= c != 48
                exponent += not point
        elif c == 46 and not point:
            point = True
        else:
            break
        p += 1
    power, p, kind = _exponent(data, p)
    if kind == _BAD:
        return np.float32(0), p, _BAD
    exponent += power
    if not digits or not _blank_or_end(data, p):
        end = _token_end(data, start)
        return np.float32(0), end, _NONFINITE if _is_nonfinite_word(data, start, end) else _BAD
    if w == 0:
        return np.float32(-0.0) if negative else np.float32(0.0), p, _FAST
    if exponent < -22 or exponent > 22:
        return np.float32(0), p, _SLOW
    x = np.float64(w)
    x = x / POWERS[-exponent] if exponent < 0 else x * POWERS[exponent]
    if negative:
        x = -x
    if w < np.uint64(9007199254740992) and not inexact:
        return np.float32(x), p, _FAST
    low, high = np.float32(x * (1 - _EDGE)), np.float32(x * (1 + _EDGE))
    return low, p, _FAST if low == high else _SLOW


@compiled
def _next_record(data, p):
    while p < data.size and (data[p] == 10 or data[p] == 13 or data[p] == 32 or data[p] == 9):
        p += 1
    return p


@compiled
def _next_field(data, p):
    while p < data.size and (data[p] == 32 or data[p] == 9):
        p += 1
    return p


@compiled
def _line_over(data, p):
    """(status, position) after the last field of a record: the line must end here."""
    p = _next_field(data, p)
    return (OK if _blank_or_end(data, p) else TOO_MANY), p


@compiled
def _integer(data, p):
    """(value, end, status) of an unsigned 64-bit integer token."""
    value, start = np.uint64(0), p
    while p < data.size and 48 <= data[p] <= 57:
        digit = np.uint64(data[p] - 48)
        if value > (np.uint64(18446744073709551615) - digit) // np.uint64(10):
            return value, start, NOT_AN_INTEGER
        value = value * np.uint64(10) + digit
        p += 1
    if p == start or not _blank_or_end(data, p):
        return value, start, NOT_AN_INTEGER
    return value, p, OK


@compiled
def _count_line(data, p):
    """(value, position, status) of a line with one integer."""
    p = _next_record(data, p)
    if p >= data.size:
        return np.uint64(0), p, TRUNCATED
    value, p, status = _integer(data, p)
    if status == OK:
        status, p = _line_over(data, p)
    return value, p, status


@compiled
def _skip_fields(data, p, count):
    """(position, status) behind ``count`` number-like fields and the end of their line."""
    for _ in range(count):
        p = _next_field(data, p)
        if p >= data.size:
            return p, TRUNCATED
        start, plain = p, True
        while not _blank_or_end(data, p):
            c = data[p]
            plain &= (45 <= c <= 57 and c != 47) or c == 69 or c == 101 or c == 43
            p += 1
        if p == start:
            return p, TOO_FEW
        if not plain and not _is_nonfinite_word(data, start, p):
            return start, NOT_A_NUMBER
    status, p = _line_over(data, p)
    return p, status


@compiled
def _body_line(data, p):
    """(id, position, status) of the line with 10 numbers that opens a body."""
    p = _next_record(data, p)
    if p >= data.size:
        return np.uint64(0), p, TRUNCATED
    identity, p, status = _integer(data, p)
    if status == OK:
        p, status = _skip_fields(data, p, BODY_FIELDS - 1)
    return identity, p, status


@compiled
def _joint_line(data, p, out, slow, slow_count, flat):
    """(position, status, finite, slow_count): x y z into ``out`` (3,), the other nine fields only checked."""
    p = _next_record(data, p)
    finite = True
    for axis in range(3):
        p = _next_field(data, p)
        if p >= data.size:
            return p, TRUNCATED, finite, slow_count
        if _blank_or_end(data, p):
            return p, TOO_FEW, finite, slow_count
        value, end, kind = _number(data, p)
        if kind == _BAD:
            return p, NOT_A_NUMBER, finite, slow_count
        if kind == _NONFINITE:
            finite = False
        if kind == _SLOW:
            if slow_count < slow.shape[0]:
                slow[slow_count, 0], slow[slow_count, 1] = flat + axis, p
            slow_count += 1
        out[axis] = value
        p = end
    p, status = _skip_fields(data, p, JOINT_FIELDS - 3)
    return p, status, finite, slow_count


@compiled
def _track(identity, frame, ids, last, tracks):
    """The track of a body: its id, and among bodies that share an id in one frame the order in the frame."""
    for t in range(tracks):
        if ids[t] == identity and last[t] != frame:
            return t
    return tracks


@compiled
def _joints(data, p, xyz, slow, slow_count, flat):
    """(position, status, first non-finite line or -1, slow_count): joint count and joint lines into xyz (25, 3)."""
    broken = -1
    joints, q, status = _count_line(data, p)
    if status == OK and joints != JOINTS:
        return _next_record(data, p), JOINT_COUNT, broken, slow_count
    for joint in range(JOINTS):
        if status != OK:
            break
        here = _next_record(data, q)
        q, status, finite, slow_count = _joint_line(data, here, xyz[joint], slow, slow_count, flat + joint * 3)
        if not finite and broken < 0:
            broken = here
    return q, status, broken, slow_count


@compiled
def scan(data, xyz, track, frame, broken, slow):
    """One file. Fills xyz (B, 25, 3), track, frame and ``broken`` (position of a non-finite joint line, else -1).

    Returns (status, position, frames, bodies, tracks, slow tokens); the position is that of the error.
    """
    ids, last = np.empty(MAX_TRACKS, np.uint64), np.empty(MAX_TRACKS, np.int64)
    bodies, tracks, slow_count = 0, 0, 0
    start = 3 if data.size > 2 and data[0] == 0xEF and data[1] == 0xBB and data[2] == 0xBF else 0
    frames, p, status = _count_line(data, start)
    frames = min(frames, np.uint64(2**62))
    if status == OK and frames == 0:
        status = NO_FRAMES
    done = np.int64(0)
    while status == OK and done < np.int64(frames):
        count, p, status = _count_line(data, p)
        body = np.uint64(0)
        while status == OK and body < count:
            identity, p, status = _body_line(data, p)
            if status != OK:
                break
            t = _track(identity, done, ids, last, tracks)
            if t == MAX_TRACKS or bodies == xyz.shape[0]:  # the buffer fits any complete file of this size
                status = TRACKS if t == MAX_TRACKS else TRUNCATED
                break
            tracks = max(tracks, t + 1)
            ids[t], last[t] = identity, done
            track[bodies], frame[bodies] = t, done
            p, status, broken[bodies], slow_count = _joints(data, p, xyz[bodies], slow, slow_count, bodies * JOINTS * 3)
            bodies += 1
            body += np.uint64(1)
        done += 1
    if status == OK:
        p = _next_record(data, p)
        if p < data.size:
            status = TRAILING
    return status, p, np.int64(frames), bodies, tracks, slow_count


@compiled
def spread(xyz, track, frame, broken, joints, present):
    """Bodies in file order into dense joints (M, T, 25, 3) and present (M, T), both zero before."""
    for b in range(track.size):
        if broken[b] < 0:
            joints[track[b], frame[b]] = xyz[b]
            present[track[b], frame[b]] = True
