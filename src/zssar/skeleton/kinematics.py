"""The quantities of the motion profile, measured: what ``prompts/profile.md`` asks, as numbers of a recording.

One more than that form asks is measured, ``facing``, for a form that asks it (``MORE``).

Every quantity is one number per clip, invariant to where the sensor stands and how tall the person is (see ``person``
for time, up, forward and the lengths L, G, A, W). A joint that a layout does not have gives NaN, "unknown", never zero;
so do depth on image coordinates and a partner where there is none. ``definitions()`` lists them for the documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from zssar.skeleton import partners, person
from zssar.skeleton.layouts import Layout
from zssar.skeleton.person import FRAMES, SIDES, Person, high, low, norm
from zssar.skeleton.transforms import Ragged

RATE = 30.0  # frames per second where a format tells none
BLOCK = 128  # clips measured at a time, of like length
UP = 1  # the y axis
MIRROR = np.array([-1, 1, 1], np.float32)


class Definition(NamedTuple):
    """How a quantity is measured: a function of a person (and a side), its unit, and the rule in words."""

    measure: Callable[..., np.ndarray]
    unit: str
    rule: str


# --- measurements shared by several quantities -----------------------------------------------------------------------


def _stroke(path: np.ndarray, weight: np.ndarray, axis: int) -> np.ndarray:
    """Direction of the fastest weighted movement along one axis, -1..1, times its extent (at most 2).

    Velocities are weighted by their speed squared, so that back and forth cancel and the fastest part decides.
    """
    v = np.diff(path, axis=1)
    speed, weight = norm(v), weight[:, 1:]
    direction = (weight * v[..., axis] * speed**2).sum(1) / np.maximum((weight * speed**3).sum(1), 1e-9)
    return direction * np.minimum(high(path[..., axis]) - low(path[..., axis]), 2.0)


def _hand_stroke(axis: int) -> Callable[[Person, str], np.ndarray]:
    return lambda p, side: _stroke(p.hands[side], p.acting[side], axis)


def _rotation(p: Person, side: str) -> np.ndarray:
    """Turns about the centre of the path in the upright plane, while the hand is away from rest; a bow is no circle."""
    weight = (1.0 * p.main[side])[..., None]
    path = p.hands[side][..., :2]
    centre = (weight * path).sum(1, keepdims=True) / np.maximum(weight.sum(1, keepdims=True), 1e-6)
    r = path - centre
    area = 0.5 * (weight[:, 1:, 0] * (r[:, :-1, 0] * r[:, 1:, 1] - r[:, :-1, 1] * r[:, 1:, 0])).sum(1)
    square = (weight[..., 0] * (r**2).sum(-1)).sum(1) / np.maximum(weight[..., 0].sum(1), 1e-6)
    turns = -area / np.maximum(np.pi * square, 0.03)  # radii under a tenth of L are tremor
    return np.sign(turns) * np.minimum(np.maximum(np.abs(turns) - 0.3, 0), 1.5)


def _cycles(path: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Full cycles along the main axis of the frames inside; movements under 0.3 L count in part,
    under 0.1 L not at all.

    A cycle is two passages from one side of the mean to the other, each beyond a quarter of the amplitude.
    """
    count = np.maximum(inside.sum(1), 1)[:, None, None]
    centre = (inside[..., None] * path).sum(1, keepdims=True) / count
    moved = np.where(inside[..., None], path - centre, 0)
    axis = np.linalg.eigh(np.einsum("ntc,ntd->ncd", moved, moved))[1][:, :, -1]
    along = np.einsum("ntc,nc->nt", moved, axis)
    extent = high(along) - low(along)
    side = np.where(np.abs(along) > extent[:, None] / 8, np.sign(along), 0)
    last = np.maximum.accumulate(np.where(side != 0, np.arange(side.shape[1]), 0), axis=1)
    side = np.take_along_axis(side, last, axis=1)  # in between: the side it was on
    return 0.5 * (side[:, 1:] * side[:, :-1] < 0).sum(1) * np.clip(5 * extent - 0.5, 0, 1)


def _repetition(p: Person) -> np.ndarray:
    """Waving while away from rest, or swinging about the place of rest, of the limb with most of it."""
    counts = []
    for limb in p.limbs:
        known, path = np.isfinite(limb).all((1, 2)), np.nan_to_num(limb)
        always = np.ones(path.shape[:2], bool)
        most = np.maximum(_cycles(path, person.away_from_rest(path) > person.MAIN), _cycles(path, always))
        counts.append(np.where(known, most, np.nan))
    return np.log1p(np.fmax.reduce(counts))


def _likeness(left: np.ndarray, right: np.ndarray, weight: np.ndarray, still: float) -> np.ndarray:
    """2 <l, r> / (|l|^2 + |r|^2) of deviations from the weighted mean: balance and correlation in one number, -1..1.

    ``still``: a mean square deviation that counts as no movement.
    """
    weight = weight[..., None] / np.maximum(weight.sum(1), 1e-6)[:, None, None]
    left, right = (path - (weight * path).sum(1, keepdims=True) for path in (left, right))
    both = (weight * left * right).sum((1, 2))
    return 2 * both / ((weight * left**2).sum((1, 2)) + (weight * right**2).sum((1, 2)) + still)


def _symmetry(p: Person) -> np.ndarray:
    """Strokes while a hand is away from rest, or over the whole clip, whichever says more."""
    left, right = p.hands["left"] * MIRROR, p.hands["right"]
    found = [
        _likeness(left, right, weight, 0.01)
        for weight in (1.0 * np.logical_or(*p.main.values()), np.ones(left.shape[:2]))
    ]
    return np.where(found[0] < 0, found[0], np.maximum(*found))


def _alternation(p: Person) -> np.ndarray:
    left, right = (person.coarse(p.feet[side])[..., 1:] for side in ("left", "right"))
    whole = np.ones(left.shape[:2], np.float32)
    opposed = np.maximum(0, -_likeness(left, right, whole, 0.01))
    return opposed * np.minimum(person.effort(p.feet["left"]), person.effort(p.feet["right"]))


def _fastest(p: Person) -> np.ndarray:
    """(N, T - 1) speed of the fastest limb in L per frame of the time base."""
    return np.fmax.reduce([norm(np.diff(limb, axis=1)) for limb in p.limbs])


def _hold(p: Person) -> np.ndarray:
    """Share of the frames away from rest in which no limb moves faster than a fifth of the fastest moment."""
    speed = _fastest(p)
    away = np.clip(4 * np.fmax.reduce([person.away_from_rest(limb) for limb in p.limbs])[:, 1:] - 2, 0, 1)
    slow = speed < 0.2 * np.maximum(high(speed), 0.02)[:, None]
    return (away * slow).sum(1) / np.maximum(away.sum(1), 1)


def _hand_to_head(p: Person) -> np.ndarray:
    head = p.local("head", "spine_shoulder")
    nearest = np.fmin(*(low(norm(hand - head)) for hand in p.hands.values()))
    return -np.minimum(nearest, person.TOUCH)


def _sideways(p: Person, side: str, sign: int) -> np.ndarray:
    """Furthest distance of the hand from its shoulder to its own side (sign 1) or across (-1), metres."""
    own = sign if side == "right" else -sign
    return high(own * person.dot(p.joint(f"{side}_wrist") - p.joint(f"{side}_shoulder"), p.right))


def _apart(p: Person) -> np.ndarray:
    """Median distance of the hands while one of them is away from rest."""
    return person.quantile_where(norm(p.hands["left"] - p.hands["right"]), np.logical_or(*p.main.values()), 0.5)


def _trunk_bend(p: Person) -> np.ndarray:
    """Lean of the trunk, less its lean in an upright stance: hip and shoulder centres need not lie above each other."""
    trunk = p.joint("spine_shoulder") - p.joint("spine_base")
    # The facing direction of the start: a deep bend makes the momentary one uncertain.
    ahead = np.einsum("ntc,nc->nt", trunk, p.first_forward)
    lean = np.arctan2(ahead, np.maximum(trunk[..., 1], 1e-3))
    upright = person.standing(p.x)
    rest = (upright * lean).sum(1) / np.maximum(upright.sum(1), 1)
    return person.furthest(lean - rest[:, None])


def _angle(across: np.ndarray) -> np.ndarray:
    """(N, T) angle of a horizontal left-to-right line about the vertical, rad; turning left counts positive."""
    return np.unwrap(np.arctan2(-across[..., 2], across[..., 0]), axis=1)


def _twist(p: Person) -> np.ndarray:
    angle = _angle(p.joint("right_shoulder") - p.joint("left_shoulder"))[..., None]
    return _stroke(angle, np.ones(angle.shape[:2], np.float32), 0)


def _travel(p: Person) -> np.ndarray:
    return person.dot(person.net(p.joint("spine_base")), p.first_forward) / p.leg[:, 0]


def _feet_apart(p: Person) -> np.ndarray:
    d = p.joint("left_ankle") - p.joint("right_ankle")
    return high(np.hypot(d[..., 0], d[..., 2])) / p.leg[:, 0]


SINGLE = {
    "trunk_motion": Definition(
        lambda p: np.mean(
            [person.effort(p.joint(f"spine_{end}") / p.trunk[..., None]) for end in ("base", "shoulder")], 0
        ),
        "log L",
        "log(1 + path) of pelvis and chest through space, mean of both",
    ),
    "speed": Definition(
        lambda p: np.log1p(high(_fastest(p)) * (FRAMES - 1) / np.maximum(p.seconds, 0.2)),
        "log L/s",
        "log(1 + speed) of the fastest hand (about the chest) or foot (about the pelvis) at its fastest moment",
    ),
    "hands_apart": Definition(_apart, "L", "median distance of the wrists while one of them is away from rest"),
    "hand_to_head": Definition(_hand_to_head, "L", "minus the smallest distance of a wrist to the head, at most 1.2"),
    "repetition": Definition(
        _repetition, "log cycles", "log(1 + cycles) of the limb with most cycles along its main axis"
    ),
    "arms_symmetry": Definition(
        _symmetry, "-1..1", "likeness of one wrist's path and the other's mirror image; -1 in alternation"
    ),
    "legs_alternation": Definition(
        _alternation, "log L", "opposition of the ankles' up-down and fore-aft paths, times the lesser of their paths"
    ),
    "hold": Definition(_hold, "share", "share of the frames away from rest in which every limb is slow"),
    "trunk_bend": Definition(_trunk_bend, "rad", "furthest lean of the trunk forward (positive) or back"),
    "pelvis_drop": Definition(
        lambda p: np.maximum(high(p.floor + p.leg - p.joint("spine_base")[..., 1]), 0) / p.leg[:, 0],
        "G",
        "largest drop of the pelvis below standing height",
    ),
    "pelvis_change": Definition(
        lambda p: person.net(p.joint("spine_base")[..., 1]) / p.leg[:, 0], "G", "height of the pelvis, end minus start"
    ),
    "jump": Definition(
        lambda p: np.maximum(0, high(p.lower_ankle - p.floor)) / p.leg[:, 0],
        "G",
        "greatest height of the lower foot above the floor",
    ),
    "feet_apart": Definition(_feet_apart, "G", "largest horizontal distance of the ankles"),
    "travel": Definition(_travel, "G", "way of the pelvis along the direction faced at the start, end minus start"),
    "turn": Definition(
        lambda p: np.abs(person.net(_angle(p.right))), "rad", "turn of hips and shoulders about the vertical"
    ),
    "trunk_twist": Definition(
        _twist, "rad", "fastest turn of the shoulders about the vertical, left positive, times its extent"
    ),
}
SIDED = {
    "{}_hand_motion": Definition(
        lambda p, s: person.effort(p.hands[s]), "log L", "log(1 + path) of the wrist about the chest"
    ),
    "{}_foot_motion": Definition(
        lambda p, s: person.effort(p.feet[s]), "log L", "log(1 + path) of the ankle about the pelvis"
    ),
    "{}_hand_top": Definition(
        lambda p, s: high(p.height(f"{s}_wrist")), "L", "greatest height of the wrist over the standing hip"
    ),
    "{}_hand_bottom": Definition(
        lambda p, s: person.quantile_where(p.height(f"{s}_wrist"), p.main[s], 0.2),
        "L",
        "height of the wrist over the standing hip that it is under for a fifth of the time away from rest",
    ),
    "{}_hand_across": Definition(
        lambda p, s: np.maximum(_sideways(p, s, -1), 0) / p.width[:, 0],
        "W",
        "furthest way of the wrist inward from its own shoulder",
    ),
    "{}_hand_out": Definition(
        lambda p, s: np.maximum(_sideways(p, s, 1), 0) / p.arm[:, 0],
        "A",
        "furthest way of the wrist outward from its own shoulder",
    ),
    "{}_hand_forward": Definition(
        lambda p, s: person.furthest(p.hands[s][..., 2]) * p.trunk[:, 0] / p.arm[:, 0],
        "A",
        "furthest reach of the wrist before (positive) or behind the chest",
    ),
    "{}_hand_sweep": Definition(_hand_stroke(0), "L", "fastest stroke of the wrist to the right, times its extent"),
    "{}_hand_rise": Definition(_hand_stroke(1), "L", "fastest stroke of the wrist upward, times its extent"),
    "{}_hand_thrust": Definition(_hand_stroke(2), "L", "fastest stroke of the wrist forward, times its extent"),
    "{}_hand_rotation": Definition(
        _rotation, "turns", "turns of the wrist's path in the upright plane, clockwise as the performer sees it"
    ),
    "{}_elbow_bend": Definition(
        lambda p, s: high(p.bend(f"{s}_shoulder", f"{s}_elbow", f"{s}_wrist")), "rad", "sharpest bend of the elbow"
    ),
    "{}_knee_bend": Definition(
        lambda p, s: high(p.bend(f"{s}_hip", f"{s}_knee", f"{s}_ankle")), "rad", "sharpest bend of the knee"
    ),
    "{}_foot_lift": Definition(
        lambda p, s: high(p.joint(f"{s}_ankle")[..., 1] - p.floor) / p.leg[:, 0],
        "G",
        "greatest height of the ankle above its place on the floor",
    ),
}
DEPTH = ("thrust", "forward", "travel", "turn", "twist", "trunk_bend", "facing")  # unknown on image coordinates

# In the order of prompts/profile.md. Its answers are frozen, so what was added later stands behind (MORE): a form finds
# its columns by name, and methods leave alone what their form does not ask.
FORM = """
    right_hand_motion left_hand_motion right_foot_motion left_foot_motion trunk_motion speed
    right_hand_top left_hand_top right_hand_bottom left_hand_bottom right_hand_across left_hand_across
    right_hand_out left_hand_out right_hand_forward left_hand_forward hands_apart hand_to_head
    right_hand_sweep left_hand_sweep right_hand_rise left_hand_rise right_hand_thrust left_hand_thrust
    right_hand_rotation left_hand_rotation repetition arms_symmetry legs_alternation hold
    right_elbow_bend left_elbow_bend right_knee_bend left_knee_bend trunk_bend pelvis_drop pelvis_change jump
    right_foot_lift left_foot_lift feet_apart travel turn trunk_twist two_people approach contact partner_motion
"""
MORE = ("facing",)


def names() -> tuple[str, ...]:
    """All quantities in the order of ``measure_clips``'s columns: those of the form, then ``MORE``."""
    return (*FORM.split(), *MORE)


def definitions() -> dict[str, tuple[str, str]]:
    """Unit and rule of every quantity, in the order of ``names()``."""
    known = {pattern.format(side): (d.unit, d.rule) for pattern, d in SIDED.items() for side in SIDES}
    known |= {name: (d.unit, d.rule) for name, d in SINGLE.items()} | partners.DEFINITIONS
    return {name: known[name] for name in names()}


def measure_clips(
    skeletons: Ragged, rows: np.ndarray, layout: Layout, rate: float = RATE, vertical: int = UP
) -> np.ndarray:
    """float32 (N, Q), columns as in ``names()``, NaN where unknown, of the given clips in their order.

    skeletons: joints in metres, as ``storage.Skeletons`` has them. rate: frames per second. vertical: the axis that
    points up. A clip's numbers do not depend on the other clips.
    """
    rows = np.asarray(rows)
    result = np.full((len(rows), len(names())), np.nan, np.float32)
    order = np.argsort(np.diff(skeletons.offsets)[rows], kind="stable")  # clips of like length side by side
    for start in range(0, len(rows), BLOCK):
        block = order[start : start + BLOCK]
        result[block] = _measure(skeletons, rows[block], layout, rate, vertical)
    return result


def measure_phases(
    skeletons: Ragged, rows: np.ndarray, layout: Layout, rate: float = RATE, vertical: int = UP, phases: int = 3
) -> np.ndarray:
    """float32 (N, phases, Q): the same quantities of the start, middle and end of each clip, each as its own clip.

    What compares end and start (``travel``, ``pelvis_change``, ``turn``) then tells when it happens; "at rest" is where
    a limb is at the ends of the phase. A clip of fewer frames than phases repeats its last one.
    """
    rows = np.asarray(rows)
    start, end = (np.asarray(skeletons.offsets)[rows + k] for k in (0, 1))
    bounds = start[:, None] + np.rint(np.linspace(0, 1, phases + 1) * (end - start)[:, None]).astype(int)
    first = np.minimum(bounds[:, :-1], end[:, None] - 1)
    length = np.maximum(bounds[:, 1:] - first, 1).ravel()
    offsets = np.concatenate([[0], length.cumsum()])
    at = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - first.ravel(), length)
    parts = SimpleNamespace(joints=skeletons.joints[at], present=skeletons.present[at], offsets=offsets)
    found = measure_clips(parts, np.arange(len(length)), layout, rate, vertical)
    return found.reshape(len(rows), phases, -1)


def _measure(skeletons: Ragged, rows: np.ndarray, layout: Layout, rate: float, vertical: int) -> np.ndarray:
    x, matrix = person.turned_upright(person.clips(skeletons, rows, layout, 0), vertical, layout.dimensions == 2)
    seconds = (skeletons.offsets[rows + 1] - skeletons.offsets[rows]) / rate
    first = Person(x, seconds)
    with np.errstate(all="ignore"):
        columns = {p.format(s): d.measure(first, s) for p, d in SIDED.items() for s in SIDES}
        columns |= {name: d.measure(first) for name, d in SINGLE.items()}
        columns |= partners.measure(first, skeletons, rows, layout, matrix)
    if layout.dimensions == 2:
        columns |= {name: np.full(len(rows), np.nan) for name in columns if any(word in name for word in DEPTH)}
    result = np.stack([columns[name] for name in names()], 1)
    return np.where(np.isfinite(result), result, np.nan)
