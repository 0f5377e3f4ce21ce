"""Writer of UWA3D II text files as ``zssar.datasets.uwa3d2`` reads them: 45 numbers per line, one line per frame."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from zssar.interfaces import SkeletonSequence


def write(folder: Path | str, sequences: Iterable[SkeletonSequence], unit: float = 0.001) -> list[Path]:
    """One file per uwa15 sequence, first body only; a frame without it is zeros. unit: metres per unit of the file."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for s in sequences:
        name = f"a{s.label + 1:02d}_s{s.subject:02d}_v{s.camera:02d}_e{s.replication:02d}.txt"
        joints = np.where(s.present[0, :, None, None], s.joints[0].astype(np.float64) / unit, 0)
        lines = [" ".join(f"{x:.7g}" for x in frame.ravel()) for frame in joints]
        paths.append(folder / name)
        paths[-1].write_text("\n".join(lines) + "\n", encoding="ascii")
    return paths
