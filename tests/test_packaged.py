"""What other people's preprocessing left: CTR-GCN's npz, ST-GCN's npy and pkl, pyskl's pkl. Written, read, compared."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from zssar.datasets import arrays, fakes, ntu_names, packaged, splits
from zssar.datasets.ctrgcn_npz import CTRGCN
from zssar.datasets.files import class_names
from zssar.datasets.naming import ntu_numbers
from zssar.datasets.pyskl import Pyskl
from zssar.datasets.stgcn_npy import STGCN
from zssar.datasets.writers import ctrgcn_npz as npz_writer
from zssar.datasets.writers import pyskl as pyskl_writer
from zssar.datasets.writers import stgcn_npy as npy_writer
from zssar.errors import UserError
from zssar.interfaces import Problem, SkeletonSequence
from zssar.skeleton import recipes

META = ("sample_id", "label", "subject", "camera", "setup", "replication")


def read(reader, root):
    found = list(reader.sequences(root))
    return [x for x in found if isinstance(x, SkeletonSequence)], [x for x in found if isinstance(x, Problem)]


def columns(sequences):
    return {name: np.array([getattr(s, name) for s in sequences]) for name in META}


@pytest.fixture(scope="module")
def people():
    """Six classes by three subjects; a pair class is among them."""
    return list(fakes.people("kinect25", (4, 14, 24, 34, 44, 48), 3))


def same_joints(found, written, **tolerance):
    bodies = len(written.joints)
    np.testing.assert_allclose(found.joints[:bodies], written.joints, **tolerance)
    assert not found.joints[bodies:].any()
    assert found.present.sum(1).tolist() == [*written.present.sum(1), *[0] * (len(found.present) - bodies)]


# --- CTR-GCN ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_ctrgcn_write_read_compare(tmp_path, people, compressed):
    train, test = people[::2], people[1::2]
    npz_writer.write(tmp_path / "NTU60_CS.npz", train, test, 60, compressed=compressed)
    sequences, problems = read(CTRGCN(class_names("ntu60")), tmp_path)
    assert not problems
    assert len(sequences) == len(people)
    assert any(len(s.joints) == 2 for s in people)
    for found, s in zip(sequences, [*train, *test]):
        assert (found.label, found.subject) == (s.label, -1)
        same_joints(found, s)
    meta = columns(sequences)
    assert meta["setup"].tolist() == [1] * len(train) + [2] * len(test)
    split = splits.resolve("ntu60", "synse_55_5@packaged", meta)
    assert split.train.sum() == len(train)
    with pytest.raises(UserError, match="@samples"):
        splits.resolve("ntu60", "synse_55_5", meta)


def test_rows_in_any_order_from_a_compressed_archive(tmp_path, people):
    npz_writer.write(tmp_path / "a.npz", people, people[:1], 60, frames=90, compressed=True)
    rows = arrays.Rows(tmp_path / "a.npz", "x_train")
    with np.load(tmp_path / "a.npz") as content:
        for i in (3, 4, 0, len(rows) - 1, 2):
            np.testing.assert_array_equal(rows[i], content["x_train"][i])
        np.testing.assert_array_equal(rows[1:4], content["x_train"][1:4])


def test_packaged_partition_refuses_recordings_that_are_not(people):
    meta = columns(people)
    meta["setup"] = meta["setup"] + 2
    with pytest.raises(UserError, match="use another partition"):
        splits.resolve("ntu60", "synse_55_5@packaged", meta)


@pytest.mark.parametrize(
    ("dataset", "partition", "train", "test"),
    [
        ("ntu60", "xsub", 40091, 16487),
        ("ntu60", "xview", 37646, 18932),
        ("ntu120", "xsub", 63026, 50919),
        ("ntu120", "xset", 54468, 59477),
    ],
)
def test_names_come_back_from_the_order_of_complete_files(dataset, partition, train, test):
    names = ntu_names.official(dataset)
    assert len(names) == {"ntu60": 56578, "ntu120": 113945}[dataset]
    parts = ntu_names.orders(dataset, partition)
    assert (len(parts["train"]), len(parts["test"])) == (train, test)
    for part, rows in parts.items():
        labels = np.array([int(name[-3:]) - 1 for name in rows])
        assert ntu_names.ctrgcn_order(labels) == (dataset, f"{partition} {part}", list(rows))
        labels[100] = (labels[100] + 1) % 60
        assert ntu_names.ctrgcn_order(labels) is None


def test_ctrgcn_units_carry_recovered_names(tmp_path):
    order = ntu_names.orders("ntu60", "xview")
    content = {}
    for part, rows in order.items():
        content[f"x_{part}"] = np.zeros((len(rows), 1, 150), np.float32)
        content[f"y_{part}"] = np.eye(60, dtype=np.float32)[[int(name[-3:]) - 1 for name in rows]]
    content["x_train"][7] = 1.5
    np.savez(tmp_path / "NTU60_CV.npz", **content)
    reader = CTRGCN(class_names("ntu60"))
    listing = reader.list_files(tmp_path)
    assert len(listing.units) == 56578
    name = order["train"][7]
    found = reader.read(listing.units[7])[0]
    assert found.sample_id == name
    assert {k: getattr(found, k) for k in ntu_numbers(name)} == ntu_numbers(name)
    assert "no body in any frame" in str(reader.read(listing.units[8])[0])
    numbered = CTRGCN(class_names("ntu60"), names="number").list_files(tmp_path)
    assert numbered.units[7].endswith("::train_000007")


def test_ctrgcn_bad_files(tmp_path, people):
    good = tmp_path / "good.npz"
    npz_writer.write(good, people, people[:2], 60, frames=80)
    content = dict(np.load(good))
    content["y_train"][0] = 0
    content["x_train"][1, 3, :75] = np.nan
    content["x_train"][2] = 0
    np.savez(good, **content)
    names = class_names("ntu120")[:40]
    sequences, problems = read(CTRGCN(names), good)
    text = "\n".join(map(str, problems))
    assert "row 0 of y_train has not exactly one class" in text
    assert "x_train[1]: NaN, Inf or absurd values in 1 of" in text
    assert "x_train[2]: no body in any frame" in text
    assert CTRGCN(names).list_files(good).skipped == {"of classes outside the class list": 6}
    assert {"train_000001", "test_000001"} <= {s.sample_id for s in sequences}
    bytes_ = good.read_bytes()
    for size in range(0, len(bytes_), len(bytes_) // 40):
        good.write_bytes(bytes_[:size])
        with pytest.raises(UserError):
            read(CTRGCN(), good)
    np.savez(good, **{**content, "y_test": content["y_test"][:1]})
    with pytest.raises(UserError, match="x_test has 2 rows, y_test 1"):
        read(CTRGCN(), good)
    np.savez(tmp_path / "objects.npz", x_train=np.array([object()]))
    with pytest.raises(UserError, match="objects"):
        read(CTRGCN(), tmp_path / "objects.npz")


def test_columns_and_objects_are_refused(tmp_path):
    np.save(tmp_path / "f.npy", np.asfortranarray(np.zeros((3, 4))))
    with pytest.raises(UserError, match="stored by columns"):
        arrays.Rows(tmp_path / "f.npy")
    np.save(tmp_path / "o.npy", np.array([{}], object))
    with pytest.raises(UserError, match="Python objects"):
        arrays.Rows(tmp_path / "o.npy")


# --- ST-GCN ----------------------------------------------------------------------------------------------------------


def test_stgcn_write_read_compare(tmp_path, people):
    npy_writer.write(tmp_path, "train", people[::2])
    npy_writer.write(tmp_path, "val", people[1::2])
    data = np.load(tmp_path / "train_data_joint.npy")
    parents = [0, 0, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 1, 7, 7, 11, 11]
    np.save(tmp_path / "train_data_bone.npy", data - data[:, :, :, parents])
    motion = np.zeros_like(data)
    motion[:, :, :-1] = data[:, :, 1:] - data[:, :, :-1]
    np.save(tmp_path / "train_data_joint_motion.npy", motion)
    sequences, problems = read(STGCN(class_names("ntu60")), tmp_path)
    assert not problems
    for found, s in zip(sequences, [*people[::2], *people[1::2]], strict=True):
        assert [getattr(found, k) for k in META] == [getattr(s, k) for k in META]
        same_joints(found, s)


def test_stgcn_normalised_arrays_come_back_upright_and_unrepeated(tmp_path, people):
    s = people[0]
    clip = recipes.shiftgcn(s)  # 300 frames, spine along z, tail filled with copies
    npy_writer.write(tmp_path, "val", [clip])
    found = read(STGCN(class_names("ntu60")), tmp_path)[0][0]
    assert found.joints.shape[1] == s.joints.shape[1]
    head, hips = found.joints[0, 0, 3], found.joints[0, 0, 0]
    assert head[1] - hips[1] > 0.4  # y up
    assert found.joints[0, 0, 8, 0] > found.joints[0, 0, 4, 0]  # x towards the right shoulder
    pairs = [(0, 1), (4, 5), (12, 13)]
    for a, b in pairs:  # turned, not bent or mirrored
        length = np.linalg.norm(s.joints[0, :, a] - s.joints[0, :, b], axis=-1)
        np.testing.assert_allclose(
            np.linalg.norm(found.joints[0, :, a] - found.joints[0, :, b], axis=-1), length, rtol=1e-4
        )

    def volume(x):  # changes its sign under a reflection
        return np.linalg.det(np.stack([x[3] - x[0], x[8] - x[4], x[15] - x[14]]))

    assert np.sign(volume(found.joints[0, 0])) == np.sign(volume(s.joints[0, 0]))


def test_stgcn_kinetics_arrays(tmp_path):
    people_2d = [replace(s, sample_id=f"clip{i}") for i, s in enumerate(fakes.people("openpose18", 3, 2))]
    npy_writer.write(tmp_path, "train", people_2d[:4], suffix="")
    npy_writer.write(tmp_path, "val", people_2d[4:], suffix="")
    sequences, problems = read(STGCN(layout="openpose18"), tmp_path)
    assert not problems
    assert [s.setup for s in sequences] == [1, 1, 1, 1, 2, 2]
    for found, s in zip(sequences, people_2d):
        same_joints(found, s)
    with pytest.raises(UserError, match="layout openpose18, not kinect25"):
        read(STGCN(), tmp_path)


def test_stgcn_bad_files(tmp_path, people):
    npy_writer.write(tmp_path, "train", [people[0], people[0], replace(people[1], label=130)], frames=80)
    (tmp_path / "val_label.pkl").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "test_label.pkl").write_bytes(pickle.dumps((["a"], [0])))
    sequences, problems = read(STGCN(), tmp_path)
    assert len(sequences) == 1
    text = "\n".join(map(str, problems))
    for part in (
        "val_label.pkl: not a pair (names, labels)",
        "test_label.pkl: no array of joints with 1 rows beside it",
        f"row 1 ({people[0].sample_id}): a second row of the name",
        "label 130 is outside the list of 120 classes",
    ):
        assert part in text, text
    npy_writer.write(tmp_path / "again", "train", people[:1], frames=80)
    with pytest.raises(UserError, match="several arrays for the part 'train'"):
        read(STGCN(), tmp_path)


# --- pyskl -----------------------------------------------------------------------------------------------------------


def test_pyskl_write_read_compare(tmp_path, people):
    ids = [s.sample_id for s in people]
    pyskl_writer.write(tmp_path / "ntu60_3danno.pkl", people, {"xsub_train": ids[:5], "xsub_val": ids[5:]})
    sequences, problems = read(Pyskl(class_names("ntu60")), tmp_path)
    assert not problems
    for found, s in zip(sequences, people, strict=True):
        assert [getattr(found, k) for k in META] == [getattr(s, k) for k in META]
        same_joints(found, s, atol=2.1e-3)  # float16


def test_pyskl_image_poses(tmp_path):
    people_2d = [replace(s, sample_id=f"v_{i}") for i, s in enumerate(fakes.people("coco17", 3, 2))]
    ids = [s.sample_id for s in people_2d]
    pyskl_writer.write(tmp_path / "hmdb.pkl", people_2d, {"train1": ids[:4], "test1": ids[4:]})
    sequences, problems = read(Pyskl(["a", "b", "c"], split="1", layout="coco17"), tmp_path / "hmdb.pkl")
    assert not problems
    assert [s.setup for s in sequences] == [1, 1, 1, 1, 2, 2]
    for found, s in zip(sequences, people_2d):
        np.testing.assert_allclose(found.joints[..., :2], s.joints[..., :2], atol=6e-4)
        assert (found.joints[..., 2] == 1).all()
    with pytest.raises(UserError, match="unknown list"):
        read(Pyskl(split="xsub", layout="coco17"), tmp_path / "hmdb.pkl")


def test_pyskl_bad_annotations_are_named(tmp_path, people):
    path = tmp_path / "ntu.pkl"
    pyskl_writer.write(path, people[:9], {})
    content = pickle.loads(path.read_bytes())
    a = content["annotations"]
    a[1] = {**a[1], "keypoint": a[1]["keypoint"][:, :, :24]}
    a[2] = {**a[2], "label": 200}
    a[3] = None
    a[4] = {**a[4], "total_frames": 3}
    a[5] = {**a[5], "keypoint": a[5]["keypoint"] * np.nan}
    a[6] = {**a[6], "keypoint": [1, 2]}
    a[7] = {"frame_dir": "S009", "label": 0, "raw_file": "x.pkl"}
    a[8] = {**a[8], "keypoint": a[8]["keypoint"][:, :0], "total_frames": 0}
    content["annotations"] += [a[0], "x", {"label": 0}]
    path.write_bytes(pickle.dumps(content))
    assert Pyskl().list_files(path).skipped == {"entries that are None (files without bodies)": 1}
    sequences, problems = read(Pyskl(), path)
    assert [s.sample_id for s in sequences] == [people[0].sample_id]
    text = "\n".join(map(str, problems))
    for part in (
        "24 joints x 3 is no known layout, not kinect25",
        "annotation 2: label 200 is outside the list of 120 classes",
        "frames, total_frames says 3",
        "NaN, Inf or absurd",
        "keypoint is list, not an array",
        "annotation 7: its poses lie in another file",
        "zero frames or bodies",
        "annotation 9: second one of the name",
        "annotation 10: it is str, not a dictionary",
        "annotation 11: it has no name",
    ):
        assert part in text, text


def test_a_folder_without_the_file_or_with_two(tmp_path, people):
    for reader, what in ((Pyskl(), "no .pkl file"), (CTRGCN(), "no .npz file")):
        with pytest.raises(UserError, match=what):
            read(reader, tmp_path)
    for name in ("a.pkl", "b.pkl"):
        pyskl_writer.write(tmp_path / name, people[:1], {})
    with pytest.raises(UserError, match="2 files of the kind wanted"):
        read(Pyskl(), tmp_path)


# --- padding ---------------------------------------------------------------------------------------------------------


def test_padding_is_told_from_motion():
    rng = np.random.default_rng(0)
    clip = rng.normal(size=(7, 5, 3)).astype(np.float32)
    assert packaged.period(np.concatenate([clip] * 4)[:25]) == 7
    assert packaged.period(clip) == 7
    assert packaged.period(np.concatenate([clip, clip[:2]])) == 9  # too little to call it a repetition
    joints = np.zeros((2, 12, 5, 3), np.float32)
    joints[:, :7] = clip
    found, present = packaged.unpad(joints, joints.any((2, 3)))
    assert found.shape[1] == 7
    assert present.tolist() == [[True] * 7, [False] * 7]  # a copy of the first body is nobody
    joints[0] = 0
    found, present = packaged.unpad(joints, joints.any((2, 3)))
    assert present.tolist() == [[False] * 7, [True] * 7]


def test_the_recipe_as_is_keeps_the_order_and_takes_nobody_for_furniture(people):
    s = next(s for s in people if len(s.joints) == 2)
    lying = replace(s, joints=s.joints[..., [1, 0, 2]])  # wider than high
    assert len(recipes.zssar(lying).joints) == 2
    clip = recipes.as_is(lying)
    assert clip.present.all()
    np.testing.assert_allclose(np.ptp(clip.joints[0], 0), np.ptp(lying.joints[0], 0), atol=1e-5)
    with pytest.raises(recipes.NoBody):
        recipes.as_is(replace(s, present=np.zeros_like(s.present)))
