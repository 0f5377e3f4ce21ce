"""Recordings out of arrays that somebody else preprocessed: what padding hid, and which way is up."""

from __future__ import annotations

import numpy as np

from zssar.skeleton.layouts import Layout


def unpad(joints: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut the empty frames at the end, and everything that only repeats: (M, T, V, C), (M, T).

    Repetition: 2s-AGCN's preparation fills the tail of a clip with copies of itself; the clip is cut to the first
    round of the first body. A second body that equals the first in every frame is the padding of CTR-GCN's NTU RGB+D
    120 and counts as absent.
    """
    joints, present = joints.copy(), present.copy()
    for m in range(1, len(joints)):
        if present[m].any() and np.array_equal(joints[m], joints[0]):
            joints[m], present[m] = 0, False
    frames = np.flatnonzero(present.any(0))
    if not len(frames):
        return joints[:, :0], present[:, :0]
    length = int(frames[-1]) + 1
    if present[0].any():
        length = min(length, period(joints[0]))
    return joints[:, :length], present[:, :length]


def period(person: np.ndarray) -> int:
    """The smallest p with person[t] == person[t - p] for all t >= p, of (T, V, C); T if there is none.

    At least four frames must repeat, so that two equal frames at the end of a clip are none.
    """
    flat = person.reshape(len(person), -1)
    starts = 1 + np.flatnonzero((flat[1:] == flat[0]).all(1))
    for p in starts:
        if len(flat) - p >= 4 and np.array_equal(flat[p:], flat[:-p]):
            return int(p)
    return len(flat)


def turned(joints: np.ndarray, of: Layout) -> bool:
    """Whether 2s-AGCN's normalisation has turned a clip (M, T, V, 3): z up, shoulders along x in the first pose.

    The line from the left to the right shoulder is then parallel to x to within rounding, which no recording is.
    """
    pose, at = joints[0, 0], of.roles
    across = pose[at["right_shoulder"]] - pose[at["left_shoulder"]]
    spine = pose[at["spine_mid"]] - pose[at["spine_base"]]
    exact = across[0] > 0.02 and np.abs(across[1:]).max() < 1e-3 * across[0]
    return bool(exact and spine[2] > 0.7 * np.linalg.norm(spine))


def y_up(joints: np.ndarray) -> np.ndarray:
    """z up, x to the right -> y up, x to the right, z away; a rotation by a quarter turn about x."""
    return np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], -1)
