"""UTD-MHAD: made files, broken files, and the real recordings where they are."""

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from zssar.datasets.utd_mhad import UTDMHAD
from zssar.datasets.writers import utd_mhad as writer
from zssar.errors import UserError
from zssar.interfaces import Problem, SkeletonSequence


def save(folder, name, skeleton, variable="d_skel"):
    folder.mkdir(parents=True, exist_ok=True)
    savemat(folder / f"{name}_skeleton.mat", {variable: skeleton})


def read(root):
    found = list(UTDMHAD().sequences(root))
    return [x for x in found if isinstance(x, SkeletonSequence)], [x for x in found if isinstance(x, Problem)]


@pytest.fixture
def skeleton():
    return np.random.default_rng(0).normal(size=(20, 3, 7))


def test_reads_what_was_saved(tmp_path, skeleton):
    save(tmp_path / "Skeleton", "a10_s2_t3", skeleton)
    save(tmp_path / "Skeleton", "a9_s1_t1", skeleton)
    (tmp_path / "Inertial.mat").write_bytes(b"")
    sequences, problems = read(tmp_path)
    assert not problems
    assert [s.sample_id for s in sequences] == ["a9_s1_t1", "a10_s2_t3"]
    s = sequences[1]
    assert (s.label, s.subject, s.replication, s.camera, s.layout) == (9, 2, 3, 1, "utd20")
    np.testing.assert_array_equal(s.joints[0, 4], skeleton[:, :, 4].astype(np.float32))
    assert s.present.shape == (1, 7)


def test_one_frame_and_broken_frames(tmp_path, skeleton):
    save(tmp_path, "a1_s1_t1", skeleton[:, :, 0])
    broken = skeleton.copy()
    broken[3, 1, 2] = np.nan
    save(tmp_path, "a1_s1_t2", broken)
    sequences, problems = read(tmp_path)
    assert sequences[0].joints.shape == (1, 1, 20, 3)
    assert sequences[1].present[0].tolist() == [True, True, False, True, True, True, True]
    assert np.isfinite(sequences[1].joints).all()
    assert "NaN or Inf in 1 of 7 frames" in problems[0].reason


def test_bad_files_are_named(tmp_path, skeleton):
    save(tmp_path, "a1_s1_t1", skeleton)
    save(tmp_path, "a28_s1_t1", skeleton)
    save(tmp_path, "a01_s1_t1", skeleton)
    save(tmp_path, "a2_s1_t1", skeleton[:19])
    save(tmp_path, "a3_s1_t1", skeleton, "skel")
    save(tmp_path, "a4_s1_t1", np.full_like(skeleton, np.nan))
    save(tmp_path, "a5_s1_t1", np.zeros((20, 3, 0)))
    save(tmp_path, "a6_s1_t1", np.array(["a"]))
    save(tmp_path / "again", "a1_s1_t1", skeleton)
    good = (tmp_path / "a1_s1_t1_skeleton.mat").read_bytes()
    (tmp_path / "a7_s1_t1_skeleton.mat").write_bytes(good[:300])
    (tmp_path / "a8_s1_t1_skeleton.mat").write_bytes(b"")
    sequences, problems = read(tmp_path)
    assert [s.sample_id for s in sequences] == ["a1_s1_t1"]
    text = "\n".join(map(str, problems))
    for part in (
        "a28_s1_t1_skeleton.mat: action 28 is outside the list of 27 classes",
        "a01_s1_t1_skeleton.mat: the name is not",
        "a2_s1_t1_skeleton.mat: d_skel has the shape (19, 3, 7)",
        "a3_s1_t1_skeleton.mat: holds no variable d_skel",
        "a4_s1_t1_skeleton.mat: NaN or Inf in 7 of 7 frames",
        "a6_s1_t1_skeleton.mat: d_skel is <U1",
        "a7_s1_t1_skeleton.mat: not a readable MATLAB file",
        "a8_s1_t1_skeleton.mat: not a readable MATLAB file",
        "second recording of the name",
    ):
        assert part in text
    assert any("a5" in p.path for p in problems)
    assert len(problems) == 10


def test_cut_anywhere_never_passes_silently(tmp_path, skeleton):
    save(tmp_path, "a1_s1_t1", skeleton)
    path = tmp_path / "a1_s1_t1_skeleton.mat"
    good = path.read_bytes()
    for size in range(0, len(good), 97):
        path.write_bytes(good[:size])
        sequences, problems = read(tmp_path)
        assert not sequences
        assert len(problems) == 1


def test_what_the_writer_writes_the_reader_reads(tmp_path):
    joints = np.random.default_rng(2).normal(size=(1, 9, 20, 3)).astype(np.float32)
    present = np.ones((1, 9), bool)
    x = SkeletonSequence("x", joints, present, "utd20", label=26, subject=8, camera=1, replication=4)
    path = writer.write(tmp_path, x)
    assert path.name == "a27_s8_t4_skeleton.mat"
    (back,), problems = read(tmp_path)
    assert not problems
    np.testing.assert_array_equal(back.joints, joints)
    assert (back.label, back.subject, back.replication) == (26, 8, 4)
    first = path.read_bytes()
    assert writer.write(tmp_path, x).read_bytes() == first
    with pytest.raises(UserError, match="does not fit"):
        writer.write(tmp_path, replace(x, subject=-1))
    with pytest.raises(UserError, match="2 absent frames"):
        writer.write(tmp_path, replace(x, present=np.arange(9)[None] > 1))


def test_an_empty_folder_says_what_was_expected(tmp_path):
    with pytest.raises(UserError, match="the folder is empty"):
        read(tmp_path)


@pytest.mark.shared
def test_the_real_recordings():
    default = Path(__file__).parents[1] / ".." / "shared" / "data"
    root = Path(os.environ.get("ZSSAR_DATA", default)) / "utd_mhad"
    if not (root / "index.csv").is_file():
        pytest.skip("the UTD-MHAD recordings are not here (ZSSAR_DATA)")
    sequences, problems = read(root)
    assert not problems
    with (root / "index.csv").open() as file:
        index = {row["file"].split("/")[-1].removesuffix("_skeleton.mat"): row for row in csv.DictReader(file)}
    assert len(sequences) == 861
    assert {s.sample_id for s in sequences} == set(index)
    for s in sequences:
        row = index[s.sample_id]
        assert (s.label, s.subject, s.replication) == (int(row["class_index"]), int(row["subject"]), int(row["trial"]))
        assert s.joints.shape == (1, int(row["frames"]), 20, 3)
    right_minus_left = np.mean([(s.joints[0, :, 8, 0] > s.joints[0, :, 4, 0]).mean() for s in sequences])
    assert right_minus_left == 1  # x towards the subject's right
