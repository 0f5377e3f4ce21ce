"""Annotation files of pyskl and mmaction2: one pickle per data set, three-dimensional (NTU) or two-dimensional (COCO).

Duan et al., "PYSKL: Towards good practices for skeleton action recognition", ACM MM 2022. ``{"split": {"xsub_train":
[names], ...}, "annotations": [{"frame_dir", "label", "total_frames", "keypoint" (M, T, V, C)}, ...]}``, with
``keypoint_score`` (M, T, V) and ``img_shape`` (height, width) for image poses. Read by a restricted unpickler.

Two-dimensional poses become x - 0.5, 0.5 - y (upwards), confidence, divided by the size of the image, as in layout
openpose18. Three-dimensional ones are float16 in the file: steps of 2 mm at 2 to 4 metres. pyskl has cleaned and joined
the tracks already and cut empty frames at both ends; the bad samples are left out. Poses of Kinetics-400 lie in files
of their own beside the annotations and are not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zssar.datasets import archives, files, pickles
from zssar.datasets.files import Listing
from zssar.datasets.naming import OTHER_CLASSES, Classes, OtherClass, ntu_numbers
from zssar.datasets.numbers import Unusable, drop_broken
from zssar.errors import UserError, unknown
from zssar.interfaces import Problem, SkeletonDataset, SkeletonSequence

EXPECTED = "one .pkl file with the keys split and annotations"
LAYOUTS = {(25, 3): "kinect25", (17, 2): "coco17", (17, 3): "coco17", (18, 2): "openpose18", (18, 3): "openpose18"}
NO_ENTRY = "entries that are None (files without bodies)"


class Pyskl(SkeletonDataset):
    """Reader of one ``.pkl`` file, or of a folder that holds exactly one of this kind.

    class_names: default the 120 of NTU RGB+D. split: the list whose ``_train`` and ``_val`` (or ``_test``) parts become
    setup 1 and 2 of samples that are not named as in NTU RGB+D, e.g. ``train1``/``test1`` by the name ``1``.
    layout: of the joints, where number of joints and coordinates do not tell it.
    """

    persons = 2

    def __init__(self, class_names: Sequence[str] | None = None, split: str = "", layout: str = "kinect25"):
        self._classes = Classes(class_names, "ntu120")
        self.class_names, self.split, self.layout = self._classes.names, split, layout

    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Every annotation. Raises UserError if there is not exactly one such file."""
        return files.read_all(self, root)

    def list_files(self, root: Path) -> Listing:
        """One unit per annotation, in the order of the file. Raises UserError if there is not exactly one file."""
        path = find(Path(root))
        content = pickles.cached(path)
        parts = self._parts(path, content["split"])
        units, problems, skipped, seen = [], [], Counter(), set()
        for i, entry in enumerate(content["annotations"]):
            if entry is None:
                skipped[NO_ENTRY] += 1
                continue
            try:
                name, label = _name(entry), self._label(entry)
                if name in seen:
                    raise ValueError(f"second one of the name {name}")
                seen.add(name)
                units.append(f"{path}::{i}::{label}::{parts.get(name, -1)}::{name}")
            except OtherClass:
                skipped[OTHER_CLASSES] += 1
            except ValueError as error:
                problems.append(Problem(str(path), f"annotation {i}: {error}"))
        return Listing(units, problems, dict(skipped))

    def _label(self, entry: dict) -> int:
        label = entry.get("label")
        if not isinstance(label, int | np.integer) or isinstance(label, bool):
            raise ValueError(f"label {str(label)[:40]!r} is no class number")
        return self._classes.index(int(label), f"label {label}")

    def _parts(self, path: Path, lists: dict[str, Any]) -> dict[str, int]:
        """name -> setup 1 or 2 by the lists of ``self.split``."""
        if not self.split:
            return {}
        found: dict[str, int] = {}
        for part, words in ((1, ("train",)), (2, ("val", "test"))):
            keys = [f"{a}{b}" for w in words for a, b in ((f"{self.split}_", w), (w, self.split))]
            key = next((k for k in keys if k in lists), None)
            if key is None:
                raise unknown(f"list of {path}", keys[0], lists, "split")
            found |= dict.fromkeys(map(str, lists[key]), part)
        return found

    def facts(self, unit: str) -> dict[str, int]:
        """What is known without looking at the poses."""
        _, _, label, setup, name = unit.rsplit("::", 4)
        return {"label": int(label), "setup": int(setup), **ntu_numbers(name)}

    def read(self, unit: str) -> list[SkeletonSequence | Problem]:
        """One annotation, preceded by a Problem if bodies with NaN were left out; or a Problem alone."""
        path, row, label, setup, name = unit.rsplit("::", 4)
        where = f"{path}{archives.SEPARATOR}{name}"
        try:
            joints = self._joints(pickles.cached(path)["annotations"][int(row)])
        except (UserError, Unusable) as error:
            return [Problem(where, str(error))]
        joints, present, broken = drop_broken(joints, joints.any((2, 3)))
        problems = [Problem(where, broken)] if broken else []
        if not present.any():
            return problems or [Problem(where, "no body in any frame")]
        numbers = ntu_numbers(name) or {"setup": int(setup)}
        return [*problems, SkeletonSequence(name, joints, present, self.layout, int(label), **numbers)]

    def _joints(self, entry: dict) -> np.ndarray:
        """float32 (M, T, V, 3) of an annotation."""
        joints = _array(entry, "keypoint", 4)
        _, frames, *shape = joints.shape
        layout = LAYOUTS.get(tuple(shape))
        if layout != self.layout:
            raise Unusable(
                f"keypoint is {joints.shape}: {shape[0]} joints x {shape[1]}"
                f"{f' is layout {layout}' if layout else ' is no known layout'}, not {self.layout}"
                " (parameter layout of the reader)"
            )
        if frames != entry.get("total_frames", frames):
            raise Unusable(f"keypoint has {frames} frames, total_frames says {entry['total_frames']}")
        if not joints.size:
            raise Unusable("zero frames or bodies")
        if layout == "kinect25":
            return joints
        score = joints[..., 2] if shape[1] == 3 else _scores(entry, joints.shape[:3])
        size = entry.get("img_shape", entry.get("original_shape"))
        try:
            height, width = (float(n) for n in size)
        except (TypeError, ValueError):
            raise Unusable("image poses need img_shape (height, width)") from None
        if not (0 < height < np.inf and 0 < width < np.inf):
            raise Unusable(f"img_shape is {size}")
        there = joints[..., :2].any((2, 3), keepdims=True)
        flat = np.stack([joints[..., 0] / width - 0.5, 0.5 - joints[..., 1] / height, score], -1)
        return np.where(there, flat, 0).astype(np.float32)


def find(root: Path) -> Path:
    """The one file of this kind. Raises UserError if there is none, or several, or one that may not be read."""
    if not root.exists():
        raise UserError(f"{root} does not exist. Expected there: {EXPECTED}")
    if root.is_file():
        if not is_one(pickles.cached(root)):
            raise UserError(f"{root} is another kind of pickle. Expected: {EXPECTED}")
        return root
    candidates = [p for p in archives.walk(root) if p.suffix in (".pkl", ".pickle")]
    fitting = [path for path in candidates if len(candidates) == 1 or is_one(pickles.cached(path))]
    if len(fitting) != 1:
        found = ", ".join(map(str, fitting or candidates[:5])) or "no .pkl file"
        raise UserError(
            f"{len(fitting)} files of the kind wanted at {root} ({found}). Expected there: {EXPECTED}; name the file"
        )
    return find(fitting[0])


def is_one(content: object) -> bool:
    """Whether a pickle's content has the keys."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("split"), dict)
        and isinstance(content.get("annotations"), list)
    )


def _name(entry: Any) -> str:
    if not isinstance(entry, dict):
        raise ValueError(f"it is {type(entry).__name__}, not a dictionary")
    name = entry.get("frame_dir", entry.get("filename"))
    if not isinstance(name, str) or not name:
        raise ValueError("it has no name (frame_dir)")
    if "keypoint" not in entry and "raw_file" in entry:
        raise ValueError("its poses lie in another file (raw_file), which is not read")
    return name.replace("::", "__")


def _array(entry: dict, key: str, dimensions: int) -> np.ndarray:
    value = entry.get(key)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.ndim != dimensions:
        shape = getattr(value, "shape", type(value).__name__)
        raise Unusable(f"{key} is {shape}, not an array of numbers with {dimensions} dimensions")
    with np.errstate(over="ignore"):
        return value.astype(np.float32)


def _scores(entry: dict, shape: tuple[int, ...]) -> np.ndarray:
    if "keypoint_score" not in entry:
        return np.ones(shape, np.float32)
    score = _array(entry, "keypoint_score", 3)
    if score.shape != shape:
        raise Unusable(f"keypoint_score is {score.shape}, keypoint {shape}")
    return score
