"""Hyper-parameters from validation splits only: every candidate is trained there, and the best mean accuracy wins.

What is compared: ZSL top-1 on the pseudo-unseen classes, mean over the validation splits, at the best epoch of each
seed, mean over seeds. No test sample of the split itself, and no unseen class, is read. Ties go to the first candidate.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zssar.errors import UserError
from zssar.evaluation.trials import Trial


def combinations(choose: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values, the last name varying fastest: the order of config.candidates."""
    return [dict(zip(choose, values)) for values in itertools.product(*choose.values())]


def validation_accuracy(trials: Sequence[Trial]) -> float:
    """Accuracy (0 to 1) of one candidate; ``trials``: its runs on the validation splits, same seeds and epochs."""
    seeds = trials[0].scores.seeds
    for trial in trials[1:]:
        if trial.scores.seeds != seeds or [trial.scores.epochs(s) for s in seeds] != [
            trials[0].scores.epochs(s) for s in seeds
        ]:
            raise UserError(f"{trial.scores.path} and {trials[0].scores.path} differ in seeds or epochs")
    best = []
    for seed in seeds:
        curve = [np.mean([trial.zsl_top1(seed, epoch) for trial in trials]) for epoch in trials[0].scores.epochs(seed)]
        best.append(max(curve))
    return float(np.mean(best))


def choose(candidates: Sequence[dict[str, Any]], trials: Sequence[Sequence[Trial]]) -> dict[str, Any]:
    """chosen.json: the parameters of the best candidate, and the accuracy in percent of every one."""
    if len(candidates) != len(trials):
        raise UserError(f"{len(candidates)} candidates, but runs of {len(trials)}")
    found = [validation_accuracy(of) for of in trials]
    best = int(np.argmax(found))
    return {
        "params": candidates[best],
        "validation_top1": 100 * found[best],
        "validation_splits": len(trials[0]),
        "candidates": [{"params": c, "validation_top1": 100 * a} for c, a in zip(candidates, found)],
    }
