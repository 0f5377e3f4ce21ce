"""Kinetics-skeleton: written, read, compared; people followed; broken files named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from zssar.datasets import fakes, people
from zssar.datasets.files import class_names
from zssar.datasets.kinetics import Kinetics
from zssar.datasets.writers import kinetics as writer
from zssar.errors import UserError
from zssar.interfaces import Problem, SkeletonSequence
from zssar.skeleton.layouts import layout

NAMES = class_names("kinetics400")


def read(root, **params):
    found = list(Kinetics(**params).sequences(root))
    return [x for x in found if isinstance(x, SkeletonSequence)], [x for x in found if isinstance(x, Problem)]


def clips(classes=6, subjects=4):
    for s in fakes.people("openpose18", classes, subjects):
        yield replace(s, setup=1 if s.subject % 2 else 2)


def body(x=0.5, y=0.5, score=0.9):
    """One person as (pose, score) of a file."""
    at = [v for i in range(18) for v in (round(x + 0.005 * i, 3), round(y + 0.01 * i, 3))]
    return {"pose": at, "score": [score] * 18}


def save(folder, name, value, label="abseiling"):
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(value, list):
        value = {"data": [{"frame_index": i + 1, "skeleton": s} for i, s in enumerate(value)], "label": label}
    (folder / f"{name}.json").write_text(value if isinstance(value, str) else json.dumps(value))


def test_write_read_compare(tmp_path):
    written = list(clips())
    writer.write(tmp_path, written, NAMES)
    sequences, problems = read(tmp_path)
    assert not problems
    assert len(sequences) == 24
    by_id = {s.sample_id: s for s in sequences}
    for s in written:
        found = by_id[s.sample_id]
        assert (found.label, found.setup, found.layout) == (s.label, s.setup, "openpose18")
        assert found.joints.shape == (len(s.joints), *s.joints.shape[1:])
        order = [int(np.abs(found.joints[:, 0, :, :2] - p[0, :, :2]).sum((1, 2)).argmin()) for p in s.joints]
        assert sorted(order) == list(range(len(s.joints)))  # everybody is there once
        np.testing.assert_allclose(found.joints[order][..., :2], s.joints[..., :2], atol=6e-4)
        np.testing.assert_array_equal(found.joints[..., 2], np.float32(0.9))


def test_two_people_who_swap_places_in_the_list_are_followed(tmp_path):
    frames = [[body(0.2 + 0.002 * t), body(0.7 - 0.002 * t, score=0.5)][:: 1 if t % 2 else -1] for t in range(40)]
    frames[20] = frames[20][:1]  # one is lost for a frame
    save(tmp_path, "clip", frames)
    sequences, problems = read(tmp_path)
    assert not problems
    s = sequences[0]
    assert s.present.sum(1).tolist() in ([40, 39], [39, 40])
    np.testing.assert_allclose(s.joints[0, 0, 0], [-0.3, 0, 0.9], atol=1e-6)  # most confidence first; y upwards
    assert np.abs(np.diff(s.joints[0, s.present[0], :, 0], axis=0)).max() < 0.01


def test_unseen_joints_are_filled_or_left(tmp_path):
    def frame(t):
        person = body(0.3 + 0.01 * t)
        for joint in [4, *([3] if 2 <= t < 5 else []), *([10] if t else [])]:
            person["pose"][2 * joint : 2 * joint + 2] = [0, 0]
            person["score"][joint] = 0
        return [person]

    save(tmp_path, "clip", [frame(t) for t in range(8)])
    filled, _ = read(tmp_path)
    left, _ = read(tmp_path, unseen_joints="zero")
    x, raw = filled[0].joints[0], left[0].joints[0]
    assert not raw[3, [3, 4, 10]].any()
    np.testing.assert_array_equal(x[..., 2], raw[..., 2])  # confidences stay
    seen = raw[..., 2] > 0
    np.testing.assert_array_equal(x[seen], raw[seen])
    np.testing.assert_allclose(np.diff(x[:, 3, 0]), 0.01, atol=1e-6)  # linear over the gap
    np.testing.assert_array_equal(x[:, 4, :2], x[:, 3, :2])  # never seen: on the elbow
    assert (x[:, 10, :2] == x[0, 10, :2]).all()  # held after the only frame


def test_a_person_of_a_single_joint_fills_the_whole_skeleton():
    joints, present = np.zeros((1, 2, 18, 3), np.float32), np.ones((1, 2), bool)
    joints[0, :, 13] = [0.1, -0.2, 0.5]
    people.fill_unseen(joints, present, layout("openpose18"))
    np.testing.assert_allclose(joints[..., :2], np.broadcast_to([0.1, -0.2], (1, 2, 18, 2)))


def test_the_two_hundred_class_protocols_leave_the_others_out(tmp_path):
    written = [replace(s, label=s.label * 60) for s in clips(5)]
    writer.write(tmp_path, written, NAMES)
    reader = Kinetics(class_names=NAMES[:200])
    listing = reader.list_files(tmp_path)
    assert listing.skipped == {"of classes outside the class list": 4}
    assert {s.label for s in reader.sequences(tmp_path)} == {0, 60, 120, 180}
    for path in tmp_path.glob("*_label.json"):  # without lists the label is read from the clip
        path.unlink()
    again = Kinetics(class_names=NAMES[:200])
    assert again.list_files(tmp_path).skipped == {"of classes outside the class list": 4}
    assert {(s.label, s.setup) for s in again.sequences(tmp_path)} == {(c, -1) for c in (0, 60, 120, 180)}


def test_bad_files_are_named(tmp_path):
    good = [[body()]] * 3
    save(tmp_path, "ok", good)
    save(tmp_path, "cut", '{"data":\n [{"frame_index": 1, "skel')
    save(tmp_path, "nobody", [[], []])
    save(tmp_path, "joints", [[{"pose": [0.5] * 34, "score": [0.5] * 17}]])
    save(tmp_path, "word", [[{"pose": ["x"] * 36, "score": [0.5] * 18}]])
    save(tmp_path, "nan", [[{"pose": [float("nan")] * 36, "score": [0.5] * 18}, body()]])
    save(tmp_path, "index", {"data": [{"frame_index": 10**9, "skeleton": []}], "label": "abseiling"})
    twice = [{"frame_index": 7, "skeleton": [body()]}] * 2
    save(tmp_path, "twice", {"data": twice, "label": "abseiling"})
    save(tmp_path, "list", "[1, 2]")
    save(tmp_path, "other", good, label="flying to the moon")
    save(tmp_path, "disagrees", good, label="yoga")
    save(tmp_path, "stranger", good)
    lists = {
        name: {"has_skeleton": True, "label": "abseiling", "label_index": 0}
        for name in ("ok", "cut", "nobody", "joints", "word", "nan", "index", "twice", "list", "disagrees", "lost")
    }
    lists["other"] = {"has_skeleton": True, "label": "flying to the moon", "label_index": 400}
    lists["hidden"] = {"has_skeleton": False, "label": "abseiling", "label_index": 0}
    lists["broken"] = 3
    save(tmp_path, "hidden", good)
    save(tmp_path, "kinetics_train_label", lists)
    save(tmp_path / "again", "ok", good)
    reader = Kinetics()
    assert reader.list_files(tmp_path).skipped == {
        "marked has_skeleton: false": 1,
        "in the label files, but without a file": 1,
    }
    sequences, problems = read(tmp_path)
    assert [s.sample_id for s in sequences] == ["nan", "ok"]
    text = "\n".join(map(str, problems))
    for part in (
        "cut.json:2: not valid JSON",
        "nobody.json: no person in any frame",
        "joints.json: entry 0: pose is not a table of numbers 36 (34 entries)",
        "word.json: entry 0: pose is not a table of numbers 36 (at [0]: 'x')",
        "nan.json: NaN or Inf in 1 of 2 people",
        "index.json: entry 0 of data has no frame_index between 0 and 2999",
        "twice.json: entry 1 of data: frame_index 7 is there twice",
        "list.json: holds no list 'data'",
        "other.json: label 'flying to the moon' is outside the list of 400 classes",
        "disagrees.json: says label 'yoga', the label file 'abseiling'",
        "stranger.json: the clip is in no label file",
        "second clip of the name",
        "kinetics_train_label.json: entries are not",
    ):
        assert part in text, text
    assert len(problems) == 13


def test_a_wrong_option_and_a_folder_of_lists_only(tmp_path):
    with pytest.raises(UserError, match="fill"):
        Kinetics(unseen_joints="guess")
    save(tmp_path, "kinetics_train_label", "{}")
    with pytest.raises(UserError, match="only label files"):
        read(tmp_path)
