"""Writer of CTR-GCN's ``.npz`` files: rows of 300 frames x two bodies, one-hot labels, no names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from zssar.interfaces import SkeletonSequence


def write(
    path: Path | str,
    train: Sequence[SkeletonSequence],
    test: Sequence[SkeletonSequence],
    classes: int,
    frames: int = 300,
    compressed: bool = False,
) -> None:
    """Write kinect25 sequences of at most two bodies and ``frames`` frames, in their order."""
    content = {}
    for part, sequences in (("train", train), ("test", test)):
        content[f"x_{part}"] = np.stack([_row(s, frames) for s in sequences])
        content[f"y_{part}"] = np.eye(classes)[[s.label for s in sequences]]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    (np.savez_compressed if compressed else np.savez)(path, **content)


def _row(sequence: SkeletonSequence, frames: int) -> np.ndarray:
    row = np.zeros((frames, 2, 25, 3), np.float32)
    joints = np.where(sequence.present[:, :, None, None], sequence.joints, 0)[:2]
    row[: joints.shape[1], : len(joints)] = joints.swapaxes(0, 1)
    return row.reshape(frames, 150)


def order(sequences: Iterable[SkeletonSequence], column: str) -> list[SkeletonSequence]:
    """The order of the scripts: by subject (camera, setup), then by name."""
    return sorted(sequences, key=lambda s: (getattr(s, column), s.sample_id))
