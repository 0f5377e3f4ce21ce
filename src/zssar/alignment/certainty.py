"""How far scores can be trusted: learned on classes held out in turn, each met as an unseen class is met.

A rehearsal hides some seen classes, fits on the rest and scores the hidden ones among each other. The weights that make
the hidden classes most likely turn scores into probabilities, and add the scores of several methods. The problem is a
multinomial logistic regression without intercept: convex, so that a few classes decide no grid search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

FEWEST = 4  # seen classes; with fewer, nothing can be hidden and still be learned from
FOLDS = 5
CAUTION = 1e-2  # pull of every weight to 0, per standardised score: holds where hidden classes are never confused


@dataclass(frozen=True)
class Rehearsal:
    """Classes hidden (positions), and the rows to fit on and to score."""

    kept: np.ndarray
    hidden: np.ndarray
    fit: np.ndarray
    score: np.ndarray


def rehearsals(y: np.ndarray, classes: int) -> Iterator[Rehearsal]:
    """Each class hidden once, at least two at a time, every n-th, so that neighbours of a list are parted."""
    present = np.unique(y)
    count = min(FOLDS, len(present) // 2) if len(present) >= FEWEST else 0
    for fold in range(count):
        hidden = present[fold::count]
        out = np.isin(y, hidden)
        yield Rehearsal(np.setdiff1d(np.arange(classes), hidden), hidden, np.flatnonzero(~out), np.flatnonzero(out))


def weights(scores: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> np.ndarray:
    """float64 (M,), none negative: of M methods' scores (n, K, M) per rehearsal; labels (n,) are columns. NaN if none.

    Every class counts the same.
    """
    if not scores:
        return np.full(1, np.nan)
    spread = np.sqrt(np.mean([np.var(s, axis=1).mean(0) for s in scores], axis=0))
    spread = np.where(spread > 1e-12, spread, 1.0)
    balance = [1 / np.bincount(y, minlength=s.shape[1])[y] for s, y in zip(scores, labels)]
    total = sum(b.sum() for b in balance)

    def cost(w: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = 0.5 * CAUTION * (w**2).sum(), CAUTION * w
        for s, y, b in zip(scores, labels, balance):
            logits = (s / spread) @ w
            own = (s / spread)[np.arange(len(y)), y]
            value += (b * (special.logsumexp(logits, axis=1) - own @ w)).sum() / total
            mean = np.einsum("nk,nkm->nm", special.softmax(logits, axis=1), s / spread)
            slope = slope + b @ (mean - own) / total
        return value, slope

    start = np.ones(scores[0].shape[2])
    return optimize.minimize(cost, start, jac=True, bounds=[(0, None)] * len(start)).x / spread


def temperature(fit_and_score: Callable[[Rehearsal], np.ndarray], y: np.ndarray, classes: int) -> float:
    """What scores must be divided by to be log-probabilities; NaN with fewer than ``FEWEST`` seen classes.

    fit_and_score: scores (n, hidden) of a rehearsal's rows.
    """
    parts = list(rehearsals(y, classes))
    scores = [fit_and_score(part)[..., None] for part in parts]
    labels = [np.searchsorted(part.hidden, y[part.score]) for part in parts]
    return float(1 / np.maximum(weights(scores, labels)[0], 1e-9))


def softmax(scores: np.ndarray, temperature: float) -> np.ndarray:
    """float64 (n, K); NaN where the temperature is."""
    return special.softmax(scores.astype(np.float64) / temperature, axis=1)
