"""From the joints of one sensor or pose estimator to those of another, and what is only a stand-in.

A joint that both layouts have is taken over. One that the source lacks is placed on joints that it has (``RULES``): the
middle of the hips for the base of the spine, the wrist for a hand. Such a stand-in carries no information of its own.
Image coordinates do not become metres, so two-dimensional layouts are converted among themselves only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from zssar.errors import UserError
from zssar.interfaces import SkeletonSequence
from zssar.skeleton.layouts import Layout, layout

KINECT1 = ("kinect20", "utd20")  # their spine lies 0.08 m above the hips, a fifth of the way; Kinect v2's halfway
SIDES = ("left", "right")
# Joint -> places to try in order; a place is the mean of its joints, which may be stand-ins themselves.
RULES: dict[str, tuple[tuple[str, ...], ...]] = {
    "spine_base": (("left_hip", "right_hip"),),
    "spine_shoulder": (("left_shoulder", "right_shoulder"),),
    "spine_mid": (("spine_base", "spine_shoulder"),),
    "torso": (("spine_base", "spine_shoulder"),),
    "neck": (("spine_shoulder", "spine_shoulder", "spine_shoulder", "head"),),
    "head": (("left_ear", "right_ear"), ("nose",)),
    "nose": (("head",),),
}
for _side in SIDES:
    RULES |= {
        f"{_side}_{joint}": tuple(tuple(f"{_side}_{j}" for j in place.split()) for place in places)
        for joint, places in {
            "hand": ("index pinky wrist", "wrist"),
            "wrist": ("hand",),
            "tip": ("index", "hand"),
            "index": ("tip", "hand"),
            "pinky": ("tip", "hand"),
            "thumb": ("hand",),
            "foot": ("ankle",),
            "ankle": ("foot",),
            "heel": ("ankle",),
        }.items()
    }
    for _joint in ("eye", "ear", "eye_inner", "eye_outer", "mouth"):
        RULES[f"{_side}_{_joint}"] = ((f"{_side}_eye",), ("nose",)) if "_" in _joint else (("nose",),)


@dataclass(frozen=True)
class JointMap:
    """weights (V of the target, V of the source), rows add up to 1. stand_ins: target joint -> where it is put."""

    source: Layout
    target: Layout
    weights: np.ndarray
    stand_ins: dict[str, tuple[str, ...]]

    def told(self) -> str:
        """The stand-ins in words; ``hand on wrist`` stands for both sides."""
        placed = []
        for joint, on in self.stand_ins.items():
            words = f"{joint} on {' + '.join(on)}"
            if not joint.startswith("right_"):  # as on the left
                placed.append(words.replace("left_", "") if joint.startswith("left_") else words)
        return ", ".join(placed) or "none"

    def __str__(self) -> str:
        taken = len(self.target) - len(self.stand_ins)
        words = f"{self.source.name} to {self.target.name}: {taken} of {len(self.target)} joints taken over"
        return f"{words}; stand-ins: {self.told()}"


@cache
def joint_map(source: str, target: str) -> JointMap:
    """The map between two layouts. Raises UserError for unknown layouts, and between two and three dimensions."""
    of, to = layout(source), layout(target)
    if of.dimensions != to.dimensions:
        raise UserError(
            f"layout {source} has {of.dimensions} dimensions, {target} has {to.dimensions}: poses in the image and "
            "poses in space do not turn into each other"
        )
    weights = np.zeros((len(to), len(of)), np.float32)
    stand_ins = {}
    for v, joint in enumerate(to.joints):
        row = _place(_meant(joint, to), of, to, frozenset())
        if row is None:
            raise UserError(f"layout {source} has nothing to put {joint} of {target} on")
        weights[v] = row
        if not _same(_meant(joint, to), of, to):
            stand_ins[joint] = tuple(of.joints[i] for i in np.flatnonzero(row))
    return JointMap(of, to, weights, stand_ins)


def convert(sequence: SkeletonSequence, target: str) -> SkeletonSequence:
    """The recording with the joints of another layout; an absent person stays zero."""
    if sequence.layout == target:
        return sequence
    found = joint_map(sequence.layout, target)
    joints = np.einsum("wv,mtvc->mtwc", found.weights, sequence.joints).astype(np.float32)
    return replace(sequence, joints=joints, layout=target)


def _meant(joint: str, of: Layout) -> str:
    """Layouts without a joint between the shoulders call that point their neck."""
    return "spine_shoulder" if joint == "neck" and "spine_shoulder" not in of.joints else joint


def _same(joint: str, of: Layout, to: Layout) -> bool:
    """Whether both layouts mean the same point by this name."""
    if joint in ("spine_mid", "torso") and (of.name in KINECT1) != (to.name in KINECT1):
        return False
    return any(_meant(own, of) == joint for own in of.joints)


def _place(joint: str, of: Layout, to: Layout, asked: frozenset[str]) -> np.ndarray | None:
    """Weights (V of the source,) for a joint; None if there is no place for it."""
    if joint in asked:
        return None
    if _same(joint, of, to):
        row = np.zeros(len(of), np.float32)
        row[next(v for v, own in enumerate(of.joints) if _meant(own, of) == joint)] = 1
        return row
    places = RULES.get(joint, ())
    if joint == "spine_mid" and to.name in KINECT1:
        places = (("spine_base",) * 4 + ("spine_shoulder",),)
    for place in places:
        rows = [_place(other, of, to, asked | {joint}) for other in place]
        if all(row is not None for row in rows):
            return np.mean(rows, axis=0, dtype=np.float32)
    return None
