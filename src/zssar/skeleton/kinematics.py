"""Signed kinematic quantities measured on recordings: the measured half of the motion profile (docs/profiles.md).

A batch of clips is brought into one time base; every quantity is one number per clip, view-invariant through a body
frame (forward from hips and shoulders, up from the data's up axis) and size-invariant through the trunk or leg length.
The names are those of ``prompts/profile.md``; a joint that a layout does not have gives NaN, "unknown", never zero.
Units: L trunk length (hip centre to shoulder centre), G leg length (hip to ankle along the bones), rad, cycles, shares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d

from zssar.skeleton import transforms
from zssar.skeleton.layouts import Layout

FRAMES = 64  # common time base of a clip
RATE = 30.0  # frames per second where a format tells none
UP = np.array([0.0, 1.0, 0.0], np.float32)
MAIN = slice(FRAMES // 8, FRAMES - FRAMES // 8)  # the clip without its outer eighths, where people stand and wait
EDGE = FRAMES // 10  # frames averaged for "at the start" and "at the end"


def _norm(x: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x, axis=-1)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(_norm(x)[..., None], 1e-6)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1)


def _high(x: np.ndarray) -> np.ndarray:
    """A maximum over time that one bad frame cannot make: the mean of the highest 8 % of the frames."""
    count = max(1, round(0.08 * x.shape[1]))
    return np.partition(x, -count, axis=1)[:, -count:].mean(1)


def _low(x: np.ndarray) -> np.ndarray:
    return -_high(-x)


def _furthest(x: np.ndarray) -> np.ndarray:
    """The extreme with the larger magnitude, with its sign."""
    high, low = _high(x), _low(x)
    return np.where(high >= -low, high, low)


@dataclass(frozen=True)
class Body:
    """One person of N clips: x float32 (N, T, V, 3) metres, smoothed; seconds (N,) length of the clip."""

    x: np.ndarray
    layout: Layout
    seconds: np.ndarray

    def joint(self, role: str) -> np.ndarray:
        """(N, T, 3) of a joint by its role; hip and shoulder centres are made of their two sides where missing."""
        roles = self.layout.roles
        if role in roles:
            return self.x[:, :, roles[role]]
        sides = {"spine_base": "hip", "spine_shoulder": "shoulder"}.get(role)
        if sides and f"left_{sides}" in roles:
            return 0.5 * (self.x[:, :, roles[f"left_{sides}"]] + self.x[:, :, roles[f"right_{sides}"]])
        return np.full((*self.x.shape[:2], 3), np.nan, np.float32)

    @cached_property
    def trunk(self) -> np.ndarray:
        """L (N, 1), metres; never under 10 cm."""
        length = np.median(_norm(self.joint("spine_shoulder") - self.joint("spine_base")), axis=1)
        return np.maximum(length, 0.1)[:, None]

    @cached_property
    def leg(self) -> np.ndarray:
        """G (N, 1): median thigh plus median shank, mean of both sides."""
        chains = [[self.joint(f"{side}_{joint}") for joint in ("hip", "knee", "ankle")] for side in ("left", "right")]
        bones = [np.median(_norm(a - b), axis=1) for c in chains for a, b in pairwise(c)]
        return np.maximum(sum(bones) / 2, 0.1)[:, None]

    @cached_property
    def right(self) -> np.ndarray:
        """(N, T, 3) horizontal unit vector to the performer's right, steady over a third of a second."""
        across = self.joint("right_hip") - self.joint("left_hip")
        across = across + self.joint("right_shoulder") - self.joint("left_shoulder")
        across = across - _dot(across, UP)[..., None] * UP
        return _unit(uniform_filter1d(across, 9, axis=1, mode="nearest"))

    @cached_property
    def forward(self) -> np.ndarray:
        """(N, T, 3) horizontal facing direction: up x right."""
        return np.cross(np.broadcast_to(UP, self.right.shape), self.right)

    @cached_property
    def heading(self) -> np.ndarray:
        """(N, T) angle of the facing direction about the vertical, rad, unwrapped; turning left counts positive."""
        return np.unwrap(np.arctan2(-self.right[..., 2], self.right[..., 0]), axis=1)

    @cached_property
    def floor(self) -> np.ndarray:
        """(N, 1) height of the lower foot at rest."""
        feet = np.minimum(self.joint("left_ankle")[..., 1], self.joint("right_ankle")[..., 1])
        return np.quantile(feet, 0.15, axis=1)[:, None]

    def local(self, role: str, origin: str = "spine_shoulder") -> np.ndarray:
        """(N, T, 3) relative to the origin joint as (right, up, forward), in L."""
        d = self.joint(role) - self.joint(origin)
        return np.stack([_dot(d, self.right), d[..., 1], _dot(d, self.forward)], -1) / self.trunk[..., None]

    @cached_property
    def hands(self) -> dict[str, np.ndarray]:
        return {side: self.local(f"{side}_wrist") for side in ("left", "right")}

    @cached_property
    def feet(self) -> dict[str, np.ndarray]:
        return {side: self.local(f"{side}_ankle", "spine_base") for side in ("left", "right")}

    def height(self, role: str) -> np.ndarray:
        """(N, T) above the standing hip, in L: 0 hip, about 1 shoulder, -1.6 floor."""
        return (self.joint(role)[..., 1] - self.floor - self.leg) / self.trunk

    def bend(self, a: str, b: str, c: str) -> np.ndarray:
        """(N, T) bend of the joint b between a and c, rad: 0 straight."""
        u, v = _unit(self.joint(a) - self.joint(b)), _unit(self.joint(c) - self.joint(b))
        return np.pi - np.arccos(np.clip(_dot(u, v), -1, 1))

    def velocity(self, path: np.ndarray) -> np.ndarray:
        """(N, T - 1, D) difference per frame of the time base."""
        return np.diff(path, axis=1)


def _effort(path: np.ndarray) -> np.ndarray:
    """log(1 + length of a path): how much something moves."""
    return np.log1p(_norm(np.diff(path, axis=1)).sum(1))


def _active(path: np.ndarray) -> np.ndarray:
    """(N, T) weight 0..1 of the frames in which a limb is away from where it rests at the start and at the end.

    Raising a hand and letting it drop are not the action: what it does while it is up is.
    """
    ends = [path[:, part].mean(1, keepdims=True) for part in (slice(None, EDGE), slice(-EDGE, None))]
    away = np.minimum(*(_norm(path - end) for end in ends))
    return np.clip(4 * away / np.maximum(_high(away)[:, None], 1e-6) - 2, 0, 1)


def _scaled_stroke(path: np.ndarray, axis: int) -> np.ndarray:
    """Direction of the fastest part of the active movement along one axis (-1..1), times its extent (at most 2 L).

    Velocities are weighted by their speed squared; back and forth cancel, and a twitch counts little.
    """
    v, weight = np.diff(path, axis=1), _active(path)[:, 1:]
    speed = _norm(v)
    direction = (weight * v[..., axis] * speed**2).sum(1) / np.maximum((weight * speed**3).sum(1), 1e-9)
    return direction * np.minimum(_high(path[..., axis]) - _low(path[..., axis]), 2.0)


def _rotation(path: np.ndarray) -> np.ndarray:
    """Clockwise area (as the performer sees it) swept about the path's centre in the frontal plane; signed root."""
    p = path[..., :2] - path[:, MAIN, :2].mean(1, keepdims=True)
    area = 0.5 * (p[:, :-1, 0] * p[:, 1:, 1] - p[:, :-1, 1] * p[:, 1:, 0]).sum(1)
    return -np.sign(area) * np.sqrt(np.abs(area))


def _cycles(path: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Full cycles of a limb (N, T, 3) along its main axis in the weighted frames; movements under 0.3 L count in part.

    A cycle is two passages from one side of the mean to the other, each beyond a quarter of the extent.
    """
    weight = weight[..., None]
    centre = (weight * path).sum(1, keepdims=True) / np.maximum(weight.sum(1, keepdims=True), 1e-6)
    moved = np.where(weight > 0, path - centre, 0)
    axis = np.linalg.eigh(np.einsum("ntc,ntd->ncd", moved, moved))[1][:, :, -1]
    along = np.einsum("ntc,nc->nt", moved, axis)
    extent = _high(along) - _low(along)
    side = np.where(np.abs(along) > 0.25 * extent[:, None] / 2, np.sign(along), 0)
    last = np.maximum.accumulate(np.where(side != 0, np.arange(side.shape[1]), 0), axis=1)
    side = np.take_along_axis(side, last, axis=1)  # in between: the side it was on
    passages = (side[:, 1:] * side[:, :-1] < 0).sum(1)
    return 0.5 * passages * np.minimum(extent / 0.3, 1)


def _repetition(b: Body) -> np.ndarray:
    """Most cycles of any limb, while it is away from rest (waving) or over the whole clip (swinging about rest)."""
    counts = []
    for limb in [*b.hands.values(), *b.feet.values()]:
        known, path = np.isfinite(limb).all((1, 2)), np.nan_to_num(limb)
        most = np.maximum(_cycles(path, _active(path)), _cycles(path, np.ones(path.shape[:2], np.float32)))
        counts.append(np.where(known, most, np.nan))
    return np.log1p(np.fmax.reduce(counts))


def _symmetry(b: Body) -> np.ndarray:
    mirror = np.array([-1, 1, 1], np.float32)
    left, right = b.velocity(b.hands["left"]) * mirror, b.velocity(b.hands["right"])
    el, er = (left**2).sum((1, 2)), (right**2).sum((1, 2))
    return 2 * (left * right).sum((1, 2)) / np.maximum(el + er, 1e-9)  # balance and correlation in one


def _alternation(b: Body) -> np.ndarray:
    left, right = (b.velocity(b.feet[side])[..., 1:] for side in ("left", "right"))
    el, er = (left**2).sum((1, 2)), (right**2).sum((1, 2))
    opposed = np.maximum(0, -2 * (left * right).sum((1, 2)) / np.maximum(el + er, 1e-9))
    return opposed * np.minimum(_effort(b.feet["left"]), _effort(b.feet["right"]))


def _hold(b: Body) -> np.ndarray:
    limbs = [*b.hands.values(), *b.feet.values()]
    speed = np.nanmax(np.stack([_norm(b.velocity(limb)) for limb in limbs]), axis=0)[:, MAIN]
    return (speed < 0.2 * np.maximum(_high(speed), 0.02)[:, None]).mean(1)


def _speed(b: Body) -> np.ndarray:
    limbs = [*b.hands.values(), *b.feet.values()]
    fastest = np.nanmax(np.stack([_high(_norm(b.velocity(limb))) for limb in limbs]), axis=0)
    return np.log1p(fastest * (FRAMES - 1) / np.maximum(b.seconds, 0.2))


def _hand_to_head(b: Body) -> np.ndarray:
    head = b.local("head")
    return -np.fmin(*(_low(_norm(hand - head)) for hand in b.hands.values()))


def _trunk_bend(b: Body) -> np.ndarray:
    trunk = b.joint("spine_shoulder") - b.joint("spine_base")
    # The facing direction of the start: a deep bend makes the momentary one uncertain.
    forward = _unit(b.forward[:, :EDGE].mean(1, keepdims=True))
    return _furthest(np.arctan2(_dot(trunk, np.broadcast_to(forward, trunk.shape)), np.maximum(trunk[..., 1], 1e-3)))


def _net(x: np.ndarray) -> np.ndarray:
    return x[:, -EDGE:].mean(1) - x[:, :EDGE].mean(1)


def _travel(b: Body) -> np.ndarray:
    pelvis = b.joint("spine_base")
    forward = _unit(b.forward[:, :EDGE].mean(1))
    return _dot(pelvis[:, -EDGE:].mean(1) - pelvis[:, :EDGE].mean(1), forward) / b.leg[:, 0]


def _twist(b: Body) -> np.ndarray:
    across = b.joint("right_shoulder") - b.joint("left_shoulder")
    angle = np.unwrap(np.arctan2(-across[..., 2], across[..., 0]), axis=1)[..., None]
    return _scaled_stroke(angle, 0)


def _foot_lift(b: Body, side: str) -> np.ndarray:
    return _high(b.joint(f"{side}_ankle")[..., 1] - b.floor) / b.leg[:, 0]


def _jump(b: Body) -> np.ndarray:
    lower = np.minimum(b.joint("left_ankle")[..., 1], b.joint("right_ankle")[..., 1]) - b.floor
    return np.maximum(0, _high(lower)) / b.leg[:, 0]


def _feet_apart(b: Body) -> np.ndarray:
    d = b.joint("left_ankle") - b.joint("right_ankle")
    return _high(np.hypot(d[..., 0], d[..., 2])) / b.leg[:, 0]


def _out(b: Body, side: str, sign: int) -> np.ndarray:
    """sign 1: furthest out to the hand's own side; -1: furthest across; relative to its shoulder, in L."""
    own = 1 if side == "right" else -1
    x = own * (b.hands[side][..., 0] - b.local(f"{side}_shoulder")[..., 0])
    return _high(sign * x[:, MAIN])


SINGLE: dict[str, Callable[[Body], np.ndarray]] = {
    "trunk_motion": lambda b: _effort(b.joint("spine_base") / b.trunk[..., None]),
    "speed": _speed,
    "hands_apart": lambda b: np.median(_norm(b.hands["left"] - b.hands["right"])[:, MAIN], axis=1),
    "hand_to_head": _hand_to_head,
    "repetition": _repetition,
    "arms_symmetry": _symmetry,
    "legs_alternation": _alternation,
    "hold": _hold,
    "trunk_bend": _trunk_bend,
    "pelvis_drop": lambda b: _high(b.floor + b.leg - b.joint("spine_base")[..., 1]) / b.leg[:, 0],
    "pelvis_change": lambda b: _net(b.joint("spine_base")[..., 1]) / b.leg[:, 0],
    "jump": _jump,
    "feet_apart": _feet_apart,
    "travel": _travel,
    "turn": lambda b: np.maximum(*(f(b.heading - b.heading[:, :EDGE].mean(1)[:, None]) for f in (_high, _minus_low))),
    "trunk_twist": _twist,
}


def _minus_low(x: np.ndarray) -> np.ndarray:
    return -_low(x)


SIDED: dict[str, Callable[[Body, str], np.ndarray]] = {
    "{}_hand_motion": lambda b, s: _effort(b.hands[s]),
    "{}_foot_motion": lambda b, s: _effort(b.feet[s]),
    "{}_hand_top": lambda b, s: _high(b.height(f"{s}_wrist")),
    "{}_hand_bottom": lambda b, s: _low(b.height(f"{s}_wrist")[:, MAIN]),
    "{}_hand_across": lambda b, s: _out(b, s, -1),
    "{}_hand_out": lambda b, s: _out(b, s, 1),
    "{}_hand_forward": lambda b, s: _furthest(b.hands[s][..., 2]),
    "{}_hand_sweep": lambda b, s: _scaled_stroke(b.hands[s], 0),
    "{}_hand_rise": lambda b, s: _scaled_stroke(b.hands[s], 1),
    "{}_hand_thrust": lambda b, s: _scaled_stroke(b.hands[s], 2),
    "{}_hand_rotation": lambda b, s: _rotation(b.hands[s]),
    "{}_elbow_bend": lambda b, s: _high(b.bend(f"{s}_shoulder", f"{s}_elbow", f"{s}_wrist")[:, MAIN]),
    "{}_knee_bend": lambda b, s: _high(b.bend(f"{s}_hip", f"{s}_knee", f"{s}_ankle")),
    "{}_foot_lift": _foot_lift,
}
PARTNER = ("two_people", "approach", "contact", "partner_motion")
DEPTH = ("thrust", "forward", "travel", "turn", "twist", "trunk_bend")  # unknown on image coordinates


# In the order of prompts/profile.md.
FORM = """
    right_hand_motion left_hand_motion right_foot_motion left_foot_motion trunk_motion speed
    right_hand_top left_hand_top right_hand_bottom left_hand_bottom right_hand_across left_hand_across
    right_hand_out left_hand_out right_hand_forward left_hand_forward hands_apart hand_to_head
    right_hand_sweep left_hand_sweep right_hand_rise left_hand_rise right_hand_thrust left_hand_thrust
    right_hand_rotation left_hand_rotation repetition arms_symmetry legs_alternation hold
    right_elbow_bend left_elbow_bend right_knee_bend left_knee_bend trunk_bend pelvis_drop pelvis_change jump
    right_foot_lift left_foot_lift feet_apart travel turn trunk_twist two_people approach contact partner_motion
"""


def names() -> tuple[str, ...]:
    """All quantities in the order of ``measure``'s columns."""
    return tuple(FORM.split())


def smooth(x: np.ndarray) -> np.ndarray:
    """(N, T, ...) median over 5 frames against tracking jumps, then a mean over 3 against jitter."""
    size = (1, 5) + (1,) * (x.ndim - 2)
    return uniform_filter1d(median_filter(x, size=size, mode="nearest"), 3, axis=1, mode="nearest")


def measure_clips(skeletons: transforms.Ragged, rows: np.ndarray, layout: Layout, rate: float = RATE) -> np.ndarray:
    """``measure`` of the given clips of a skeleton file. rate: frames per second of the recordings."""
    x, present = transforms.windows(skeletons, rows, FRAMES)
    seconds = (skeletons.offsets[rows + 1] - skeletons.offsets[rows]) / rate
    return measure(np.ascontiguousarray(x.transpose(0, 2, 4, 3, 1)), present, seconds, layout)


def measure(x: np.ndarray, present: np.ndarray, seconds: np.ndarray, layout: Layout) -> np.ndarray:
    """Quantities of N clips.

    x float32 (N, T=64, M, V, 3) metres, clips resampled to FRAMES; present bool (N, M); seconds (N,) before resampling.
    Returns float32 (N, Q) in the order of ``names()``; NaN where a layout or a missing partner leaves it unknown.
    """
    first = Body(smooth(x[:, :, 0]), layout, seconds)
    with np.errstate(invalid="ignore", all="ignore"):
        columns = {p.format(s): f(first, s) for p, f in SIDED.items() for s in ("right", "left")}
        columns |= {name: f(first) for name, f in SINGLE.items()}
        columns |= _partner(first, x, present, seconds)
    if layout.dimensions == 2:
        columns |= {name: np.full(len(x), np.nan) for name in columns if any(word in name for word in DEPTH)}
    result = np.stack([columns[name] for name in names()], 1).astype(np.float32)
    result[~np.isfinite(result)] = np.nan
    return result


def _partner(first: Body, x: np.ndarray, present: np.ndarray, seconds: np.ndarray) -> dict[str, np.ndarray]:
    unknown = np.full(len(x), np.nan)
    if x.shape[2] < 2:
        return {"two_people": np.zeros(len(x)), **dict.fromkeys(PARTNER[1:], unknown)}
    there = present[:, 1]
    second = Body(smooth(x[:, :, 1]), first.layout, seconds)
    gap = _norm((first.joint("spine_base") - second.joint("spine_base"))[..., [0, 2]]) / first.trunk
    near = [
        _low(_norm(a.joint(f"{side}_{tip}")[:, :, None] - b.x).min(2))
        for a, b in ((first, second), (second, first))
        for side in ("left", "right")
        for tip in ("wrist", "ankle")
    ]
    efforts = [sum(_effort(limb) for limb in [*b.hands.values(), *b.feet.values()]) for b in (first, second)]
    columns = {
        "approach": _net(gap),
        "contact": -np.fmin.reduce(near) / first.trunk[:, 0],
        "partner_motion": efforts[1] / np.maximum(efforts[0], 1e-6),
    }
    return {"two_people": there.astype(float), **{k: np.where(there, v, np.nan) for k, v in columns.items()}}
