"""The words of the motion profile as the methods need them: groups, scales, and which quantities a run uses.

The form itself is ``prompts/profile.md``; a test holds the two together. Forms with other names (a user's own, the toy
of the tests) work too, but have no groups, and their scale is taken to run from -3 to 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zssar.errors import UserError, unknown

_HANDS = ("right_hand", "left_hand")


def _both(*words: str, limbs: Sequence[str] = _HANDS) -> tuple[str, ...]:
    return tuple(f"{limb}_{word}" for word in words for limb in limbs)


GROUPS: dict[str, tuple[str, ...]] = {
    "effort": (*_both("motion"), *_both("motion", limbs=("right_foot", "left_foot")), "trunk_motion", "speed"),
    "reach": (*_both("top", "bottom", "across", "out", "forward"), "hands_apart", "hand_to_head"),
    "direction": _both("sweep", "rise", "thrust", "rotation"),
    "rhythm": ("repetition", "arms_symmetry", "legs_alternation", "hold"),
    "posture": (
        *_both("bend", limbs=("right_elbow", "left_elbow", "right_knee", "left_knee")),
        *("trunk_bend", "pelvis_drop", "pelvis_change", "jump"),
        *_both("lift", limbs=("right_foot", "left_foot")),
        "feet_apart",
    ),
    "travel": ("travel", "turn", "trunk_twist"),
    "partner": ("two_people", "approach", "contact", "partner_motion", "facing"),  # facing: not in prompts/profile.md
}
UNSIGNED = frozenset(
    [
        *GROUPS["effort"],
        *_both("across", "out"),
        "hands_apart",
        "hand_to_head",
        "repetition",
        "legs_alternation",
        "hold",
    ]
    + [name for name in GROUPS["posture"] if name not in ("trunk_bend", "pelvis_change")]
    + ["turn", "two_people", "contact", "partner_motion"]
)
HIGHEST = 3.0


def lowest(names: Sequence[str]) -> np.ndarray:
    """float64 (Q,): lower end of every scale; the upper end is always 3."""
    return np.array([0.0 if name in UNSIGNED else -HIGHEST for name in names])


def chosen(names: Sequence[str], groups: Sequence[str], quantities: Sequence[str], where: str) -> list[int]:
    """Positions in ``names`` of the groups and quantities asked for, in the order of ``names``; all if none is.

    Raises UserError naming a group or quantity that is not there.
    """
    for group in groups:
        if group not in GROUPS:
            raise unknown("group of quantities", group, GROUPS)
    wanted = {name for group in groups for name in GROUPS[group]} | set(quantities)
    positions(names, sorted(set(quantities)), where)
    found = [i for i, name in enumerate(names) if name in wanted] if wanted else list(range(len(names)))
    if not found:
        raise UserError(f"{where} has none of the quantities of the groups {', '.join(groups)}")
    return found


def positions(names: Sequence[str], wanted: Sequence[str], where: str) -> list[int]:
    """Indices of ``wanted`` in ``names``. Raises UserError naming those that are missing."""
    missing = [name for name in wanted if name not in names]
    if missing:
        raise UserError(f"{where} lacks the quantities {', '.join(missing)}; it has: {', '.join(names)}")
    return [list(names).index(name) for name in wanted]
