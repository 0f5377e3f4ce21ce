"""Two-dimensional poses without identity, as pose estimators give them: people followed through the frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zssar.skeleton.layouts import Layout

MEMORY = 10  # frames for which a person who is not seen is remembered
REACH = 0.15  # mean distance of the joints seen in both frames, in sizes of the image, up to which it is one person


def follow(frames: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Per frame the people (P, V, 3) as x, y, confidence -> tracks (M, T, V, 3), present (M, T).

    From frame to frame the assignment with the smallest total distance is taken; nobody moves further than REACH.
    Tracks are ordered by the sum of their confidences, largest first, so that the first ones are the people whom the
    estimator saw most, as in ST-GCN's choice of two people per clip.
    """
    from scipy.optimize import linear_sum_assignment

    last: list[np.ndarray] = []  # the last pose of each track
    when: list[int] = []
    members: list[tuple[int, int, np.ndarray]] = []  # track, frame, pose
    for t, people in enumerate(frames):
        people = [p for p in people if p[:, 2].any()]
        tracks = [m for m in range(len(last)) if t - when[m] <= MEMORY]
        taken: dict[int, int] = {}
        if tracks and people:
            cost = _distances(np.stack([last[m] for m in tracks]), np.stack(people))
            rows, columns = linear_sum_assignment(np.minimum(cost, 10 * REACH))
            taken = {int(c): tracks[r] for r, c in zip(rows, columns) if cost[r, c] <= REACH}
        for i, pose in enumerate(people):
            track = taken.get(i, len(last))
            if track == len(last):
                last.append(pose)
                when.append(t)
            last[track], when[track] = np.where(pose[:, 2:] > 0, pose, last[track]), t
            members.append((track, t, pose))
    return _stack(members, len(last), len(frames))


def _stack(members, count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    joints_of_one = members[0][2].shape if members else (0, 3)
    joints = np.zeros((count, length, *joints_of_one), np.float32)
    present = np.zeros((count, length), bool)
    for track, t, pose in members:
        joints[track, t], present[track, t] = pose, True
    order = np.argsort(-joints[..., 2].sum((1, 2)), kind="stable")
    return joints[order], present[order]


def _distances(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Mean distance (A, B) over the joints that (A, V, 3) and (B, V, 3) both have; large where they share none."""
    both = (old[:, None, :, 2] > 0) & (new[None, :, :, 2] > 0)
    apart = np.linalg.norm(old[:, None, :, :2] - new[None, :, :, :2], axis=-1)
    count = both.sum(-1)
    return np.where(count > 0, (apart * both).sum(-1) / np.maximum(count, 1), 1e3)


def fill_unseen(joints: np.ndarray, present: np.ndarray, of: Layout) -> None:
    """Give joints of confidence 0 a place, in place: (M, T, V, 3), (M, T). Their confidence stays 0.

    Between two frames of a track in which the joint is seen: linear in time; before the first and after the last:
    held. A joint that a track never shows lies on its nearest shown neighbour towards the root, or on the root's side
    of the tree if there is none: a bone of length zero instead of a leg that points into the corner of the image.
    """
    for person, there in zip(joints, present):
        frames = np.flatnonzero(there)
        if not len(frames):
            continue
        track = person[frames]  # (t, V, 3)
        shown = track[..., 2] > 0
        for v in np.flatnonzero(shown.any(0) & ~shown.all(0)):
            seen = np.flatnonzero(shown[:, v])
            for axis in (0, 1):
                track[:, v, axis] = np.interp(np.arange(len(frames)), seen, track[seen, v, axis])
        _lay_on_neighbours(track, shown.any(0), of)
        person[frames] = track


def _lay_on_neighbours(track: np.ndarray, known: np.ndarray, of: Layout) -> None:
    known = known.copy()
    if not known.any():
        return
    while not known.all():
        before = known.copy()
        for child, parent in of.edges:
            for unknown, other in ((child, parent), (parent, child)):
                if not known[unknown] and before[other]:
                    track[:, unknown, :2] = track[:, other, :2]
                    known[unknown] = True
