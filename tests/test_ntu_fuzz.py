"""Damaged texts: the scanner agrees with a slow parser written independently, or both refuse. It never crashes."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skeleton_text import ID, person, text

from zssar.datasets.ntu_text import Parser, TextError

PARSER = Parser()
INTEGER, LIKE = re.compile(rb"\d+"), re.compile(rb"[0-9+.eE-]+")
DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
NOT_FINITE = re.compile(rb"[+-]?(nan|inf|infinity|1\.#(ind|qnan|snan|inf)0*)", re.I)


def sample():
    rng = np.random.default_rng(0)
    a, b = person(rng, 4), person(rng, 4, (1, 0, 3))
    return text([[(ID, a[0])], [(ID + 4, b[1]), (ID, a[1])], [], [(ID + 4, b[3])]])


WHOLE = sample()
LINES = WHOLE.split(b"\r\n")


class Refused(Exception):
    pass


def integer(token):
    if not INTEGER.fullmatch(token) or int(token) >= 2**64:
        raise Refused(token)
    return int(token)


def coordinate(token):
    if NOT_FINITE.fullmatch(token):
        return np.float32("nan")
    if not DECIMAL.fullmatch(token):
        raise Refused(token)
    with np.errstate(over="ignore"):
        return np.float32(float(token))


def slowly(content):
    """(track, frame) -> xyz of every finite body, frames, tracks: token by token, line by line."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    lines = [re.findall(rb"[^ \t]+", line) for line in re.split(rb"[\r\n]", content)]
    lines = iter([line for line in lines if line])

    def take(count):
        line = next(lines, None)
        if line is None or len(line) != count:
            raise Refused("fields")
        return line

    frames, bodies, tracks = integer(*take(1)), {}, []
    if not frames:
        raise Refused("frames")
    for t in range(frames):
        for _ in range(integer(*take(1))):
            identity, *rest = take(10)
            key = integer(identity)
            track = next((i for i, (k, last) in enumerate(tracks) if k == key and last != t), len(tracks))
            tracks[track : track + 1] = [(key, t)]
            if integer(*take(1)) != 25:
                raise Refused("joints")
            pose = []
            for _ in range(25):
                line = take(12)
                pose.append([coordinate(token) for token in line[:3]])
                rest += line[3:]
            if not all(LIKE.fullmatch(token) or NOT_FINITE.fullmatch(token) for token in rest):
                raise Refused("token")
            if np.isfinite(pose).all():
                bodies[track, t] = np.array(pose, np.float32)
    if next(lines, None) or not tracks:
        raise Refused("rest")
    return bodies, frames, len(tracks)


def agree(content):
    try:
        expected, frames, tracks = slowly(content)
    except Refused:
        with pytest.raises(TextError) as error:
            PARSER.parse(content)
        assert 0 <= error.value.line <= content.count(b"\n") + content.count(b"\r") + 1
        return False
    joints, present, _ = PARSER.parse(content)
    assert joints.shape == (tracks, frames, 25, 3)
    assert {tuple(k) for k in np.argwhere(present).tolist()} == set(expected)
    for key, pose in expected.items():
        np.testing.assert_array_equal(joints[key].view(np.uint32), pose.view(np.uint32))
    assert not joints[~present].any()
    return True


FEW = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def test_the_whole_text_is_accepted_by_both():
    assert agree(WHOLE)


@FEW
@given(st.data())
def test_bytes_changed(data):
    content = bytearray(WHOLE)
    interesting = st.sampled_from(b" \t\r\n\0-+.eE0159nN\xff\x0b,")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        end = at + data.draw(st.sampled_from([0, 1, 1, 1, 2, 9]))
        content[at:end] = bytes(data.draw(st.lists(interesting, max_size=3)))
    agree(bytes(content))


@FEW
@given(st.data())
def test_lines_changed(data):
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        at, source = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        kind = data.draw(st.sampled_from(["delete", "repeat", "move", "blank"]))
        if kind == "delete":
            del lines[at]
        elif kind == "blank":
            lines.insert(at, b"  ")
        else:
            lines.insert(at, lines[source] if kind == "repeat" else lines.pop(source))
    agree(b"\n".join(lines))


NUMBERS = st.one_of(
    st.floats(width=32).map(repr),
    st.floats().map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda v: f"{v:.25e}"),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.from_regex(r"[+-]?[0-9]{0,25}\.?[0-9]{0,25}([eE][+-]?[0-9]{0,4})?", fullmatch=True),
    st.sampled_from(["NaN", "-inf", "Infinity", "1.#QNAN", "-1.#IND00", "0x1p3", "1_0", "infinit", "nane", "٣"]),
)


@FEW
@given(st.lists(st.tuples(st.integers(4, 28), st.integers(0, 11), NUMBERS), min_size=1, max_size=20))
def test_numbers_changed(changes):
    lines = list(LINES)
    for line, column, number in changes:
        fields = lines[line - 1].split(b" ")
        if len(fields) == 12:
            fields[column] = number.encode()
            lines[line - 1] = b" ".join(fields)
    agree(b"\r\n".join(lines))


@FEW
@given(st.binary(max_size=200))
def test_anything(content):
    agree(content)


@FEW
@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_cut_and_joined(a, b):
    agree(WHOLE[:a] + WHOLE[b:])
