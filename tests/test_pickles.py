"""Pickles of others: arrays and plain containers come back, everything else is refused and nothing is run."""

import contextlib
import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zssar.datasets import pickles
from zssar.errors import UserError

PLAIN = {
    "a": np.arange(6, dtype=np.float16).reshape(2, 3),
    "b": [("x", 1, 2.5, None, True), {"s": {1, 2}}, b"bytes", 3 + 4j],
    "c": np.float32(1.5),
    "d": OrderedDict(z=np.array(["a", "b"])),
    "e": np.array([{"k": 1}, None], object),
}


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_come_back(tmp_path, protocol):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(PLAIN, protocol))
    found = pickles.load(path)
    np.testing.assert_array_equal(found["a"], PLAIN["a"])
    assert found["a"].dtype == np.float16
    assert found["b"] == PLAIN["b"]
    assert found["c"] == 1.5
    assert found["e"].tolist() == PLAIN["e"].tolist()


class Run:
    def __reduce__(self):
        return os.system, ("touch ran",)


class Deep:
    """numpy.load can be told to unpickle; so it is not on the list either."""

    def __reduce__(self):
        return np.load, ("x.npy", None, True)


@pytest.mark.parametrize("value", [Run(), [1, {"a": Run()}], np.array([Run()], object), Deep(), io.StringIO(), print])
def test_anything_that_could_run_is_refused(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(UserError, match="it refers to") as error:
        pickles.load(path)
    assert str(path) in str(error.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n(cnumpy\nndarray\nS'tofile'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'punycode'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(L1000000000000000L\ntS'b'\ntR.",
        b"P0\n.",
        b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"",
        b"no pickle",
    ],
)
def test_hostile_and_damaged_bytes(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(UserError):
        pickles.load(path)
    assert not (tmp_path / "ran").exists()


GOOD = pickle.dumps(PLAIN)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_changed_and_cut_pickles_never_crash(tmp_path_factory, position, byte, length):
    content = bytearray(GOOD)
    content[position] = byte
    path = tmp_path_factory.getbasetemp() / "fuzz.pkl"
    path.write_bytes(bytes(content[:length]))
    with contextlib.suppress(UserError):
        pickles.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        pickles.load(tmp_path / "none.pkl")
