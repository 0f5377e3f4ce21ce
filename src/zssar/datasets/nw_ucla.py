"""Northwestern-UCLA: 10 actions, 10 subjects, 3 views, Kinect v1 skeletons in JSON files.

Wang, Nie, Xia, Wu, Zhu, "Cross-view Action Modeling, Learning and Recognition", CVPR 2014, as packaged in ``all_sqe``.
Files ``a<action>_s<subject>_e<episode>_v<view>.json`` with ``file_name``, ``label`` (1 to 10) and ``skeletons``: a list
of frames, 20 x [x, y, z] each, metres. Known oddities (copied views, overlapping cuts): docs/formats.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from zssar.datasets import archives, files
from zssar.datasets.files import Listing
from zssar.datasets.naming import Classes, by_name
from zssar.datasets.numbers import Unusable, as_array, drop_broken, parse_json
from zssar.interfaces import Problem, SkeletonDataset, SkeletonSequence

NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)", re.ASCII)
EXPECTED = "NW-UCLA files a<action>_s<subject>_e<episode>_v<view>.json, in any sub-folder or zip archive"
ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)  # of the file names; class index = position here


class NWUCLA(SkeletonDataset):
    """Reader of a folder or zip archive of JSON files. Views are cameras, episodes are replications (from 0).

    class_names: classes of the actions a01, a02, ... a12 in that order (default: the 10 of the data set).
    """

    layout = "kinect20"
    persons = 1

    def __init__(self, class_names: Sequence[str] | None = None):
        self._classes = Classes(class_names, "nw_ucla")
        self.class_names = self._classes.names

    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Every recording below ``root``. Raises UserError if there is no JSON file."""
        return files.read_all(self, root)

    def list_files(self, root: Path) -> Listing:
        """All JSON files by action, subject, episode, view. Raises UserError if there is none."""
        return by_name(root, ".json", EXPECTED, self._key)

    def _key(self, name: str) -> tuple[int, ...]:
        match = NAME.fullmatch(name)
        if match is None:
            raise ValueError("the name is not a<action>_s<subject>_e<episode>_v<view>.json, two digits each")
        key = tuple(int(digits) for digits in match.groups())
        if key[0] not in ACTIONS:
            raise ValueError(f"action a{match[1]} is none of the data set's: {', '.join(map(str, ACTIONS))}")
        self._classes.index(ACTIONS.index(key[0]), f"action a{match[1]}")
        return key

    def read(self, unit: str) -> list[SkeletonSequence | Problem]:
        """One file: its sequence, preceded by a Problem if frames were left out; or a Problem alone."""
        name = archives.name_of(unit)
        action, subject, episode, view = (int(digits) for digits in NAME.fullmatch(name).groups())
        label = ACTIONS.index(action)
        try:
            joints = _joints(parse_json(archives.read(unit)), name, label)
        except (archives.Unreadable, Unusable) as error:
            return [Problem(unit, str(error), getattr(error, "line", 0))]
        joints, present, broken = drop_broken(joints[None], np.ones((1, len(joints)), bool))
        problems = [Problem(unit, broken)] if broken else []
        if not present.any():
            return problems
        sequence = SkeletonSequence(
            name, joints, present, self.layout, label, subject=subject, camera=view, replication=episode
        )
        return [*problems, sequence]


def _joints(content: object, name: str, label: int) -> np.ndarray:
    """float32 (T, 20, 3), checked against the file's name."""
    if not isinstance(content, dict) or "skeletons" not in content:
        raise Unusable("holds no key 'skeletons'")
    for key, expected in (("file_name", name), ("label", label + 1)):
        if key in content and content[key] != expected:
            raise Unusable(f"{key} says {str(content[key])[:40]!r}, the name of the file {expected!r}")
    if not content["skeletons"]:
        raise Unusable("zero frames")
    return as_array(content["skeletons"], (None, 20, 3), "skeletons")
