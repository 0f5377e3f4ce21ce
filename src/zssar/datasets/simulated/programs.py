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
SECONDS = 1.25  # how long an action takes an average person, unless said otherwise
DURATIONS = {
    "eat a snack": 1.6, "brush teeth": 1.4, "comb hair": 1.5, "make a phone call": 1.4, "salute": 1.0,
    "punch forward with the right fist": 0.95, "box with both fists": 1.35, "drink water": 1.45,
    "point forward with the right hand": 1.1, "swipe to the left with the right hand": 1.0,
    "swipe to the right with the right hand": 1.0, "swing both arms in circles": 1.5, "squat": 1.5,
    "pull a rope with both hands": 1.5, "do jumping jacks": 1.6, "take something from a high shelf": 1.4,
    "lift a heavy box": 1.6, "pick up something from the floor": 1.4, "touch the toes": 1.5, "turn around": 1.4,
    "hug another person": 1.6, "walk towards another person": 1.5, "walk away from another person": 1.7,
    "lunge forward with the left leg": 1.4, "high-five another person": 1.1,
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
    before, after = (int(round(FRAMES_PER_SECOND * lead.patience * rng.uniform(0.3, 1.5))) for _ in range(2))
    s = np.clip((np.arange(before + action + after) - before) / (action - 1), 0.0, 1.0)
    u = s + rng.uniform(-0.055, 0.055) * np.sin(np.pi * s) + rng.uniform(-0.02, 0.02) * np.sin(2 * np.pi * s)
    cast = [Actor(person, u, rng) for person in actors]
    if len(cast) == 2:
        gap = GAPS[name] * 0.5 * (cast[0].body.scale + cast[1].body.scale) * rng.uniform(0.95, 1.06)
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
    if name not in GAPS:
        return [performer(subject, seed)]
    return [performer(subject, seed), performer(1000 + subject, seed)]
