"""What a form says of body parts: which quantities speak of which part, for methods that compare part by part.

One table, over the six parts of STAR; its four and two parts and the four of PURLS follow by merging, as they do for
joints (``skeleton/layouts.py``). A quantity may speak of several parts; one of the whole body, or one that is not in
the table (a user's own), speaks of all. A form tells nothing of phases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zssar.errors import unknown
from zssar.skeleton.layouts import PURLS_FOUR, STAR_FOUR, STAR_SIX, STAR_TWO

_PLACE = ("motion", "top", "bottom", "across", "out", "forward")  # of a hand: the arm makes it as much
_STROKE = ("sweep", "rise", "thrust", "rotation")
_STEP = ("legs_alternation", "feet_apart", "travel")


def _sides(limb: str, *words: str) -> tuple[str, ...]:
    return tuple(f"{side}_{limb}_{word}" for word in words for side in ("right", "left"))


SIX: dict[str, tuple[str, ...]] = {
    "head": ("hand_to_head", "trunk_bend", "trunk_motion", "turn"),
    "hand": (*_sides("hand", *_PLACE, *_STROKE), "hands_apart", "hand_to_head"),
    "arm": (*_sides("hand", *_PLACE), *_sides("elbow", "bend"), "hands_apart", "arms_symmetry"),
    "hip": ("trunk_motion", "trunk_bend", "trunk_twist", "pelvis_drop", "pelvis_change", "jump", "travel", "turn"),
    "leg": (*_sides("foot", "motion"), *_sides("knee", "bend"), "pelvis_drop", "pelvis_change", *_STEP),
    "foot": (*_sides("foot", "motion", "lift"), "jump", *_STEP),
}
WHOLE = ("speed", "repetition", "hold", "two_people", "approach", "contact", "partner_motion", "facing")
_PURLS = {"head": ("head",), "hands": ("hand", "arm"), "torso": ("hip",), "legs": ("leg", "foot")}
GROUPINGS: dict[str, Mapping[str, tuple[str, ...]]] = {
    "parts_purls": {part: _PURLS[part] for part in PURLS_FOUR},
    "parts6": {part: (part,) for part in STAR_SIX},
    "parts4": STAR_FOUR,
    "parts2": STAR_TWO,
}
_PLACED = frozenset(name for names in SIX.values() for name in names)


def masks(names: Sequence[str], grouping: str) -> dict[str, np.ndarray]:
    """Part -> bool (Q,): which of the quantities ``names`` speak of it. grouping: parts_purls, parts2, parts4, parts6.

    Raises UserError for another grouping.
    """
    if grouping not in GROUPINGS:
        raise unknown("part grouping", grouping, GROUPINGS)
    return {
        part: np.array([name not in _PLACED or any(name in SIX[one] for one in merged) for name in names])
        for part, merged in GROUPINGS[grouping].items()
    }


def kind(form: str, grouping: str) -> str:
    """Under which name ``statements.as_vectors`` hands out the part vectors of a form."""
    return f"{form}.{grouping}"
