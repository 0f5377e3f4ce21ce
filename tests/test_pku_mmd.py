"""PKU-MMD: long videos written, cut by their label rows, compared; broken lines named."""

import zipfile
from collections import defaultdict

import numpy as np
import pytest

from zssar.datasets import fakes, splits
from zssar.datasets.pku_mmd import PKUMMD
from zssar.datasets.writers import pku_mmd as writer
from zssar.errors import UserError
from zssar.interfaces import UNKNOWN, Problem, SkeletonSequence


def read(root, **params):
    found = list(PKUMMD(**params).sequences(root))
    return [x for x in found if isinstance(x, SkeletonSequence)], [x for x in found if isinstance(x, Problem)]


def videos(classes=8, subjects=2, name="{:04d}-{}"):
    """One video per subject and camera with all its clips, as the data set has them."""
    found = defaultdict(list)
    for s in fakes.people("kinect25", classes, subjects, 3):
        found[name.format(s.subject, writer.VIEWS[s.camera - 1])].append(s)
    return dict(found)


@pytest.fixture
def folder(tmp_path):
    made = videos()
    writer.write(tmp_path / "pku", made, [n for n in made if n.startswith("0001")])
    return tmp_path / "pku", made


def test_write_read_compare(folder):
    root, made = folder
    sequences, problems = read(root)
    assert not problems
    assert len(sequences) == 48
    by_id = {s.sample_id: s for s in sequences}
    for name, clips in made.items():
        for line, s in enumerate(clips, 1):
            found = by_id[f"{name}_{line:03d}"]
            assert (found.label, found.camera, found.subject) == (s.label, s.camera, UNKNOWN)
            assert found.setup == (1 if name.startswith("0001") else 2)
            np.testing.assert_allclose(found.joints[: len(s.joints)], s.joints, rtol=1e-6, atol=1e-7)
            assert found.present.sum(1).tolist() == [s.present.shape[1]] * len(s.joints) + [0] * (2 - len(s.joints))


def test_both_official_partitions_resolve(folder):
    sequences, _ = read(folder[0])
    meta = {k: np.array([getattr(s, k) for s in sequences]) for k in ("sample_id", "label", "subject", "camera")}
    meta["setup"] = np.array([s.setup for s in sequences])
    assert splits.resolve("pku_mmd", "star_46_5", meta).train.sum() == 24
    assert splits.resolve("pku_mmd", "star_46_5@xview", meta).train.sum() == 32


def test_part_two_names_and_a_zip_archive(tmp_path):
    made = videos(2, 2, "A01N{:02d}-{}")
    writer.write(tmp_path / "v2", made, list(made)[:1])
    with zipfile.ZipFile(tmp_path / "pku.zip", "w") as archive:
        for path in sorted((tmp_path / "v2").rglob("*.txt")):
            archive.write(path, path.relative_to(tmp_path))
    sequences, problems = read(tmp_path / "pku.zip")
    assert not problems
    assert {s.subject for s in sequences} == {1, 2}
    assert len(sequences) == 12


def label(root, name):
    return root / "Train_Label_PKU_final" / f"{name}.txt"


def skeleton(root, name):
    return root / "PKU_Skeleton_Renew" / f"{name}.txt"


def test_intervals_are_inclusive_from_one_and_clipped_at_the_end(folder):
    root, _ = folder
    frames = len(skeleton(root, "0001-L").read_text().splitlines())
    label(root, "0001-L").write_text(f"1,11,14,2\n\n2 , {frames - 2},{frames + 50}\n")
    clips = [s for s in read(root)[0] if s.sample_id.startswith("0001-L")]
    assert [(s.sample_id, s.joints.shape[1]) for s in clips] == [("0001-L_001", 4)]  # the last 10 frames are empty
    shifted = next(s for s in read(root, first_frame=0)[0] if s.sample_id == "0001-L_001")
    np.testing.assert_array_equal(shifted.joints[:, :3], clips[0].joints[:, 1:])


def test_bad_rows_lines_and_files_are_named(folder):
    root, made = folder
    label(root, "0001-L").write_text(
        "52,11,20,1\nx,1,2,3\n3,20,11,1\n3,0,11,1\n3,999999,9999999,1\n3,1,5,1\n3,11,20,2\n"
    )
    lines = skeleton(root, "0001-M").read_text().splitlines()
    lines[14] = " ".join(lines[14].split()[:149])
    lines[11 + made["0001-M"][0].joints.shape[1] + 12] = " ".join(["x"] * 150)
    skeleton(root, "0001-M").write_text("\n".join(lines))
    lines = skeleton(root, "0001-R").read_text().splitlines()
    lines[12] = " ".join(["nan"] * 150)
    skeleton(root, "0001-R").write_text("\n".join(lines))
    text = skeleton(root, "0002-L").read_bytes()
    skeleton(root, "0002-L").write_bytes(text[: len(text) // 2])
    skeleton(root, "0002-R").unlink()
    label(root, "0002-M").unlink()
    (root / "readme.txt").write_text("hello\n")
    (root / "0009-X.txt").write_text("1,2,3,4\n")
    reader = PKUMMD()
    listing = reader.list_files(root)
    assert listing.skipped == {"skeleton files without a label file": 1}
    sequences, problems = read(root)
    text = "\n".join(map(str, problems))
    for part in (
        "0001-L.txt:1: label 52 is outside the list of 51 classes",
        "0001-L.txt:2: not a label row",
        "0001-L.txt:3: the interval 20 to 11 is empty",
        "0001-L.txt:4: the interval 0 to 11 is empty or starts before frame 1",
        "0001-L.txt: label row 5 starts at frame 999998",
        "0001-L.txt: no body in frames 0 to 4 (label row 6)",
        "0001-M.txt:15: 149 numbers where 150 were expected (in the interval of label row 1)",
        "a word that is not a number (in the interval of label row 2)",
        "0001-R.txt:13: label row 1: NaN, Inf or absurd values in 2 of ",
        "readme.txt: no PKU-MMD file",
        "0009-X.txt: the name is not <video>-<L, M or R>.txt (label file)",
        "0002-R.txt: no skeleton file of this name",
        "numbers where 150 were expected",  # the cut line of 0002-L
    ):
        assert part in text, text
    kept = {s.sample_id for s in sequences}
    assert {"0001-L_007", "0001-M_003", "0001-R_001"} <= kept
    assert not {"0001-M_001", "0001-M_002"} & kept


def test_without_labels_or_skeletons_the_message_says_so(folder, tmp_path):
    root, _ = folder
    for path in (root / "Train_Label_PKU_final").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="no label file below"):
        read(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="the folder is empty"):
        read(tmp_path / "empty")


def test_split_files_are_checked(folder):
    root, _ = folder
    (root / "Split" / "cross-subject.txt").write_text(
        "Training videos:\n0001-L,\nValidataion videos:\n0001-L, 0001-M,\n"
    )
    (root / "Split" / "cross-view.txt").write_text("Training videos:\n0001-L,\nValidataion videos:\n0001-M,\n")
    text = "\n".join(str(p) for p in read(root)[1])
    assert "cross-subject.txt: a video is in both lists" in text
    assert "cross-view.txt: its training views are not M and R" in text
