"""Actions of the whole body: objects high and low, kicks, sitting, jumping, stepping, bending, falling."""

from __future__ import annotations

import numpy as np

from zssar.datasets.simulated.actor import Actor, Spot
from zssar.datasets.simulated.body import SIDES, SIGN, ease
from zssar.datasets.simulated.primitives import (
    bend,
    crouch,
    free,
    guard,
    hold,
    leap,
    look,
    pulses,
    step,
    turn,
    window,
    within,
)

# --- objects high and low --------------------------------------------------------------------------------------------


def take_something_from_a_high_shelf(a: Actor) -> None:
    """A step, up on the toes, one arm stretched high, and the thing down to the chest."""
    side = a.performer.main
    high = free(0.0, 0.86, 0.5)
    low = Spot("chest", 0.0, -0.15, 0.3, fist=0.6)
    a.hand(side, (0, None), (0.34, high), (0.52, high), (0.76, low), (0.86, low), (1, None))
    for foot in SIDES:
        a.heel[foot] += 0.7 * window(a, 0.2, 0.64, 0.14)
    a.add("drop", (0.2, 0), (0.36, -0.1), (0.5, -0.1), (0.66, 0))
    step(a, side, 0.02, 0.2, 0.2)
    look(a, -0.5, 0, 0.1, 0.3, 0.52, 0.72)


def pick_up_something_from_the_floor(a: Actor) -> None:
    """Knees and trunk bend, one hand goes to the floor before the feet and brings the thing to the belly."""
    floor = Spot("start", 0.05, 0.1, 0.3, who=a)
    grip = Spot("belly", 0.04, 0.05, 0.26, fist=0.7)
    a.hand(a.performer.main, (0, None), (0.38, floor), (0.5, floor), (0.78, grip), (0.88, grip), (1, None))
    deep = a.rng.uniform(0.22, 0.42)  # some bend the knees, some the back
    crouch(a, deep, 0.05, 0.38, 0.5, 0.82)
    bend(a, 2.05 - 1.5 * deep, 0.05, 0.38, 0.5, 0.82)
    a.hand(
        a.performer.other,
        (0.05, None),
        (0.38, Spot("knee", 0.02, 0.05, 0.06)),
        (0.5, Spot("knee", 0.02, 0.05, 0.06)),
        (0.85, None),
    )


def lift_a_heavy_box(a: Actor) -> None:
    """A deep squat with both hands low, then slowly up with the box before the belly, leaning back."""
    for side in SIDES:
        floor = Spot("start", 0.17, 0.22, 0.42, who=a)
        carry = Spot("belly", 0.17, -0.1, 0.34)
        a.hand(side, (0, None), (0.26, floor), (0.42, floor), (0.72, carry), (1, carry))
        a.feet[side][:, 0] += 0.07 * SIGN[side] * a.body.scale
    a.add("drop", (0.02, 0), (0.28, 0.45), (0.42, 0.45), (0.76, 0.03), (1, 0.03))
    a.add("bend", (0.02, 0), (0.28, 0.85), (0.42, 0.85), (0.76, -0.14), (1, -0.14))


# --- kicks -----------------------------------------------------------------------------------------------------------


def _kick_forward(a: Actor, side: str) -> None:
    other = "left" if side == "right" else "right"
    back, high = (-0.02, 0.14, -0.3), (-0.06, 0.62, 0.78)
    a.foot(side, (0.08, (0, 0, 0)), (0.32, back), (0.5, high), (0.57, high), (0.8, (0, 0.05, 0)), (0.9, (0, 0, 0)))
    a.add("bend", (0.1, 0), (0.32, 0.1), (0.52, -0.22), (0.62, -0.15), (0.85, 0))
    a.add("pelvis_pitch", (0.3, 0), (0.5, -0.12), (0.57, -0.12), (0.8, 0))
    for arm, forward in ((side, -0.35), (other, 0.5)):
        hold(a, arm, free(0.35, -0.75, forward), 0.46, 0.6)
    a.channel["drop"] += 0.02 * window(a, 0.1, 0.9, 0.1)


def kick_forward_with_the_right_leg(a: Actor) -> None:
    """Right leg back, then swung forward and up, the left arm forward against it."""
    _kick_forward(a, "right")


def kick_forward_with_the_left_leg(a: Actor) -> None:
    """The same with the left leg."""
    _kick_forward(a, "left")


def kick_sideways_with_the_right_leg(a: Actor) -> None:
    """Right leg out to the side, trunk leaning to the left, arms in guard."""
    a.foot(
        "right",
        (0.08, (0, 0, 0)),
        (0.3, (-0.02, 0.28, 0.08)),
        (0.48, (0.72, 0.62, 0.02)),
        (0.57, (0.72, 0.62, 0.02)),
        (0.78, (0, 0.1, 0)),
        (0.9, (0, 0, 0)),
    )
    a.add("lean", (0.2, 0), (0.5, -0.4), (0.58, -0.4), (0.85, 0))
    a.add("pelvis_roll", (0.2, 0), (0.48, -0.2), (0.57, -0.2), (0.8, 0))
    for side in SIDES:
        guard(a, side, 0.28, 0.7)


# --- sitting, squatting, lunging -------------------------------------------------------------------------------------

SEAT = 0.43  # drop of the pelvis on a chair, as a share of the leg length


def _between_chair_and_standing(a: Actor, keys) -> None:
    """``keys``: (time, share seated) from one state to the other."""
    a.balance = 0.35
    a.add("drop", *[(t, SEAT * s) for t, s in keys])
    a.add("forward", *[(t, -0.4 * s) for t, s in keys])
    middle = 0.5 * (keys[0][0] + keys[1][0]) + (0.04 if keys[0][1] else -0.0)
    a.add("bend", (keys[0][0] - 0.08, 0), (middle, 0.75), (keys[1][0] + 0.1, 0))
    lap = Spot("knee", -0.01, 0.09, -0.1, elbow=(0.6, -0.5, -0.6))
    for side in SIDES:
        if keys[0][1]:
            a.hand(side, (0.0, lap), (keys[0][0] + 0.1, lap), (keys[1][0] + 0.05, None), (1, None))
        else:
            a.hand(side, (0, None), (keys[0][0] + 0.12, None), (keys[1][0] + 0.05, lap), (1, lap))


def sit_down(a: Actor) -> None:
    """Pelvis back and down on a chair behind, trunk forward on the way, hands on the thighs, seated."""
    _between_chair_and_standing(a, ((0.15, 0.0), (0.7, 1.0)))


def stand_up_from_a_chair(a: Actor) -> None:
    """Seated, trunk forward, up on the legs, upright."""
    _between_chair_and_standing(a, ((0.2, 1.0), (0.75, 0.0)))


def squat(a: Actor) -> None:
    """Knees deeply bent with the arms held forward, once or twice, and up again."""
    times = int(a.rng.integers(1, 3))
    down = pulses(a, 0.1, 0.92, times)
    a.channel["drop"] += 0.5 * a.reach * down
    a.channel["bend"] += 0.55 * down
    for side in SIDES:
        hold(a, side, free(0.02, -0.02, 0.97), 0.3, 0.74)


def lunge_forward_with_the_left_leg(a: Actor) -> None:
    """A long step of the left foot, pelvis low over bent knees, trunk upright, and the foot back."""
    far = (0.0, 0.0, 0.85)
    a.foot("left", (0.08, (0, 0, 0)), (0.38, far), (0.66, far), (0.92, (0, 0, 0)))
    a.feet["left"][:, 1] += 0.12 * (np.sin(np.pi * within(a, 0.08, 0.38)) + np.sin(np.pi * within(a, 0.66, 0.92)))
    a.add("forward", (0.1, 0), (0.4, 0.42), (0.66, 0.42), (0.92, 0))
    a.add("drop", (0.12, 0), (0.46, 0.3), (0.62, 0.3), (0.88, 0))
    a.heel["right"] += 0.9 * window(a, 0.25, 0.85, 0.15)
    for side in SIDES:
        hold(a, side, Spot("pelvis", 0.18, 0.07, 0.05, elbow=(1.0, 0, -0.3)), 0.3, 0.8)


# --- jumping and stepping --------------------------------------------------------------------------------------------


def jump_up(a: Actor) -> None:
    """Crouch with the arms back, off the floor with the arms up, land on bent knees."""
    leap(a, 0.38, 0.70, 0.26 * a.reach)
    a.add("drop", (0.08, 0), (0.3, 0.26), (0.39, -0.01), (0.69, 0.0), (0.78, 0.22), (0.95, 0))
    a.add("bend", (0.08, 0), (0.3, 0.6), (0.42, 0), (0.68, 0.05), (0.78, 0.4), (0.95, 0))
    for side in SIDES:
        a.hand(
            side,
            (0, None),
            (0.25, free(0.2, -0.8, -0.45)),
            (0.5, free(0.15, 0.75, 0.55)),
            (0.6, free(0.2, 0.5, 0.5)),
            (0.78, free(0.25, -0.7, 0.3)),
            (1, None),
        )


def do_jumping_jacks(a: Actor) -> None:
    """Feet apart with the hands over the head, together with the hands down, two or three times, in jumps."""
    times = int(a.rng.integers(2, 4))
    apart = pulses(a, 0.05, 0.97, times)
    hop = np.abs(np.sin(2 * np.pi * times * within(a, 0.05, 0.97))) * window(a, 0.05, 0.97, 0.03)
    a.channel["lift"] += 0.07 * hop
    a.channel["drop"] += 0.06 * np.clip(1 - 2 * hop, 0, 1) * window(a, 0.02, 0.99, 0.08)
    for side in SIDES:
        a.feet[side][:, 0] += 0.3 * SIGN[side] * a.body.scale * apart
        angle = 2.75 * apart * min(a.reach, 1.06) + 0.15
        a.hand(side, (0, None), (0.06, free(0.0, 0.0, 0.05)), (0.96, free(0.0, 0.0, 0.05)), (1, None))
        a.swing(side, (1, 0, 0), 1.12 * np.sin(angle) * window(a, 0.0, 1.0, 0.08))
        a.swing(side, (0, -1, 0), 1.12 * np.cos(angle) * window(a, 0.0, 1.0, 0.08))


def hop_on_the_right_foot(a: Actor) -> None:
    """Left foot held up behind, three or four hops on the right one, arms out for balance."""
    hops = int(a.rng.integers(3, 5))
    a.foot("left", (0, (0, 0, 0)), (0.16, (0, 0.32, -0.24)), (0.86, (0, 0.32, -0.24)), (1, (0, 0, 0)))
    wave = np.sin(np.pi * ((hops * within(a, 0.16, 0.88)) % 1.0)) * (a.u > 0.16) * (a.u < 0.88)
    a.channel["lift"] += 0.11 * a.reach * wave
    a.channel["drop"] += 0.09 * (1 - wave) * window(a, 0.1, 0.94, 0.08)
    for side in SIDES:
        hold(a, side, free(0.55, -0.7, 0.25), 0.2, 0.84)
        a.swing(side, (0.1, 0.2, 0), wave)


def _in_place(a: Actor, steps: int, knee, heel: float, arm: float, elbow: float, bounce: float) -> None:
    """Alternate legs: ``knee`` (up, forward) of the foot; arms against the legs, swinging by ``arm``."""
    phase = steps * within(a, 0.06, 0.94)
    on = window(a, 0.04, 0.96, 0.05)
    wave = np.sin(np.pi * phase) * on
    first = "left" if a.rng.random() < 0.5 else "right"
    for side in SIDES:
        mine = wave if side == first else -wave
        up = np.maximum(mine, 0)
        a.feet[side][:, 1] += knee[0] * a.reach * a.body.scale * up
        a.feet[side][:, 2] += (knee[1] + heel) * a.body.scale * up
        base = free(0.12, -0.96 + 0.45 * elbow, 0.05 + 0.4 * elbow, fist=elbow)
        a.hand(side, (0, None), (0.1, base), (0.92, base), (1, None))
        a.swing(side, (0, 0.25 * elbow, -1), arm * mine)
    a.channel["twist"] += 0.12 * wave * SIGN[first]
    a.channel["lift"] += bounce * np.abs(np.sin(np.pi * phase)) * on


def walk_in_place(a: Actor) -> None:
    """Knees lifted in turn without getting ahead, straight arms swinging."""
    _in_place(a, int(a.rng.integers(3, 5)), (0.24, 0.16), 0.0, 0.3, 0.0, 0.0)


def jog_in_place(a: Actor) -> None:
    """Quick steps off the floor, heels up behind, elbows bent."""
    _in_place(a, int(a.rng.integers(5, 7)), (0.27, -0.05), -0.16, 0.25, 1.0, 0.06)
    a.channel["bend"] += 0.1 * window(a, 0.05, 0.95, 0.1)


# --- bending, turning, falling ---------------------------------------------------------------------------------------


def bow(a: Actor) -> None:
    """Trunk forward from the hips with the hands at the sides, a moment, and up."""
    bend(a, 0.85 * a.reach, 0.1, 0.42, 0.6, 0.92)
    look(a, 0.25, 0, 0.1, 0.4, 0.6, 0.9)
    for side in SIDES:
        hold(a, side, free(0.06, -0.97, 0.18), 0.3, 0.75)


def touch_the_toes(a: Actor) -> None:
    """Trunk down as far as it goes over straight knees, both hands to the toes, and up."""
    bend(a, 2.15, 0.06, 0.44, 0.58, 0.94)
    for side in SIDES:
        toes = Spot("foot", -0.01, 0.06, 0.02)
        a.hand(
            side,
            (0, None),
            (0.22, free(0.0, -0.5, 0.75)),
            (0.46, toes),
            (0.58, toes),
            (0.8, free(0.0, -0.7, 0.6)),
            (1, None),
        )


def turn_around(a: Actor) -> None:
    """Half a turn on the spot in small steps, to either side."""
    turn(a, np.pi * (1 if a.rng.random() < 0.5 else -1), 0.1, 0.9, int(a.rng.integers(4, 6)))


def fall_down(a: Actor) -> None:
    """Knees give way, pelvis to the floor, trunk down on the back or the side; stays on the floor."""
    a.balance = 0.0
    side = "right" if a.rng.random() < 0.5 else "left"
    roll = SIGN[side] * a.rng.uniform(0.0, 0.9)
    a.add("drop", (0.12, 0), (0.34, 0.32), (0.56, 0.93), (1, 0.95 - 0.07 * abs(roll)))
    a.add("forward", (0.1, 0), (0.34, -0.12), (0.58, -0.5), (1, -0.55))
    a.add("right", (0.15, 0), (0.6, 0.25 * roll), (1, 0.25 * roll))
    a.add("bend", (0.08, 0), (0.34, 0.55), (0.6, 0.35), (0.78, -0.05), (1, -0.05))
    a.add("pelvis_pitch", (0.3, 0), (0.56, -0.75), (0.76, -1.5 + 0.35 * abs(roll)), (1, -1.5 + 0.35 * abs(roll)))
    a.add("pelvis_roll", (0.3, 0), (0.56, 0.5 * roll), (0.78, roll), (1, roll))
    a.add("head_pitch", (0.2, 0), (0.5, 0.35), (0.8, 0.3), (1, 0.05))
    slide = ease(within(a, 0.45, 0.8))
    for leg in SIDES:
        a.feet[leg][:, 2] += a.rng.uniform(0.05, 0.35) * a.body.scale * slide
        a.feet[leg][:, 1] += 0.1 * np.sin(np.pi * within(a, 0.45, 0.75)) * a.body.scale
        brace = free(0.45, -0.7, -0.45)
        flat = free(0.7, -0.55, 0.0, elbow=(0.8, 0.0, 0.6))
        a.hand(
            leg,
            (0, None),
            (0.3, free(0.5, -0.35, 0.55)),
            (0.55, brace),
            (0.8, flat),
            (1, flat),
        )
