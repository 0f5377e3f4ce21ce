"""What two people do to each other, measured: the quantities of the motion profile that need a second person."""

from __future__ import annotations

import numpy as np

from zssar.skeleton import person
from zssar.skeleton.layouts import Layout
from zssar.skeleton.person import SIDES, TOUCH, Person, low, norm
from zssar.skeleton.transforms import Ragged

DEFINITIONS = {  # unit and rule, as ``kinematics.definitions`` gives them
    "two_people": ("share", "share of the frames in which a second person is there"),
    "approach": ("L", "horizontal distance of the pelvises, end minus start"),
    "contact": ("L", "minus the smallest distance of a wrist or ankle of one to a joint of the other, at most 1.2"),
    "partner_motion": ("ratio", "path of the second person's limbs, relative to the first's, at most 1.5"),
    "facing": (
        "-1..1",
        "cosine of where one faces and where the other is, mean of both and of time: 1 face to face, -1 back to back",
    ),
}


def measure(first: Person, skeletons: Ragged, rows: np.ndarray, layout: Layout, matrix: np.ndarray) -> dict:
    """Quantity -> (N,), NaN where nobody else is there.

    matrix (N, 3, 3): what turned the first person upright (``person.turned_upright``).
    """
    columns = {name: np.full(len(rows), np.nan) for name in DEFINITIONS} | {"two_people": np.zeros(len(rows))}
    if skeletons.joints.shape[1] < 2:
        return columns
    columns["two_people"] = person.presence(skeletons, rows, 1)
    there = np.flatnonzero(columns["two_people"])
    if not len(there):
        return columns
    a = Person(first.x[:, there], first.seconds[there])
    b = Person(person.rotated(person.clips(skeletons, rows[there], layout, 1), matrix[there]), a.seconds)
    way = (b.joint("spine_base") - a.joint("spine_base")) * [1, 0, 1]
    near = [
        low(np.fmin.reduce(norm(one.joint(f"{side}_{tip}") - other.x)))
        for one, other in ((a, b), (b, a))
        for side in SIDES
        for tip in ("wrist", "ankle")
    ]
    efforts = [sum(np.expm1(person.effort(limb)) for limb in one.limbs) for one in (a, b)]
    columns["approach"][there] = person.net(norm(way) / a.trunk)
    columns["contact"][there] = -np.minimum(np.fmin.reduce(near) / a.trunk[:, 0], TOUCH)
    columns["partner_motion"][there] = np.minimum(efforts[1] / np.maximum(efforts[0], 1e-6), 1.5)
    columns["facing"][there] = person.dot(a.forward - b.forward, person.unit(way)).mean(1) / 2
    return columns
