"""Calibrated stacking (Chao et al., ECCV 2016): subtract a factor gamma from the scores of seen classes.

A sample is answered with its best unseen class if ``margin < gamma`` and with its best seen class otherwise, where
margin = best seen score - best unseen score. This one inequality serves fitting and applying.

Carrying a factor from a validation split to the test split. The two models are trained on different classes, so a
score of 0.1 need not mean the same in both, and methods return cosines, dot products or log-probabilities. Margins are
therefore counted in a unit, chosen by ``scale``:
- ``sample`` (default): the standard deviation of this sample's scores over the seen classes. GZSL answers then stay the
  same when a sample's scores are shifted or scaled, as ZSL answers do, and depend on no other test sample.
- ``spread``: that deviation averaged over the samples, one unlabelled number a model; Chao's rule with its own gamma.
- ``raw``: score units.
Measured with five closed-form methods on simple features of UTD-MHAD (20 random draws of 22/5 with one and with three
validation splits, 20 of 14/13 with three), mean H was 29.2 / 33.2 / 19.3 with ``sample``, 29.3 / 33.5 / 18.7 with
``spread``, 28.3 / 33.1 / 17.5 with ``raw`` and at most 2 without calibration.

The factor is fitted to maximise H, averaged over the validation splits. H is a step function of gamma, so all of its
steps are looked at; the middle of the best step is taken, of the widest one if several are equally good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zssar.errors import unknown
from zssar.evaluation.metrics import Curve, seen_unseen_curve

SCALES = ("sample", "spread", "raw")


@dataclass(frozen=True)
class Duel:
    """What is left of scores (n, K) once the best seen and the best unseen class of every sample are known.

    seen, unseen: column of the best class of either group (n,). margin (n,): in units; unit: their mean size.
    """

    seen: np.ndarray
    unseen: np.ndarray
    margin: np.ndarray
    unit: float

    def answers(self, gamma: float) -> np.ndarray:
        """Columns (n,) answered with the factor ``gamma``, in units."""
        return np.where(self.margin < gamma, self.unseen, self.seen)

    def curve(self, labels: np.ndarray, seen_sample: np.ndarray, weights: np.ndarray | None = None) -> Curve:
        """Seen-unseen curve for labels (n,) given as columns; ``seen_sample`` bool (n,)."""
        return seen_unseen_curve(self.margin, self.seen == labels, self.unseen == labels, seen_sample, weights)


def units(scores: np.ndarray, seen: np.ndarray, scale: str = "sample") -> np.ndarray:
    """The unit (n,) in which the scores of each sample are counted; 1 where the seen scores do not differ at all."""
    if scale not in SCALES:
        raise unknown("calibration scale", scale, SCALES)
    if scale == "raw":
        return np.ones(len(scores))
    deviation = scores[:, seen].std(axis=1)
    if scale == "spread":
        deviation = np.full(len(scores), deviation.mean())
    return np.where(deviation > 0, deviation, 1.0)


def duel(scores: np.ndarray, seen: np.ndarray, scale: str = "sample") -> Duel:
    """Reduce scores (n, K) to a Duel; ``seen`` bool (K,) marks the columns of seen classes."""
    unit = units(scores, seen, scale)
    columns_seen, columns_unseen = np.flatnonzero(seen), np.flatnonzero(~seen)
    rows = np.arange(len(scores))
    best_seen = columns_seen[scores[:, columns_seen].argmax(axis=1)]
    best_unseen = columns_unseen[scores[:, columns_unseen].argmax(axis=1)]
    margin = (scores[rows, best_seen] - scores[rows, best_unseen]) / unit
    return Duel(best_seen, best_unseen, margin, float(unit.mean()))


@dataclass(frozen=True)
class Factor:
    """A fitted calibration factor in units, and the H (0 to 1, mean over the curves) it reaches where it was fitted."""

    gamma: float
    harmonic: float

    @property
    def informed(self) -> bool:
        """False if no factor reached H > 0 (one group is never answered rightly), so that gamma stayed 0."""
        return self.harmonic > 0


def fit_factor(curves: Sequence[Curve]) -> Factor:
    """The factor with the highest H, averaged over the curves; see the module's text for ties."""
    breaks = np.unique(np.concatenate([curve.breaks for curve in curves]))
    middles = (breaks[1:] + breaks[:-1]) / 2
    if not len(middles):  # one break at most: S or U is 0 on either side of it
        return Factor(0.0, 0.0)
    quality = np.mean([curve.harmonic[curve.at(middles)] for curve in curves], axis=0)
    best = quality.max()
    if best <= 0:
        return Factor(0.0, 0.0)
    tied = np.flatnonzero(quality >= best - 1e-12)
    width = np.diff(breaks)[tied]
    chosen = tied[np.lexsort((np.abs(middles[tied]), -width))[0]]
    return Factor(float(middles[chosen]), float(best))
