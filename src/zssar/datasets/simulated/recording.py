"""What a depth sensor makes of a performance: three views, joint noise, dropped frames, bodies that come and go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zssar.datasets.simulated.body import rotation
from zssar.interfaces import SkeletonSequence
from zssar.skeleton.layouts import KINECT25

# Directions of the cameras, as in NTU RGB+D: camera 1 between cameras 2 and 3. Performers face camera 2 in one
# replication and camera 3 in the other, so camera 1 sees them at 45 degrees and the third one from the side.
AZIMUTH = {1: 0.0, 2: -np.pi / 4, 3: np.pi / 4}
FACED = {1: 2, 2: 3}  # replication -> camera
TILT = {1: 0.04, 2: -0.03, 3: 0.07}  # radians, looking down
HEIGHT = {1: 1.05, 2: 0.95, 3: 1.15}  # metres above the floor
NEAR, FAR = 2.8, 3.4  # metres from the middle of the stage
# Setups, as NTU RGB+D calls other heights and distances of its cameras: metres added to both, for all three cameras.
SETUPS = {
    1: (0.0, 0.0),
    2: (0.45, 0.6),
    3: (-0.30, -0.5),
    4: (0.80, 0.2),
    5: (-0.15, 0.8),
    6: (0.60, -0.4),
    7: (0.25, -0.7),
    8: (0.95, 0.5),
}

_ROLE = KINECT25.roles
# Standard deviation of a joint in plain sight, metres: trunk, limbs, then what the sensor only guesses.
NOISE = np.full(25, 0.006)
NOISE[[v for r, v in _ROLE.items() if r.endswith(("elbow", "knee"))]] = 0.009
NOISE[[v for r, v in _ROLE.items() if r.endswith(("wrist", "ankle"))]] = 0.011
NOISE[[v for r, v in _ROLE.items() if r.endswith(("hand", "foot"))]] = 0.014
NOISE[[v for r, v in _ROLE.items() if r.endswith(("tip", "thumb"))]] = 0.020
_LIMB = np.array([not (v in (0, 1, 2, 3, 20) or "hip" in j or "shoulder" in j) for v, j in enumerate(KINECT25.joints)])
ID_BASE = 72057594037927936  # 2**56


@dataclass(frozen=True)
class Recording:
    """One file: what the sensor tracked, and the same without the tracker's failures.

    actors: the one or two people, with joint noise and nothing else. tracks: every body the tracker reported, of which
    one person may be several; body_ids (tracks,), states (tracks, T, 25) as NTU's trackingState (1 inferred, 2
    tracked), order (T, tracks) of the bodies within each frame.
    """

    actors: SkeletonSequence
    tracks: SkeletonSequence
    body_ids: tuple[int, ...]
    states: np.ndarray
    order: np.ndarray


def place(joints: np.ndarray, replication: int, rng: np.random.Generator) -> np.ndarray:
    """Put a performance (M, T, 25, 3) on the stage: where people happen to stand, facing the camera they were told."""
    facing = -AZIMUTH[FACED[replication]] + rng.normal(0, 0.10)
    if len(joints) == 2:  # seen from the side, either one on the left
        facing += rng.normal(0, 0.15) + (np.pi if rng.random() < 0.5 else 0.0)
    spot = np.array([rng.normal(0, 0.15), 0.0, rng.normal(0, 0.15)])
    return joints @ rotation(facing)[0].T + spot


def view(joints: np.ndarray, camera: int, distance: float, setup: int = 1) -> np.ndarray:
    """World (..., 3) to the space of a camera that stands ``distance`` metres from the middle of the stage.

    In a setup with a higher camera it looks further down, so that the body stays in the middle of the image.
    """
    higher = SETUPS[setup][0]
    seen = joints @ rotation(AZIMUTH[camera])[0].T
    seen = seen - np.array([0.0, HEIGHT[camera] + higher, -distance])
    return seen @ rotation(pitch=TILT[camera] + float(np.arctan2(higher, distance)))[0].T


def hidden(joints: np.ndarray) -> np.ndarray:
    """(M, T, 25) between 0 and 1: how far a joint lies behind its own trunk or behind another person."""
    score = np.zeros(joints.shape[:3])
    for m in range(len(joints)):
        for other in range(len(joints)):
            trunk = joints[other, :, [1]].swapaxes(0, 1)  # (T, 1, 3)
            aside = np.abs(joints[m, ..., 0] - trunk[..., 0])
            behind = joints[m, ..., 2] - trunk[..., 2] - (0.05 if m == other else 0.25)
            near = np.clip(1.0 - aside / 0.28, 0, 1) * np.clip(behind / 0.12, 0, 1)
            score[m] = np.maximum(score[m], near * (_LIMB if m == other else 1.0))
    return score


def _wandering(noise: np.ndarray, memory: float) -> np.ndarray:
    """First-order autoregression along the frames (axis 1), of the same variance as the white noise given."""
    fresh = np.sqrt(1 - memory**2)
    for t in range(1, noise.shape[1]):
        noise[:, t] = memory * noise[:, t - 1] + fresh * noise[:, t]
    return noise


def track(joints: np.ndarray, rng: np.random.Generator, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy joints and tracking states: jitter, slow drift of hidden joints, now and then a joint that jumps away.

    noise: factor of the jitter.
    """
    m, t, v, _ = joints.shape
    away = hidden(joints)
    jitter = _wandering(rng.standard_normal((m, t, v, 3)), 0.5)
    drift = _wandering(rng.standard_normal((m, t, v, 3)), 0.93)
    size = (noise * NOISE * (1.0 + 1.5 * away))[..., None]
    noisy = joints + size * jitter * [1.0, 1.0, 1.3] + (0.035 * away)[..., None] * drift
    states = np.where(away > 0.35, 1, 2).astype(np.uint8)
    for person in range(m):
        for _ in range(rng.poisson(0.8)):
            limb = rng.choice(LIMBS)
            start, length = int(rng.integers(t)), int(rng.integers(1, 5))
            noisy[person, start : start + length, limb] += rng.normal(0, 0.10, 3)
            states[person, start : start + length, limb] = 1
    return noisy, states


LIMBS = np.array(
    [
        [_ROLE[f"{side}_{joint}"] for joint in joints]
        for side in ("left", "right")
        for joints in (
            ("wrist", "hand", "tip", "thumb"),
            ("elbow", "wrist", "hand", "tip"),
            ("knee", "ankle", "foot", "foot"),
        )
    ]
)


def record(joints: np.ndarray, camera: int, rng: np.random.Generator, setup: int = 1, **meta) -> Recording:
    """A recording of a performance that ``place`` put on the stage; ``meta`` goes into the SkeletonSequence.

    Depth noise of a Kinect grows with the square of the distance (Khoshelham and Elberink, Sensors 2012); between
    setups the jitter does, too.
    """
    further = SETUPS[setup][1]
    middle = (NEAR + FAR) / 2
    meta = {**meta, "setup": setup}
    distance = rng.uniform(NEAR, FAR) + further
    seen, states = track(view(joints, camera, distance, setup), rng, ((middle + further) / middle) ** 2)
    present = np.ones(seen.shape[:2], bool)
    actors = _sequence(seen, present.copy(), camera, meta)  # the tracker breaks up its own copy
    bodies = _Bodies(seen, states, present, rng)
    bodies.break_up()
    bodies.add_phantoms()
    bodies.drop_frames()
    tracks, states, present = bodies.stacked()
    base = ID_BASE + int(rng.integers(2000, 90000))
    ids = tuple(base + int(step) for step in rng.choice(np.arange(1, 40), size=len(tracks), replace=False))
    frames = present.shape[1]
    order = np.tile(np.arange(len(tracks)), (frames, 1))
    if len(tracks) > 1 and rng.random() < 0.5:
        order[: rng.integers(1, frames)] = np.arange(len(tracks))[::-1]
    return Recording(actors, _sequence(tracks, present, camera, meta), ids, states, order)


def _sequence(joints, present, camera: int, meta) -> SkeletonSequence:
    """Rounded to a hundredth of a millimetre, so that the last bits of a processor's sine never reach a file."""
    rounded = np.round(np.where(present[..., None, None], joints, 0.0), 5) + 0.0
    return SkeletonSequence(
        joints=rounded.astype(np.float32), present=present, layout=KINECT25.name, camera=camera, **meta
    )


class _Bodies:
    """The tracker's list of bodies, and the ways in which it goes wrong."""

    def __init__(self, joints, states, present, rng):
        self.joints, self.states, self.present = list(joints), list(states), list(present)
        self.rng, self.people, self.frames = rng, len(joints), len(present[0])

    def _span(self, shortest: int, longest: int) -> slice:
        length = int(self.rng.integers(shortest, longest + 1))
        start = int(self.rng.integers(0, max(1, self.frames - length)))
        return slice(start, start + length)

    def break_up(self) -> None:
        """A person is lost for a while and comes back under the same or under a new id."""
        for m in range(self.people):
            if self.rng.random() > (0.06 if self.people == 1 else 0.12):
                continue
            gap = self._span(3, 8)
            self.present[m][gap] = False
            if self.rng.random() < 0.5:
                later = self.present[m].copy()
                later[: gap.stop] = False
                self.present[m][gap.stop :] = False
                if later.any():
                    self._add(self.joints[m], self.states[m], later)

    def add_phantoms(self) -> None:
        """A second, shaky body for some frames, or a piece of furniture that the tracker takes for a person."""
        base = self.joints[0]
        if self.rng.random() < 0.04:
            span = self._span(3, 12)
            shaky = base + self.rng.normal([0.5, 0, 0.4], [0.5, 0.05, 0.3]) + self.rng.normal(0, 0.04, base.shape)
            self._add(shaky, np.ones_like(self.states[0]), self._within(span))
        if self.rng.random() < 0.03:
            flat = np.median(base, axis=0) - np.median(base[:, 0], axis=0)
            flat = flat * [2.6, 0.18, 0.8] + base[0, 0] + self.rng.normal([0.6, -0.5, 0.5], 0.15)
            still = flat + self.rng.normal(0, 0.012, base.shape)
            self._add(still, np.ones_like(self.states[0]), self._within(self._span(14, max(15, self.frames))))

    def drop_frames(self) -> None:
        """Frames without any body, at an end or in between; at least 16 frames with a body stay."""
        if self.rng.random() > 0.15:
            return
        gap = self._span(1, 4)
        if self.rng.random() < 0.4:
            gap = slice(0, gap.stop - gap.start)
        keep = [present.copy() for present in self.present]
        for present in keep:
            present[gap] = False
        if np.any(keep, axis=0).sum() >= 16:
            self.present = keep

    def _within(self, span: slice) -> np.ndarray:
        present = np.zeros(self.frames, bool)
        present[span] = True
        return present

    def _add(self, joints, states, present) -> None:
        self.joints.append(joints)
        self.states.append(states)
        self.present.append(present)

    def stacked(self):
        """(joints, states, present) of the bodies that were seen at all."""
        kept = [m for m, present in enumerate(self.present) if present.any()]
        return tuple(np.stack([values[m] for m in kept]) for values in (self.joints, self.states, self.present))
