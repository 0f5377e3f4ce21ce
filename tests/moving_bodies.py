"""Made bodies whose movement is known: a standing person in body axes (right, up, forward), moved as functions of time.

All lengths in metres: trunk L = 0.5, leg G = 0.8 (ankle at 0.1), arm A = 0.6, shoulder width W = 0.4, so that the hip
is at 0.9 and the shoulder at 1.4. The bones of a limb keep their lengths: elbow and knee go where they must.
"""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np

from zssar.skeleton.layouts import layout

L, G, A, W, HIP, SHOULDER = 0.5, 0.8, 0.6, 0.4, 0.9, 1.4
SIDE = {"right": 1.0, "left": -1.0}
RAISE = 0.3  # share of the clip in which a hand goes up, and again in which it comes down, slower than it acts
BACK, AHEAD, DOWN_AND_BACK = np.array([0.0, 0, -1]), np.array([0.0, 0, 1]), np.array([0.0, -0.8, -0.6])


def time(frames: int) -> np.ndarray:
    return np.linspace(0, 1, frames)[:, None]


def ramp(t: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 before ``start``, 1 after ``end``, smooth in between."""
    s = np.clip((t - start) / (end - start), 0, 1)
    return s * s * (3 - 2 * s)


def while_up(t: np.ndarray) -> np.ndarray:
    """0 at both ends, 1 in the middle of the clip."""
    return ramp(t, 0, RAISE) * (1 - ramp(t, 1 - RAISE, 1))


def middle(t: np.ndarray) -> np.ndarray:
    """0..1 through the part in which a hand is up."""
    return np.clip((t - RAISE) / (1 - 2 * RAISE), 0, 1)


def hanging(side: str) -> np.ndarray:
    return np.array([SIDE[side] * 0.25, SHOULDER - 0.58, 0.0])


def lifted(t: np.ndarray, side: str, path) -> np.ndarray:
    """A wrist that hangs, goes to ``path`` (a place or (T, 3)), follows it, and hangs again."""
    share = while_up(t)
    return hanging(side) * (1 - share) + np.asarray(path) * share


def through(t: np.ndarray, stops: list) -> np.ndarray:
    """(T, 3) path that is at place p at time s for all (s, p) in ``stops``, at rest at each of them."""
    path = np.tile(np.asarray(stops[0][1], float), (len(t), 1))
    for (start, a), (end, b) in pairwise(stops):
        path += ramp(t, start, end) * (np.asarray(b, float) - a)
    return path


def body(frames: int, wrists=None, ankles=None, pelvis=None, lean=0.0, twist=0.0, heading=0.0) -> dict[str, np.ndarray]:
    """role -> (T, 3) in the axes of the place: right, up, forward at the start.

    wrists, ankles: side -> (T, 3) where they are, for a body that stands at the origin; pelvis: (T, 3) its offset;
    lean, twist, heading: rad, (T, 1) or a number (lean forward, twist of the shoulders, turn of the body to the left).
    """
    t = time(frames)
    flat = np.zeros((frames, 3))
    offset = flat if pelvis is None else flat + pelvis
    lean, twist, heading = (np.broadcast_to(angle, t.shape) for angle in (lean, twist, heading))
    axis = np.concatenate([0 * lean, np.cos(lean), np.sin(lean)], 1)
    hip = offset + np.array([0, HIP, 0])
    chest = hip + L * axis
    across = np.concatenate([np.cos(twist), 0 * twist, np.sin(twist)], 1)  # turning left brings the right side forward
    roles = {"spine_base": hip, "spine_mid": (hip + chest) / 2, "spine_shoulder": chest, "neck": chest + 0.08 * axis}
    roles["head"] = chest + 0.25 * axis
    for side, sign in SIDE.items():
        shoulder, socket = chest + sign * W / 2 * across, hip + np.array([sign * 0.1, 0, 0])
        wrist = hanging(side) + (chest - [0, SHOULDER, 0]) if wrists is None or side not in wrists else wrists[side]
        ankle = np.array([sign * 0.1, 0.1, 0]) + flat if ankles is None or side not in ankles else ankles[side]
        if ankles is None and pelvis is not None:
            ankle = ankle + offset * [1, 0, 1]
        roles |= {f"{side}_shoulder": shoulder, f"{side}_wrist": wrist, f"{side}_hip": socket, f"{side}_ankle": ankle}
        roles[f"{side}_elbow"] = joint(shoulder, wrist, A / 2, DOWN_AND_BACK)
        roles[f"{side}_knee"] = joint(socket, ankle, G / 2, AHEAD)
    return {role: turned(path, heading) for role, path in roles.items()}


def joint(a: np.ndarray, b: np.ndarray, bone: float, hint: np.ndarray) -> np.ndarray:
    """Where the joint between two equal bones is; straight where ``a`` and ``b`` are too far apart for them."""
    d = b - a
    length = np.linalg.norm(d, axis=1, keepdims=True)
    side = hint - (d @ hint)[:, None] * d / np.maximum(length, 1e-9) ** 2
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    return (a + b) / 2 + side * np.sqrt(np.maximum(bone**2 - length**2 / 4, 0))


def turned(path: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Turned to the left about the vertical through the origin; (right, up, forward)."""
    c, s = np.cos(heading[:, 0]), np.sin(heading[:, 0])
    return np.stack([c * path[:, 0] - s * path[:, 2], path[:, 1], s * path[:, 0] + c * path[:, 2]], 1)


def recording(people, of="kinect25", view=0.0, tilt=0.0, scale=1.0, shift=(0.3, -0.2, 3.0)) -> SimpleNamespace:
    """One clip as ``measure_clips`` reads it; people are dicts of ``body``, the sensor sees them from ``view`` rad.

    World: x right, y up, z away from the sensor, which sees a person with view 0 from the front.
    """
    skeleton = layout(of)
    frames = len(people[0]["head"])
    joints = np.zeros((frames, len(people), len(skeleton), 3))
    known = people[0].keys()
    index = {v: role for role, v in skeleton.roles.items() if role in known}
    for m, roles in enumerate(people):
        for v in range(len(skeleton)):
            at = v
            while at not in index:  # fingers, eyes ...: where the joint they hang on is
                at = skeleton.parents[at]
            joints[:, m, v] = roles[index[at]]
    world = joints * [1, 1, -1]  # forward is towards the sensor
    c, s, ct, st = np.cos(view), np.sin(view), np.cos(tilt), np.sin(tilt)
    world = world @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.array([[1, 0, 0], [0, ct, st], [0, -st, ct]])
    world = world * scale + np.asarray(shift)
    if skeleton.dimensions == 2:
        world[..., 2] = 0
    present = np.ones((frames, len(people)), bool)
    return SimpleNamespace(joints=world.astype(np.float32), present=present, offsets=np.array([0, frames]))


def together(*recordings: SimpleNamespace) -> SimpleNamespace:
    """Several clips one after another."""
    lengths = [len(r.joints) for r in recordings]
    return SimpleNamespace(
        joints=np.concatenate([r.joints for r in recordings]),
        present=np.concatenate([r.present for r in recordings]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
    )
