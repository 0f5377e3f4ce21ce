"""Writer of pyskl annotation pickles: float16 for three dimensions, pixels and scores for two."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zssar.interfaces import SkeletonSequence


def write(
    path: Path | str,
    sequences: Iterable[SkeletonSequence],
    split: Mapping[str, Sequence[str]],
    image: tuple[int, int] = (1080, 1920),
) -> None:
    """Write kinect25 or coco17 sequences; ``split``: list name -> sample ids. image: (height, width) in pixels."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    content = {"split": {k: list(v) for k, v in split.items()}, "annotations": [_entry(s, image) for s in sequences]}
    with open(path, "wb") as file:
        pickle.dump(content, file)


def _entry(s: SkeletonSequence, image: tuple[int, int]) -> dict[str, Any]:
    there = s.present[:, :, None, None]
    entry: dict[str, Any] = {"frame_dir": s.sample_id, "label": s.label, "total_frames": s.joints.shape[1]}
    if s.layout == "kinect25":
        return {**entry, "keypoint": np.where(there, s.joints, 0).astype(np.float16)}
    height, width = image
    flat = np.stack([(s.joints[..., 0] + 0.5) * width, (0.5 - s.joints[..., 1]) * height], -1)
    score = np.where(s.joints[..., 2] > 0, s.joints[..., 2], 1) * s.present[:, :, None]
    return {
        **entry,
        "img_shape": image,
        "original_shape": image,
        "keypoint": np.where(there, flat, 0).astype(np.float16),
        "keypoint_score": score.astype(np.float16),
    }
