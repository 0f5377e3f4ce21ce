"""What the closed-form methods share: views side by side in one float64 matrix, and its standardisation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zssar.alignment import inputs, layers
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features


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


def text_units(
    texts: ClassTexts, kinds: Sequence[str], fusion: str, shape: tuple[int, ...] | None = None
) -> np.ndarray:
    """float64 (K, units, dim) of unit length: one summed vector per class, or (``concat``) every unit of every kind.

    ``shape``: the (units, dim) that the method was fitted on.
    """
    dim = None if shape is None else shape[1]
    if fusion == "sum":
        return inputs.class_vectors(texts, kinds, dim)[:, None].astype(np.float64)
    found = np.concatenate([layers.unit(inputs.embeddings(texts, kind, dim)) for kind in kinds], 1)
    if shape is not None and found.shape[1] != shape[0]:
        there = f"texts of {', '.join(kinds)} have {found.shape[1]} units"
        raise UserError(f"{there}, but the method was fitted on {shape[0]}; use the kinds of the training run")
    return found.astype(np.float64)
