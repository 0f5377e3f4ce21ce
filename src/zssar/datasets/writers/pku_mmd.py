"""Writer of PKU-MMD text files: long videos put together from clips, their label rows, and the two split files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zssar.interfaces import SkeletonSequence

GAP = 10  # frames without a body before, between and after the clips
VIEWS = "LMR"


def write(folder: Path | str, videos: Mapping[str, Sequence[SkeletonSequence]], training: Sequence[str]) -> None:
    """Write ``videos``: name such as ``0002-L`` -> its kinect25 clips, in their order.

    training: names of the videos in the training list of the cross-subject split; the others are its validation list.
    """
    folder = Path(folder)
    skeletons, labels, splits = (folder / n for n in ("PKU_Skeleton_Renew", "Train_Label_PKU_final", "Split"))
    for place in (skeletons, labels, splits):
        place.mkdir(parents=True, exist_ok=True)
    for name, clips in videos.items():
        lines, rows = [_line(None)] * GAP, []
        for clip in clips:
            rows.append(f"{clip.label + 1},{len(lines) + 1},{len(lines) + clip.joints.shape[1]},2\n")
            joints = np.where(clip.present[:, :, None, None], clip.joints, 0)
            lines += [_line(joints[:2, t]) for t in range(joints.shape[1])] + [_line(None)] * GAP
        (skeletons / f"{name}.txt").write_text("".join(lines), encoding="ascii")
        (labels / f"{name}.txt").write_text("".join(rows), encoding="ascii")
    others = [name for name in videos if name not in set(training)]
    _split(splits / "cross-subject.txt", training, others)
    _split(splits / "cross-view.txt", [n for n in videos if n[-1] in "MR"], [n for n in videos if n[-1] == "L"])


def _line(bodies: np.ndarray | None) -> str:
    values = np.zeros(150)
    if bodies is not None:
        values[: bodies.size] = bodies.ravel()
    return " ".join(f"{x:.7g}" for x in values.tolist()) + "\n"


def _split(path: Path, training: Sequence[str], validation: Sequence[str]) -> None:
    text = "Training videos:\n" + "".join(f"{name}, " for name in training)
    text += "\nValidataion videos:\n" + "".join(f"{name}, " for name in validation)
    path.write_text(text + "\n", encoding="ascii")
