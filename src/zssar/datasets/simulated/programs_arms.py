"""Actions of the hands while the person stands: to the head, gestures, throws and blows, both arms."""

from __future__ import annotations

import numpy as np

from zssar.datasets.simulated.actor import Actor, Spot
from zssar.datasets.simulated.body import SIGN
from zssar.datasets.simulated.primitives import (
    bend,
    crouch,
    cycles,
    fist,
    free,
    guard,
    hold,
    look,
    pulses,
    step,
    window,
    within,
)

MOUTH = Spot("head", 0.03, -0.06, 0.13)
OUTWARD_ELBOW = (0.9, -0.35, -0.1)


# --- hand to the head ------------------------------------------------------------------------------------------------


def drink_water(a: Actor) -> None:
    """Take a cup from in front, raise it to the mouth, tip the head back, put it down."""
    cup = fist(0.0, -0.42, 0.62)
    mouth = Spot("head", 0.03, -0.05, 0.15, elbow=OUTWARD_ELBOW, fist=0.8)
    a.hand(a.performer.main, (0, None), (0.22, cup), (0.45, mouth), (0.7, mouth), (0.88, cup), (1, None))
    look(a, -0.38, 0, 0.4, 0.55, 0.68, 0.8)


def eat_a_snack(a: Actor) -> None:
    """One hand holds the bag at the belly; the other goes from the bag to the mouth and back, two or three times."""
    bag, bites = Spot("belly", 0.02, 0.0, 0.24), int(a.rng.integers(2, 4))
    hold(a, a.performer.other, Spot("belly", 0.03, 0.0, 0.24, fist=0.6), 0.18, 0.85)
    keys, beat = [(0.0, None), (0.16, bag)], 0.68 / bites
    for i in range(bites):
        keys += [(0.16 + (i + 0.5) * beat, MOUTH), (0.16 + (i + 1) * beat, bag)]
    a.hand(a.performer.main, *keys, (1.0, None))
    look(a, 0.22, 0, 0.05, 0.2, 0.8, 0.95)


def brush_teeth(a: Actor) -> None:
    """Fist at the mouth, elbow out, small quick strokes to the sides."""
    mouth = Spot("head", 0.08, -0.06, 0.14, elbow=(1.0, 0.05, 0.1), fist=1.0)
    hold(a, a.performer.main, mouth, 0.22, 0.84)
    a.swing(a.performer.main, (1, 0.15, 0), 0.085 * cycles(a, 0.22, 0.84, a.rng.integers(3, 5)))
    look(a, 0.12, 0, 0.05, 0.25, 0.8, 0.95)


def comb_hair(a: Actor) -> None:
    """Two or three strokes over the head, from the forehead to the nape."""
    brow, crown, nape = (
        Spot("head", 0.06, 0.1, 0.12, elbow=(0.8, 0.0, 0.5)),
        Spot("head", 0.08, 0.17, -0.02, elbow=(0.9, 0.1, 0.3)),
        Spot("head", 0.1, 0.0, -0.14, elbow=(0.9, 0.2, 0.2)),
    )
    strokes = int(a.rng.integers(2, 4))
    keys, beat = [(0.0, None)], 0.64 / strokes
    for i in range(strokes):
        at = 0.2 + i * beat
        keys += [(at, brow), (at + 0.3 * beat, crown), (at + 0.55 * beat, nape)]
    a.hand(a.performer.main, *keys, (0.88, free(0.3, -0.1, 0.5)), (1.0, None))
    look(a, 0.15, -0.15 * SIGN[a.performer.main], 0.05, 0.22, 0.8, 0.95)


def make_a_phone_call(a: Actor) -> None:
    """Hand to the ear and stay there, head tilted to it, speaking."""
    side = a.performer.main
    hold(a, side, Spot("head", 0.12, -0.03, 0.03, elbow=(0.5, -0.85, 0.3), fist=0.8), 0.24, 0.86)
    a.add("head_roll", (0.1, 0), (0.3, 0.2 * SIGN[side]), (0.82, 0.2 * SIGN[side]), (0.95, 0))
    a.channel["head_pitch"] += 0.07 * cycles(a, 0.3, 0.85, 2.5)


def salute(a: Actor) -> None:
    """Flat right hand sharply to the temple, elbow out at shoulder height, held, sharply down."""
    temple = Spot("head", 0.12, 0.06, 0.08, elbow=(1.0, 0.05, 0.15), hand=(-0.5, 0.3, 0))
    a.hand("right", (0.12, None), (0.32, temple), (0.72, temple), (0.9, None))
    a.add("bend", (0, 0), (0.25, -0.06), (0.8, -0.06), (1, 0))
    a.hand("left", (0, None), (0.25, free(0.08, -0.99, 0.0)), (0.8, free(0.08, -0.99, 0.0)), (1, None))


def check_the_time_on_the_left_wrist(a: Actor) -> None:
    """Left forearm up before the chest, head down to it, a moment of reading."""
    hold(a, "left", Spot("chest", -0.02, -0.1, 0.27, elbow=(0.9, -0.4, 0.0), fist=0.7), 0.28, 0.74)
    look(a, 0.5, 0.12, 0.1, 0.34, 0.72, 0.9)
    if a.rng.random() < 0.4:  # push the sleeve back
        a.hand(
            "right",
            (0.15, None),
            (0.4, Spot("chest", -0.1, -0.16, 0.26)),
            (0.5, Spot("chest", 0.0, -0.16, 0.26)),
            (0.85, None),
        )


# --- gestures of one hand --------------------------------------------------------------------------------------------


def _wave(a: Actor, side: str) -> None:
    hold(a, side, free(0.38, 0.42, 0.35, elbow=(0.8, -0.7, 0), hand=(0, 0.6, 0)), 0.24, 0.82)
    a.swing(side, (1, -0.12, 0), 0.26 * cycles(a, 0.2, 0.86, a.rng.integers(2, 4)))


def wave_with_the_right_hand(a: Actor) -> None:
    """Hand up beside the head, forearm swinging from side to side."""
    _wave(a, "right")


def wave_with_the_left_hand(a: Actor) -> None:
    """The same with the left hand."""
    _wave(a, "left")


def point_forward_with_the_right_hand(a: Actor) -> None:
    """Right arm straight ahead at shoulder height, held."""
    hold(a, "right", free(-0.08, 0.02, 1.0), 0.34, 0.74)


def swipe_to_the_left_with_the_right_hand(a: Actor) -> None:
    """Right hand from the right, across the body at chest height, to the left."""
    a.hand(
        "right",
        (0, None),
        (0.3, free(0.6, -0.05, 0.6)),
        (0.62, free(-0.75, -0.1, 0.5)),
        (0.72, free(-0.75, -0.12, 0.45)),
        (1, None),
    )
    a.add("twist", (0.25, 0), (0.62, 0.22), (0.72, 0.22), (1, 0))


def swipe_to_the_right_with_the_right_hand(a: Actor) -> None:
    """Right hand from the left, across the body at chest height, to the right."""
    a.hand(
        "right",
        (0, None),
        (0.3, free(-0.75, -0.1, 0.5)),
        (0.62, free(0.72, -0.05, 0.55)),
        (0.72, free(0.72, -0.08, 0.5)),
        (1, None),
    )
    a.add("twist", (0.05, 0), (0.3, 0.15), (0.62, -0.18), (0.72, -0.18), (1, 0))


def draw_a_circle_with_the_right_hand(a: Actor) -> None:
    """One or two large circles in the air before the chest."""
    rounds, way = int(a.rng.integers(1, 3)), 1 if a.rng.random() < 0.75 else -1
    top = free(0.0, 0.38, 0.72)
    hold(a, "right", top, 0.22, 0.84)
    angle = 2 * np.pi * rounds * within(a, 0.22, 0.84)
    a.swing("right", (1, 0, 0), 0.36 * way * np.sin(angle))
    a.swing("right", (0, 1, 0), 0.36 * (np.cos(angle) - 1))


def knock_on_a_door(a: Actor) -> None:
    """Fist at head height before the shoulder, three or four short knocks forward."""
    side = a.performer.main
    hold(a, side, fist(-0.05, 0.18, 0.52, elbow=(0.35, -0.9, 0.1)), 0.26, 0.8)
    a.swing(side, (0, -0.08, 1), 0.2 * pulses(a, 0.28, 0.8, int(a.rng.integers(3, 5))))


# --- throws and blows ------------------------------------------------------------------------------------------------


def throw_a_ball_overhand(a: Actor) -> None:
    """Hand back over the shoulder, a step, and forward over the head; the arm follows through downwards."""
    side, other = a.performer.main, a.performer.other
    back = fist(0.5, 0.4, -0.42, elbow=(0.9, -0.1, 0.1))
    a.hand(
        side,
        (0, None),
        (0.18, fist(0.1, -0.3, 0.45)),
        (0.44, back),
        (0.57, fist(0.18, 0.85, 0.35)),
        (0.66, free(-0.05, 0.25, 0.95)),
        (0.8, free(-0.5, -0.6, 0.5)),
        (1, None),
    )
    a.hand(other, (0, None), (0.42, free(0.1, 0.1, 0.85)), (0.68, free(0.3, -0.55, 0.1)), (1, None))
    step(a, other, 0.3, 0.55, 0.42)
    a.add("twist", (0.1, 0), (0.44, -0.5 * SIGN[side]), (0.68, 0.45 * SIGN[side]), (0.8, 0.4 * SIGN[side]), (1, 0))
    a.add("bend", (0.1, 0), (0.44, -0.14), (0.72, 0.3), (1, 0.02))


def bowl_a_ball_underhand(a: Actor) -> None:
    """Straight arm back, a long low step, and the arm swings past the knee forward and up."""
    side, other = a.performer.main, a.performer.other
    a.hand(
        side,
        (0, None),
        (0.14, fist(0.05, -0.6, 0.6)),
        (0.26, fist(0.1, -0.97, 0.1)),
        (0.42, fist(0.15, -0.6, -0.75)),
        (0.53, fist(0.08, -0.98, 0.0)),
        (0.64, free(0.0, -0.25, 0.93)),
        (0.76, free(0.0, 0.3, 0.85)),
        (1, None),
    )
    step(a, other, 0.28, 0.54, 0.55)
    crouch(a, 0.14, 0.25, 0.55, 0.72, 1.0)
    bend(a, 0.65, 0.12, 0.5, 0.66, 1.0)
    a.hand(other, (0.1, None), (0.55, free(0.6, -0.6, -0.1)), (0.75, free(0.6, -0.6, -0.1)), (1, None))


def punch_forward_with_the_right_fist(a: Actor) -> None:
    """Right fist from the ribs straight forward and back, the left one guards."""
    ribs, out = fist(0.05, -0.3, 0.12), fist(-0.2, 0.0, 1.0)
    a.hand("right", (0, None), (0.3, ribs), (0.46, out), (0.56, out), (0.72, ribs), (1, None))
    guard(a, "left", 0.28, 0.74)
    a.add("twist", (0.1, 0), (0.3, -0.25), (0.47, 0.4), (0.56, 0.4), (0.75, 0))
    step(a, "left", 0.1, 0.3, 0.22)


def box_with_both_fists(a: Actor) -> None:
    """Guard, then right and left fist in turn, four to six blows."""
    blows = 2 * int(a.rng.integers(2, 4))
    crouch(a, 0.04, 0, 0.15, 0.85, 1)
    for side in ("right", "left"):
        guard(a, side, 0.15, 0.86)
        wave = np.maximum(cycles(a, 0.15, 0.87, blows / 2, 0.0 if side == "right" else 0.5), 0)
        a.swing(side, (-0.05, 0.02, 1), 0.62 * wave)
        a.channel["twist"] += 0.3 * SIGN[side] * wave
    step(a, "left", 0.0, 0.15, 0.2)


def push_forward_with_both_hands(a: Actor) -> None:
    """Both palms from the chest forward, arms straight, weight behind them."""
    near = free(-0.08, -0.08, 0.32, hand=(0, 1.0, 0))
    far = free(-0.1, 0.0, 0.98, hand=(0, 1.0, 0))
    for side in ("left", "right"):
        a.hand(side, (0, None), (0.28, near), (0.52, far), (0.68, far), (1, None))
    a.add("bend", (0.2, 0), (0.32, -0.05), (0.54, 0.2), (0.68, 0.2), (0.95, 0))
    step(a, "left", 0.25, 0.5, 0.3)


def pull_a_rope_with_both_hands(a: Actor) -> None:
    """Both fists far ahead grip, pull to the belly, two or three times, the trunk leaning back."""
    pulls = int(a.rng.integers(2, 4))
    for side in ("left", "right"):
        hold(a, side, fist(-0.2, -0.15, 0.92), 0.18, 0.88)
        a.swing(side, (0.1, -0.2, -1), 0.62 * pulses(a, 0.2, 0.88, pulls))
    a.channel["bend"] += 0.15 * window(a, 0.1, 0.95, 0.1) - 0.4 * pulses(a, 0.2, 0.88, pulls)
    crouch(a, 0.08, 0.05, 0.25, 0.8, 1)
    step(a, "left", 0.02, 0.18, 0.3)


# --- both arms -------------------------------------------------------------------------------------------------------


def clap_hands(a: Actor) -> None:
    """Palms together before the chest, three or four times."""
    claps = int(a.rng.integers(3, 5))
    for side in ("left", "right"):
        a.hand(
            side, (0, None), (0.2, Spot("chest", 0.02, -0.1, 0.33)), (0.86, Spot("chest", 0.02, -0.1, 0.33)), (1, None)
        )
        a.swing(side, (1, 0.05, 0), 0.27 * pulses(a, 0.16, 0.86, claps))


def raise_both_arms(a: Actor) -> None:
    """Straight arms forward or sideways up over the head, held, and down."""
    if a.rng.random() < 0.5:
        way = free(0.9, 0.05, 0.25)
    else:
        way = free(0.15, 0.05, 0.97)
    top = free(0.18, 0.97, 0.05)
    for side in ("left", "right"):
        a.hand(side, (0, None), (0.24, way), (0.42, top), (0.64, top), (0.8, way), (1, None))
    look(a, -0.12, 0, 0.2, 0.42, 0.64, 0.8)


def swing_both_arms_in_circles(a: Actor) -> None:
    """Straight arms, one or two whole circles beside the body, forward or backward.

    The circles are wider than the arms are long, which keeps the elbows straight.
    """
    rounds, way = int(a.rng.integers(1, 3)), 1 if a.rng.random() < 0.6 else -1
    angle = 2 * np.pi * rounds * within(a, 0.08, 0.92)
    inside = window(a, 0.04, 0.96, 0.08)
    for side in ("left", "right"):
        a.hand(side, (0, None), (0.1, free(0.2, 0, 0)), (0.9, free(0.2, 0, 0)), (1, None))
        a.swing(side, (0, 1, 0), -1.15 * inside * np.cos(angle))
        a.swing(side, (0, 0, 1), 1.1 * way * inside * np.sin(angle))


def cross_arms_over_the_chest(a: Actor) -> None:
    """Each hand to the other upper arm, forearms crossed before the chest, held."""
    for side, up in ((a.performer.main, -0.12), (a.performer.other, -0.2)):
        via = free(0.1, -0.35, 0.6)
        folded = Spot("chest", -0.17, up, 0.2, elbow=(0.6, -0.8, 0.2))
        a.hand(side, (0, None), (0.16, via), (0.36, folded), (0.78, folded), (0.9, via), (1, None))


def put_both_hands_on_the_hips(a: Actor) -> None:
    """Hands to the hips, elbows out, held."""
    for side in ("left", "right"):
        hold(a, side, Spot("pelvis", 0.18, 0.09, 0.04, elbow=(1.0, 0.1, -0.25), fist=0.4), 0.3, 0.78)
