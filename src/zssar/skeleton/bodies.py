"""From tracked bodies to two actors: which tracks are furniture, which are the same person under a new id.

The rules and constants are those of CTR-GCN's preparation scripts (Chen et al., ICCV 2021), which pyskl also uses; see
docs/data.md. Unlike there, every body keeps the frames in which it was seen: a track with a gap is not closed up.
"""

from __future__ import annotations

import numpy as np

SHORTEST = 11  # frames; a track that is not longer is noise
SPREAD = 0.8  # a frame is noisy when the extent along x is more than this share of the extent along y
NOISY_SHARE = 0.69754  # a track with at least this share of noisy frames is an object


def denoise(joints: np.ndarray, present: np.ndarray) -> list[int]:
    """The tracks that are people, main actor first (the largest motion): joints (M, T, V, C), present (M, T).

    A single track passes unchecked, and the last one left is never dropped. Tracks without a frame are ignored.
    """
    lengths = present.sum(1)
    tracks = [int(m) for m in np.flatnonzero(lengths)]
    if len(tracks) < 2:
        return tracks
    tracks = [m for m in tracks if lengths[m] > SHORTEST] or [int(np.argmax(lengths))]
    if len(tracks) == 1:
        return tracks
    left, score = len(tracks), {}
    for m in tracks:
        points = joints[m, present[m]]  # (t, V, C)
        score[m] = motion(points)
        if left == 1:
            continue
        low, high = points[:, :, :2].min(1), points[:, :, :2].max(1)
        extent = high - low
        good = extent[:, 0] <= SPREAD * extent[:, 1]
        if len(good) - good.sum() >= NOISY_SHARE * len(good):
            del score[m]
            left -= 1
        elif not good.all():
            score[m] = min(score[m], motion(points[good]))
    return sorted(score, key=lambda m: -score[m])


def motion(points: np.ndarray) -> float:
    """Sum over the axes of the variance of all joint positions in all frames: points (t, V, C)."""
    return float(points.reshape(-1, points.shape[2]).var(0, dtype=np.float64).sum())


def actors(joints: np.ndarray, present: np.ndarray, order: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Tracks in ``order`` into two slots: joints (2, T, V, C), present (2, T); an empty slot is zero.

    A track goes into the first slot whose span of frames (first to last) it does not overlap, so that a person who
    comes back under a new id is one actor; a track that overlaps both slots is dropped. Spans that share one frame do
    not count as overlapping; the later track then owns that frame.
    """
    slots = np.zeros((2, *joints.shape[1:]), np.float32)
    seen = np.zeros((2, joints.shape[1]), bool)
    spans: list[tuple[int, int] | None] = [None, None]
    for m in order:
        frames = np.flatnonzero(present[m])
        first, last = int(frames[0]), int(frames[-1])
        for slot in (0, 1):
            span = spans[slot]
            if span is None or min(span[1], last) - max(span[0], first) <= 0:
                slots[slot, frames] = joints[m, frames]
                seen[slot, frames] = True
                spans[slot] = (first, last) if span is None else (min(span[0], first), max(span[1], last))
                break
    return slots, seen


def first_two(joints: np.ndarray, present: np.ndarray, slots: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """The first ``slots`` bodies of each frame without regard to identity, as older pipelines take them.

    Within a frame, bodies count in the order in which their tracks first appear in the recording, which is the order
    in the file unless the sensor reorders them midway. joints (slots, T, V, C), present (slots, T).
    """
    rank = np.cumsum(present, 0) - 1
    track, frame = np.nonzero(present & (rank < slots))
    result = np.zeros((slots, *joints.shape[1:]), np.float32)
    seen = np.zeros((slots, joints.shape[1]), bool)
    result[rank[track, frame], frame] = joints[track, frame]
    seen[rank[track, frame], frame] = True
    return result, seen
