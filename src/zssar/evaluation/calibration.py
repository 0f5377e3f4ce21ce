"""Calibrated stacking (Chao et al., ECCV 2016): subtract a factor gamma from the scores of seen classes.

A sample is answered with its best unseen class if ``margin < gamma`` and with its best seen class otherwise, where
margin = best seen score - best unseen score. This one inequality serves fitting and applying.

Carrying a factor from a validation split to the test split. The two models are trained on different classes, so a
score of 0.1 need not mean the same in both. Gamma is therefore counted in units of the *spread* of a model: the
standard deviation of a sample's scores over the seen classes, averaged over the samples. The spread needs no label, is
one number a model, and turns any factor a method puts on its scores (a temperature, an unnormalised dot product) into
the same unit on both sides. It is a statistic of unlabelled test scores; with ``scale="raw"`` gamma stays in score
units and not even that is used. Centring is not needed: the margin is a difference.

The factor is fitted to maximise H, averaged over the validation splits. H is a step function of gamma, so all of its
steps are looked at; the middle of the best step is taken, of the widest one if several are equally good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zssar.errors import unknown
from zssar.evaluation.metrics import Curve, seen_unseen_curve

SCALES = ("spread", "raw")


@dataclass(frozen=True)
class Duel:
    """What is left of scores (n, K) once the best seen and the best unseen class of every sample are known.

    seen, unseen: column of the best class of either group (n,). margin (n,): in units of ``unit``.
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


def spread(scores: np.ndarray, seen: np.ndarray) -> float:
    """Mean over samples of the standard deviation over the seen classes; 1 if that is 0 (nothing to scale by)."""
    value = float(scores[:, seen].std(axis=1).mean()) if len(scores) else 0.0
    return value if value > 0 else 1.0


def duel(scores: np.ndarray, seen: np.ndarray, scale: str = "spread") -> Duel:
    """Reduce scores (n, K) to a Duel; ``seen`` bool (K,) marks the columns of seen classes."""
    if scale not in SCALES:
        raise unknown("calibration scale", scale, SCALES)
    unit = spread(scores, seen) if scale == "spread" else 1.0
    columns_seen, columns_unseen = np.flatnonzero(seen), np.flatnonzero(~seen)
    rows = np.arange(len(scores))
    best_seen = columns_seen[scores[:, columns_seen].argmax(axis=1)]
    best_unseen = columns_unseen[scores[:, columns_unseen].argmax(axis=1)]
    margin = (scores[rows, best_seen] - scores[rows, best_unseen]) / unit
    return Duel(best_seen, best_unseen, margin, unit)


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
