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
        axes = _by_axis(joints[m], present[m])
        score[m] = _motion(axes)
        if left == 1:
            continue
        extent = axes[:2].max(1) - axes[:2].min(1)  # (2, t)
        good = extent[0] <= SPREAD * extent[1]
        kept = int(np.count_nonzero(good))
        if len(good) - kept >= NOISY_SHARE * len(good):
            del score[m]
            left -= 1
        elif kept < len(good):
            score[m] = min(score[m], _motion(axes[:, :, good]))
    return sorted(score, key=lambda m: -score[m])


def _by_axis(joints: np.ndarray, present: np.ndarray) -> np.ndarray:
    """(T, V, C) -> contiguous (C, V, t), the frames in which the body is there: numpy reduces that ten times faster."""
    return np.ascontiguousarray((joints if present.all() else joints[present]).transpose(2, 1, 0))


def _motion(axes: np.ndarray) -> float:
    """Sum over the axes of the variance of all joint positions in all frames: (C, V, t)."""
    flat = axes.reshape(len(axes), -1).astype(np.float64)
    flat -= flat.mean(1, keepdims=True)
    return float(np.einsum("ij,ij->", flat, flat)) / flat.shape[1]


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
                where = slice(first, last + 1) if len(frames) == last - first + 1 else frames
                slots[slot, where] = joints[m, where]
                seen[slot, where] = True
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
