"""NTU RGB+D as CTR-GCN's scripts leave it: ``NTU60_CS.npz``, ``NTU60_CV.npz``, ``NTU120_CSub.npz`` and the like.

Chen et al., "Channel-wise topology refinement graph convolution", ICCV 2021; also InfoGCN, STAR, Neuron, Flora. Keys
``x_train`` (N, 300, 150) float, two bodies x 25 joints x xyz, zero padded, ``y_train`` one-hot, ``x_test``, ``y_test``.

The file has no names. Where a complete original is read they are recovered from the order of its rows
(``ntu_names.ctrgcn_order``), and with them subject, camera and setup; else these are unknown, the part of the file is
kept as the setup (1 train, 2 test), and the partition ``packaged`` is the only one that fits. What the scripts did
cannot be undone: empty frames are gone, tracks were joined, positions are relative to the first pose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from zssar.datasets import archives, arrays, files, ntu_names
from zssar.datasets.files import Listing
from zssar.datasets.naming import OTHER_CLASSES, Classes, OtherClass, ntu_numbers
from zssar.datasets.numbers import drop_broken
from zssar.datasets.packaged import unpad
from zssar.errors import UserError, unknown
from zssar.interfaces import Problem, SkeletonDataset, SkeletonSequence

EXPECTED = "one .npz file with x_train, y_train, x_test, y_test, x of shape (N, frames, 150)"
PARTS = {"train": 1, "test": 2}
NUMBERS = 150


class CTRGCN(SkeletonDataset):
    """Reader of one ``.npz`` file, or of a folder that holds exactly one of this kind.

    class_names: default the 120 of NTU RGB+D. names: ``recover`` them where possible, or ``number`` the rows.
    """

    layout = "kinect25"
    persons = 2

    def __init__(self, class_names: Sequence[str] | None = None, names: str = "recover"):
        if names not in ("recover", "number"):
            raise unknown("value", names, ("recover", "number"), "names")
        self._classes = Classes(class_names, "ntu120")
        self.class_names, self.names = self._classes.names, names

    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Every row. Raises UserError if there is not exactly one such file."""
        return files.read_all(self, root)

    def list_files(self, root: Path) -> Listing:
        """One unit per row, training rows first. Raises UserError if there is not exactly one such file."""
        path = find(Path(root))
        units, problems, skipped = [], [], 0
        for part in PARTS:
            rows, labels = arrays.Rows(path, f"x_{part}"), _labels(path, part)
            if len(rows) != len(labels):
                raise UserError(f"{path}: x_{part} has {len(rows)} rows, y_{part} {len(labels)}")
            names = self._names(path, part, labels)
            for i, label in enumerate(labels):
                try:
                    if label < 0:
                        raise ValueError(f"row {i} of y_{part} has not exactly one class")
                    self._classes.index(int(label), f"class {label + 1} of row {i} of y_{part}")
                except OtherClass:
                    skipped += 1
                except ValueError as error:
                    problems.append(Problem(str(path), str(error)))
                else:
                    units.append(f"{path}::{part}::{i}::{label}::{names[i]}")
        return Listing(units, problems, {OTHER_CLASSES: skipped} if skipped else {})

    def _names(self, path: Path, part: str, labels: np.ndarray) -> list[str]:
        order = ntu_names.ctrgcn_order(labels) if self.names == "recover" else None
        return order[2] if order is not None else [f"{part}_{i:06d}" for i in range(len(labels))]

    def facts(self, unit: str) -> dict[str, int]:
        """What is known without reading the row."""
        _, part, _, label, name = unit.rsplit("::", 4)
        return {"label": int(label), "setup": PARTS[part], **ntu_numbers(name)}

    def read(self, unit: str) -> list[SkeletonSequence | Problem]:
        """One row: its sequence, preceded by a Problem if bodies with NaN were left out; or a Problem alone."""
        path, part, row, label, name = unit.rsplit("::", 4)
        where = f"{path}{archives.SEPARATOR}x_{part}[{row}]"
        try:
            values = arrays.shared(path, f"x_{part}")[int(row)].astype(np.float32)
        except UserError as error:
            return [Problem(where, str(error))]
        joints = values.reshape(-1, 2, 25, 3).swapaxes(0, 1)  # (2, T, 25, 3)
        joints, present, broken = drop_broken(joints, joints.any((2, 3)))
        joints, present = unpad(joints, present)
        problems = [Problem(where, broken)] if broken else []
        if not present.any():
            return problems or [Problem(where, "no body in any frame")]
        numbers = ntu_numbers(name) or {"setup": PARTS[part]}
        return [*problems, SkeletonSequence(name, joints, present, self.layout, int(label), **numbers)]


def find(root: Path) -> Path:
    """The one file of this kind. Raises UserError if there is none, or several."""
    if not root.exists():
        raise UserError(f"{root} does not exist. Expected there: {EXPECTED}")
    candidates = [root] if root.is_file() else [p for p in archives.walk(root) if p.suffix == ".npz"]
    fitting = [path for path in candidates if is_one(path)]
    if len(fitting) != 1:
        found = ", ".join(map(str, fitting or candidates[:5])) or "no .npz file"
        raise UserError(
            f"{len(fitting)} files of the kind wanted at {root} ({found}). Expected there: {EXPECTED}; name the file"
        )
    return fitting[0]


def is_one(path: Path) -> bool:
    """Whether a file has the keys and shapes."""
    try:
        found = arrays.members(path)
    except UserError:
        return False
    shapes = [found.get(f"x_{part}", ((), None))[0] for part in PARTS]
    return all(len(s) == 3 and s[2] == NUMBERS for s in shapes) and all(f"y_{part}" in found for part in PARTS)


def _labels(path: Path, part: str) -> np.ndarray:
    """Class per row, int64 (n,); -1 where a one-hot row has not exactly one 1."""
    labels = np.asarray(arrays.Rows(path, f"y_{part}")[:])
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    if labels.ndim != 2 or labels.dtype.kind not in "iufb":
        raise UserError(f"{path}: y_{part} is {labels.dtype} {labels.shape}, not one-hot rows or class numbers")
    one = ((labels != 0).sum(1) == 1) & (labels.sum(1) == 1)
    return np.where(one, labels.argmax(1), -1)
