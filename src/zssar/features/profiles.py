"""The view ``profile``: the quantities of the motion profile measured on the skeletons, without any network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zssar.errors import UserError
from zssar.skeleton import kinematics
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons

BLOCK = 1024  # clips measured at a time: bounds the memory
VERTICAL = {"pyskl": 2}  # the axis that points up, where a recipe turns the body; else y
# What these recipes take away from every frame (place and heading, or place) is what the profile measures.
UNFIT = ("aimclr", "shiftgcn")


def names() -> tuple[str, ...]:
    """The quantities in the order of the view's columns."""
    return kinematics.names()


def blocks(data: Skeletons, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows of a block, profile float32 (m, Q), NaN where unknown) of consecutive clips.

    Raises UserError for clips whose movement through space a recipe has taken out.
    """
    recipe = str(data.attrs.get("recipe", ""))
    if recipe in UNFIT:
        raise UserError(
            f"the view profile cannot be measured on clips of the recipe {recipe!r}, which removes movement through "
            f"space from every frame. Set `recipe:` of the data set {data.attrs['dataset']} to zssar in config.yaml."
        )
    vertical = VERTICAL.get(recipe, kinematics.UP)
    for block in np.array_split(rows, max(1, -(-len(rows) // BLOCK))):
        yield block, kinematics.measure_clips(data, block, layout(data.layout), vertical=vertical)
