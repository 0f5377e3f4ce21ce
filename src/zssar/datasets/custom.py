"""One's own recordings: a list ``recordings.csv`` beside one ``.npz`` or ``.csv`` file per recording.

``recordings.csv``: columns ``file`` (relative to the list) and ``class`` (a name of the class list); optional
``subject``, ``camera``, ``setup``, ``replication`` (whole numbers) and ``sample_id``. A recording is either

- ``.npz`` with ``joints`` (T, V, C) or (M, T, V, C), C = 2 or 3; optional ``scores`` (T, V) or (M, T, V) and
  ``present`` (T,) or (M, T); or
- ``.csv`` with the columns ``frame``, ``joint``, ``x``, ``y``, for three dimensions ``z``, and optional ``person`` and
  ``score``; one line per joint, a joint given by its name in the layout or by its number from 0.

Which joints, which way the axes point and in what unit is told once for the whole data set by the parameters of the
reader. docs/formats.md has examples for Kinect, COCO, OpenPose and MediaPipe.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from zssar.datasets import archives, files
from zssar.datasets.files import Listing
from zssar.datasets.naming import Classes
from zssar.datasets.numbers import Unusable, drop_broken
from zssar.datasets.people import fill_unseen
from zssar.errors import UserError, unknown
from zssar.interfaces import UNKNOWN, Problem, SkeletonDataset, SkeletonSequence
from zssar.skeleton import joint_maps, layouts

EXPECTED = "recordings.csv with the columns file,class and the .npz or .csv files that it names"
INDEX = "recordings"
NUMBERS = ("subject", "camera", "setup", "replication")
LARGEST = 2**28  # bytes of an unpacked recording
LONGEST, MOST = 100_000, 20  # frames, persons


class Custom(SkeletonDataset):
    """Reader of a folder or zip archive.

    class_names: required. layout: of the joints, e.g. kinect25, kinect20, coco17, openpose18, mediapipe33.
    axes: the file's axes that become x (towards the right of a person who faces the sensor), y (up) and z (away from
    the sensor), e.g. ``[-x, -y, z]`` for MediaPipe's world landmarks; a choice that swaps left and right is refused.
    unit: metres per unit of the file. image: [width, height] in pixels for two-dimensional layouts, whose x runs to the
    right of the image and y downwards. convert_to: another layout, e.g. ``kinect25`` to use a network made for it; what
    it has and the file has not is put on neighbours (``zssar.skeleton.joint_maps``). unseen_joints: ``fill`` gives
    joints with a score of 0 in two-dimensional layouts a place (``people.fill_unseen``), ``keep`` leaves them.
    """

    persons = 2

    def __init__(
        self,
        class_names: Sequence[str] | None = None,
        layout: str = "kinect25",
        axes: Sequence[str] = ("x", "y", "z"),
        unit: float = 1.0,
        image: Sequence[float] | None = None,
        unseen_joints: str = "fill",
        convert_to: str = "",
    ):
        if class_names is None:
            raise UserError("the reader custom needs a class list: class_names in config.yaml, or --class-names")
        self.class_names, self.layout = list(class_names), convert_to or layout
        self.skeleton = layouts.layout(layout)
        joint_maps.joint_map(layout, self.layout)  # says so if that is impossible
        self._classes = Classes(class_names, None)
        self.turn = _rotation(axes) * unit
        self.image, self.unseen_joints = image, unseen_joints
        if unseen_joints not in ("fill", "keep"):
            raise unknown("value", unseen_joints, ("fill", "keep"), "unseen_joints")
        if not 0 < unit < np.inf:
            raise UserError(f"unit {unit}: metres per unit of the file, a positive number")
        if self.skeleton.dimensions == 2 and (
            image is None or len(image) != 2 or not all(0 < side < np.inf for side in image)
        ):
            raise UserError(f"layout {layout} is two-dimensional: give image: [width, height] in pixels, not {image}")

    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Every line of the list. Raises UserError if there is no list."""
        return files.read_all(self, root)

    def list_files(self, root: Path) -> Listing:
        """One unit per line of the list, in its order. Raises UserError if there is not exactly one list."""
        units, problems = archives.find(Path(root), (".npz", ".csv"), EXPECTED)
        lists = [unit for unit in units if archives.name_of(unit) == INDEX]
        if len(lists) != 1:
            raise UserError(f"{len(lists)} lists recordings.csv below {root}. Expected there: {EXPECTED}")
        base = re.sub(r"[^/\\:]*$", "", lists[0])
        found, used, seen = [], set(), set()
        known = {unit.replace("\\", "/"): unit for unit in units}
        for line, row in _index(lists[0]):
            try:
                unit = known.get(f"{base}{_safe(row['file'])}".replace("\\", "/"))
                if unit is None or unit == lists[0]:
                    raise ValueError(f"there is no recording {row['file']!r}")
                label = self._classes.find(row["class"])
                numbers = [_whole(row, name) for name in NUMBERS]
                name = (row.get("sample_id") or re.sub(r"\.[^.]*$", "", row["file"])).replace("::", "__")
                if name in seen:
                    raise ValueError(f"second line of the name {name!r}")
            except ValueError as error:
                problems.append(Problem(lists[0], str(error), line))
                continue
            seen.add(name)
            used.add(unit)
            found.append("::".join(map(str, (unit, label, *numbers, name))))
        others = len(units) - len(used) - 1
        return Listing(found, problems, {"not named in recordings.csv": others} if others else {})

    def read(self, unit: str) -> list[SkeletonSequence | Problem]:
        """One recording, preceded by a Problem if bodies with NaN were left out; or a Problem alone."""
        place, label, *numbers, name = unit.rsplit("::", 6)
        try:
            content = archives.read(place)
            load = self._from_npz if place.lower().endswith(".npz") else self._from_csv
            joints, present = load(content)
            joints = self._oriented(joints)
        except (archives.Unreadable, Unusable) as error:
            return [Problem(place, str(error), getattr(error, "line", 0))]
        joints, present, broken = drop_broken(joints, present)
        problems = [Problem(place, broken)] if broken else []
        if not present.any():
            return problems or [Problem(place, "no body in any frame")]
        if self.skeleton.dimensions == 2 and self.unseen_joints == "fill":
            fill_unseen(joints, present, self.skeleton)
        told = dict(zip(NUMBERS, map(int, numbers)))
        found = SkeletonSequence(name, joints, present, self.skeleton.name, int(label), **told)
        return [*problems, joint_maps.convert(found, self.layout)]

    def _oriented(self, joints: np.ndarray) -> np.ndarray:
        """(M, T, V, 4) as x, y, z, score of the file -> (M, T, V, 3) as the interface promises."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.skeleton.dimensions == 3:
                return joints[..., :3] @ self.turn.T.astype(np.float32)
            width, height = self.image
            return np.stack([joints[..., 0] / width - 0.5, 0.5 - joints[..., 1] / height, joints[..., 3]], -1)

    def _from_npz(self, content: bytes) -> tuple[np.ndarray, np.ndarray]:
        """(M, T, V, 4), (M, T)."""
        arrays = _arrays(content)
        if "joints" not in arrays:
            raise Unusable(f"holds no array joints (there are: {', '.join(sorted(arrays)) or 'none'})")
        joints = arrays["joints"][None] if arrays["joints"].ndim == 3 else arrays["joints"]
        count, wanted = len(self.skeleton), self.skeleton.dimensions
        if joints.ndim != 4 or joints.shape[2] != count or joints.shape[3] not in (wanted, 3):
            raise Unusable(
                f"joints is {arrays['joints'].shape}, not ([persons,] frames, {count}, {wanted}) "
                f"as in {self.skeleton.name}"
            )
        if not joints.size:
            raise Unusable("zero frames or persons")
        shape = joints.shape[:3]
        full = np.zeros((*shape, 4), np.float32)
        full[..., : joints.shape[3]] = joints
        full[..., 3] = _fitting(arrays, "scores", shape, 1)
        there = joints[..., :wanted].any((2, 3))  # zeros: nobody, as in packaged arrays; NaN counts as somebody
        return full, there & (_fitting(arrays, "present", shape[:2], 1) != 0)

    def _from_csv(self, content: bytes) -> tuple[np.ndarray, np.ndarray]:
        """(M, T, V, 4), (M, T). A joint that a body lacks in a frame is NaN there."""
        rows = self._csv_rows(content)
        frames, persons = sorted({r[0] for r in rows}), sorted({r[1] for r in rows})
        if frames[-1] - frames[0] >= LONGEST or len(persons) > MOST:
            raise Unusable(f"frames {frames[0]} to {frames[-1]}, {len(persons)} persons: not one recording")
        at = {person: m for m, person in enumerate(persons)}
        full = np.full((len(persons), frames[-1] - frames[0] + 1, len(self.skeleton), 4), np.nan, np.float32)
        filled = np.zeros(full.shape[:3], bool)
        for frame, person, joint, line, values in rows:
            place = (at[person], frame - frames[0], joint)
            if filled[place]:
                raise Unusable(f"joint {self.skeleton.joints[joint]} of this person is there twice", line)
            with np.errstate(over="ignore"):
                full[place], filled[place] = values, True
        return full, filled.any(2)

    def _csv_rows(self, content: bytes) -> list[tuple[int, int, int, int, list[float]]]:
        """(frame, person, joint, line, [x, y, z, score]) of every line."""
        try:
            reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
            needed = ["frame", "joint", "x", "y", *(["z"] if self.skeleton.dimensions == 3 else [])]
            missing = [name for name in needed if name not in (reader.fieldnames or [])]
            if missing:
                raise Unusable(f"no column {missing[0]!r} (needed: {','.join(needed)})", 1)
            rows = [self._csv_row(row, reader.line_num) for row in reader]
        except UnicodeDecodeError as error:
            raise Unusable(f"not UTF-8 text ({error.reason} at byte {error.start})") from None
        except csv.Error as error:
            raise Unusable(f"not a CSV file ({error})") from None
        if not rows:
            raise Unusable("zero frames")
        return rows

    def _csv_row(self, row: dict[str, str], line: int):
        try:
            joint = row["joint"] or ""
            index = self.skeleton.joints.index(joint) if joint in self.skeleton.joints else int(joint)
            if not 0 <= index < len(self.skeleton):
                raise ValueError
        except ValueError:
            raise Unusable(f"{row['joint']!r} is no joint of {self.skeleton.name}", line) from None
        try:
            frame, person = int(row["frame"]), int(row.get("person") or 0)
            z = row.get("z") if self.skeleton.dimensions == 3 else "0"
            numbers = [row["x"], row["y"], z, row.get("score", "1")]
            return frame, person, index, line, [np.nan if text == "" else float(text) for text in numbers]
        except (ValueError, TypeError, OverflowError):
            raise Unusable(f"a word that is not a number: {list(row.values())}"[:120], line) from None


def _rotation(axes: Sequence[str]) -> np.ndarray:
    """The matrix that turns the file's x, y, z into ours."""
    words = [str(axis).strip().lower() for axis in axes]
    if len(words) != 3 or sorted(word.lstrip("+-") for word in words) != ["x", "y", "z"]:
        raise UserError(f"axes {list(axes)}: name each of x, y, z once, with or without a minus, e.g. [-x, -y, z]")
    matrix = np.zeros((3, 3))
    for row, word in enumerate(words):
        matrix[row, "xyz".index(word[-1])] = -1 if word.startswith("-") else 1
    if np.linalg.det(matrix) < 0:
        raise UserError(
            f"axes {list(axes)} would swap left and right of every body. Ours: x towards the right of a person who "
            "faces the sensor, y up, z away from the sensor"
        )
    return matrix


def classes_of(root: Path) -> list[str]:
    """The classes that the list names, sorted: for looking at recordings before there is a class list."""
    units, _ = archives.find(root, (".csv",), EXPECTED)
    lists = [unit for unit in units if archives.name_of(unit) == INDEX]
    return sorted({row["class"] for unit in lists[:1] for _, row in _index(unit) if row["class"]}) or [""]


def _index(unit: str) -> list[tuple[int, dict[str, str]]]:
    """(line, row) of the list. Raises UserError if it cannot be read or lacks a column."""
    try:
        text = archives.read(unit).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        rows = [(reader.line_num, row) for row in reader]
    except (archives.Unreadable, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{unit}: not a readable CSV file ({error})") from None
    missing = [name for name in ("file", "class") if name not in (reader.fieldnames or [])]
    if missing:
        raise UserError(f"{unit}:1: no column {missing[0]!r}. Expected: {EXPECTED}")
    return rows


def _safe(name: str | None) -> str:
    if not name or re.match(r"[/\\]|[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise ValueError(f"the file name {name!r} is empty, absolute or leaves the folder: refused")
    return re.sub(r"^(\./)+", "", name)


def _whole(row: dict[str, str], name: str) -> int:
    text = (row.get(name) or "").strip()
    if not text:
        return UNKNOWN
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError(f"{name} {text!r} is not a whole number")
    return int(text)


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                raise Unusable(f"unpacks to more than {LARGEST >> 20} MB: not one recording")
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            arrays = {name: found[name] for name in ("joints", "scores", "present") if name in found}
    except Unusable:
        raise
    except Exception as error:  # numpy and zipfile raise whatever their parsers stumble over when a file is damaged
        raise Unusable(f"not a readable .npz file ({type(error).__name__}: {str(error)[:80]})") from None
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise Unusable(f"{name} holds {array.dtype}, not numbers")
    return arrays


def _fitting(arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...], default: float) -> np.ndarray:
    if name not in arrays:
        return np.full(shape, default, np.float32)
    array = arrays[name][None] if arrays[name].ndim == len(shape) - 1 else arrays[name]
    if array.shape != shape:
        raise Unusable(f"{name} is {arrays[name].shape}, joints ask for {shape}")
    return array.astype(np.float32)
