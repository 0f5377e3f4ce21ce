"""What the closed-form methods share: views side by side in one float64 matrix, and its standardisation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zssar.alignment import inputs
from zssar.errors import UserError
from zssar.interfaces import Features


def flat(features: Features, views: Sequence[str], dim: int | None = None) -> np.ndarray:
    """float64 (n, D): the views side by side, parts and phases flattened. ``dim``: the D the method was fitted on.

    Raises UserError naming the views if the sizes differ.
    """
    blocks = []
    for view in views:
        block = inputs.array(features, view, ndim=None)
        blocks.append(block.reshape(len(block), math.prod(block.shape[1:])))
    found = np.concatenate(blocks, 1, dtype=np.float64)
    if dim is not None and found.shape[1] != dim:
        raise UserError(
            f"feature views {', '.join(views)} have {found.shape[1]} numbers per sample, but the method was fitted on "
            f"{dim}. Score with features of the backbone that made the training features."
        )
    return found


def statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column of the training rows; a constant column keeps scale 1."""
    scale = x.std(0)
    return x.mean(0), np.where(scale > 1e-8, scale, 1.0)
