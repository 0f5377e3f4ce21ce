"""Every format is recognised by its content under any name, alone, nested and mixed."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from zssar import storage
from zssar.datasets import fakes, sniff
from zssar.datasets.files import class_names
from zssar.datasets.writers import (
    ctrgcn_npz,
    custom,
    kinetics,
    ntu,
    nw_ucla,
    pku_mmd,
    pyskl,
    stgcn_npy,
    utd_mhad,
    uwa3d2,
)
from zssar.errors import UserError


def some(layout, **change):
    return [replace(s, **change) for s in fakes.people(layout, 2, 2, persons=1)]


def write_ntu(folder):
    folder.mkdir()
    for s in some("kinect25"):
        ntu.write(folder, s)


def write_utd(folder):
    folder.mkdir()
    for s in some("utd20"):
        utd_mhad.write(folder, s)


def write_features(folder):
    folder.mkdir()
    np.save(folder / "train.npy", np.zeros((5, 256), np.float32))
    np.save(folder / "train_label.npy", np.zeros(5, int))


def write_flora(folder):
    folder.mkdir()
    x, y = np.zeros((5, 256), np.float32), np.zeros(5, int)
    np.savez(folder / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)


def write_h5(folder):
    clips = some("kinect25")
    attrs = {"dataset": "own", "layout": "kinect25", "class_names": ["a", "b"]}
    storage.write_skeletons(folder / "a.h5", clips, attrs)


FORMATS = {
    "ntu": write_ntu,
    "utd_mhad": write_utd,
    "nw_ucla": lambda f: nw_ucla.write(f, some("kinect20")),
    "uwa3d2": lambda f: uwa3d2.write(f, some("uwa15")),
    "pku_mmd": lambda f: pku_mmd.write(f, {"0002-L": some("kinect25")}, ["0002-L"]),
    "kinetics": lambda f: kinetics.write(f, some("openpose18", setup=1), class_names("kinetics400")),
    "pyskl": lambda f: pyskl.write(f / "a.pkl", some("kinect25"), {}),
    "ctrgcn_npz": lambda f: ctrgcn_npz.write(f / "a.npz", some("kinect25"), some("kinect25"), 60, 80),
    "stgcn_npy": lambda f: stgcn_npy.write(f, "train", some("kinect25"), 80),
    "custom": lambda f: custom.write(f, some("coco17"), ["a", "b"]),
    "features": write_features,
    "skeletons": write_h5,
}


@pytest.mark.parametrize("name", FORMATS)
def test_recognised_whatever_it_is_called(tmp_path, name):
    FORMATS[name](tmp_path / "x")
    for i, path in enumerate(sorted(p for p in (tmp_path / "x").rglob("*") if p.is_file())):
        path.rename(path.with_name(f"file{i}{path.suffix}"))
    found = sniff.sniff(tmp_path)
    assert {f.reader for f in found} == {name}
    text = sniff.describe(found, tmp_path)
    assert found[0].example in text
    assert all(words in text for words in found[0].impossible)


def test_layouts_are_told(tmp_path):
    pyskl.write(tmp_path / "a.pkl", some("coco17"), {})
    assert sniff.sniff(tmp_path)[0].params == {"layout": "coco17"}
    shutil.rmtree(tmp_path)
    stgcn_npy.write(tmp_path, "val", some("openpose18"), 80)
    assert sniff.sniff(tmp_path)[0].params == {"layout": "openpose18"}


def test_flora_features_and_a_zip_archive(tmp_path):
    write_flora(tmp_path / "f")
    assert sniff.sniff(tmp_path / "f")[0].reader == "features"
    write_ntu(tmp_path / "n")
    shutil.make_archive(str(tmp_path / "n"), "zip", tmp_path / "n")
    found = sniff.sniff(tmp_path / "n.zip")
    assert [(f.reader, f.files) for f in found] == [("ntu", 4)]


def test_a_mixed_folder_names_each_sort(tmp_path):
    for name in ("ntu", "nw_ucla", "pyskl"):
        FORMATS[name](tmp_path / name)
    (tmp_path / "notes.txt").write_text("hello\n")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"a": [1]}')
    assert {f.reader for f in sniff.sniff(tmp_path)} == {"ntu", "nw_ucla", "pyskl"}


def test_nothing_known_and_nothing_there(tmp_path):
    (tmp_path / "a.txt").write_text("hello\n")
    assert "no known format" in sniff.describe(sniff.sniff(tmp_path), tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        sniff.sniff(tmp_path / "none")
