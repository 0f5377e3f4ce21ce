"""Arrays of the ST-GCN line (2s-AGCN, Shift-GCN, MS-G3D): ``train_data_joint.npy`` with ``train_label.pkl``.

Yan, Xiong, Lin, AAAI 2018; Shi et al., CVPR 2019. Data (N, 3, 300, V, M) float32, zero padded or filled with copies;
labels a pickled pair (names, class numbers). V = 25 and M = 2 from NTU RGB+D, V = 18 from Kinetics-skeleton (x - 0.5,
y - 0.5 downwards, score). Data and labels are paired by their number of rows and by the first word of their names.

Bones and motions lie in files of the same shape; they are told from joints by their numbers and left aside. Where the
arrays have been through 2s-AGCN's normalisation (z up, shoulders along x) they are turned back to y up, and the copies
that fill the tail are cut. What it subtracted per frame, the way through the room, is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zssar.datasets import archives, arrays, files, pickles
from zssar.datasets.files import Listing
from zssar.datasets.naming import OTHER_CLASSES, Classes, OtherClass, ntu_numbers
from zssar.datasets.numbers import drop_broken
from zssar.datasets.packaged import turned, unpad, y_up
from zssar.errors import UserError
from zssar.interfaces import Problem, SkeletonDataset, SkeletonSequence
from zssar.skeleton.layouts import layout

EXPECTED = "<part>_data.npy or <part>_data_joint.npy (N, 3, T, V, M) with <part>_label.pkl, part = train, val"
LAYOUTS = {25: "kinect25", 18: "openpose18"}
PARTS = {"train": 1, "val": 2, "test": 2}
SAMPLED = 16  # rows looked at to tell joints from bones and motions


class STGCN(SkeletonDataset):
    """Reader of a folder with at most one array of joints per part.

    class_names: default the 120 of NTU RGB+D. layout: kinect25 or openpose18, as the arrays have it.
    The part is the setup (1 training, 2 validation) of samples that are not named as in NTU RGB+D.
    """

    persons = 2

    def __init__(self, class_names: Sequence[str] | None = None, layout: str = "kinect25"):
        self._classes = Classes(class_names, "ntu120" if layout == "kinect25" else "kinetics400")
        self.class_names, self.layout = self._classes.names, layout

    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Every row of every part. Raises UserError if there is no pair of files."""
        return files.read_all(self, root)

    def list_files(self, root: Path) -> Listing:
        """One unit per row. Raises UserError if there is no pair, or two for one part."""
        units, problems, skipped, seen = [], [], 0, set()
        for part, path, names, labels in pairs(Path(root), problems):
            shape = arrays.Rows(path).shape
            if LAYOUTS.get(shape[3]) != self.layout:
                raise UserError(f"{path} has {shape[3]} joints: layout {LAYOUTS.get(shape[3])}, not {self.layout}")
            z_up = int(self.layout == "kinect25" and _normalised(path))
            for i, (name, label) in enumerate(zip(names, labels)):
                stem = name.split(".")[0]
                try:
                    self._classes.index(label, f"label {label}")
                    if stem in seen:
                        raise ValueError("a second row of the name")
                except OtherClass:
                    skipped += 1
                except ValueError as error:
                    problems.append(Problem(str(path), f"row {i} ({stem}): {error}"))
                else:
                    seen.add(stem)
                    units.append(f"{path}::{i}::{label}::{PARTS.get(part, -1)}::{z_up}::{stem}")
        return Listing(units, problems, {OTHER_CLASSES: skipped} if skipped else {})

    def facts(self, unit: str) -> dict[str, int]:
        """What is known without reading the row."""
        _, _, label, setup, _, name = unit.rsplit("::", 5)
        return {"label": int(label), "setup": int(setup), **ntu_numbers(name)}

    def read(self, unit: str) -> list[SkeletonSequence | Problem]:
        """One row: its sequence, preceded by a Problem if bodies with NaN were left out; or a Problem alone."""
        path, row, label, setup, z_up, name = unit.rsplit("::", 5)
        where = f"{path}{archives.SEPARATOR}{name}"
        try:
            values = arrays.shared(path)[int(row)].astype(np.float32)  # (3, T, V, M)
        except UserError as error:
            return [Problem(where, str(error))]
        joints = values.transpose(3, 1, 2, 0)
        joints, present, broken = drop_broken(joints, joints.any((2, 3)))
        joints, present = unpad(joints, present)
        problems = [Problem(where, broken)] if broken else []
        if not present.any():
            return problems or [Problem(where, "no body in any frame")]
        if int(z_up):
            joints = y_up(joints)
        if self.layout == "openpose18":
            joints = joints * np.array([1, -1, 1], np.float32)
        numbers = ntu_numbers(name) or {"setup": int(setup)}
        return [*problems, SkeletonSequence(name, joints, present, self.layout, int(label), **numbers)]


def pairs(root: Path, problems: list[Problem]) -> list[tuple[str, Path, list[str], list[int]]]:
    """(part, data file, names, labels) per part below a folder. Raises UserError if there is none, or two of a part."""
    if not root.is_dir():
        raise UserError(f"{root} is not a folder. Expected there: {EXPECTED}")
    found: dict[str, tuple[Path, list[str], list[int]]] = {}
    everything = list(archives.walk(root))
    data = [path for path in everything if path.suffix == ".npy"]
    for path in (p for p in everything if p.suffix in (".pkl", ".pickle")):
        try:
            names, labels = read_labels(path)
        except UserError as error:
            problems.append(Problem(str(path), str(error).removeprefix(f"{path}: ")))
            continue
        part = _part(path)
        fitting = [d for d in data if d.parent == path.parent and _part(d) == part and _is_joints(d, len(names))]
        if not fitting:
            problems.append(Problem(str(path), f"no array of joints with {len(names)} rows beside it"))
        elif len(fitting) > 1 or part in found:
            both = [str(d) for d in (*fitting, *(found[part][:1] if part in found else ()))]
            raise UserError(f"several arrays for the part {part!r}: {', '.join(both)}; name the folder of one")
        else:
            found[part] = (fitting[0], names, labels)
    if not found:
        first = f" The first problem: {problems[0]}" if problems else ""
        raise UserError(f"no pair of data and labels below {root}. Expected there: {EXPECTED}.{first}")
    return [(part, *found[part]) for part in sorted(found, key=lambda p: PARTS.get(p, 9))]


def _part(path: Path) -> str:
    return path.stem.split("_")[0]


def read_labels(path: Path) -> tuple[list[str], list[int]]:
    """(names, class numbers) of a label file. Raises UserError if it is anything else."""
    content: Any = pickles.load(path)
    if not isinstance(content, list | tuple) or len(content) < 2:
        raise UserError(f"{path}: not a pair (names, labels)")
    names, labels = list(content[0]), [int(n) if isinstance(n, int | np.integer) else None for n in content[1]]
    if not all(isinstance(name, str) for name in names) or None in labels or len(names) != len(labels):
        raise UserError(f"{path}: not a list of names and a list of class numbers of the same length")
    return [name.replace("::", "__") for name in names], labels  # type: ignore[return-value]


def _is_joints(path: Path, rows: int) -> bool:
    """Whether a file is (rows, 3, T, V, M) and its numbers are positions, not bones or motions."""
    try:
        array = arrays.Rows(path)
    except UserError:
        return False
    if len(array.shape) != 5 or array.shape[0] != rows or array.shape[1] != 3 or array.dtype.kind != "f":
        return False
    some = np.stack([array[int(i)][..., 0] for i in np.linspace(0, rows - 1, min(rows, SAMPLED))])  # (n, 3, T, V)
    there = some.any(1).any(2)  # (n, T)
    if not there.any():
        return True
    poses = some.transpose(0, 2, 3, 1)[there]  # (p, V, 3)
    empty = ~poses.any((0, 2))
    if empty.any() and not (empty[1] and empty.sum() == 1):
        return False  # bones: the root has none; joints: at most the origin, joint 1, is zero
    pose = some - some.mean(3, keepdims=True)
    step = np.abs(pose[:, :, 1:] - pose[:, :, :-1]).mean((1, 3))[there[:, 1:] & there[:, :-1]]
    size = np.abs(pose).mean((1, 3))[there]
    return not len(step) or bool(np.median(step) < 0.5 * np.median(size))  # a motion changes by its own size


def _normalised(path: Path) -> bool:
    """Whether most of some rows have been through 2s-AGCN's normalisation."""
    array = arrays.Rows(path)
    rows = np.linspace(0, len(array) - 1, min(len(array), SAMPLED))
    found = [turned(array[int(i)].transpose(3, 1, 2, 0), layout("kinect25")) for i in rows]
    return sum(found) > len(found) / 2
