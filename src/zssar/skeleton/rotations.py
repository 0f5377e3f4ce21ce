"""Rotation matrices for skeletons; y is up, as in camera space."""

from __future__ import annotations

import numpy as np


def between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) that turns ``start`` (3,) into the direction of ``end`` (3,) on the shortest way.

    Identity if one of them is zero; half a turn about a normal if they are opposite (Rodrigues' formula).
    """
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if min(lengths) < 1e-9:
        return np.eye(3)
    a, b = np.asarray(start, float) / lengths[0], np.asarray(end, float) / lengths[1]
    axis, cosine = np.cross(a, b), float(a @ b)
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        if cosine > 0:
            return np.eye(3)
        axis = np.cross(a, np.eye(3)[np.argmin(np.abs(a))])
        sine, axis = 0.0, axis / np.linalg.norm(axis)
    else:
        axis = axis / sine
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + sine * cross + (1 - cosine) * cross @ cross


def about_vertical(across: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) about y that bring the horizontal part of ``across`` (..., 3) to +x.

    Identity where it has no horizontal part.
    """
    x, z = across[..., 0].astype(float), across[..., 2].astype(float)
    length = np.hypot(x, z)
    still = length < 1e-9
    cosine, sine = (
        np.where(still, 1, x) / np.where(still, 1, length),
        np.where(still, 0, z) / np.where(still, 1, length),
    )
    matrix = np.zeros((*length.shape, 3, 3))
    matrix[..., 0, 0] = matrix[..., 2, 2] = cosine
    matrix[..., 0, 2], matrix[..., 2, 0] = sine, -sine
    matrix[..., 1, 1] = 1
    return matrix


def rotate(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """points (..., V, 3) by matrix (3, 3) or (..., 3, 3); float32."""
    return (points @ np.swapaxes(matrix, -1, -2)).astype(np.float32)
