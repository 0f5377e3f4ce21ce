"""UWA3D Multiview Activity II: 30 actions, 10 subjects, 4 views, 15 joints.

Rahmani, Mahmood, Huynh, Mian, "Histogram of oriented principal components for cross-view action recognition",
TPAMI 2016. No real file was at hand: the numbers of classes, subjects, views and joints are those of the publication,
the joint order is that of PURLS's part list, and the files are read as they are commonly packaged:

    a<action>_s<subject>_v<view>_e<repetition>.txt   letters in any order and case, other words after them ignored

with 45 numbers per line (one frame) or 3 numbers per line (one joint, 15 lines a frame), separated by blanks or
commas; or ``.mat`` with one numeric variable of a shape that holds 15 and 3 once each. Metres or millimetres: whichever
makes the body 0.3 to 4 metres large. Check on the first real file: the joint order and the direction of x.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from zssar.datasets import archives, files
from zssar.datasets.files import Listing
from zssar.datasets.naming import Classes, by_name
from zssar.datasets.numbers import Unusable, drop_broken
from zssar.interfaces import Problem, SkeletonDataset, SkeletonSequence

PART = re.compile(r"([asve])0*(\d{1,2})", re.ASCII | re.IGNORECASE)
EXPECTED = "UWA3D II files a<action>_s<subject>_v<view>_e<repetition>.txt (or .mat), in any sub-folder or zip archive"
JOINTS = 15


class UWA3D2(SkeletonDataset):
    """Reader of a folder or zip archive. Views are cameras, repetitions are replications.

    class_names: class of action 1, 2, ... (default: the 30 of the data set). mirrored: True turns x over, for files in
    which the left joints of a person who faces the sensor have the larger x.
    """

    layout = "uwa15"
    persons = 1

    def __init__(self, class_names: Sequence[str] | None = None, mirrored: bool = False):
        self._classes = Classes(class_names, "uwa3d2")
        self.class_names = self._classes.names
        self.mirrored = mirrored

    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Every recording below ``root``. Raises UserError if there is no ``.txt`` or ``.mat`` file."""
        return files.read_all(self, root)

    def list_files(self, root: Path) -> Listing:
        """All files by action, subject, view, repetition. Raises UserError if there is none."""
        return by_name(root, (".txt", ".mat"), EXPECTED, self._key)

    def _key(self, name: str) -> tuple[int, ...]:
        numbers = _numbers(name)
        action = numbers["a"]
        self._classes.index(action - 1, f"action {action}")
        return tuple(numbers[letter] for letter in "asve")

    def read(self, unit: str) -> list[SkeletonSequence | Problem]:
        """One file: its sequence, preceded by a Problem if frames were left out; or a Problem alone."""
        name = archives.name_of(unit)
        try:
            content = archives.read(unit)
            joints = _from_mat(content) if unit.lower().endswith(".mat") else _from_text(content)
            joints = joints * _metres_per_unit(joints)
        except (archives.Unreadable, Unusable) as error:
            return [Problem(unit, str(error), getattr(error, "line", 0))]
        if self.mirrored:
            joints = joints * np.array([-1, 1, 1])
        there = joints.any((1, 2))  # a frame of zeros is one in which nobody was tracked
        joints, present, broken = drop_broken(joints[None], there[None])
        problems = [Problem(unit, broken)] if broken else []
        if not present.any():
            return problems or [Problem(unit, "no body in any frame")]
        numbers = _numbers(name)
        sequence = SkeletonSequence(
            "_".join(f"{letter}{numbers[letter]:02d}" for letter in "asve"),
            joints,
            present,
            self.layout,
            numbers["a"] - 1,
            subject=numbers["s"],
            camera=numbers["v"],
            replication=numbers["e"],
        )
        return [*problems, sequence]


def _numbers(name: str) -> dict[str, int]:
    """The numbers behind a, s, v and e. Raises ValueError unless each is there once, at the start of the name."""
    found: dict[str, int] = {}
    for word in name.split("_"):
        match = PART.fullmatch(word)
        if match is None or match[1].lower() in found:
            break
        found[match[1].lower()] = int(match[2])
    if set(found) != set("asve"):
        raise ValueError("the name is not a<action>_s<subject>_v<view>_e<repetition>")
    return found


def _from_text(content: bytes) -> np.ndarray:
    """float64 (T, 15, 3)."""
    rows = []
    lines = content.replace(b",", b" ").splitlines()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) not in (3, 3 * JOINTS) or (rows and len(words) != len(rows[0])):
            wanted = str(len(rows[0])) if rows else f"{3 * JOINTS} or 3"
            raise Unusable(f"{len(words)} numbers where {wanted} were expected", number)
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            raise Unusable(f"not a number in {line[:40].decode('ascii', 'replace')!r}", number) from None
    if not rows:
        raise Unusable("zero frames")
    if len(rows[0]) == 3 and len(rows) % JOINTS:
        raise Unusable(f"{len(rows)} joint lines are no whole number of frames of {JOINTS}", len(lines))
    return np.array(rows).reshape(-1, JOINTS, 3)


def _from_mat(content: bytes) -> np.ndarray:
    """float64 (T, 15, 3) from the one numeric variable whose shape holds 15 and 3 once each."""
    from scipy.io import loadmat

    try:
        variables = loadmat(io.BytesIO(content))
    except Exception as error:  # scipy raises whatever its parser stumbles over when a file is damaged
        raise Unusable(f"not a readable MATLAB file ({type(error).__name__}: {error})") from None
    arrays = {k: v for k, v in variables.items() if isinstance(v, np.ndarray) and v.dtype.kind in "fiu" and v.ndim > 1}
    fitting = {k: a for k, a in ((k, _ordered(v)) for k, v in arrays.items()) if a is not None}
    if len(fitting) != 1:
        shapes = ", ".join(f"{k} {v.shape}" for k, v in arrays.items()) or "none"
        raise Unusable(f"{len(fitting)} variables of {JOINTS} joints with x y z; numeric variables: {shapes}")
    return next(iter(fitting.values())).astype(np.float64)


def _ordered(array: np.ndarray) -> np.ndarray | None:
    """(15, 3, T) in any order of the axes -> (T, 15, 3); None if the axes cannot be told apart."""
    shape = array.shape if array.ndim == 3 else (*array.shape, 1)  # MATLAB drops a last dimension of one
    if len(shape) != 3 or shape.count(JOINTS) != 1 or shape.count(3) != 1 or 0 in shape:
        return None
    joint, axis = shape.index(JOINTS), shape.index(3)
    time = next(i for i in range(3) if i not in (joint, axis))
    return array.reshape(shape).transpose(time, joint, axis)


def _metres_per_unit(joints: np.ndarray) -> float:
    """1 or 0.001, from the longest distance between two joints. Raises Unusable if the body is neither."""
    with np.errstate(invalid="ignore"):
        finite = joints[np.isfinite(joints).all((1, 2)) & joints.any((1, 2))]
    if not len(finite):
        return 1.0
    pairs = itertools.combinations(range(JOINTS), 2)
    size = np.median(np.max([np.linalg.norm(finite[:, a] - finite[:, b], axis=1) for a, b in pairs], 0))
    for unit in (1.0, 0.001):
        if 0.3 <= size * unit <= 4:
            return unit
    raise Unusable(f"a body of size {size:.3g} is neither in metres nor in millimetres")
