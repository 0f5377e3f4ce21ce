"""Kinetics-skeleton: two-dimensional OpenPose poses of Kinetics-400 clips, 18 joints, one JSON file per clip.

Kay et al., "The Kinetics Human Action Video Dataset", 2017; poses published with Yan, Xiong, Lin, "Spatial temporal
graph convolutional networks", AAAI 2018. ``{"data": [{"frame_index": 1, "skeleton": [{"pose": [x0, y0, ...], "score":
[...]}, ...]}, ...], "label": ..., "label_index": ...}``, x and y divided by the size of the image, y downwards; beside
the clips ``kinetics_train_label.json`` and ``kinetics_val_label.json`` with ``has_skeleton`` per clip.

Channels here: x - 0.5, 0.5 - y (upwards), confidence. People have no identity in the files; they are followed through
the frames (``zssar.datasets.people``), where ST-GCN ranks them anew in each frame.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from zssar.datasets import archives, files
from zssar.datasets.files import Listing
from zssar.datasets.naming import OTHER_CLASSES, Classes, OtherClass
from zssar.datasets.numbers import Unusable, as_array, drop_broken, parse_json
from zssar.datasets.people import fill_unseen, follow
from zssar.errors import UserError, unknown
from zssar.interfaces import UNKNOWN, Problem, SkeletonDataset, SkeletonSequence
from zssar.skeleton.layouts import layout

EXPECTED = "Kinetics-skeleton: <clip>.json files, and kinetics_train_label.json and kinetics_val_label.json"
JOINTS = 18
LONGEST = 3000  # frames; the clips have 300
NO_SKELETON = "marked has_skeleton: false"
PARTS = {"train": 1, "val": 2}  # as the setup of a sample
TAIL = re.compile(rb'"label"\s*:\s*"((?:[^"\\]|\\.)*)"')


class Kinetics(SkeletonDataset):
    """Reader of a folder or zip archive with clips and label files.

    class_names: default the 400 of the data set; the first 200 of them for the 200-class protocols. Labels are matched
    by name. The list a clip is in is its setup: 1 training, 2 validation.
    unseen_joints: ``fill`` gives joints that the estimator did not see a place (``people.fill_unseen``), ``zero`` puts
    them into the middle of the image, as ST-GCN does; in both their confidence is 0.
    """

    layout = "openpose18"
    persons = 2

    def __init__(self, class_names: Sequence[str] | None = None, unseen_joints: str = "fill"):
        if unseen_joints not in ("fill", "zero"):
            raise unknown("value", unseen_joints, ("fill", "zero"), "unseen_joints")
        self._classes = Classes(class_names, "kinetics400")
        self.class_names = self._classes.names
        self.unseen_joints = unseen_joints

    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Every clip below ``root``. Raises UserError if there is none."""
        return files.read_all(self, root)

    def list_files(self, root: Path) -> Listing:
        """One unit per clip, by name. Raises UserError if there is no clip."""
        units, problems = archives.find(Path(root), ".json", EXPECTED)
        clips: dict[str, str] = {}
        lists: list[str] = []
        for unit in sorted(units, key=archives.in_archive):
            name = archives.name_of(unit)
            if name.endswith("_label"):
                lists.append(unit)
            elif name not in clips:
                clips[name] = unit
            elif not archives.in_archive(unit):
                problems.append(Problem(unit, f"second clip of the name; {clips[name]} was used"))
        if not clips:
            raise UserError(f"only label files below {root}. Expected there: {EXPECTED}")
        entries = _label_lists(lists, problems)
        found, skipped = [], Counter()
        for name in sorted(clips):
            try:
                label, setup = self._label(name, clips[name], entries)
                found.append(f"{clips[name]}::{label}::{setup}")
            except OtherClass:
                skipped[OTHER_CLASSES] += 1
            except _NoSkeleton:
                skipped[NO_SKELETON] += 1
            except ValueError as error:
                problems.append(Problem(clips[name], str(error)))
        lost = sum(entry["has_skeleton"] for name, entry in entries.items() if name not in clips)
        if lost:
            skipped["in the label files, but without a file"] = lost
        return Listing(found, problems, dict(skipped))

    def _label(self, name: str, unit: str, entries: dict) -> tuple[int, int]:
        """(class index, setup) of a clip, from the label files or, without them, from the end of the clip itself."""
        entry = entries.get(name)
        if entry is not None:
            if not entry["has_skeleton"]:
                raise _NoSkeleton
            return self._classes.find(entry["label"]), entry["setup"]
        if entries:
            raise ValueError("the clip is in no label file")
        match = TAIL.search(_tail(unit))
        if match is None:
            raise ValueError("no label file, and no label in the clip")
        return self._classes.find(match[1].decode("utf-8", "replace")), UNKNOWN

    def facts(self, unit: str) -> dict[str, int]:
        """What is known without reading the clip."""
        _, label, setup = unit.rsplit("::", 2)
        return {"label": int(label), "setup": int(setup)}

    def read(self, unit: str) -> list[SkeletonSequence | Problem]:
        """One clip, preceded by a Problem if people with NaN were left out; or a Problem alone."""
        place, label, setup = unit.rsplit("::", 2)
        problems: list[SkeletonSequence | Problem] = []
        try:
            content = parse_json(archives.read(place))
            self._check_label(content, int(label))
            joints, present, broken = _tracks(content)
            if broken:
                problems.append(Problem(place, broken))
        except (archives.Unreadable, Unusable) as error:
            return [Problem(place, str(error), getattr(error, "line", 0))]
        if self.unseen_joints == "fill":
            fill_unseen(joints, present, layout(self.layout))
        name = archives.name_of(place)
        sequence = SkeletonSequence(name, joints, present, self.layout, int(label), setup=int(setup))
        return [*problems, sequence]

    def _check_label(self, content: object, label: int) -> None:
        said = content.get("label") if isinstance(content, dict) else None
        if said is not None and said != self.class_names[label]:
            raise Unusable(f"says label {str(said)[:60]!r}, the label file {self.class_names[label]!r}")


class _NoSkeleton(Exception):
    pass


def _tracks(content: object) -> tuple[np.ndarray, np.ndarray, str]:
    """(M, T, 18, 3) as x, y upwards, confidence; (M, T); what was left out."""
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise Unusable("holds no list 'data'")
    frames: list[list[np.ndarray]] = []
    met: set[int] = set()
    for i, frame in enumerate(content["data"]):
        index = frame.get("frame_index", i) if isinstance(frame, dict) else None
        if type(index) is not int or not 0 <= index < LONGEST:
            raise Unusable(f"entry {i} of data has no frame_index between 0 and {LONGEST - 1}")
        if index in met:
            raise Unusable(f"entry {i} of data: frame_index {index} is there twice")
        met.add(index)
        frames += [[] for _ in range(index + 1 - len(frames))]
        frames[index] = _people(frame.get("skeleton"), i)
    total = sum(map(len, frames))
    if not total:
        raise Unusable("no person in any frame")
    bad = [~np.isfinite(person).all() for people in frames for person in people]
    whole = [[person for person in people if np.isfinite(person).all()] for people in frames]
    joints, present = follow(whole)
    joints, present, broken = drop_broken(joints, present)
    if not present.any():
        raise Unusable("no person with a finite, detected joint in any frame")
    seen = joints[..., 2:] > 0
    centred = np.concatenate([joints[..., :1] - 0.5, 0.5 - joints[..., 1:2], joints[..., 2:]], -1)
    joints = np.where(seen, centred, 0).astype(np.float32)
    if any(bad):
        broken = f"NaN or Inf in {sum(bad)} of {total} people of single frames; they count as not seen"
    first = int(present.any(0).argmax())
    last = int(np.flatnonzero(present.any(0))[-1]) + 1
    return joints[:, first:last], present[:, first:last], broken


def _people(value: object, entry: int) -> list[np.ndarray]:
    """The people (18, 3) of a frame."""
    if not isinstance(value, list):
        raise Unusable(f"entry {entry} of data has no list 'skeleton'")
    people = []
    for person in value:
        if not isinstance(person, dict):
            raise Unusable(f"entry {entry} of data has a person that is no object")
        pose = as_array(person.get("pose"), (2 * JOINTS,), f"entry {entry}: pose")
        score = as_array(person.get("score"), (JOINTS,), f"entry {entry}: score")
        people.append(np.concatenate([pose.reshape(JOINTS, 2), score[:, None]], 1))
    return people


def _label_lists(units: list[str], problems: list[Problem]) -> dict[str, dict]:
    """clip -> has_skeleton, label, setup from the ``*_label.json`` files."""
    found: dict[str, dict] = {}
    for unit in units:
        part = next((number for word, number in PARTS.items() if word in archives.name_of(unit)), UNKNOWN)
        try:
            content = parse_json(archives.read(unit))
        except (archives.Unreadable, Unusable) as error:
            problems.append(Problem(unit, str(error), getattr(error, "line", 0)))
            continue
        entries = content.items() if isinstance(content, dict) else ()
        bad = not isinstance(content, dict)
        for name, entry in entries:
            if isinstance(entry, dict) and isinstance(entry.get("label"), str):
                present = bool(entry.get("has_skeleton", True))
                if name in found:
                    problems.append(Problem(unit, f"clip {name} is in two label files"))
                found[name] = {"label": entry["label"], "has_skeleton": present, "setup": part}
            else:
                bad = True
        if bad:
            problems.append(Problem(unit, 'entries are not {"<clip>": {"has_skeleton", "label", "label_index"}}'))
    return found


def _tail(unit: str) -> bytes:
    try:
        if archives.in_archive(unit):
            return archives.read(unit)[-400:]
        with open(unit, "rb") as file:
            file.seek(max(0, Path(unit).stat().st_size - 400))
            return file.read()
    except (OSError, archives.Unreadable):
        return b""
