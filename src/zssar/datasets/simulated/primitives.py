"""Movements that many actions share. Times are phases of the action (0 to 1), metres those of a person of 1.75 m."""

from __future__ import annotations

import numpy as np

from zssar.datasets.simulated.actor import Actor, Spot
from zssar.datasets.simulated.body import SIGN, curve, ease


def free(out: float, up: float, forward: float, **more) -> Spot:
    """A place in the air, in arm lengths from the shoulder."""
    return Spot("shoulder", out, up, forward, **more)


def fist(out: float, up: float, forward: float, **more) -> Spot:
    """The same with a closed hand."""
    return Spot("shoulder", out, up, forward, fist=1.0, **more)


def within(actor: Actor, start: float, end: float) -> np.ndarray:
    """(T,) progress from 0 to 1 between two times."""
    return np.clip((actor.u - start) / (end - start), 0, 1)


def window(actor: Actor, start: float, end: float, edge: float = 0.06) -> np.ndarray:
    """(T,) 1 between two times, 0 outside, with soft edges inside."""
    return ease((actor.u - start) / edge) * ease((end - actor.u) / edge)


def cycles(actor: Actor, start: float, end: float, count: float, phase: float = 0.0) -> np.ndarray:
    """(T,) ``count`` sine waves between two times, fading in and out; phase in turns."""
    return window(actor, start, end) * np.sin(2 * np.pi * (count * within(actor, start, end) + phase))


def pulses(actor: Actor, start: float, end: float, count: int, phase: float = 0.0) -> np.ndarray:
    """(T,) ``count`` bumps from 0 to 1 and back; phase in turns shifts them (and shortens the first or last one)."""
    inside = (actor.u >= start) & (actor.u <= end)
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * (count * within(actor, start, end) + phase))
    return wave * np.where(inside, 1.0, 0.0) * (window(actor, start, end, 0.05) if phase else 1.0)


def hold(actor: Actor, side: str, spot: Spot, arrive: float = 0.35, leave: float = 0.7) -> None:
    """Hand to a spot, stay, and back to rest."""
    actor.hand(side, (0.0, None), (arrive, spot), (leave, spot), (1.0, None))


def guard(actor: Actor, side: str, start: float = 0.25, end: float = 0.8) -> None:
    """Fist before the chest, as boxers hold it."""
    hold(actor, side, fist(-0.15, 0.05, 0.42), start, end)


def step(
    actor: Actor, side: str, start: float, end: float, forward: float, out: float = 0.0, share: float = 0.5
) -> None:
    """Set one foot somewhere else; the pelvis takes ``share`` of the way."""
    s = ease(within(actor, start, end))
    arc = np.sin(np.pi * s) * 0.08 * actor.body.scale
    way = np.stack([SIGN[side] * out * s, 0 * s, forward * s], -1) * actor.body.scale
    actor.feet[side] += way
    actor.feet[side][:, 1] += arc
    follow = ease(within(actor, start, end + 0.04))
    actor.channel["forward"] += share * forward * follow
    actor.channel["right"] += share * SIGN[side] * out * follow


def walk(actor: Actor, distance: float, start: float, end: float, steps: int, heading: float = 0.0, close=True) -> None:
    """Walk straight on: alternating steps, arms against the legs. ``close`` brings the feet together at the end.

    heading: direction in the frame of the start, to the left.
    """
    first = "right" if actor.rng.random() < 0.5 else "left"
    sides = (first, "left" if first == "right" else "right")
    beats = steps + 1 if close else steps
    beat, scale = (end - start) / beats, actor.body.scale
    ahead = np.array([-np.sin(heading), 0.0, np.cos(heading)])
    reached = dict.fromkeys(sides, 0.0)
    for i in range(beats):
        side, goal = sides[i % 2], distance * min(i + 1, steps) / steps
        s = within(actor, start + i * beat, start + (i + 1) * beat)
        way = (goal - reached[side]) * ease(s)
        actor.feet[side] += scale * way[:, None] * ahead
        actor.feet[side][:, 1] += 0.09 * scale * np.sin(np.pi * s)
        actor.heel[side] += 0.6 * np.exp(-(((actor.u - start - i * beat) / (0.35 * beat)) ** 2)) * min(i, 1)
        reached[side] = goal
    progress = np.interp(
        actor.u, [start, start + 0.5 * beat, end - 0.5 * beat, end], [0, 0.3 / beats, 1 - 0.3 / beats, 1]
    )
    actor.channel["forward"] += distance * ahead[2] * progress
    actor.channel["right"] += distance * ahead[0] * progress
    swing = window(actor, start, end, 0.1) * np.sin(np.pi * (within(actor, start, end) * beats))
    for side in sides:
        actor.swing(side, (0, 0.03, -0.28 if side == first else 0.28), swing)
    actor.channel["pelvis_yaw"] += 0.12 * swing * SIGN[first]


def turn(actor: Actor, angle: float, start: float, end: float, steps: int = 4) -> None:
    """Turn on the spot by ``angle`` to the left, in small steps."""
    yaw = angle * curve(actor.u, [(start, 0), (end, 1)])
    actor.channel["yaw"] += yaw
    actor.channel["head_yaw"] += 0.25 * np.sign(angle) * window(actor, start, 0.5 * (start + end) + 0.02, 0.1)
    beat = (end - start) / (steps + 1)
    order = ("right", "left") if angle < 0 else ("left", "right")
    for k, side in enumerate(order):
        turned, lifted = np.zeros_like(yaw), np.zeros_like(yaw)
        mine = range(k, steps + 1, 2)
        for n, i in enumerate(mine):
            s = within(actor, start + i * beat, start + (i + 1) * beat)
            goal, before = (min(1.0, 2 * (n + 1) / (steps + 1)), min(1.0, 2 * n / (steps + 1)))
            goal = 1.0 if n == len(mine) - 1 else goal
            turned += angle * (goal - before) * ease(s)
            lifted += 0.06 * np.sin(np.pi * s)
        place = actor.feet[side].copy()
        c, sn = np.cos(turned), np.sin(turned)
        actor.feet[side][:, 0] = c * place[:, 0] - sn * place[:, 2]
        actor.feet[side][:, 2] = sn * place[:, 0] + c * place[:, 2]
        actor.feet[side][:, 1] += lifted * actor.body.scale
        actor.foot_yaw[side] = actor.foot_yaw[side] + turned - yaw


def leap(actor: Actor, start: float, end: float, height: float) -> None:
    """Leave the floor on a parabola."""
    s = within(actor, start, end)
    actor.channel["lift"] += 4 * height * actor.body.scale * s * (1 - s)


def crouch(actor: Actor, depth: float, *times: float) -> None:
    """Bend the knees by a share of the leg length: down from the first to the second time, up from the third on."""
    down, low, high, up = times
    actor.add("drop", (down, 0), (low, depth), (high, depth), (up, 0))


def bend(actor: Actor, angle: float, *times: float) -> None:
    """Bend the trunk forward: from the first to the second time, and back from the third to the fourth."""
    down, low, high, up = times
    actor.add("bend", (down, 0), (low, angle), (high, angle), (up, 0))


def look(actor: Actor, pitch: float, yaw: float, *times: float) -> None:
    """Turn the head and back, times as in ``bend``; yaw to the left."""
    there, arrive, leave, back = times
    for name, angle in (("head_pitch", pitch), ("head_yaw", yaw)):
        actor.add(name, (there, 0), (arrive, angle), (leave, angle), (back, 0))
