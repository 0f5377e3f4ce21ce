"""One person in one performance: channels that a motion program fills, and the joints that follow from them.

The order of solving is root, legs, trunk, arms: the arms aim at spots (a mouth, a floor, another person) that the rest
of the bodies must have found first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from zssar.datasets.simulated.body import (
    SIDES,
    SIGN,
    across,
    between,
    bone,
    curve,
    ease,
    limb,
    rotation,
    smooth,
    swung,
    turned,
    unit,
)
from zssar.datasets.simulated.performers import Performer
from zssar.skeleton.layouts import KINECT25

ROOT = ["right", "forward", "yaw", "drop", "lift", "pelvis_pitch", "pelvis_roll", "pelvis_yaw"]
TRUNK = ["bend", "lean", "twist", "head_pitch", "head_yaw", "head_roll"]  # bend: shared by pelvis and spine


@dataclass(frozen=True)
class Spot:
    """Where a hand goes: a landmark and an offset (out, up, forward) in its frame, mirrored for the left hand.

    landmark: "shoulder" (offset in arm lengths), or one of ``Actor.frames`` (offset in metres for a person of 1.75 m).
    elbow: direction (out, up, forward) in which the elbow points, if not the usual one.
    hand: direction added to that of the forearm, which bends the wrist; fist: 1 closes the fingers.
    """

    landmark: str
    out: float = 0.0
    up: float = 0.0
    forward: float = 0.0
    who: Actor | None = None
    elbow: tuple[float, float, float] | None = None
    hand: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fist: float = 0.0


class Actor:
    """A performer with a clock. ``u`` (T,) is the phase of the action: 0 before it starts, 1 after it has ended.

    place: (x, z) metres and yaw at the start. Root channels are in the frame of that start: right, forward and lift in
    metres for a person of 1.75 m, drop as a share of the leg length, angles in radians.
    """

    def __init__(self, performer: Performer, u: np.ndarray, rng: np.random.Generator, place=(0.0, 0.0, 0.0)):
        self.performer, self.body, self.u, self.rng, self.place = performer, performer.body, u, rng, place
        self.reach = performer.reach * float(np.clip(rng.normal(1, 0.05), 0.88, 1.12))
        self.vigour = float(np.clip(rng.normal(1, 0.08), 0.8, 1.2))  # size of repeated movements
        self.balance = 1.0  # how far the pelvis goes back when the trunk bends
        self.channel = {name: np.zeros(len(u)) for name in ROOT + TRUNK}
        self.hands: dict[str, list[tuple[float, Spot]]] = {}
        self.swings = {side: np.zeros((len(u), 3)) for side in SIDES}  # added to the hands, in arm lengths
        self.feet = {side: np.tile([SIGN[side] * performer.stance, 0.0, 0.0], (len(u), 1)) for side in SIDES}
        self.heel = {side: np.zeros(len(u)) for side in SIDES}
        self.foot_yaw = {side: np.full(len(u), -SIGN[side] * performer.toe_out) for side in SIDES}
        self.frames: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._idle()

    # --- what programs write -----------------------------------------------------------------------------------------

    def add(self, name: str, *keys: tuple[float, float]) -> None:
        """Add a curve through (time, value) keys to a channel."""
        self.channel[name] += curve(self.u, self._jittered(keys))

    def hand(self, side: str, *keys: tuple[float, Spot | None]) -> None:
        """Lead a hand through spots at given times; None is its place at rest."""
        inexact: dict[Spot, Spot] = {}  # a spot that comes twice is missed in the same way
        for _, spot in keys:
            if spot is not None and spot.landmark == "shoulder" and spot not in inexact:
                out, up, forward = np.array([spot.out, spot.up, spot.forward]) + self.rng.normal(0, 0.045, 3)
                inexact[spot] = replace(spot, out=out, up=up, forward=forward)
        path = [(time, inexact.get(spot, spot) if spot else self.rest(side)) for time, spot in self._jittered(keys)]
        self.hands[side] = path

    def swing(self, side: str, direction, values: np.ndarray) -> None:
        """Add ``values`` (T,) times ``direction`` (out, up, forward) to the hand, in arm lengths."""
        self.swings[side] += values[:, None] * np.array(direction) * self.vigour

    def foot(self, side: str, *keys: tuple[float, tuple[float, float, float]]) -> None:
        """Add displacements (out, up, forward) in metres to the place of a foot."""
        keys = self._jittered(keys)
        for axis, sign in enumerate((SIGN[side], 1.0, 1.0)):
            self.feet[side][:, axis] += sign * self.body.scale * curve(self.u, [(t, v[axis]) for t, v in keys])

    def rest(self, side: str) -> Spot:
        """The spot of an idle hand."""
        return Spot("shoulder", *self.performer.rest[side], elbow=(0.15 + 0.4 * self.performer.flare, -0.6, -0.9))

    def _jittered(self, keys):
        """The same keys at slightly other times: nobody repeats a movement exactly."""
        inner = [keys[k][0] + self.rng.normal(0, 0.012) for k in range(1, len(keys) - 1)]
        times = [keys[0][0], *inner, keys[-1][0]]
        times = np.maximum.accumulate(times) + 1e-4 * np.arange(len(times))  # in order, and no two at once
        return [(float(time), key[1]) for time, key in zip(times, keys)]

    def _idle(self) -> None:
        """Breathing, shifting weight, a head that is never still."""
        seconds = np.arange(len(self.u)) / 30.0
        sway = self.performer.sway
        for name, size, rate in (
            ("right", sway, 0.4), ("forward", 0.6 * sway, 0.5), ("lean", 1.5 * sway, 0.4), ("bend", sway, 0.7),
            ("head_yaw", 4 * sway, 0.3), ("head_pitch", 3 * sway, 0.45), ("head_roll", 2 * sway, 0.35),
        ):  # fmt: skip
            rate *= self.rng.uniform(0.7, 1.4)
            self.channel[name] += size * np.sin(2 * np.pi * (rate * seconds + self.rng.random()))
        self.channel["drop"] += self.performer.knees
        self.channel["bend"] += self.performer.slouch
        self.channel["head_pitch"] += self.performer.head_pitch - 0.5 * self.performer.slouch

    # --- root, legs, trunk -------------------------------------------------------------------------------------------

    def world(self, points: np.ndarray) -> np.ndarray:
        """(T, 3) right, up, forward of the start frame -> world."""
        c, s = np.cos(self.place[2]), np.sin(self.place[2])
        right, up, back = points[:, 0], points[:, 1], -points[:, 2]
        return np.stack([self.place[0] + c * right + s * back, up, self.place[1] - s * right + c * back], -1)

    def stand(self) -> None:
        """Solve root, legs and trunk; fills ``joints`` and ``frames``."""
        self.joints = np.zeros((len(self.u), 25, 3))
        ch = {name: smooth(values) for name, values in self.channel.items()}
        yaw = ch["yaw"] + self.place[2]
        self.facing = rotation(yaw)
        pelvis = rotation(yaw + ch["pelvis_yaw"], ch["pelvis_pitch"] + 0.55 * ch["bend"], ch["pelvis_roll"])
        self._legs(ch, pelvis)
        self._trunk(ch, pelvis, yaw)

    def _legs(self, ch, pelvis: np.ndarray) -> None:
        body, feet, air = self.body, {}, {}
        for side in SIDES:
            local = smooth(self.feet[side])
            air[side] = ease(np.maximum(local[:, 1], 0) / 0.15)
            feet[side] = self.world(local)
            heel = np.sin(self.heel[side]) * body.foot * (1 - air[side])
            feet[side][:, 1] += body.ankle_height + heel + ch["lift"]
        root = self._root(ch, pelvis, air)
        hips = {s: turned(pelvis, [SIGN[s] * body.hip_width, -body.hip_drop, 0]) for s in SIDES}
        height = root[:, 1]
        for side in SIDES:  # a foot on the floor pulls the pelvis down to where the leg reaches
            gap = (root + hips[side] - feet[side])[:, [0, 2]]
            reach = np.sqrt(np.maximum((0.998 * body.leg) ** 2 - (gap**2).sum(-1), 0.01))
            height = np.minimum(height, feet[side][:, 1] + reach - hips[side][:, 1] + 3.0 * air[side])
        root[:, 1] = smooth(height)
        self.joints[:, 0] = root
        for side in SIDES:
            self._leg(side, root + hips[side], feet[side], np.maximum(air[side], ease(ch["lift"] / 0.15)))
        self.frames["pelvis"] = (root, pelvis)

    def _root(self, ch, pelvis: np.ndarray, air) -> np.ndarray:
        """Where the pelvis wants to be: over the supporting foot, behind a trunk that bends."""
        body = self.body
        back = 0.26 * body.scale * np.sin(np.clip(0.8 * ch["bend"] + ch["pelvis_pitch"], -0.6, 1.5)) * self.balance
        right, forward = ch["right"] * body.scale, ch["forward"] * body.scale - back
        for side, other in (("left", "right"), ("right", "left")):
            alone = 0.75 * air[side] * (1 - air[other])
            right = right + alone * (self.feet[other][:, 0] - right)
            forward = forward + 0.4 * alone * (self.feet[other][:, 2] - forward)
        tall = body.ankle_height + body.leg * (1.0 - ch["drop"]) + body.hip_drop + ch["lift"]
        return self.world(smooth(np.stack([right, tall, forward], -1)))

    def _leg(self, side: str, hip: np.ndarray, aim: np.ndarray, air: np.ndarray) -> None:
        body, sign = self.body, SIGN[side]
        toes = self.facing @ rotation(self.foot_yaw[side])
        knee_to = turned(toes, [0.15 * sign, 0.35, -1.0])
        knee, ankle = limb(hip, aim, body.thigh, body.shin, knee_to)
        level = turned(toes @ rotation(pitch=self.heel[side]), [0.02 * sign, -0.8 * body.ankle_height, -body.foot])
        shin = unit(ankle - knee)
        hanging = 0.5 * body.ankle_height * shin + body.foot * unit(across(knee_to, shin) + 0.35 * shin)
        foot = bone(ankle, unit(level + (hanging - level) * air[:, None]), body.foot)
        names = (f"{side}_hip", f"{side}_knee", f"{side}_ankle", f"{side}_foot")
        for name, place in zip(names, (hip, knee, ankle, foot)):
            self.joints[:, KINECT25.roles[name]] = place
        self.frames[f"{side}_knee"] = (knee, toes)
        self.frames[f"{side}_foot"] = (foot, toes)

    def _trunk(self, ch, pelvis: np.ndarray, yaw: np.ndarray) -> None:
        body, spine = self.body, 0.45 * ch["bend"]
        lower = pelvis @ rotation(0.4 * ch["twist"], 0.5 * spine, 0.5 * ch["lean"])
        chest = pelvis @ rotation(ch["twist"], spine, ch["lean"])
        neck = chest @ rotation(0.3 * ch["head_yaw"], 0.4 * ch["head_pitch"], 0.4 * ch["head_roll"])
        skull = chest @ rotation(ch["head_yaw"], ch["head_pitch"], ch["head_roll"])
        mid = self.joints[:, 0] + turned(lower, [0, body.lower_spine, 0])
        shoulders = mid + turned(chest, [0, body.upper_spine, 0])
        throat = shoulders + turned(neck, [0, body.neck, 0])
        head = throat + turned(skull, [0, body.head, -0.02 * body.scale])
        for name, place in (("spine_mid", mid), ("spine_shoulder", shoulders), ("neck", throat), ("head", head)):
            self.joints[:, KINECT25.roles[name]] = place
        start = rotation(np.full(len(yaw), self.place[2]))
        self.frames |= {
            "belly": (mid, lower), "chest": (shoulders, chest), "head": (head, skull),
            "root": (self.joints[:, 0], self.facing), "start": (self.world(np.zeros((len(yaw), 3))), start),
        }  # fmt: skip

    # --- arms --------------------------------------------------------------------------------------------------------

    def locate(self, spot: Spot, side: str) -> np.ndarray:
        """A spot in the world, (T, 3)."""
        offset = np.array([SIGN[side] * spot.out, spot.up, -spot.forward])
        if spot.landmark == "shoulder":
            rest = np.array(self.performer.rest[side]) * [SIGN[side], 1, -1]
            if not np.allclose(rest, offset):  # small gestures stay nearer to the rest, with the arm as straight
                scaled = rest + (offset - rest) * self.reach
                offset = scaled * (np.linalg.norm(offset) / np.linalg.norm(scaled)) ** 0.8
            return self._socket(side) + turned(self.frames["chest"][1], offset * self.body.arm)
        who = spot.who or self
        name = f"{side}_{spot.landmark}" if spot.landmark in ("knee", "foot") else spot.landmark
        origin, frame = who.frames[name]
        return origin + turned(frame, offset * who.body.scale)

    def _socket(self, side: str, raised: np.ndarray | float = 0.0, pushed: np.ndarray | float = 0.0) -> np.ndarray:
        """A shoulder; ``raised`` and ``pushed`` (radians) turn the collar bone up and forward."""
        origin, chest = self.frames["chest"]
        sign, body = SIGN[side], self.body
        collar = rotation(np.broadcast_to(sign * pushed, len(chest)), roll=-sign * raised)
        return origin + turned(chest @ collar, [sign * body.shoulder_width, -body.shoulder_drop, 0])

    def _aim(self, side: str):
        """(vector from the shoulder to the hand, elbow, wrist bend, fist), each (T, ...), from keys and swings."""
        chest = self.frames["chest"][1]
        keys = self.hands.get(side) or [(0.0, self.rest(side)), (1.0, self.rest(side))]
        at, s = between(self.u, [time for time, _ in keys])
        spots, socket, rows = [spot for _, spot in keys], self._socket(side), np.arange(len(self.u))

        def blend(values) -> np.ndarray:
            values = np.array(values, float).reshape(len(keys), -1)
            return values[at] + (values[at + 1] - values[at]) * s[:, None]

        paths = np.stack([self.locate(spot, side) - socket for spot in spots])
        vector = swung(paths[at, rows], paths[at + 1, rows], s, -chest[..., 2])
        mirror = np.array([SIGN[side], 1.0, -1.0])
        vector = vector + turned(chest, self.swings[side] * self.body.arm * mirror)
        usual = (0.25 + self.performer.flare, -0.8, -0.45)
        elbow = blend([spot.elbow or usual for spot in spots]) * mirror
        bent = blend([spot.hand for spot in spots]) * mirror
        fist = blend([spot.fist for spot in spots])
        return smooth(vector), turned(chest, elbow), turned(chest, bent), fist

    def follow(self) -> None:
        """Let the trunk follow the hands: twist towards a hand that reaches, lean after a hand that goes far."""
        assist, ahead, aside = self.performer.assist, {}, {}
        for side in SIDES:
            vector = self._aim(side)[0] / self.body.arm
            local = np.einsum("tji,tj->ti", self.frames["chest"][1], vector)
            up = np.clip(local[:, 1] + 1.0, 0, 1)  # a hanging hand pulls nothing
            ahead[side], aside[side] = -local[:, 2] * up, local[:, 0] * up
        self.channel["twist"] += 0.14 * assist * (ahead["right"] - ahead["left"])
        self.channel["lean"] += 0.05 * assist * (aside["right"] + aside["left"])
        self.channel["bend"] += 0.04 * assist * (ahead["right"] + ahead["left"])

    def arms(self) -> np.ndarray:
        """Solve the arms, after ``stand`` of everyone in the scene; returns the joints (T, 25, 3)."""
        body, chest = self.body, self.frames["chest"][1]
        for side in SIDES:
            vector, elbow_to, bent, fist = self._aim(side)
            local = np.einsum("tji,tj->ti", chest, vector) / body.arm
            raised, pushed = 0.45 * np.clip(local[:, 1] + 0.1, 0, 1), 0.35 * np.clip(-local[:, 2] - 0.2, -0.4, 1)
            aim = self._socket(side) + vector
            aim[:, 1] = np.maximum(aim[:, 1], 0.04)
            socket = self._socket(side, raised, pushed)
            elbow, palm = limb(socket, aim, body.upper_arm, body.forearm + body.hand, elbow_to)
            forearm = unit(palm - elbow)
            wrist = elbow + body.forearm * forearm
            self._hand(side, wrist, unit(forearm + bent), chest, fist)
            for name, place in (("shoulder", socket), ("elbow", elbow), ("wrist", wrist)):
                self.joints[:, KINECT25.roles[f"{side}_{name}"]] = place
        return self.joints

    def _hand(self, side: str, wrist, pointing, chest, fist) -> None:
        """Palm, finger tips and thumb. The thumb lies forward on a hanging hand, up on a hand held forward."""
        body, sign = self.body, SIGN[side]
        palm = wrist + body.hand * pointing
        thumb = across(np.cross(chest[..., 0], pointing) + 0.3 * (chest[..., 1] - chest[..., 2]), pointing)
        inward = np.cross(thumb, pointing) * sign
        fingers = unit(pointing * (1 - 0.8 * fist) + inward * fist)
        self.joints[:, KINECT25.roles[f"{side}_hand"]] = palm
        self.joints[:, KINECT25.roles[f"{side}_tip"]] = bone(palm, fingers, body.tip)
        self.joints[:, KINECT25.roles[f"{side}_thumb"]] = bone(palm, unit(0.6 * pointing + thumb), body.thumb)
