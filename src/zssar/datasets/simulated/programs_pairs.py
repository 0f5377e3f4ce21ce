"""Actions of two people. ``a`` acts, ``b`` takes part or reacts; they start face to face."""

from __future__ import annotations

import numpy as np

from zssar.datasets.simulated.actor import Actor, Spot
from zssar.datasets.simulated.body import SIDES
from zssar.datasets.simulated.primitives import (
    bend,
    cycles,
    free,
    hold,
    look,
    step,
    turn,
    walk,
)


def shake_hands_with_another_person(a: Actor, b: Actor) -> None:
    """Right hands meet at belly height between the two and go up and down a few times."""
    shakes, height = int(a.rng.integers(2, 4)), a.rng.uniform(0.95, 1.05)
    for person in (a, b):
        grip = Spot("meet", 0.0, height, 0.0, who=a, hand=(0, 0, 0))
        late = 0.0 if person is a else 0.05
        person.hand("right", (late, None), (0.32 + late, grip), (0.76, grip), (1, None))
        person.swing("right", (0, 1, 0), 0.11 * cycles(a, 0.32, 0.78, shakes))
        bend(person, 0.15, 0.05, 0.35, 0.72, 0.95)


def hug_another_person(a: Actor, b: Actor) -> None:
    """Both come close and put their arms around each other's back."""
    for person, other in ((a, b), (b, a)):
        walk(person, 0.3, 0.02, 0.36, 1)
        high = 0.0 if person is a else -0.12
        for side in SIDES:
            open_arms = free(0.6, -0.15 + high, 0.7)
            around = Spot("chest", -0.34, -0.06 + high, 0.02, who=other)
            back = Spot("chest", -0.02, -0.12 + high, -0.15, who=other, elbow=(0.9, -0.3, 0.2))
            person.hand(
                side,
                (0, None),
                (0.24, open_arms),
                (0.38, around),
                (0.48, back),
                (0.8, back),
                (0.9, around),
                (0.94, free(0.55, -0.5, 0.35)),
                (1, None),
            )
        bend(person, 0.16, 0.2, 0.45, 0.8, 1.0)
        look(person, 0.1, 0.35, 0.25, 0.45, 0.8, 1.0)


def push_another_person(a: Actor, b: Actor) -> None:
    """Both hands against the other's chest; the other is thrown a step back."""
    for side in SIDES:
        target = Spot("chest", -0.12, -0.12, 0.1, who=b, hand=(0, 0.8, 0))
        far = free(-0.08, 0.0, 0.97, hand=(0, 0.8, 0))
        a.hand(
            side,
            (0, None),
            (0.22, free(-0.05, -0.08, 0.35, hand=(0, 0.8, 0))),
            (0.38, target),
            (0.5, far),
            (0.6, far),
            (0.95, None),
        )
    bend(a, 0.25, 0.15, 0.42, 0.55, 0.85)
    step(a, "left", 0.15, 0.38, 0.32)
    _stagger(b, 0.38, 0.35)


def kick_another_person(a: Actor, b: Actor) -> None:
    """The right foot to the other's thigh or belly; the other bends and gives way."""
    height = a.rng.uniform(0.5, 0.75)
    a.foot(
        "right",
        (0.08, (0, 0, 0)),
        (0.28, (0, 0.16, -0.25)),
        (0.44, (-0.06, height, 0.78)),
        (0.5, (-0.06, height, 0.78)),
        (0.72, (0, 0.05, 0)),
        (0.84, (0, 0, 0)),
    )
    a.add("bend", (0.1, 0), (0.28, 0.1), (0.45, -0.22), (0.55, -0.15), (0.8, 0))
    for side, forward in (("right", -0.35), ("left", 0.5)):
        hold(a, side, free(0.35, -0.7, forward), 0.42, 0.56)
    _stagger(b, 0.44, 0.28)
    b.add("bend", (0.42, 0), (0.56, 0.55), (0.7, 0.5), (1, 0.15))
    for side in SIDES:
        b.hand(
            side,
            (0.36, None),
            (0.52, Spot("pelvis", 0.04, 0.06, 0.2)),
            (0.75, Spot("pelvis", 0.04, 0.06, 0.2)),
            (1, None),
        )


def _stagger(b: Actor, at: float, distance: float) -> None:
    """Pushed back: trunk back, arms out, two quick steps backwards."""
    step(b, "right", at + 0.02, at + 0.2, -distance)
    step(b, "left", at + 0.18, at + 0.42, -distance)
    b.add("bend", (at - 0.02, 0), (at + 0.1, -0.35), (at + 0.3, 0.12), (at + 0.5, 0))
    b.add("head_pitch", (at - 0.02, 0), (at + 0.1, 0.3), (at + 0.4, 0))
    for side in SIDES:
        hold(b, side, free(0.6, -0.45, 0.5), at + 0.14, at + 0.3)


def give_something_to_another_person(a: Actor, b: Actor) -> None:
    """A hand with a thing goes out, the other's hand takes it and goes back to the chest."""
    height, side = a.rng.uniform(1.0, 1.15), a.performer.main
    meet = Spot("meet", 0.02, height, 0.0, who=a, fist=0.6)
    near = Spot("belly", 0.05, 0.1, 0.27, fist=0.6)
    a.hand(side, (0, None), (0.18, near), (0.42, meet), (0.56, meet), (0.8, None), (1, None))
    b.hand("right", (0.2, None), (0.46, meet), (0.56, meet), (0.78, near), (0.88, near), (1, None))
    bend(a, 0.14, 0.1, 0.42, 0.56, 0.8)
    bend(b, 0.1, 0.2, 0.46, 0.58, 0.8)


def walk_towards_another_person(a: Actor, b: Actor) -> None:
    """Some steps up to the other, who stands and looks."""
    walk(a, 1.35, 0.04, 0.96, 3)
    look(b, 0.05, 0.0, 0.2, 0.4, 0.8, 1.0)


def walk_away_from_another_person(a: Actor, b: Actor) -> None:
    """Turn round and leave; the other stays."""
    turn(a, np.pi * (1 if a.rng.random() < 0.5 else -1), 0.0, 0.36, 3)
    walk(a, 1.2, 0.34, 1.0, 3, heading=np.pi)
    look(b, 0.05, 0.0, 0.2, 0.4, 0.8, 1.0)


def high_five_another_person(a: Actor, b: Actor) -> None:
    """Right hands up, clap together above the shoulders, and down."""
    height = 1.62
    for person in (a, b):
        meet = Spot("meet", 0.0, height, 0.0, who=a, hand=(0, 0.7, 0))
        back = free(0.2, 0.55, 0.1, hand=(0, 0.5, 0))
        person.hand("right", (0, None), (0.3, back), (0.48, meet), (0.56, meet), (0.72, free(0.1, 0.2, 0.5)), (1, None))
        bend(person, 0.1, 0.2, 0.48, 0.56, 0.9)
        look(person, -0.15, 0.0, 0.1, 0.35, 0.6, 0.85)
