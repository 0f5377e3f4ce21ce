"""How sure a profile is: scores become probabilities by a temperature that seen classes teach, held out in turn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize, special

from zssar.alignment.quantities import Bridge, class_folds

FEWEST = 4  # seen classes; with fewer, nothing can be held out and learned from


def softmax(scores: np.ndarray, temperature: float) -> np.ndarray:
    """float64 (n, K); NaN where the temperature is."""
    return special.softmax(scores.astype(np.float64) / temperature, axis=1)


def held_out(fit: Callable[..., Bridge], value, weight, found, pooled, y, compare: str) -> np.ndarray:
    """float64 (n, S): scores of every sample over all S seen classes, by a bridge that knew nothing of its class.

    Classes are held out a fifth at a time, each as an unseen class is met.
    """
    scores = np.zeros((len(y), len(value)))
    for out in class_folds(len(value)):
        rows = out[y]
        if not rows.any() or rows.all():
            continue
        kept = np.cumsum(~out) - 1
        bridge = fit(value[~out], weight[~out], _rows(found, ~rows), _rows(pooled, ~rows), kept[y[~rows]])
        scores[rows] = bridge.scores(value, weight, _rows(found, rows), _rows(pooled, rows), compare)
    return scores


def temperature(fit: Callable[..., Bridge], value, weight, found, pooled, y, compare: str) -> float:
    """The temperature under which held-out classes are most likely, each class counting the same; NaN if too few."""
    if len(np.unique(y)) < FEWEST:
        return float("nan")
    scores = held_out(fit, value, weight, found, pooled, y, compare)
    balance = 1 / np.bincount(y, minlength=len(value))[y]

    def cost(log: float) -> float:
        return -(balance * special.log_softmax(scores / np.exp(log), axis=1)[np.arange(len(y)), y]).sum()

    return float(np.exp(optimize.minimize_scalar(cost, bounds=(-6, 6), method="bounded").x))


def _rows(side: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if side is None else side[rows]
