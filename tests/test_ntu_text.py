"""The byte scanner against Python's float, and every way in which a text can be broken."""

from decimal import Context, Decimal

import numpy as np
import pytest
from skeleton_text import ID, LEAN, TAIL, one_person, person, seven_digits, text

from zssar.datasets.ntu_text import JOINTS, Parser, TextError


@pytest.fixture(scope="module")
def parser():
    return Parser()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def with_numbers(tokens):
    """One frame, one body, whose first joint lines carry ``tokens`` as x."""
    lines = ["1", "1", f"{ID} {LEAN}", "25"]
    lines += [f"{token} 0 0 {TAIL}" for token in [*tokens, *["0"] * (JOINTS - len(tokens))]]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_reads_back_what_was_written(parser, rng, end):
    a, b = person(rng, 9), person(rng, 9, (1, 0, 3))
    frames = [[(ID, a[t]), (ID + 4, b[t])] for t in range(9)]
    joints, present, broken = parser.parse(text(frames, end))
    assert joints.dtype == np.float32
    assert present.all()
    assert not broken
    np.testing.assert_array_equal(joints, seven_digits(np.stack([a, b])))


def test_blanks_and_blank_lines_do_not_matter(parser, rng):
    content, xyz = one_person(rng, 2)
    loose = content.replace(b" ", b"  \t").replace(b"\r\n", b" \r\n\r\n ")
    joints, _, _ = parser.parse(b"\xef\xbb\xbf\n" + loose)
    np.testing.assert_array_equal(joints[0], xyz)
    with pytest.raises(TextError, match="too few"):  # a doubled blank is not a field
        parser.parse(content.replace(b" 277.419", b" ", 1))


def test_neighbouring_ids_that_float64_merges_stay_apart(parser, rng):
    assert float(ID) == float(ID + 4)
    a = person(rng, 2)
    joints, present, _ = parser.parse(text([[(ID, a[0]), (ID + 4, a[1])], [(ID + 4, a[1]), (ID, a[0])]]))
    assert joints.shape[0] == 2
    np.testing.assert_array_equal(joints[0, 0], joints[0, 1])  # order in a frame is not an identity
    assert present.all()


def test_a_body_that_vanishes_and_returns_keeps_its_times(parser, rng):
    a = person(rng, 6)
    frames = [[(ID, a[0])], [], [], [(ID, a[3])], [], [(ID, a[5])]]
    joints, present, _ = parser.parse(text(frames))
    assert present.tolist() == [[True, False, False, True, False, True]]
    np.testing.assert_array_equal(joints[0, 3], seven_digits(a[3]))
    assert not joints[0, [1, 2, 4]].any()


def test_one_id_twice_in_a_frame_loses_no_body(parser, rng):
    a = person(rng, 2)
    joints, present, _ = parser.parse(text([[(0, a[0]), (0, a[1])]] * 3))
    assert present.shape == (2, 3)
    assert present.all()
    np.testing.assert_array_equal(joints[1, 2], seven_digits(a[1]))


TOKENS = [
    "0", "-0", "+1", "1.", ".5", "-.5", "157", "0.2181153", "-7.257856E-05", "1e3", "1E+3", "12345678901234567890",
    "0.1000000014901161193847656",
    "0.30000000000000004", "16777217", "16777216.999999999999", "1.17549435e-38", "1e-45",
    "3.4028234e38", "0.000000000000000000000000000000001", "123456789012345678901234567890e-30", "4.35e-10",
    "9007199254740993",
    "1.00000005960464477539062500000000001", "1.000000059604644775390625",
]  # fmt: skip


@pytest.mark.parametrize("token", TOKENS)
def test_every_spelling_equals_python(parser, token):
    joints, present, _ = parser.parse(with_numbers([token]))
    expected = np.float32(float(token))
    assert present.all()
    assert joints[0, 0, 0, 0].tobytes() == expected.tobytes()


def test_random_numbers_are_bit_equal_to_python(parser, rng):
    values = np.concatenate([rng.normal(size=400), 10.0 ** rng.uniform(-12, 12, 200), rng.normal(size=400) * 1e-5])
    tokens = [form % value for value in values for form in ("%.7g", "%.9g", "%.17g", "%.12f", "%.20e")]
    for start in range(0, len(tokens), JOINTS):
        part = tokens[start : start + JOINTS]
        joints, _, _ = parser.parse(with_numbers(part))
        expected = np.array([np.float32(float(t)) for t in part])
        np.testing.assert_array_equal(joints[0, 0, : len(part), 0].view(np.uint32), expected.view(np.uint32))


def test_numbers_halfway_between_two_float32_are_bit_equal_to_python(parser, rng):
    tokens = []
    for _ in range(2000):
        middle = Decimal(int(rng.integers(2**23, 2**24)) * 2 + 1) / Decimal(2 ** int(rng.integers(18, 32)))
        for digits in (16, 17, 18):
            number = Context(prec=digits).plus(middle)
            tokens.append(f"{number + int(rng.integers(-2, 3)) * Decimal(1).scaleb(number.as_tuple().exponent):f}")
    for start in range(0, len(tokens), JOINTS):
        part = tokens[start : start + JOINTS]
        joints, _, _ = parser.parse(with_numbers(part))
        expected = np.array([np.float32(float(t)) for t in part])
        np.testing.assert_array_equal(joints[0, 0, : len(part), 0].view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("word", ["NaN", "nan", "-Infinity", "inf", "-1.#IND", "1.#QNAN0", "1e39"])
def test_a_body_that_is_not_finite_is_absent_and_named(parser, rng, word):
    content, _ = one_person(rng, 3)
    lines = content.split(b"\r\n")
    line = 1 + 28 + 3 + 2  # third joint line of the second frame, counted from 0
    lines[line] = word.encode() + b" " + lines[line].split(b" ", 1)[1]
    joints, present, broken = parser.parse(b"\r\n".join(lines))
    assert present.tolist() == [[True, False, True]]
    assert broken == [line + 1]
    assert np.isfinite(joints).all()


BROKEN = [
    (lambda b: b"", "truncated", 1),
    (lambda b: b"0\r\n", "zero frames", 1),
    (lambda b: b"three" + b[1:], "not an unsigned integer: 'three'", 1),
    (lambda b: b.replace(b"\r\n25\r\n", b"\r\n20\r\n", 1), "'20' joints, not 25", 4),
    (lambda b: b + b"1\r\n", "text after the last frame: '1'", 86),
    (lambda b: b.replace(b"2\r\n", b"\r\n", 2), "too few", 3),
    (lambda b: b.replace(b" 277.419", b" 277.419 7", 1), "too many numbers: '2'", 5),
    (lambda b: b.replace(b"277.419", b"277,419", 1), "not a number: '277,419'", 5),
    (lambda b: b.replace(b"277.419", b"abc", 1), "not a number: 'abc'", 5),
    (lambda b: b.replace(str(ID).encode(), b"7.2e16", 1), "not an unsigned integer: '7.2e16'", 3),
    (lambda b: b.replace(str(ID).encode(), b"99999999999999999999", 1), "not an unsigned integer", 3),
    (lambda b: b[: len(b) // 2], "truncated", None),
    (lambda b: b[: b.rindex(b"0.9692109")], "truncated", None),
    (lambda b: b.replace(b"3\r\n", b"99999999999999999999\r\n", 1), "not an unsigned integer", 1),
    (lambda b: b.replace(b"3\r\n", b"18446744073709551615\r\n", 1), "truncated", None),
]


@pytest.mark.parametrize(("damage", "reason", "line"), BROKEN)
def test_broken_texts_are_named_with_their_line(parser, rng, damage, reason, line):
    content, _ = one_person(rng, 3)
    with pytest.raises(TextError) as error:
        parser.parse(damage(content))
    assert reason in error.value.reason
    assert line is None or error.value.line == line


def test_no_prefix_of_a_file_passes(parser, rng):
    content, _ = one_person(rng, 2)
    end = len(content.rstrip())
    for cut in range(0, end, 7):
        with pytest.raises(TextError):
            parser.parse(content[:cut])
    parser.parse(content[:end])


def test_an_endless_claim_does_not_allocate(parser):
    empty = b"0\n" * 2_000_000
    with pytest.raises(TextError, match="no frame has a body"):
        parser.parse(b"2000000\n" + empty)
    one = with_numbers([]).split(b"\n", 1)[1]
    with pytest.raises(TextError, match="too long"):
        parser.parse(b"2000001\n" + one + b"\n" + empty)


def test_more_ids_than_any_recording_has(parser, rng):
    a = person(rng, 1)[0]
    with pytest.raises(TextError, match="more than 64 body ids"):
        parser.parse(text([[(i, a)] for i in range(65)]))
