"""Changed, cut and made-up files of every JSON, CSV, text, mat, npz, npy and pickle format: no crash, no wrong array.

Whatever a reader makes of such a file is a UserError, a Problem, or a sequence whose numbers are finite, whose absent
bodies are zero and whose label is in the class list.
"""

import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zssar.datasets import fakes
from zssar.datasets.ctrgcn_npz import CTRGCN
from zssar.datasets.custom import Custom
from zssar.datasets.files import class_names
from zssar.datasets.kinetics import Kinetics
from zssar.datasets.nw_ucla import NWUCLA
from zssar.datasets.pku_mmd import PKUMMD
from zssar.datasets.pyskl import Pyskl
from zssar.datasets.stgcn_npy import STGCN
from zssar.datasets.utd_mhad import UTDMHAD
from zssar.datasets.uwa3d2 import UWA3D2
from zssar.datasets.writers import ctrgcn_npz, custom, kinetics, nw_ucla, pku_mmd, pyskl, stgcn_npy, utd_mhad, uwa3d2
from zssar.errors import UserError
from zssar.features import imported
from zssar.interfaces import Problem
from zssar.skeleton.layouts import layout

NAMES = ["one", "two", "three"]


def short(layout_name, frames=6):
    s = replace(next(fakes.people(layout_name, 1, 1, persons=1)), setup=1)
    return replace(s, joints=s.joints[:, :frames], present=s.present[:, :frames])


def write_pku(folder):
    pku_mmd.write(folder, {"0002-L": [short("kinect25")]}, ["0002-L"])


def write_stgcn(folder):
    stgcn_npy.write(folder, "train", [short("kinect25")], frames=8)


# reader, its writer on a folder, the file that is changed
FORMATS = {
    "nw_ucla": (NWUCLA, lambda f: nw_ucla.write(f, [short("kinect20")]), "*.json"),
    "kinetics": (Kinetics, lambda f: kinetics.write(f, [short("openpose18")], Kinetics().class_names), "*/*.json"),
    "kinetics list": (Kinetics, lambda f: kinetics.write(f, [short("openpose18")], Kinetics().class_names), "*n_l*"),
    "uwa3d2": (UWA3D2, lambda f: uwa3d2.write(f, [short("uwa15")]), "*.txt"),
    "utd_mhad": (UTDMHAD, lambda f: utd_mhad.write(f, replace(short("utd20"), subject=1, replication=1)), "*.mat"),
    "pku skeleton": (PKUMMD, write_pku, "PKU*/*.txt"),
    "pku label": (PKUMMD, write_pku, "Train*/*.txt"),
    "pku split": (PKUMMD, write_pku, "Split/*subject.txt"),
    "pyskl": (Pyskl, lambda f: pyskl.write(f / "a.pkl", [short("kinect25")], {}), "*.pkl"),
    "ctrgcn": (CTRGCN, lambda f: ctrgcn_npz.write(f / "a.npz", *[[short("kinect25")]] * 2, 60, 8), "*.npz"),
    "stgcn data": (STGCN, write_stgcn, "*.npy"),
    "stgcn label": (STGCN, write_stgcn, "*.pkl"),
    "custom npz": (lambda: Custom(NAMES), lambda f: custom.write(f, [short("kinect25")], NAMES), "*.npz"),
    "custom csv": (lambda: Custom(NAMES), lambda f: custom.write(f, [short("kinect25")], NAMES, "csv"), "S*.csv"),
    "custom list": (lambda: Custom(NAMES), lambda f: custom.write(f, [short("kinect25")], NAMES), "rec*.csv"),
}


@dataclass(repr=False)
class Made:
    make: Callable
    folder: Path
    path: Path
    good: bytes


@pytest.fixture(scope="module", params=FORMATS)
def made(request, tmp_path_factory):
    make, write, pattern = FORMATS[request.param]
    folder = tmp_path_factory.mktemp("format")
    write(folder)
    path = next(folder.glob(pattern))
    assert sane(make(), folder) == 1 + (request.param == "ctrgcn")  # before anything is changed
    return Made(make, folder, path, path.read_bytes())


def sane(reader, folder) -> int:
    """Check everything that a reader gives; the number of sequences."""
    count = 0
    try:
        for found in reader.sequences(folder):
            if isinstance(found, Problem):
                assert found.reason
                assert found.path
                continue
            count += 1
            assert np.isfinite(found.joints).all()
            assert found.joints.dtype == np.float32
            assert found.present.any()
            assert found.joints.shape[2:] == (len(layout(found.layout)), 3)
            assert not found.joints[~found.present].any()
            assert 0 <= found.label < len(reader.class_names)
    except UserError:
        pass
    return count


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changed_and_cut_files(made, data):
    content = bytearray(made.good)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b"nan", b"-", b"1e999", b"\n", b" ", b",", b"[", b'"']))
        )
        content[at : at + data.draw(st.integers(0, 4))] = piece
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    made.path.write_bytes(bytes(content[:cut]))
    sane(made.make(), made.folder)
    made.path.write_bytes(made.good)


WORDS = st.sampled_from(["data", "skeleton", "pose", "score", "frame_index", "label"])
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
JSON = st.recursive(LEAF, lambda s: st.lists(s, max_size=4) | st.dictionaries(WORDS, s, max_size=4), max_leaves=12)


@settings(max_examples=40, deadline=None)
@given(JSON)
def test_any_json(tmp_path_factory, value):
    base = tmp_path_factory.getbasetemp()
    for reader, name, content in (
        (NWUCLA(), "a01_s01_e00_v01.json", {"skeletons": value}),
        (NWUCLA(), "a01_s01_e00_v01.json", value),
        (Kinetics(), "clip.json", {"data": value, "label": "abseiling"}),
        (Kinetics(), "clip.json", {"data": [{"frame_index": 0, "skeleton": value}], "label": "abseiling"}),
    ):
        folder = base / type(reader).__name__
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
        sane(reader, folder)
    (base / "Kinetics" / "kinetics_val_label.json").write_text(json.dumps(value))
    sane(Kinetics(), base / "Kinetics")
    (base / "Kinetics" / "kinetics_val_label.json").unlink()


ARRAYS = st.one_of(
    st.tuples(*[st.integers(0, 4)] * 3).map(lambda n: np.zeros((n[0], n[1], n[2]), np.float32)),
    st.sampled_from([np.float16, np.int64, np.complex64, "U3", bool]).map(lambda t: np.ones((1, 3, 25, 3)).astype(t)),
    st.sampled_from([np.nan, np.inf, -1e38, 0.0]).map(lambda v: np.full((2, 3, 25, 3), v)),
)


@settings(max_examples=40, deadline=None)
@given(ARRAYS, ARRAYS, st.integers(-3, 300) | st.none() | st.text(max_size=2))
def test_any_arrays(tmp_path_factory, one, two, label):
    base = tmp_path_factory.getbasetemp() / "arrays"
    base.mkdir(exist_ok=True)
    (base / "recordings.csv").write_text("file,class\na.npz,one\n")
    np.savez(base / "a.npz", joints=one, scores=two, present=two)
    sane(Custom(NAMES), base)
    entry = {"frame_dir": "x", "label": label, "total_frames": 3, "keypoint": one, "keypoint_score": two}
    (base / "a.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": [entry]}))
    sane(Pyskl(), base / "a.pkl")
    sane(Pyskl(layout="coco17"), base / "a.pkl")
    np.savez(base / "b.npz", x_train=one, y_train=two, x_test=two, y_test=one)
    sane(CTRGCN(), base / "b.npz")
    folder = base / "stgcn"
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, one[None] if one.ndim == 4 else one)
    (folder / "train_data.npy").write_bytes(buffer.getvalue())
    (folder / "train_label.pkl").write_bytes(pickle.dumps((["x"], [label])))
    sane(STGCN(), folder)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_changed_and_cut_features(tmp_path_factory, data):
    """Folders of precomputed features: UserError, or finite rows whose labels are those of the split."""
    folder = tmp_path_factory.getbasetemp() / "features"
    folder.mkdir(exist_ok=True)
    names = class_names("nw_ucla")
    labels = {"train": [0, 2, 3, 5, 6, 7, 8, 9], "ztest": [1, 4], "gtest": list(range(10))}
    for (part, classes), name in zip(labels.items(), ("train_label", "z_label", "g_label")):
        np.save(folder / f"{part}.npy", np.ones((len(classes), 40), np.float32))
        np.save(folder / f"{name}.npy", np.array(classes))
    assert sorted(imported.choose(folder, "nw_ucla", "purls_8_2", names).test.classes) == list(range(10))
    path = data.draw(st.sampled_from(sorted(folder.glob("*.npy"))))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path.write_bytes(bytes(content[: data.draw(st.one_of(st.none(), st.integers(0, len(content))))]))
    try:
        chosen = imported.choose(folder, "nw_ucla", "purls_8_2", names)
    except UserError:
        return
    for rows in (chosen.train, chosen.test):
        assert np.isfinite(rows.values).all()
        assert len(rows.values) == len(rows.labels)
        assert rows.classes <= set(range(10))
    assert chosen.train.classes == set(chosen.split.seen)
