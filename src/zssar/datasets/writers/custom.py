"""Writer of the format for one's own recordings: ``recordings.csv`` and one ``.npz`` or ``.csv`` file per recording."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from zssar.interfaces import UNKNOWN, SkeletonSequence
from zssar.skeleton.layouts import layout

COLUMNS = ("file", "class", "subject", "camera", "setup", "replication")


def write(
    folder: Path | str,
    sequences: Iterable[SkeletonSequence],
    class_names: Sequence[str],
    kind: str = "npz",
    image: tuple[int, int] = (1920, 1080),
) -> None:
    """Write sequences of any layout as ``kind`` npz or csv; two-dimensional ones in pixels of an image (w, h)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "recordings.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for s in sequences:
            name = f"{s.sample_id}.{kind}"
            joints, scores = _plain(s, image)
            if kind == "npz":
                np.savez(folder / name, joints=joints, scores=scores, present=s.present)
            else:
                _write_csv(folder / name, s, joints, scores)
            numbers = [getattr(s, column) for column in COLUMNS[2:]]
            table.writerow([name, class_names[s.label], *("" if n == UNKNOWN else n for n in numbers)])


def _plain(s: SkeletonSequence, image: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    joints = np.where(s.present[:, :, None, None], s.joints, 0)
    if layout(s.layout).dimensions == 3:
        return joints, np.ones(joints.shape[:3], np.float32)
    pixels = np.stack([(s.joints[..., 0] + 0.5) * image[0], (0.5 - s.joints[..., 1]) * image[1]], -1)
    return pixels, np.where(s.joints[..., 2] > 0, s.joints[..., 2], 1)


def _write_csv(path: Path, s: SkeletonSequence, joints: np.ndarray, scores: np.ndarray) -> None:
    names = layout(s.layout).joints
    axes = "xyz"[: joints.shape[3]]
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["frame", "person", "joint", *axes, "score"])
        for t in range(joints.shape[1]):
            for m in np.flatnonzero(s.present[:, t]):
                for v, name in enumerate(names):
                    table.writerow([t, m, name, *(f"{x:.7g}" for x in joints[m, t, v]), f"{scores[m, t, v]:.4g}"])
