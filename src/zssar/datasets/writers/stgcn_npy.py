"""Writer of ST-GCN arrays: (N, 3, T, V, M) float32 and a pickled pair (names, labels)."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zssar.interfaces import SkeletonSequence


def write(
    folder: Path | str, part: str, sequences: Sequence[SkeletonSequence], frames: int = 300, suffix: str = "_joint"
) -> None:
    """Write one part (train, val), zero padded. kinect25 or openpose18; two bodies."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data = np.stack([padded(s, frames) for s in sequences])
    np.save(folder / f"{part}_data{suffix}.npy", data)
    ending = ".skeleton" if sequences[0].layout == "kinect25" else ".json"
    with open(folder / f"{part}_label.pkl", "wb") as file:
        pickle.dump(([s.sample_id + ending for s in sequences], [s.label for s in sequences]), file)


def padded(s: SkeletonSequence, frames: int) -> np.ndarray:
    """(3, frames, V, 2)."""
    row = np.zeros((3, frames, s.joints.shape[2], 2), np.float32)
    joints = np.where(s.present[:, :, None, None], s.joints, 0)[:2].transpose(3, 1, 2, 0)
    if s.layout == "openpose18":
        joints = joints * np.array([1, -1, 1], np.float32)[:, None, None, None]
    row[:, : joints.shape[1], :, : joints.shape[3]] = joints
    return row
