"""One's own recordings: every layout written and read, axes and units turned, broken files named."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest

from zssar.datasets import fakes
from zssar.datasets.custom import Custom
from zssar.datasets.writers import custom as writer
from zssar.errors import UserError
from zssar.interfaces import UNKNOWN, Problem, SkeletonSequence

NAMES = ["one", "two", "three"]


def read(root, **params):
    found = list(Custom(NAMES, **params).sequences(root))
    return [x for x in found if isinstance(x, SkeletonSequence)], [x for x in found if isinstance(x, Problem)]


def people(layout, persons=2):
    """Three classes, the last one with two people."""
    made = list(fakes.people(layout, (0, 1, 48), 2, persons=persons))
    return [replace(s, label=min(s.label, 2), setup=UNKNOWN) for s in made]


@pytest.mark.parametrize("kind", ["npz", "csv"])
@pytest.mark.parametrize("layout", ["kinect25", "kinect20", "coco17", "openpose18", "mediapipe33"])
def test_write_read_compare(tmp_path, layout, kind):
    written = people(layout)
    written[0] = replace(written[0], present=written[0].present & (np.arange(written[0].present.shape[1]) != 5))
    writer.write(tmp_path, written, NAMES, kind)
    flat = layout in ("coco17", "openpose18")
    params = {"layout": layout, **({"image": [1920, 1080]} if flat else {})}
    sequences, problems = read(tmp_path, **params)
    assert not problems
    for found, s in zip(sequences, written, strict=True):
        for key in ("sample_id", "label", "subject", "camera", "setup", "replication", "layout"):
            assert getattr(found, key) == getattr(s, key)
        np.testing.assert_array_equal(found.present, s.present)
        expected = np.where(s.present[:, :, None, None], s.joints + (np.array([0, 0, 1]) if flat else 0), 0)
        np.testing.assert_allclose(found.joints, expected, atol=1e-5)
    assert len(written[-1].joints) == 2


def test_from_a_zip_archive_with_folders(tmp_path):
    writer.write(tmp_path / "a", people("kinect20"), NAMES)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in sorted((tmp_path / "a").iterdir()):
            archive.write(path, f"recordings of mine/{path.name}")
    sequences, problems = read(tmp_path / "a.zip", layout="kinect20")
    assert not problems
    assert len(sequences) == 6


def test_axes_and_unit(tmp_path):
    ours = people("mediapipe33", 1)[:1]
    theirs = [replace(s, joints=s.joints * np.array([-1, -1, 1], np.float32) * 1000) for s in ours]
    writer.write(tmp_path, theirs, NAMES)
    found = read(tmp_path, layout="mediapipe33", axes=["-x", "-y", "z"], unit=0.001)[0][0]
    np.testing.assert_allclose(found.joints, ours[0].joints, atol=1e-5)
    for axes, words in ((["-x", "y", "z"], "swap left and right"), (["x", "y"], "name each of x, y, z once")):
        with pytest.raises(UserError, match=words):
            Custom(NAMES, axes=axes)


def test_what_the_parameters_must_be():
    for params, words in (
        ({"layout": "coco"}, "Did you mean 'coco17'"),
        ({"layout": "coco17"}, "give image"),
        ({"layout": "coco17", "image": [0, 5]}, "give image"),
        ({"unit": -1}, "positive number"),
        ({"unseen_joints": "guess"}, "fill"),
    ):
        with pytest.raises(UserError, match=words):
            Custom(NAMES, **params)
    with pytest.raises(UserError, match="needs a class list"):
        Custom()


def test_bad_lines_of_the_list_are_named(tmp_path):
    writer.write(tmp_path, people("kinect20")[:1], NAMES)
    name = next(tmp_path.glob("*.npz")).name
    with open(tmp_path / "recordings.csv", "a") as file:
        file.write(f"{name},one\n../{name},one\n/etc/passwd,one\nc:x.npz,one\nother.npz,one\n{name},four\n")
        file.write(f"./{name},one,x\nrecordings.csv,one\n,one\n")
    (tmp_path / "more.csv").write_text("a\n")
    reader = Custom(NAMES, "kinect20")
    assert reader.list_files(tmp_path).skipped == {"not named in recordings.csv": 1}
    sequences, problems = read(tmp_path, layout="kinect20")
    assert len(sequences) == 1
    text = "\n".join(map(str, problems))
    for line, part in (
        (3, "second line of the name"),
        (4, f"the file name '../{name}' is empty, absolute or leaves the folder: refused"),
        (5, "the file name '/etc/passwd' is empty, absolute"),
        (6, "the file name 'c:x.npz'"),
        (7, "there is no recording 'other.npz'"),
        (8, "label 'four' is outside the list of 3 classes"),
        (9, "subject 'x' is not a whole number"),
        (10, "there is no recording 'recordings.csv'"),
        (11, "the file name '' is empty"),
    ):
        assert f"recordings.csv:{line}: {part}" in text, text


def one_file(tmp_path, name, content, **params):
    (tmp_path / "recordings.csv").write_text(f"file,class\n{name},one\n")
    if isinstance(content, dict):
        np.savez(tmp_path / name, **content)
    else:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found, problems = read(tmp_path, **{"layout": "kinect20", **params})
    return found, "\n".join(map(str, problems))


GOOD = np.random.default_rng(0).normal(size=(4, 20, 3)).astype(np.float32)
NOT_NUMBERS = np.array([["a"]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"poses": GOOD}, "holds no array joints (there are: none)"),
        ({"joints": GOOD[:, :19]}, "joints is (4, 19, 3), not ([persons,] frames, 20, 3) as in kinect20"),
        ({"joints": GOOD[:0]}, "zero frames"),
        ({"joints": GOOD, "present": np.ones(3)}, "present is (3,), joints ask for (1, 4)"),
        ({"joints": NOT_NUMBERS}, "joints holds <U1, not numbers"),
        ({"joints": np.array([{}])}, "not a readable .npz file"),
        ({"joints": GOOD * np.nan}, "NaN, Inf or absurd"),
        ({"joints": GOOD * 0}, "no body in any frame"),
        (b"nothing", "not a readable .npz file"),
    ],
)
def test_bad_arrays(tmp_path, content, words):
    found, text = one_file(tmp_path, "a.npz", content)
    assert not found
    assert words in text


def test_an_archive_that_unpacks_to_too_much(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("joints.npy", bytes(2**28 + 1))
    found, text = one_file(tmp_path, "a.npz", (tmp_path / "a.npz").read_bytes())
    assert not found
    assert "unpacks to more than 256 MB" in text


HEAD = "frame,person,joint,x,y,z\n"
BODY = "".join(f"0,0,{v},1,2,3\n" for v in range(20))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("frame,joint,x,y\n0,0,1,2\n", ":1: no column 'z'"),
        (HEAD, "zero frames"),
        (HEAD + "0,0,nose,1,2,3\n", ":2: 'nose' is no joint of kinect20"),
        (HEAD + "0,0,20,1,2,3\n", ":2: '20' is no joint"),
        (HEAD + BODY + "0,0,head,1,2,3\n", ":22: joint head of this person is there twice"),
        (HEAD + BODY + "1,0,0,1,x,3\n", ":22: a word that is not a number"),
        (HEAD + BODY + "1,0,0,1\n", ":22: a word that is not a number"),
        (HEAD + "1.5,0,0,1,2,3\n", ":2: a word that is not a number"),
        (HEAD + "0,0,0,1,2,3\n999999999,0,0,1,2,3\n", "not one recording"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
    ],
)
def test_bad_tables(tmp_path, content, words):
    found, text = one_file(tmp_path, "a.csv", content)
    assert not found
    assert words in text, text


def test_a_body_that_lacks_a_joint_counts_as_not_tracked_there(tmp_path):
    second = "".join(f"7,0,{v},1,2,3\n" for v in range(19))
    found, text = one_file(tmp_path, "a.csv", HEAD + BODY + second)
    assert found[0].present.tolist() == [[True] + [False] * 7]
    assert "in 1 of 2 bodies" in text


def test_unseen_image_joints_are_filled_or_kept(tmp_path):
    joints = np.random.default_rng(0).uniform(10, 90, (4, 17, 2))
    scores = np.ones((4, 17))
    joints[:, 9], scores[:, 9] = 0, 0
    content = {"joints": joints, "scores": scores}
    params = {"layout": "coco17", "image": [100, 100]}
    filled = one_file(tmp_path, "a.npz", content, **params)[0][0]
    np.testing.assert_array_equal(filled.joints[0, :, 9, :2], filled.joints[0, :, 7, :2])  # wrist on the elbow
    kept = one_file(tmp_path, "a.npz", content, unseen_joints="keep", **params)[0][0]
    np.testing.assert_allclose(kept.joints[0, :, 9], np.tile([-0.5, 0.5, 0], (4, 1)))


def test_no_list_and_two_lists(tmp_path):
    (tmp_path / "a.csv").write_text("x\n")
    with pytest.raises(UserError, match=r"0 lists recordings\.csv"):
        read(tmp_path)
    for place in ("p", "q"):
        writer.write(tmp_path / place, [], NAMES)
    with pytest.raises(UserError, match=r"2 lists recordings\.csv"):
        read(tmp_path)
    (tmp_path / "p" / "recordings.csv").write_text("name,class\n")
    with pytest.raises(UserError, match=r"recordings\.csv:1: no column 'file'"):
        read(tmp_path / "p")
