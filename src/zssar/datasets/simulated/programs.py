"""The classes as motion programs: the function of a class is its name with underscores.

A program moves one actor (or two) through start, middle and end. Classes are built from the same primitives with other
sides, directions, heights and repetition, so that what is learned on some of them says something about the others.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence

import numpy as np

from zssar.datasets.simulated import programs_arms, programs_body, programs_pairs
from zssar.datasets.simulated.actor import Actor
from zssar.datasets.simulated.performers import Performer, performer
from zssar.errors import unknown

FRAMES_PER_SECOND = 30
SECONDS = 1.1  # how long an action takes an average person, unless said otherwise
DURATIONS = {
    "drink water": 1.3, "eat a snack": 1.4, "brush teeth": 1.25, "comb hair": 1.35, "make a phone call": 1.25,
    "salute": 0.9, "punch forward with the right fist": 0.85, "box with both fists": 1.2, "squat": 1.35,
    "point forward with the right hand": 0.95, "swipe to the left with the right hand": 0.9,
    "swipe to the right with the right hand": 0.9, "swing both arms in circles": 1.35, "fall down": 1.25,
    "pull a rope with both hands": 1.35, "do jumping jacks": 1.45, "take something from a high shelf": 1.25,
    "lift a heavy box": 1.4, "pick up something from the floor": 1.25, "touch the toes": 1.35, "turn around": 1.25,
    "lunge forward with the left leg": 1.25, "hug another person": 1.4, "walk towards another person": 1.35,
    "walk away from another person": 1.5, "jump up": 1.35, "hop on the right foot": 1.4,
    "walk in place": 1.5, "jog in place": 1.4, "clap hands": 1.2, "high-five another person": 1.0,
}  # fmt: skip
GAPS = {  # metres between two people at the start
    "shake hands with another person": 0.95, "hug another person": 0.95, "push another person": 0.75,
    "kick another person": 1.05, "give something to another person": 1.0, "walk towards another person": 2.1,
    "walk away from another person": 0.85, "high-five another person": 0.9,
}  # fmt: skip


def program(name: str) -> Callable[..., None]:
    """The motion program of a class. Raises UserError for a class that has none."""
    programs = {
        key: value
        for module in (programs_arms, programs_body, programs_pairs)
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
    }
    key = re.sub(r"[^a-z0-9]+", "_", name.lower())
    if key not in programs:
        raise unknown("simulated class", name, [k.replace("_", " ") for k in programs])
    return programs[key]


def perform(name: str, actors: Sequence[Performer], rng: np.random.Generator) -> np.ndarray:
    """Joints (M, T, 25, 3) of one performance of a class in the world, floor at y = 0, around the origin.

    A single actor faces -z; of two people, the acting one stands at -x, and they face each other.
    """
    lead = actors[0]
    tempo = lead.tempo * float(np.exp(rng.normal(0, 0.07)))
    action = max(24, round(FRAMES_PER_SECOND * DURATIONS.get(name, SECONDS) / tempo))
    before, after = (round(FRAMES_PER_SECOND * lead.patience * rng.uniform(0.3, 1.5)) for _ in range(2))
    s = np.clip((np.arange(before + action + after) - before) / (action - 1), 0.0, 1.0)
    u = s + rng.uniform(-0.055, 0.055) * np.sin(np.pi * s) + rng.uniform(-0.02, 0.02) * np.sin(2 * np.pi * s)
    cast = [Actor(person, u, rng) for person in actors]
    if len(cast) == 2:
        gap = GAPS.get(name, 1.0) * 0.5 * (cast[0].body.scale + cast[1].body.scale) * rng.uniform(0.95, 1.06)
        cast[0].place = (-gap / 2, rng.normal(0, 0.02), -np.pi / 2 + rng.normal(0, 0.05))
        cast[1].place = (gap / 2, rng.normal(0, 0.02), np.pi / 2 + rng.normal(0, 0.05))
    program(name)(*cast)
    _stand(cast)
    for actor in cast:
        actor.follow()
    _stand(cast)
    return np.stack([actor.arms() for actor in cast])


def _stand(cast: list[Actor]) -> None:
    for actor in cast:
        actor.stand()
    middle = sum(actor.frames["root"][0] for actor in cast) / len(cast) * np.array([1.0, 0.0, 1.0])
    for actor in cast:
        actor.frames["meet"] = (middle, actor.frames["start"][1])


def people(name: str, subject: int, seed: int) -> list[Performer]:
    """Who takes part: the subject, and for two-person classes a partner (the same one every time)."""
    size = len(inspect.signature(program(name)).parameters)
    return [performer(subject + 1000 * i, seed) for i in range(size)]
