"""Who performs: simulated subjects who differ in size, proportions, tempo, reach and habits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from zssar.datasets.simulated.body import Body

# Habits of an arm that has nothing to do, as (out, up, forward) in arm lengths from its shoulder.
HANGING = (0.14, -0.97, 0.04)
BENT = (0.16, -0.80, 0.30)
ACROSS_BELLY = (-0.22, -0.62, 0.34)
IN_POCKET = (0.16, -0.88, 0.02)


@dataclass(frozen=True)
class Performer:
    """One subject. Factors are 1 for an average person; angles in radians."""

    subject: int
    body: Body
    main: str  # the hand used where an action does not name one
    tempo: float  # larger is faster
    reach: float  # size of gestures
    slouch: float  # trunk pitch while standing
    head_pitch: float
    stance: float  # half the distance between the feet, metres
    toe_out: float
    flare: float  # how far the elbows point outwards
    assist: float  # how much the trunk follows the hands
    sway: float  # metres
    knees: float  # share of the leg length by which the knees are bent at rest
    patience: float  # seconds of standing still before and after
    rest: dict[str, tuple[float, float, float]]  # side -> where the idle hand is

    @property
    def other(self) -> str:
        """The hand that is not the main one."""
        return "left" if self.main == "right" else "right"


def performer(subject: int, seed: int) -> Performer:
    """The subject of that number (from 1): the same one whatever the classes, cameras and number of subjects."""
    rng = np.random.default_rng([seed, 3, subject])
    habits = [HANGING, HANGING, BENT, IN_POCKET]
    rest = {side: habits[rng.integers(len(habits))] for side in ("left", "right")}
    main = "left" if rng.random() < 0.15 else "right"
    if rng.random() < 0.15:
        rest["left" if main == "right" else "right"] = ACROSS_BELLY
    rest = {side: tuple(np.add(place, rng.normal(0, 0.03, 3)).tolist()) for side, place in rest.items()}
    return Performer(
        subject=subject,
        body=_body(rng),
        main=main,
        tempo=float(np.exp(rng.uniform(-0.2, 0.2))),
        reach=float(rng.uniform(0.85, 1.12)),
        slouch=float(rng.normal(0.05, 0.04)),
        head_pitch=float(rng.normal(0.08, 0.07)),
        stance=float(rng.uniform(0.08, 0.17)),
        toe_out=float(rng.uniform(0.05, 0.4)),
        flare=float(rng.uniform(0.15, 0.9)),
        assist=float(rng.uniform(0.4, 1.5)),
        sway=float(rng.uniform(0.004, 0.014)),
        knees=float(rng.uniform(0.003, 0.018)),
        patience=float(rng.uniform(0.06, 0.28)),
        rest=rest,
    )


def _body(rng: np.random.Generator) -> Body:
    """A body of random height whose trunk, limbs and widths vary independently by a few per cent."""
    height = float(np.clip(rng.normal(1.70, 0.10), 1.48, 1.95))
    trunk, leg, arm, width = rng.normal(1.0, [0.03, 0.035, 0.04, 0.07])
    factors = {
        "hip_width": width, "shoulder_width": width, "lower_spine": trunk, "upper_spine": trunk, "neck": trunk,
        "upper_arm": arm, "forearm": arm, "hand": arm, "tip": arm, "thumb": arm, "thigh": leg, "shin": leg,
    }  # fmt: skip
    average = Body()
    lengths = {
        name: getattr(average, name) * height / average.height * factors.get(name, 1.0)
        for name in average.__dataclass_fields__
        if name != "height"
    }
    return replace(average, height=height, **lengths)
