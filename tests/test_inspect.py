"""inspect: every format shown by file, by folder and by sample; the pictures drawn are not empty."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from zssar import cli, storage
from zssar.datasets import fakes
from zssar.datasets.files import class_names
from zssar.datasets.writers import ctrgcn_npz, custom, kinetics, ntu, pku_mmd, pyskl, stgcn_npy
from zssar.reporting import viewer


def said(capsys, *words):
    assert cli.main(["inspect", *map(str, words)]) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def people():
    return list(fakes.people("kinect25", (0, 48), 2, frames=12))


def write_ntu(folder, people):
    folder.mkdir(exist_ok=True)
    for s in people:
        ntu.write(folder, s)


def write_h5(folder, people):
    attrs = {"dataset": "own", "layout": "kinect25", "class_names": class_names("ntu60")}
    padded = [replace(s, joints=s.joints[:1], present=s.present[:1]) for s in people]
    storage.write_skeletons(folder / "clips.h5", padded, attrs)


FORMATS = {
    "ntu": (write_ntu, "S001C001P002R001A001.skeleton", ""),
    "pku": (lambda f, p: pku_mmd.write(f, {"0002-L": p}, ["0002-L"]), "PKU_Skeleton_Renew/0002-L.txt", "0002-L_002"),
    "npz": (lambda f, p: ctrgcn_npz.write(f / "a.npz", p, p, 60, 20), "a.npz", "train_000001"),
    "npy": (lambda f, p: stgcn_npy.write(f, "train", p, 20), "train_data_joint.npy", "S001C001P002R001A001"),
    "pkl": (lambda f, p: pyskl.write(f / "a.pkl", p, {}), "a.pkl", "1"),
    "custom": (lambda f, p: custom.write(f, p, class_names("ntu60")), "S001C001P002R001A001.npz", ""),
    "h5": (write_h5, "clips.h5", "S001C001P002R001A001"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_one_recording_of_every_format(tmp_path, capsys, people, name):
    write, file, sample = FORMATS[name]
    write(tmp_path, people)
    text = said(capsys, tmp_path / file, *(["--sample", sample] if sample else []))
    expected = {"pku": "0002-L_002", "npz": "train_000001"}.get(name, "S001C001P002R001A001")
    assert text.startswith(expected)
    assert ("bow" if name == "pku" else "drink water") in text
    assert "12 frames (0.4 s" in text
    assert "body 0: frames 0 to 11; extent" in text


def test_a_folder_shows_its_first_recording_and_counts_the_rest(tmp_path, capsys, people):
    write_ntu(tmp_path, people)
    assert said(capsys, tmp_path).startswith("S001C001P001R002A001")
    assert said(capsys, tmp_path, "--sample", 3).startswith("S001C001P002R001A049")
    assert cli.main(["inspect", str(tmp_path), "--sample", "nobody"]) == 2
    assert "no recording nobody (readable: 4)" in capsys.readouterr().err
    assert cli.main(["inspect", str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_damaged_file_says_why(tmp_path, capsys, people):
    write_ntu(tmp_path, people)
    path = tmp_path / "S001C001P002R001A001.skeleton"
    path.write_bytes(path.read_bytes()[:3000])
    assert cli.main(["inspect", str(path)]) == 2
    assert "S001C001P002R001A001.skeleton:" in capsys.readouterr().err


def inked(image) -> float:
    return float((np.asarray(image.convert("L")) < 200).mean())


@pytest.mark.parametrize("layout", ["kinect25", "utd20", "openpose18", "mediapipe33"])
def test_pictures_show_poses(tmp_path, layout):
    s = next(fakes.people(layout, (48,), 1, frames=6))
    present = s.present.copy()
    present[1, 3:4] = False
    s = replace(s, present=present)
    viewer.draw(s, tmp_path / "a.png", "class")
    with Image.open(tmp_path / "a.png") as image:
        assert 0.005 < inked(image) < 0.4
        assert image.width > 1500
    viewer.draw(s, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 6
        image.seek(5)
        assert 0.003 < inked(image) < 0.4
    viewer.draw(s, tmp_path / "b.gif")
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_unseen_joints_and_gaps_are_told(people):
    s = next(fakes.people("openpose18", 1, 1, frames=8))
    joints, present = s.joints.copy(), s.present.copy()
    joints[..., 2] = 0.5
    joints[0, :, :9, 2] = 0
    present[0, 2:4] = False
    text = viewer.describe(replace(s, joints=joints, present=present))
    assert "joints not seen: 50%" in text
    assert "2 missing between" in text
    empty = viewer.describe(replace(people[0], present=np.zeros_like(people[0].present)))
    assert "body 0: in no frame" in empty
    one = replace(people[0], joints=people[0].joints[:, :1], present=people[0].present[:, :1])
    assert "a single frame" in viewer.describe(one)


def test_one_frame_can_be_drawn_and_a_wrong_suffix_is_named(tmp_path, capsys, people):
    one = replace(people[0], joints=people[0].joints[:, :1], present=people[0].present[:, :1])
    viewer.draw(one, tmp_path / "a.png")
    viewer.draw(one, tmp_path / "a.gif")
    write_ntu(tmp_path / "n", people)
    assert cli.main(["inspect", str(tmp_path / "n"), "--output", str(tmp_path / "a.jpg")]) == 2
    assert ".gif" in capsys.readouterr().err


def test_kinetics_clip_with_its_label_file(tmp_path, capsys):
    clips = [replace(s, setup=1) for s in fakes.people("openpose18", 2, 1, frames=10)]
    kinetics.write(tmp_path, clips, class_names("kinetics400"))
    text = said(capsys, tmp_path, "--sample", clips[1].sample_id)
    assert "air drumming" in text
