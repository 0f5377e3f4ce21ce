"""Movements of made bodies, the quantities of the motion profile that they must show, and how far off these may be."""

import numpy as np
from moving_bodies import (
    AHEAD,
    BACK,
    HIP,
    SHOULDER,
    SIDE,
    A,
    G,
    L,
    W,
    body,
    hanging,
    lifted,
    middle,
    ramp,
    through,
    time,
)

FRAMES = 90  # three seconds
T = time(FRAMES)
UP = np.array([0, 1, 0])
HANGING = (SHOULDER - 0.58 - HIP) / L  # height of a hanging wrist


def one_hand(path, side="right", frames=FRAMES):
    """Raises one hand to a place or path (T, 3), follows it, and lowers the hand again."""
    return body(frames, {side: lifted(time(frames), side, path)})


def both_hands(right, left):
    return body(FRAMES, {"right": lifted(T, "right", right), "left": lifted(T, "left", left)})


def stroke(start, end, side="right"):
    """Raises a hand without haste, brings it quickly from one place to the other, and lowers it without haste."""
    rest = hanging(side)
    return body(FRAMES, {side: through(T, [(0, rest), (0.4, start), (0.5, start), (0.6, end), (0.65, end), (1, rest)])})


def circle(turns, side="right", radius=0.25):
    """Clockwise for the performer if ``turns`` is positive: up, to the right, down, to the left."""
    angle = 2 * np.pi * turns * middle(T)
    centre = np.array([SIDE[side] * 0.2, SHOULDER, 0.3])
    return one_hand(centre + radius * np.concatenate([np.sin(angle), np.cos(angle), 0 * angle], 1), side)


def waves(count, frames):
    angle = 2 * np.pi * count * middle(time(frames))
    side_to_side = 0.15 * np.concatenate([np.sin(angle), 0 * angle, 0 * angle], 1)
    return one_hand(np.array([0.3, SHOULDER + 0.3, 0.2]) + side_to_side, frames=frames)


def punches():
    """Right and left in turn, from a guard before the chest."""
    phase = np.sin(2 * np.pi * 3 * middle(T))
    guard = {side: np.array([sign * 0.2, SHOULDER - 0.1, 0.2]) for side, sign in SIDE.items()}
    return body(FRAMES, {s: lifted(T, s, guard[s] + 0.15 * SIDE[s] * phase * AHEAD) for s in SIDE})


def standing_feet():
    return {side: np.tile([sign * 0.1, 0.1, 0.0], (FRAMES, 1)) for side, sign in SIDE.items()}


def lowered(depth, back_up):
    share = ramp(T, 0.2, 0.5) * ((1 - ramp(T, 0.6, 0.9)) if back_up else 1)
    return body(FRAMES, pelvis=share * [0, -depth, 0], ankles=standing_feet())


def jump(height):
    up = np.maximum(0, 1 - ((T - 0.5) / 0.15) ** 2) * height * UP
    return body(FRAMES, pelvis=up, ankles={side: foot + up for side, foot in standing_feet().items()})


def kick(side):
    ankles = standing_feet()
    ankles[side] = ankles[side] + 0.5 * ramp(T, 0.3, 0.5) * (1 - ramp(T, 0.5, 0.7)) * [0, 1, 1]
    return body(FRAMES, ankles=ankles)


def lunge(length):
    share, ankles = ramp(T, 0.3, 0.5), standing_feet()
    ankles["right"] = ankles["right"] + share * length * AHEAD
    return body(FRAMES, pelvis=share * [0, -0.15, length / 2], ankles=ankles)


def steps(count):
    phase, ankles = np.sin(2 * np.pi * count * T), standing_feet()
    return body(FRAMES, ankles={s: ankles[s] + np.maximum(0, SIDE[s] * phase) * 0.3 * UP for s in SIDE})


OVERHEAD = np.array([0.2, SHOULDER + 0.55, 0.0])
RIGHT, LEFT = np.array([0.5, SHOULDER - 0.1, 0.3]), np.array([-0.3, SHOULDER - 0.1, 0.3])
MIRROR = [-1, 1, 1]
ELBOW = np.tile(
    [0.2, SHOULDER, 0.3 * 2**0.5], (FRAMES, 1)
)  # forward of the shoulder, upper arm and forearm at 90 degrees

# movement: body, {quantity: (wanted, how far off it may be)}
KNOWN = {
    "still": (
        body(FRAMES),
        {
            "right_hand_motion": (0, 0.01),
            "left_foot_motion": (0, 0.01),
            "trunk_motion": (0, 0.01),
            "speed": (0, 0.02),
            "right_hand_top": (HANGING, 0.03),
            "left_hand_bottom": (HANGING, 0.03),
            "right_hand_across": (0, 0.01),
            "right_hand_out": (0.05 / A, 0.02),
            "right_hand_forward": (0, 0.02),
            "hands_apart": (0.5 / L, 0.03),
            "hand_to_head": (-1.2, 1e-5),
            "right_hand_sweep": (0, 0.01),
            "repetition": (0, 0.1),
            "arms_symmetry": (0, 0.01),
            "legs_alternation": (0, 0.01),
            "right_knee_bend": (0, 0.06),
            "trunk_bend": (0, 0.02),
            "pelvis_drop": (0, 0.02),
            "jump": (0, 0.01),
            "right_foot_lift": (0, 0.01),
            "feet_apart": (0.2 / G, 0.02),
            "travel": (0, 0.01),
            "turn": (0, 0.01),
            "two_people": (0, 0),
        },
    ),
    "right hand over the head": (
        one_hand(OVERHEAD),
        {
            "right_hand_motion": (np.log1p(2 * 1.13 / L), 0.1),
            "left_hand_motion": (0, 0.01),
            "right_hand_top": ((SHOULDER + 0.55 - HIP) / L, 0.05),
            "right_hand_bottom": ((SHOULDER + 0.55 - HIP) / L, 0.4),
            "left_hand_top": (HANGING, 0.03),
            "right_hand_rise": (1.5, 0.5),  # the way up counts, the way back to rest does not
            "arms_symmetry": (0, 0.05),
            "right_hand_rotation": (0, 0.01),
            "hold": (0.7, 0.15),
        },
    ),
    "swipe to the left": (
        stroke(RIGHT, LEFT),
        {
            "right_hand_sweep": (-1.4, 0.2),
            "left_hand_sweep": (0, 0.01),
            "right_hand_rise": (0, 0.2),
            "right_hand_across": (0.5 / W, 0.1),
            "right_hand_out": (0.3 / A, 0.1),
            "right_hand_rotation": (0, 0.1),
            "repetition": (np.log1p(0.5), 0.42),
        },
    ),
    "swipe to the right": (stroke(LEFT, RIGHT), {"right_hand_sweep": (1.4, 0.2)}),
    "left hand sweeps to the right": (
        stroke(RIGHT * MIRROR, LEFT * MIRROR, "left"),
        {"left_hand_sweep": (1.4, 0.2), "right_hand_sweep": (0, 0.01)},
    ),
    "stroke up": (
        stroke([0.2, HIP + 0.2, 0.3], [0.2, SHOULDER + 0.3, 0.3]),
        {"right_hand_rise": (1.6, 0.4), "right_hand_sweep": (0, 0.05)},
    ),
    "stroke down": (stroke([0.2, SHOULDER + 0.4, 0.3], [0.2, SHOULDER - 0.2, 0.4]), {"right_hand_rise": (-1.2, 0.6)}),
    "push": (
        stroke([0.2, SHOULDER - 0.2, 0.1], [0.2, SHOULDER - 0.1, 0.55]),
        {
            "right_hand_thrust": (1.0, 0.2),
            "right_hand_forward": (0.55 / A, 0.05),
            "left_hand_forward": (0, 0.02),
        },
    ),
    "pull": (stroke([0.2, SHOULDER - 0.1, 0.55], [0.2, SHOULDER, 0.1]), {"right_hand_thrust": (-0.7, 0.3)}),
    "hand behind the back": (one_hand([0.05, HIP + 0.1, -0.25]), {"right_hand_forward": (-0.25 / A, 0.05)}),
    "arm sideways": (one_hand([0.8, SHOULDER, 0.0]), {"right_hand_out": (1, 0.03)}),
    "circle clockwise": (circle(1), {"right_hand_rotation": (0.7, 0.2), "left_hand_rotation": (0, 0.01)}),
    "circle the other way": (circle(-1), {"right_hand_rotation": (-0.7, 0.2)}),
    "two circles, left hand": (circle(2, "left"), {"left_hand_rotation": (1.5, 0.2)}),
    "wave": (
        waves(3, 150),
        {
            "repetition": (np.log(4), 0.2),
            "right_hand_sweep": (0, 0.15),
            "right_hand_rotation": (0, 0.05),
            "hold": (0.1, 0.15),
        },
    ),
    "both arms up": (both_hands(OVERHEAD, OVERHEAD * MIRROR), {"arms_symmetry": (1, 0.05)}),
    "punches in turn": (punches(), {"arms_symmetry": (-0.8, 0.25), "repetition": (np.log(4), 0.3)}),
    "hands together": (
        both_hands([0.02, SHOULDER - 0.2, 0.3], [-0.02, SHOULDER - 0.2, 0.3]),
        {"hands_apart": (0.04 / L, 0.05)},
    ),
    "hand to the head": (one_hand([0.02, SHOULDER + 0.25, 0.02]), {"hand_to_head": (0, 0.1)}),
    "elbow at a right angle": (body(FRAMES, {"right": ELBOW}), {"right_elbow_bend": (np.pi / 2, 0.03)}),
    "squat": (
        lowered(0.4, True),
        {"pelvis_drop": (0.4 / G, 0.03), "pelvis_change": (0, 0.02), "left_knee_bend": (2 * np.arccos(0.5), 0.1)},
    ),
    "sit down": (
        lowered(0.4, False),
        {
            "pelvis_drop": (0.4 / G, 0.03),
            "pelvis_change": (-0.4 / G, 0.03),
            "trunk_motion": (np.log1p(0.4 / L), 0.05),
        },
    ),
    "bow": (
        body(FRAMES, lean=np.deg2rad(60) * ramp(T, 0.2, 0.5)),
        {"trunk_bend": (np.deg2rad(60), 0.05), "travel": (0, 0.02)},
    ),
    "lean back": (body(FRAMES, lean=-np.deg2rad(25) * ramp(T, 0.2, 0.5)), {"trunk_bend": (-np.deg2rad(25), 0.05)}),
    "walk forward": (
        body(FRAMES, pelvis=ramp(T, 0.1, 0.9) * AHEAD),
        {"travel": (1 / G, 0.05), "trunk_motion": (np.log1p(1 / L), 0.05), "turn": (0, 0.02)},
    ),
    "walk backward": (body(FRAMES, pelvis=ramp(T, 0.1, 0.9) * BACK), {"travel": (-1 / G, 0.05)}),
    "quarter turn": (
        body(FRAMES, heading=np.pi / 2 * ramp(T, 0.2, 0.8)),
        {"turn": (np.pi / 2, 0.05), "travel": (0, 0.02)},
    ),
    "twist to the left": (body(FRAMES, twist=0.8 * ramp(T, 0.4, 0.6)), {"trunk_twist": (0.8, 0.1)}),
    "twist to the right": (body(FRAMES, twist=-0.8 * ramp(T, 0.4, 0.6)), {"trunk_twist": (-0.8, 0.1)}),
    "jump": (
        jump(0.3),
        {"jump": (0.3 / G, 0.06), "pelvis_drop": (0, 0.03), "right_foot_lift": (0.3 / G, 0.06)},
    ),
    "kick": (
        kick("right"),
        {
            "right_foot_lift": (0.5 / G, 0.06),
            "left_foot_lift": (0, 0.01),
            "left_foot_motion": (0, 0.01),
            "right_foot_motion": (np.log1p(2 * 0.5 * 2**0.5 / L), 0.1),
            "jump": (0, 0.01),
        },
    ),
    "lunge": (lunge(0.6), {"feet_apart": (np.hypot(0.2, 0.6) / G, 0.03)}),
    "steps on the spot": (
        steps(3),
        {"legs_alternation": (1.2, 0.5), "repetition": (np.log(4), 0.3), "jump": (0, 0.02)},
    ),
}
