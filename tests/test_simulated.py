"""The simulated data set: bodies that hold together, actions that are what they are called, files that parse back."""

import argparse
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from zssar.commands import simulate_recordings
from zssar.datasets import splits
from zssar.datasets.naming import ntu_numbers
from zssar.datasets.simulated import performance, sim_classes, simulate, to_layout
from zssar.datasets.simulated.generate import check, recordings
from zssar.datasets.simulated.performers import performer
from zssar.datasets.simulated.programs import GAPS
from zssar.datasets.simulated.recording import view
from zssar.datasets.writers import ntu
from zssar.errors import UserError
from zssar.interfaces import SkeletonSequence
from zssar.skeleton.layouts import KINECT25

ROLE, EDGES = KINECT25.roles, np.array(KINECT25.edges)
CLASSES = sim_classes()
OFF_THE_FLOOR = {"jump up", "do jumping jacks", "hop on the right foot", "jog in place", "fall down"}
SUBJECTS = (1, 2, 3)


def joint(joints: np.ndarray, role: str) -> np.ndarray:
    """The first person's joint, (T, 3)."""
    return joints[0, :, ROLE[role]]


def travel(joints: np.ndarray, role: str) -> float:
    """The length of a joint's path relative to the spine base."""
    return np.linalg.norm(np.diff(joint(joints, role) - joint(joints, "spine_base"), axis=0), axis=-1).sum()


# --- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_moves_a_sound_body(name):
    for subject in SUBJECTS:
        joints = performance(name, subject)
        people, frames = joints.shape[:2]
        assert people == (2 if name in GAPS else 1)
        assert 24 <= frames <= 80
        assert np.isfinite(joints).all()
        lengths = np.linalg.norm(joints[:, :, EDGES[:, 0]] - joints[:, :, EDGES[:, 1]], axis=-1)
        assert np.ptp(lengths, axis=1).max() < 1e-9
        assert joints[..., 1].min() > 0
        if name not in OFF_THE_FLOOR:
            assert joints[..., 1].min(axis=2).max() < 0.08, "someone floats"
        speed = np.linalg.norm(np.diff(joints, axis=1), axis=-1).max() * 30
        assert speed < 20, "metres per second that no joint reaches"
        assert np.linalg.norm(np.diff(joints, axis=1), axis=-1).sum(axis=1).max() > 0.4, "nothing moves"


def test_subjects_differ_and_stay_themselves():
    assert set(GAPS) == set(CLASSES[44:]), "the last eight classes have two people"
    people = [performer(subject, 0) for subject in range(1, 13)]
    assert np.ptp([p.body.height for p in people]) > 0.2
    assert np.ptp([p.tempo for p in people]) > 0.2
    assert people[4] == performer(5, 0) != performer(5, 1)


# --- actions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [n for n in CLASSES if n.endswith(("the right hand", "the right fist", "the left hand"))]
)
def test_named_hand_moves_more(name):
    side, other = ("left", "right") if name.endswith("the left hand") else ("right", "left")
    for subject in SUBJECTS:
        joints = performance(name, subject)
        assert travel(joints, f"{side}_hand") > 1.1 * travel(joints, f"{other}_hand")


@pytest.mark.parametrize("side", ["left", "right"])
def test_named_leg_kicks(side):
    other = "left" if side == "right" else "right"
    for subject in SUBJECTS:
        joints = performance(f"kick forward with the {side} leg", subject)
        assert joint(joints, f"{side}_ankle")[:, 1].max() > 0.5
        assert joint(joints, f"{other}_ankle")[:, 1].max() < 0.12


def test_waving_left_mirrors_waving_right():
    swap = {a: b for left, right in KINECT25.pairs for a, b in ((left, right), (right, left))}
    mirror = [swap.get(v, v) for v in range(25)]

    def raised(clip: np.ndarray) -> np.ndarray:
        middle = clip[len(clip) // 3 : -len(clip) // 3].mean(axis=0)
        return middle[ROLE["right_hand"]] - middle[ROLE["right_shoulder"]]

    for subject in SUBJECTS:
        right, left = (performance(f"wave with the {side} hand", subject)[0] for side in ("right", "left"))
        assert np.linalg.norm(raised(right) - raised(left[:, mirror] * [-1, 1, 1])) < 0.3
        assert np.linalg.norm(raised(right) - raised(left)) > 0.6


def test_sitting_standing_falling_heights():
    for subject in SUBJECTS:
        base = {
            name: joint(performance(name, subject), "spine_base")[:, 1]
            for name in ("sit down", "stand up from a chair", "squat", "fall down", "jump up")
        }
        assert base["sit down"][-1] < 0.75 * base["sit down"][0]
        assert base["stand up from a chair"][0] < 0.75 * base["stand up from a chair"][-1]
        assert base["squat"].min() < 0.75 * min(base["squat"][0], base["squat"][-1])
        assert base["fall down"][-1] < 0.3
        assert base["jump up"].max() > base["jump up"][0] + 0.15


def test_hands_reach_their_places():
    for subject in SUBJECTS:
        main = performer(subject, 0).main
        for name, hand, goal, closest in (
            ("drink water", f"{main}_hand", "head", 0.2),
            ("make a phone call", f"{main}_hand", "head", 0.2),
            ("salute", "right_hand", "head", 0.22),
            ("touch the toes", "right_tip", "right_foot", 0.2),
            ("clap hands", "right_hand", "left_hand", 0.1),
        ):
            joints = performance(name, subject)
            gap = np.linalg.norm(joint(joints, hand) - joint(joints, goal), axis=-1)
            assert gap.min() < closest, name
            assert gap[0] > 2 * gap.min(), name


def test_waving_repeats_and_pointing_does_not():
    for subject in SUBJECTS:
        turns = {}
        for name in ("wave with the right hand", "point forward with the right hand"):
            joints = performance(name, subject)
            aside = (joint(joints, "right_hand") - joint(joints, "right_elbow"))[:, 0]
            middle = aside[len(aside) // 3 : -len(aside) // 3]
            swings = np.abs(np.diff(middle[np.r_[True, np.diff(np.sign(np.diff(middle))) != 0, True]]))
            turns[name] = (swings > 0.1).sum()
        assert turns["wave with the right hand"] >= 2
        assert turns["point forward with the right hand"] == 0


def test_turning_around_ends_backwards():
    for subject in SUBJECTS:
        joints = performance("turn around", subject)
        across = joint(joints, "right_shoulder") - joint(joints, "left_shoulder")
        assert across[0, 0] > 0.2
        assert across[-1, 0] < -0.2


def test_people_meet_and_part():
    for subject in SUBJECTS:
        gap = {}
        for name in GAPS:
            base = performance(name, subject)[:, :, 0]
            gap[name] = np.linalg.norm(base[0] - base[1], axis=-1)
        assert gap["walk towards another person"][-1] < gap["walk towards another person"][0] - 1.0
        assert gap["walk away from another person"][-1] > gap["walk away from another person"][0] + 0.8
        assert gap["hug another person"].min() < 0.5
        assert gap["push another person"][-1] > gap["push another person"][0]
        shake = performance("shake hands with another person", subject)[:, :, ROLE["right_hand"]]
        assert np.linalg.norm(shake[0] - shake[1], axis=-1).min() < 0.12


# --- sensor ----------------------------------------------------------------------------------------------------------


def test_cameras_see_one_motion_from_three_sides():
    joints = performance("bow", 4)
    seen = [view(joints, camera, 3.0)[0, 10] for camera in (1, 2, 3)]
    distances = [np.linalg.norm(s[:, None] - s[None], axis=-1) for s in seen]
    np.testing.assert_allclose(distances[0], distances[1], atol=1e-9)
    np.testing.assert_allclose(distances[0], distances[2], atol=1e-9)
    assert np.abs(seen[0] - seen[1]).max() > 0.1
    files = recordings("bow", 40, 4)
    assert [r.actors.camera for r in files] == [1, 2, 3]
    assert len({r.actors.joints.shape for r in files}) == 1


@pytest.mark.parametrize(("subject", "faced"), [(2, 2), (1, 3)])
def test_camera_space_follows_the_format(subject, faced):
    actor = recordings("bow", 40, subject)[faced - 1].actors
    assert actor.replication == faced - 1
    start = actor.joints[0, :5].mean(axis=0)
    assert start[ROLE["right_shoulder"], 0] > start[ROLE["left_shoulder"], 0] + 0.2
    assert start[ROLE["head"], 1] > start[ROLE["left_foot"], 1] + 1.2
    assert 2.0 < start[0, 2] < 4.2
    assert start[ROLE["left_foot"], 2] < start[ROLE["left_ankle"], 2], "toes point to the camera"


def test_tracker_fails_now_and_then():
    clips = list(simulate(CLASSES[:6] + CLASSES[44:46], subjects=12))
    empty = [not r.tracks.present.any(0).all() for r in clips]
    more = [len(r.tracks.joints) > len(r.actors.joints) for r in clips]
    inferred = np.mean([(r.states == 1).mean() for r in clips])
    assert 0.05 < np.mean(empty) < 0.4
    assert 0.03 < np.mean(more) < 0.3
    assert 0.02 < inferred < 0.4
    assert all(r.tracks.present.any(0).sum() >= 16 for r in clips)
    assert any((np.diff(r.order, axis=0) != 0).any() for r in clips)


def test_classes_can_be_told_apart_across_subjects():
    names = CLASSES[::4]
    features, labels, subjects = [], [], []
    for recording in simulate(names, subjects=6, cameras=2):
        features.append(_body_frame(recording.actors.joints[0]))
        labels.append(recording.actors.label)
        subjects.append(recording.actors.subject)
    features, labels, train = np.array(features), np.array(labels), np.array(subjects) <= 3
    centroids = np.stack([features[train & (labels == k)].mean(0) for k in range(len(names))])
    distance = ((features[~train][:, None] - centroids) ** 2).sum(-1)
    accuracy = (distance.argmin(1) == labels[~train]).mean()
    assert accuracy > 0.6, f"chance is {1 / len(names):.2f}"


def _body_frame(joints: np.ndarray) -> np.ndarray:
    """12 frames, from the first spine base, turned so that the shoulders lie along x, in trunk lengths."""
    across = np.median(joints[:6, ROLE["right_shoulder"]] - joints[:6, ROLE["left_shoulder"]], axis=0)
    yaw = np.arctan2(across[2], across[0])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    rows = np.linspace(0, len(joints) - 1, 12).astype(int)
    trunk = np.median(np.linalg.norm(joints[:, ROLE["neck"]] - joints[:, 0], axis=-1))
    return ((joints[rows] - joints[0, 0]) @ turn.T / trunk).ravel()


# --- files -----------------------------------------------------------------------------------------------------------


def parse(text: str):
    """A plain reader: per frame a list of (body id, joints (25, 3), states (25,))."""
    tokens = iter(text.split())
    frames = []
    for _ in range(int(next(tokens))):
        bodies = []
        for _ in range(int(next(tokens))):
            ident = int(next(tokens))
            for _ in range(9):
                next(tokens)
            rows = np.array([[float(next(tokens)) for _ in range(12)] for _ in range(int(next(tokens)))])
            bodies.append((ident, rows[:, :3].astype(np.float32), rows[:, 11].astype(int)))
        frames.append(bodies)
    assert next(tokens, None) is None
    return frames


def test_written_files_parse_back_exactly():
    for recording in list(simulate(CLASSES[44:46], subjects=6))[::5]:
        tracks = recording.tracks
        text = ntu.skeleton_text(tracks, recording.body_ids, recording.states, recording.order)
        assert "\n" not in text.replace("\r\n", "")
        frames = parse(text)
        assert len(frames) == tracks.joints.shape[1]
        for t, bodies in enumerate(frames):
            listed = [m for m in recording.order[t] if tracks.present[m, t]]
            assert [b[0] for b in bodies] == [recording.body_ids[m] for m in listed]
            for m, (_, joints, states) in zip(listed, bodies):
                np.testing.assert_array_equal(joints, tracks.joints[m, t])
                np.testing.assert_array_equal(states, recording.states[m, t])


def test_writer_prints_numbers_as_the_sensor_does():
    joints = np.zeros((2, 2, 25, 3), np.float32)
    joints[0, 0, 0] = [-7.257856e-05, 157.0, 0.2181153]
    sequence = SkeletonSequence("a", joints, np.array([[True, True], [False, True]]), "kinect25", 59, 7, 2, 1, 1)
    lines = ntu.skeleton_text(sequence).split("\r\n")
    assert lines[:3] == ["2", "1", "72057594037930000 0 0 0 0 0 0 0 0 2"]
    assert lines[4].startswith("-7.257856E-05 157 0.2181153 0 ")
    assert ntu.file_name(sequence) == "S001C002P007R001A060.skeleton"
    with pytest.raises(UserError, match="NTU file name"):
        ntu.file_name(SkeletonSequence("a", joints, sequence.present, "kinect25"))
    with pytest.raises(UserError, match="25 joints"):
        ntu.skeleton_text(to_layout(sequence, "utd20"))


def run(*arguments) -> None:
    parser = argparse.ArgumentParser()
    simulate_recordings.add_arguments(parser)
    simulate_recordings.run(parser.parse_args([str(argument) for argument in arguments]))


def digests(folder) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest()[:16] for p in sorted(folder.iterdir())}


# Digests of files of seed 0. They change when the simulation changes; then every number in results/reference does too.
GOLDEN = {
    "S001C001P001R002A001.skeleton": "d21da93978057e5c",
    "S001C002P002R001A002.skeleton": "064af52cf9dd7374",
    "S001C003P002R001A003.skeleton": "384de543175bd0be",
}


def test_same_seed_same_bytes(tmp_path):
    run("--output", tmp_path / "a", "--subjects", 2, "--classes", 3)
    written = digests(tmp_path / "a")
    assert len(written) == 3 * 2 * 3
    assert {name: written[name] for name in GOLDEN} == GOLDEN
    run("--output", tmp_path / "b", "--subjects", 1, "--classes", 2, "--workers", 2)
    assert len(digests(tmp_path / "b")) == 6
    assert digests(tmp_path / "b").items() <= written.items()
    run("--output", tmp_path / "b", "--subjects", 1, "--classes", 1, "--seed", 1)
    assert len(digests(tmp_path / "b")) == 3
    assert not set(digests(tmp_path / "b").values()) & set(written.values())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_one_setup_is_the_default_and_several_make_cross_setup_splits(tmp_path):
    for folder, words in (("a", []), ("b", ["--setups", 1]), ("c", ["--setups", 4])):
        run("--output", tmp_path / folder, "--subjects", 8, "--classes", 2, "--cameras", 2, *words)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    names = sorted(p.stem for p in (tmp_path / "c").iterdir())
    numbers = [ntu_numbers(name) for name in names]
    meta = {key: np.array([n[key] for n in numbers]) for key in ("setup", "subject", "camera")}
    meta |= {"sample_id": np.array(names), "label": np.array([int(name[-3:]) - 1 for name in names])}
    assert set(meta["setup"]) == {1, 2, 3, 4}
    found = splits.resolve("sim_setups", "random_1_0_0@xset", {**meta, "label": meta["label"] * 3}, 4)
    assert set(meta["setup"][found.train]) == {2, 4}
    assert set(meta["setup"][found.test]) == {1, 3}
    assert set(meta["camera"][found.train]) == set(meta["camera"][found.test]) == {1, 2}
    with pytest.raises(UserError, match=r"no training sample: setup is \[1\]"):
        splits.resolve("sim", "random_1_0_0@xset", {**meta, "setup": np.ones(len(names), int)}, 4)


def test_other_processors_write_the_same_bytes(tmp_path):
    """numpy without its vector units differs in the last bits of sine and arc cosine; the files must not."""
    from numpy._core import (
        _multiarray_umath as umath,
    )  # private; if numpy moves it, this test shall fail, not be skipped

    found = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]
    code = (
        "import argparse; from zssar.commands import simulate_recordings as verb; p = argparse.ArgumentParser();"
        "verb.add_arguments(p); verb.run(p.parse_args())"
    )
    options = ["--subjects", "2", "--classes", "3", "--output"]
    subprocess.run(
        [sys.executable, "-c", code, *options, str(tmp_path / "plain")],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(found)},
        check=True,
    )
    run(*options, tmp_path / "fast")
    assert digests(tmp_path / "plain") == digests(tmp_path / "fast")


def test_own_class_list(tmp_path):
    names = tmp_path / "names.csv"
    names.write_text("index,name\n0,bow\n1,hug another person\n")
    run("--output", tmp_path / "out", "--subjects", 1, "--cameras", 1, "--class-names", names)
    assert sorted(digests(tmp_path / "out")) == ["S001C001P001R002A001.skeleton", "S001C001P001R002A002.skeleton"]
    bow = next(simulate(["bow"], subjects=1)).actors
    np.testing.assert_array_equal(bow.joints, recordings("bow", CLASSES.index("bow"), 1)[0].actors.joints)


def test_wrong_requests_are_told(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'bow'"):
        check(["bows"], 1, 1)
    with pytest.raises(UserError, match="cameras"):
        check(["bow"], 1, 4)
    with pytest.raises(UserError, match="subjects"):
        check(["bow"], 0, 1)
    with pytest.raises(UserError, match="setups: 9"):
        check(["bow"], 40, 1, 9)
    with pytest.raises(UserError, match="at most 3"):
        check(["bow"], 7, 1, 4)
    with pytest.raises(UserError, match="--classes 99"):
        run("--output", tmp_path / "x", "--classes", 99)
    with pytest.raises(UserError, match="no such file"):
        run("--output", tmp_path / "x", "--class-names", tmp_path / "none.csv")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="other things"):
        run("--output", tmp_path / "mine", "--classes", 1)
    assert (tmp_path / "mine" / "thesis.txt").exists()
