"""The view ``profile``: the quantities of the motion profile measured on the skeletons, without any network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zssar.skeleton import kinematics
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons

BLOCK = 256  # clips measured at a time: bounds the memory


def names() -> tuple[str, ...]:
    """The quantities in the order of the view's columns."""
    return kinematics.names()


def blocks(data: Skeletons, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows of a block, profile float32 (m, Q), NaN where unknown) of consecutive clips."""
    for block in np.array_split(rows, max(1, -(-len(rows) // BLOCK))):
        yield block, kinematics.measure_clips(data, block, layout(data.layout))
