"""The simulated body: bone lengths, rotations, and two-bone limbs, all vectorised over the T frames of a clip.

Axes, of the body and of the world: x to the person's right, y up, z backward (a person with yaw 0 faces -z). They are
the axes of a Kinect that the person faces. Angles are in radians: pitch bends forward, roll leans to the right, yaw
turns to the left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDES = ("left", "right")
SIGN = {"left": -1.0, "right": 1.0}


@dataclass(frozen=True)
class Body:
    """Bone lengths in metres, measured as the Kinect v2 places its joints. The defaults are a person of 1.75 m."""

    height: float = 1.75
    hip_width: float = 0.085  # from the spine base to one hip
    hip_drop: float = 0.03
    lower_spine: float = 0.31
    upper_spine: float = 0.23
    neck: float = 0.08
    head: float = 0.14
    shoulder_width: float = 0.175  # from the spine at the shoulders to one shoulder
    shoulder_drop: float = 0.05
    upper_arm: float = 0.275
    forearm: float = 0.245
    hand: float = 0.075
    tip: float = 0.08
    thumb: float = 0.055
    thigh: float = 0.405
    shin: float = 0.385
    foot: float = 0.13
    ankle_height: float = 0.075

    @property
    def scale(self) -> float:
        """Size against the default body, for distances that grow with the person."""
        return self.height / 1.75

    @property
    def arm(self) -> float:
        """Shoulder to hand."""
        return self.upper_arm + self.forearm + self.hand

    @property
    def leg(self) -> float:
        """Hip to ankle."""
        return self.thigh + self.shin


def rotation(yaw=0.0, pitch=0.0, roll=0.0) -> np.ndarray:
    """(T, 3, 3) from angles (T,): roll first, then pitch, then yaw."""
    yaw, pitch, roll = np.broadcast_arrays(np.atleast_1d(yaw), -np.asarray(pitch), -np.asarray(roll))
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    matrix = np.empty((*yaw.shape, 3, 3))
    matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 0, 2] = cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp
    matrix[..., 1, 0], matrix[..., 1, 1], matrix[..., 1, 2] = cp * sr, cp * cr, -sp
    matrix[..., 2, 0], matrix[..., 2, 1], matrix[..., 2, 2] = -sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp
    return matrix


def turned(matrix: np.ndarray, vector) -> np.ndarray:
    """(T, 3, 3) times (3,) or (T, 3) -> (T, 3)."""
    return np.einsum("tij,tj->ti", matrix, np.broadcast_to(vector, (len(matrix), 3)))


def unit(vectors: np.ndarray) -> np.ndarray:
    """(T, 3) scaled to length 1."""
    return vectors / np.maximum(np.sqrt((vectors * vectors).sum(-1, keepdims=True)), 1e-9)


def across(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The part of ``vector`` perpendicular to the unit vectors ``axis``, scaled to length 1."""
    return unit(vector - (vector * axis).sum(-1, keepdims=True) * axis)


def bone(start: np.ndarray, direction: np.ndarray, length: float) -> np.ndarray:
    """The end of a bone, (T, 3); one that would end below the floor is turned up, its length kept."""
    end = direction * length
    end[:, 1] = np.clip(end[:, 1], np.minimum(0.01 - start[:, 1], length), None)
    level = np.sqrt(end[:, 0] ** 2 + end[:, 2] ** 2)
    end[:, [0, 2]] *= (np.sqrt(np.maximum(length**2 - end[:, 1] ** 2, 0)) / np.maximum(level, 1e-9))[:, None]
    return start + end


def limb(start, aim, upper: float, lower: float, pole) -> tuple[np.ndarray, np.ndarray]:
    """Elbow and hand, or knee and ankle, of a limb from ``start`` towards ``aim`` (T, 3).

    The law of cosines gives the bend; ``pole`` is the direction the middle joint points to. What is out of reach is
    approached along a straight limb, so the bone lengths hold whatever the aim.
    """
    axis = unit(aim - start)
    distance = np.sqrt(((aim - start) ** 2).sum(-1, keepdims=True))
    distance = np.clip(distance, abs(upper - lower) + 0.02, (upper + lower) * 0.9995)
    along = (upper**2 + distance**2 - lower**2) / (2 * distance)
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    return start + along * axis + aside * across(pole, axis), start + distance * axis


def ease(s: np.ndarray) -> np.ndarray:
    """The minimum-jerk profile: 0 to 1 with rest at both ends (Flash & Hogan 1985)."""
    s = np.clip(s, 0.0, 1.0)
    return s * s * s * (10.0 + s * (6.0 * s - 15.0))


def between(u: np.ndarray, times) -> tuple[np.ndarray, np.ndarray]:
    """(index of the key before each frame, eased share of the way to the next key), both (T,)."""
    times = np.asarray(times)
    at = np.clip(np.searchsorted(times, u, side="right") - 1, 0, len(times) - 2)
    return at, ease((u - times[at]) / (times[at + 1] - times[at]))


def curve(u: np.ndarray, keys) -> np.ndarray:
    """Values at u (T,) from keys ((time, value), ...), with rest at every key; constant before and after."""
    values = np.array([k[1] for k in keys], float)
    at, s = between(u, [k[0] for k in keys])
    return values[at] + (values[at + 1] - values[at]) * s


def swung(start: np.ndarray, end: np.ndarray, s: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Vectors (T, 3) on the way from ``start`` to ``end``: the direction turns evenly, the length changes evenly.

    Where start and end are opposite, the way leads over ``forward``.
    """
    a, b, s = unit(start), unit(end), s[:, None]
    cosine = (a * b).sum(-1, keepdims=True)
    angle = np.arccos(np.clip(cosine, -0.97, 0.9999))
    direction = np.sin((1 - s) * angle) * a + np.sin(s * angle) * b
    direction = unit(direction + 0.4 * np.sin(np.pi * s) * np.maximum(0, -cosine) * forward)
    lengths = [np.sqrt((v * v).sum(-1, keepdims=True)) for v in (start, end)]
    return direction * (lengths[0] + (lengths[1] - lengths[0]) * s)


def smooth(values: np.ndarray) -> np.ndarray:
    """A small binomial filter along the frames, so that no motion has a corner. (T, ...)"""
    padded = np.concatenate([values[:1], values[:1], values, values[-1:], values[-1:]])
    return (padded[:-4] + 4 * padded[1:-3] + 6 * padded[2:-2] + 4 * padded[3:-1] + padded[4:]) / 16.0
