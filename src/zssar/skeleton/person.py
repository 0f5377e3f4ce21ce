"""One person of many clips in a common time base, upright, and seen from the person's own body.

Time: missing frames are interpolated, a median over five frames takes out tracking jumps, and every clip is averaged
down (or interpolated up) to ``FRAMES`` frames, so that clips of all lengths and rates are one array.
Space: up is the axis of the body where it stands straightest (a tilted sensor does not matter), forward is
perpendicular to hips and shoulders. Nothing here depends on where the sensor stands or on the other clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.ndimage import uniform_filter1d

from zssar.skeleton.layouts import Layout
from zssar.skeleton.transforms import Ragged

FRAMES = 96  # of the common time base
SIDES = ("right", "left")
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
ROLES = ("head", "spine_shoulder", "spine_base", *(f"{side}_{joint}" for side in SIDES for joint in LIMBS))
CENTRES = {"spine_base": "hip", "spine_shoulder": "shoulder"}  # made of their two sides where a layout lacks them
WINDOW = 1.5  # half the width, in recorded frames, of the mean that follows the median
TREMOR = 0.02  # L: a step this small is jitter of the sensor
TOUCH = 1.2  # L beyond which a distance is "far": further away says nothing more
EDGE = FRAMES // 10  # frames averaged for "at the start" and "at the end"
TILT = np.deg2rad(35)  # a body axis further from the recording's vertical is no upright stance
MAIN = 0.7  # share of the furthest distance from rest beyond which a limb is in the main part of the action
STIR = 0.25  # L: a limb that never goes further from its places of start and end does not act
STRAIGHT = 0.94  # cosine between trunk and legs, and share of the leg's length, of an upright stance


# --- small arithmetic on (N, T) and (N, T, 3) ------------------------------------------------------------------------


def norm(x: np.ndarray) -> np.ndarray:
    """Length along the last axis."""
    return np.sqrt(np.einsum("...c,...c->...", x, x))


def unit(x: np.ndarray) -> np.ndarray:
    """Length 1 along the last axis; what has no length stays near zero."""
    return x / np.maximum(norm(x)[..., None], 1e-6)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar product along the last axis."""
    return np.einsum("...c,...c->...", a, b)


def high(x: np.ndarray) -> np.ndarray:
    """(N, T) -> (N,): a maximum that one bad frame cannot make, the mean of the highest 8 % of the frames."""
    count = max(1, round(0.08 * x.shape[1]))
    return np.partition(x, -count, axis=1)[:, -count:].mean(1)


def low(x: np.ndarray) -> np.ndarray:
    """The counterpart of ``high``."""
    return -high(-x)


def furthest(x: np.ndarray) -> np.ndarray:
    """The extreme with the larger magnitude, with its sign."""
    top, bottom = high(x), low(x)
    return np.where(top >= -bottom, top, bottom)


def quantile_where(x: np.ndarray, inside: np.ndarray, share: float) -> np.ndarray:
    """(N, T) -> (N,): the quantile ``share`` over the frames that are ``inside``; over all where there are none."""
    inside = inside | ~inside.any(1, keepdims=True)
    ordered = np.sort(np.where(inside, x, np.inf), axis=1)
    found = ordered[np.arange(len(x)), np.rint(share * (inside.sum(1) - 1)).astype(int)]
    return np.where(np.isfinite(x).all(1), found, np.nan)


def net(x: np.ndarray) -> np.ndarray:
    """End minus start, each the mean of a tenth of the clip; along axis 1."""
    return x[:, -EDGE:].mean(1) - x[:, :EDGE].mean(1)


def coarse(path: np.ndarray) -> np.ndarray:
    """(N, T, ...) -> (N, T / 3, ...): means of three frames, for sums over time that jitter would inflate."""
    return path.reshape(path.shape[0], -1, 3, *path.shape[2:]).mean(2)


def effort(path: np.ndarray) -> np.ndarray:
    """log(1 + length of the path), from means of three frames; steps of the size of tremor do not count."""
    steps = np.diff(coarse(path), axis=1)
    return np.log1p(np.sqrt(np.maximum(dot(steps, steps) - TREMOR**2, 0)).sum(1))


# --- time ------------------------------------------------------------------------------------------------------------


def presence(skeletons: Ragged, rows: np.ndarray, person: int) -> np.ndarray:
    """(N,) share of each clip's frames in which the person is there."""
    total = np.concatenate([[0], np.cumsum(skeletons.present[:, person])])
    start, end = skeletons.offsets[rows], skeletons.offsets[rows + 1]
    return (total[end] - total[start]) / (end - start)


def clips(skeletons: Ragged, rows: np.ndarray, layout: Layout, person: int) -> np.ndarray:
    """float32 (R, N, FRAMES, 3) in the order of ``ROLES``.

    A joint that the layout lacks, or that was never seen, is NaN.
    """
    start = skeletons.offsets[rows]
    length = skeletons.offsets[rows + 1] - start
    at = start[:, None] + np.minimum(np.arange(length.max()), length[:, None] - 1)  # padded with the last frame
    there = skeletons.present[at, person]
    raw = np.full((len(ROLES), *at.shape, 3), np.nan, np.float32)
    for r, role in enumerate(ROLES):
        if role in layout.roles:
            raw[r] = skeletons.joints[at, person, layout.roles[role]]
        elif f"left_{CENTRES.get(role)}" in layout.roles:
            pair = [skeletons.joints[at, person, layout.roles[f"{side}_{CENTRES[role]}"]] for side in SIDES]
            raw[r] = (pair[0] + pair[1]) / 2
    return _resample(_median(_filled(raw, there)), length)


def _filled(x: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Each joint's missing frames interpolated in time; before the first and after the last one, held."""
    known = there & np.isfinite(x).all(-1)  # (R, N, L)
    bad = np.flatnonzero(~known.all(-1).ravel())  # one row per joint and clip
    flat, mask = x.reshape(-1, *x.shape[2:]), known.reshape(-1, x.shape[2])
    part, mask = flat[bad], mask[bad]
    time = np.arange(x.shape[2])
    before = np.maximum.accumulate(np.where(mask, time, -1), axis=1)
    after = np.minimum.accumulate(np.where(mask, time, len(time))[:, ::-1], axis=1)[:, ::-1]
    before, after = np.where(before < 0, after, before), np.where(after == len(time), before, after)
    never = ~mask.any(1)
    before[never] = after[never] = 0
    share = ((time - before) / np.maximum(after - before, 1)).astype(np.float32)[..., None]
    row = np.arange(len(bad))[:, None]
    mended = part[row, before] * (1 - share) + part[row, after] * share
    mended[never] = np.nan
    flat[bad] = mended
    return x


def _median(x: np.ndarray) -> np.ndarray:
    """Median over five frames along axis 2, ends repeated, by comparing neighbours: no sort, no loop over clips."""
    x = np.concatenate([x[:, :, :1]] * 2 + [x] + [x[:, :, -1:]] * 2, axis=2)
    a, b, c, d, e = (x[:, :, i : x.shape[2] - 4 + i] for i in range(5))
    under = np.maximum(np.minimum(a, b), np.minimum(c, d))
    over = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.maximum(np.minimum(under, over), np.minimum(np.maximum(under, over), e))


def _resample(x: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(R, N, L, 3) -> (R, N, FRAMES, 3): means over windows that touch, at least ``2 * WINDOW`` recorded frames wide.

    The mean of a stretch is a difference of the running sum at its ends, so that every clip has its own width.
    """
    total = np.zeros((*x.shape[:2], x.shape[2] + 1, 3), np.float64)
    np.cumsum(x, axis=2, out=total[:, :, 1:])
    middle = (np.arange(FRAMES) + 0.5) * (length[:, None] / FRAMES)
    half = np.maximum(WINDOW, length / (2 * FRAMES))[:, None]
    ends = np.maximum(middle - half, 0), np.minimum(middle + half, length[:, None])

    def sum_up_to(place: np.ndarray) -> np.ndarray:
        whole = np.minimum(np.floor(place).astype(int), length[:, None] - 1)
        clip = np.arange(len(length))[:, None]
        rest = (place - whole)[..., None]
        return total[:, clip, whole] + rest * x[:, clip, whole]

    return ((sum_up_to(ends[1]) - sum_up_to(ends[0])) / (ends[1] - ends[0])[..., None]).astype(np.float32)


# --- space -----------------------------------------------------------------------------------------------------------


def turned_upright(x: np.ndarray, vertical: int, planar: bool) -> tuple[np.ndarray, np.ndarray]:
    """(x with y up, rotation (N, 3, 3)) of the first person's clips (R, N, T, 3); ``vertical``: the recording's axis.

    Up is the line from the ankles to the shoulders in the frames in which trunk and legs are straightest, because a
    standing body is a better plumb line than a tilted sensor's y axis. A clip without an upright stance keeps the
    recording's axis.
    """
    nominal = np.zeros(3, np.float32)
    nominal[vertical] = 1
    if planar:
        return x, np.broadcast_to(np.eye(3, dtype=np.float32), (x.shape[1], 3, 3))
    weight = standing(x)[..., None]
    axis = unit(np.nansum(weight * unit(_role(x, "spine_shoulder") - _middle(x, "ankle")), axis=1))
    usable = weight.any((1, 2)) & (dot(axis, nominal) > np.cos(TILT))
    matrix = _rotation(np.where(usable[:, None], axis, nominal))
    return rotated(x, matrix), matrix


def standing(x: np.ndarray) -> np.ndarray:
    """float32 (N, T): 1 in the tenth of the frames in which trunk and legs are straightest, if they are straight."""
    trunk = _role(x, "spine_shoulder") - _role(x, "spine_base")
    legs = _middle(x, "hip") - _middle(x, "ankle")
    chains = [[_role(x, f"{side}_{joint}") for joint in ("hip", "knee", "ankle")] for side in SIDES]
    bones = sum(np.median(norm(a - b), axis=1) for chain in chains for a, b in pairwise(chain)) / 2
    straight = np.minimum(dot(unit(trunk), unit(legs)), norm(legs) / np.maximum(bones, 0.1)[:, None])
    straight = np.nan_to_num(straight, nan=-1.0)
    line = np.sort(straight, axis=1)[:, -EDGE][:, None]
    return (straight >= np.maximum(line, STRAIGHT)).astype(np.float32)


def _role(x: np.ndarray, role: str) -> np.ndarray:
    return x[ROLES.index(role)]


def _middle(x: np.ndarray, joint: str) -> np.ndarray:
    return (_role(x, f"left_{joint}") + _role(x, f"right_{joint}")) / 2


def rotated(x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(R, N, T, 3) turned by (N, 3, 3)."""
    return np.matmul(x, matrix.transpose(0, 2, 1)[None])


def _rotation(up: np.ndarray) -> np.ndarray:
    """(N, 3, 3): the smallest rotation that brings each ``up`` (N, 3) onto y."""
    x, y, z = up.T
    k = 1 / np.maximum(1 + y, 1e-6)
    rows = [1 - k * x * x, -x, -k * x * z], [x, y, z], [-k * x * z, -z, 1 - k * z * z]
    return np.stack([np.stack(row, 1) for row in rows], 1).astype(np.float32)


@dataclass(frozen=True)
class Person:
    """x float32 (R, N, T, 3) metres, y up; seconds (N,) length of each clip.

    Lengths are divided by the trunk L (hip centre to shoulder centre), the leg G (hip to ankle along the bones), the
    arm A (shoulder to wrist along the bones) or the width W between the shoulders, whichever the question names.
    """

    x: np.ndarray
    seconds: np.ndarray

    def joint(self, role: str) -> np.ndarray:
        """(N, T, 3)."""
        return _role(self.x, role)

    def _length(self, *roles: str) -> np.ndarray:
        """(N, 1) median length of a chain of bones, never under 5 cm."""
        bones = [np.median(norm(self.joint(a) - self.joint(b)), axis=1) for a, b in pairwise(roles)]
        return np.maximum(sum(bones), 0.05)[:, None]

    @cached_property
    def trunk(self) -> np.ndarray:
        return self._length("spine_base", "spine_shoulder")

    @cached_property
    def leg(self) -> np.ndarray:
        right, left = (self._length(*(f"{side}_{j}" for j in ("hip", "knee", "ankle"))) for side in SIDES)
        return (right + left) / 2

    @cached_property
    def arm(self) -> np.ndarray:
        right, left = (self._length(*(f"{side}_{j}" for j in ("shoulder", "elbow", "wrist"))) for side in SIDES)
        return (right + left) / 2

    @cached_property
    def width(self) -> np.ndarray:
        return self._length("right_shoulder", "left_shoulder")

    @cached_property
    def right(self) -> np.ndarray:
        """(N, T, 3) horizontal unit vector to the performer's right, steady over a tenth of the clip."""
        across = self.joint("right_hip") - self.joint("left_hip")
        across = across + self.joint("right_shoulder") - self.joint("left_shoulder")
        across[..., 1] = 0
        return unit(uniform_filter1d(across, EDGE, axis=1, mode="nearest"))

    @cached_property
    def forward(self) -> np.ndarray:
        """(N, T, 3) horizontal facing direction: up x right."""
        return np.stack([self.right[..., 2], np.zeros(self.right.shape[:2], np.float32), -self.right[..., 0]], -1)

    @cached_property
    def first_forward(self) -> np.ndarray:
        """(N, 3) facing direction at the start."""
        return unit(self.forward[:, :EDGE].mean(1))

    @cached_property
    def floor(self) -> np.ndarray:
        """(N, 1) height of the lower ankle at rest."""
        return np.quantile(self.lower_ankle, 0.15, axis=1)[:, None]

    @cached_property
    def lower_ankle(self) -> np.ndarray:
        """(N, T) height of the lower of the two ankles."""
        return np.minimum(self.joint("left_ankle")[..., 1], self.joint("right_ankle")[..., 1])

    def height(self, role: str) -> np.ndarray:
        """(N, T) above the hip of the standing body, in L: 0 hip, about 1 shoulder, about -1.6 floor."""
        return (self.joint(role)[..., 1] - self.floor - self.leg) / self.trunk

    def local(self, role: str, origin: str) -> np.ndarray:
        """(N, T, 3) relative to the origin joint as (right, up, forward), in L."""
        d = self.joint(role) - self.joint(origin)
        return np.stack([dot(d, self.right), d[..., 1], dot(d, self.forward)], -1) / self.trunk[..., None]

    @cached_property
    def hands(self) -> dict[str, np.ndarray]:
        """Wrists relative to the chest."""
        return {side: self.local(f"{side}_wrist", "spine_shoulder") for side in SIDES}

    @cached_property
    def feet(self) -> dict[str, np.ndarray]:
        """Ankles relative to the pelvis."""
        return {side: self.local(f"{side}_ankle", "spine_base") for side in SIDES}

    @property
    def limbs(self) -> list[np.ndarray]:
        return [*self.hands.values(), *self.feet.values()]

    @cached_property
    def away(self) -> dict[str, np.ndarray]:
        """Per hand (N, T) 0..1, see ``away_from_rest``."""
        return {side: away_from_rest(path) for side, path in self.hands.items()}

    @cached_property
    def main(self) -> dict[str, np.ndarray]:
        """Per hand bool (N, T): the main part of the action, in which the hand is well away from rest."""
        return {side: away > MAIN for side, away in self.away.items()}

    @cached_property
    def acting(self) -> dict[str, np.ndarray]:
        """Per hand float32 (N, T): 1 in the main part, one half on the way out, 0 on the way back to rest."""
        result = {}
        for side, main in self.main.items():
            begun = np.maximum.accumulate(main, axis=1)
            ended = ~np.maximum.accumulate(main[:, ::-1], axis=1)[:, ::-1]
            result[side] = np.where(ended, 0, np.where(begun, 1, 0.5)).astype(np.float32)
        return result

    def bend(self, a: str, b: str, c: str) -> np.ndarray:
        """(N, T) bend of the joint b between a and c, rad: 0 straight."""
        u, v = unit(self.joint(a) - self.joint(b)), unit(self.joint(c) - self.joint(b))
        return np.pi - np.arccos(np.clip(dot(u, v), -1, 1))


def away_from_rest(path: np.ndarray) -> np.ndarray:
    """(N, T, 3) -> (N, T): distance from the nearer of the places of start and end, 1 at the furthest.

    Raising a hand and letting it drop are not the action: what it does while it is up is. A limb that stays within a
    quarter of L is at rest.
    """
    ends = [path[:, part].mean(1, keepdims=True) for part in (slice(None, EDGE), slice(-EDGE, None))]
    away = np.minimum(*(norm(path - end) for end in ends))
    return np.minimum(away / np.maximum(high(away)[:, None], STIR), 1)
