"""Writer of Kinetics-skeleton JSON files and their two label files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from zssar.interfaces import SkeletonSequence

PARTS = {1: "train", 2: "val"}


def write(folder: Path | str, sequences: Iterable[SkeletonSequence], class_names: Sequence[str], score: float = 0.9):
    """One file per openpose18 sequence; its setup (1, 2) is the list it goes into. Three decimals, as published.

    score: the confidence of every joint where the sequence's third channel is 0. Frames count from 1.
    """
    folder = Path(folder)
    lists: dict[str, dict] = {part: {} for part in PARTS.values()}
    for s in sequences:
        part = PARTS[s.setup]
        place = folder / f"kinetics_{part}"
        place.mkdir(parents=True, exist_ok=True)
        label = {"label": class_names[s.label], "label_index": s.label}
        frames = [
            {
                "frame_index": t + 1,
                "skeleton": [_person(s.joints[m, t], score) for m in range(len(s.joints)) if s.present[m, t]],
            }
            for t in range(s.joints.shape[1])
        ]
        (place / f"{s.sample_id}.json").write_text(json.dumps({"data": frames, **label}), encoding="utf-8")
        lists[part][s.sample_id] = {"has_skeleton": True, **label}
    for part, entries in lists.items():
        (folder / f"kinetics_{part}_label.json").write_text(json.dumps(entries), encoding="utf-8")


def _person(pose, score: float) -> dict:
    confidence = [round(float(c) or score, 3) for c in pose[:, 2]]
    return {"pose": [round(float(v), 3) for x, y, _ in pose for v in (x + 0.5, 0.5 - y)], "score": confidence}
