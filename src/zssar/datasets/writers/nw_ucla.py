"""Writer of NW-UCLA JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from zssar.interfaces import SkeletonSequence

ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)


def write(folder: Path | str, sequences: Iterable[SkeletonSequence]) -> list[Path]:
    """One file per kinect20 sequence, first body only, six significant digits. Returns the paths.

    Action from the label, view from the camera, episode from the replication.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for s in sequences:
        name = f"a{ACTIONS[s.label]:02d}_s{s.subject:02d}_e{s.replication:02d}_v{s.camera:02d}"
        frames = [[[float(f"{x:.6g}") for x in joint] for joint in frame] for frame in s.joints[0][s.present[0]]]
        paths.append(folder / f"{name}.json")
        content = {"file_name": name, "skeletons": frames, "label": s.label + 1}
        paths[-1].write_text(json.dumps(content), encoding="utf-8")
    return paths
