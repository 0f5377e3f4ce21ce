"""From scores to rows: which samples meet which classes, and which epoch and factor may speak for a run.

Settings. ``zsl``: samples of unseen classes against unseen classes. ``gzsl``: all test samples against all classes,
answered by calibrated stacking.

Selections, side by side:
- ``last``: the last epoch, fixed before anything was looked at; in GZSL with a factor fitted on validation splits.
- ``validated``: the epoch with the best ZSL accuracy on the validation splits (mean over splits, same seed, ties to
  the later epoch), with the factor fitted there at that epoch. Only where there is a choice: more than one epoch.
- ``oracle``: the best of all epochs on the unseen *test* samples, in GZSL together with the best of all factors. This
  is how most published numbers were obtained; it is an upper bound, not a result.

Without a validation split no factor can be fitted, and ``gzsl`` reports AUSUC, which needs none, and the oracle only.
Epochs of a validation run match those of the test run by index if both kept the same number, else by their fraction of
the last epoch. Results are fractions here; ``rows`` gives percent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zssar.errors import UserError
from zssar.evaluation import metrics
from zssar.evaluation.calibration import Factor, fit_factor
from zssar.evaluation.trials import Trial

KEY = ("table", "dataset", "split", "partition", "backbone", "stream", "source", "encoder", "method")
RUN_COLUMNS = (*KEY, "seed", "setting", "selection", "metric", "value", "n", "run")


@dataclass
class Outcome:
    """One seed, setting and selection: metrics as fractions, the answers behind them and how they were chosen.

    predicted: columns (n,) for gzsl, (u,) for zsl (unseen samples in file order); None if no factor was to be had.
    """

    seed: int
    setting: str
    selection: str
    values: dict[str, float]
    counts: dict[str, int]
    epoch: int
    predicted: np.ndarray | None = None
    details: dict[str, Any] = field(default_factory=dict)


def evaluate(trial: Trial, validations: Sequence[Trial] = (), scale: str = "sample") -> list[Outcome]:
    """All outcomes of a run, seeds in order. Raises UserError if a validation run lacks a seed."""
    for validation in validations:
        lost = set(trial.scores.seeds) - set(validation.scores.seeds)
        if lost:
            raise UserError(
                f"{validation.scores.path} has no scores of seed {min(lost)}; run align with the same seeds on "
                "the validation split and on the split itself."
            )
    outcomes = []
    for seed in trial.scores.seeds:
        outcomes += _evaluate_seed(trial, validations, seed, scale)
    return outcomes


def _evaluate_seed(trial: Trial, validations: Sequence[Trial], seed: int, scale: str) -> list[Outcome]:
    epochs = trial.scores.epochs(seed)
    answers = {epoch: trial.zsl(seed, epoch) for epoch in epochs}
    chosen = {"last": epochs[-1]}
    validation_curve = None
    if validations and len(epochs) > 1:
        validation_curve = [
            float(np.mean([v.zsl_top1(seed, match_epoch(v, trial, seed, epoch)) for v in validations]))
            for epoch in epochs
        ]
        chosen["validated"] = epochs[_last_argmax(validation_curve)]
    test_curve = [_zsl_values(trial, answers[epoch])["top1"] for epoch in epochs]
    chosen["oracle"] = epochs[int(np.argmax(test_curve))]
    outcomes = [_zsl(trial, seed, selection, epoch, answers[epoch]) for selection, epoch in chosen.items()]
    for outcome in outcomes if validations else ():
        if outcome.selection != "oracle":
            _add_validation(outcome, trial, validations)
    for outcome in outcomes:
        if outcome.selection == "oracle":
            outcome.details |= {"looks": len(epochs), "test_top1_by_epoch": dict(zip(epochs, test_curve))}
        if outcome.selection == "validated":
            outcome.details["validation_top1_by_epoch"] = dict(zip(epochs, validation_curve))
    if trial.seen_sample.any():
        del chosen["oracle"]
        for selection, epoch in chosen.items():
            factor = fit_on(validations, trial, seed, epoch, scale) if validations else None
            outcomes.append(_gzsl(trial, seed, selection, epoch, factor, scale))
        outcomes.append(_gzsl_oracle(trial, seed, scale))
    return outcomes


def _add_validation(outcome: Outcome, trial: Trial, validations: Sequence[Trial]) -> None:
    """The accuracy on pseudo-unseen classes at the epoch of a ZSL outcome, mean over validation splits."""
    at = [v.zsl_top1(outcome.seed, match_epoch(v, trial, outcome.seed, outcome.epoch)) for v in validations]
    outcome.values["validation_top1"] = float(np.mean(at))
    outcome.counts["validation_top1"] = int(sum((~v.seen_sample).sum() for v in validations))


def match_epoch(validation: Trial, trial: Trial, seed: int, epoch: int) -> int:
    """The epoch of ``validation`` that stands for ``epoch`` of ``trial``."""
    ours, theirs = trial.scores.epochs(seed), validation.scores.epochs(seed)
    if len(ours) == len(theirs):
        return theirs[ours.index(epoch)]
    return min(theirs, key=lambda other: abs(other / theirs[-1] - epoch / ours[-1]))


def fit_on(validations: Sequence[Trial], trial: Trial, seed: int, epoch: int, scale: str) -> Factor:
    """The calibration factor from the validation splits at the epoch that stands for ``epoch``."""
    curves = []
    for validation in validations:
        if not validation.seen_sample.any() or validation.seen_sample.all():
            raise UserError(
                f"{validation.scores.path}: a factor cannot be fitted on samples of one group only; the validation "
                "split must hold out samples of both its seen and its pseudo-unseen classes."
            )
        curves.append(validation.curve(validation.duel(seed, match_epoch(validation, trial, seed, epoch), scale)))
    return fit_factor(curves)


def _zsl_values(trial: Trial, predicted: np.ndarray) -> dict[str, float]:
    labels = trial.labels[~trial.seen_sample]
    if not len(labels):
        raise UserError(f"{trial.scores.path}: the test partition has no sample of an unseen class")
    return {
        "top1": metrics.top1(predicted, labels),
        "per_class": metrics.per_class_mean(predicted, labels, trial.unseen),
    }


def _zsl(trial: Trial, seed: int, selection: str, epoch: int, predicted: np.ndarray) -> Outcome:
    n = int((~trial.seen_sample).sum())
    values = _zsl_values(trial, predicted)
    if selection == "last":
        values["chance"] = 1 / len(trial.unseen)
    return Outcome(seed, "zsl", selection, values, dict.fromkeys(values, n), epoch, predicted)


def gzsl_values(trial: Trial, predicted: np.ndarray) -> dict[str, float]:
    """S, U and H of answers (n,) to all samples."""
    seen = trial.seen_sample
    s = metrics.top1(predicted[seen], trial.labels[seen])
    u = metrics.top1(predicted[~seen], trial.labels[~seen])
    return {"seen": s, "unseen": u, "harmonic": metrics.harmonic(s, u)}


def gzsl_counts(trial: Trial) -> dict[str, int]:
    """Number of samples behind each GZSL metric."""
    n, seen = len(trial.labels), int(trial.seen_sample.sum())
    return {"seen": seen, "unseen": n - seen, "harmonic": n, "ausuc": n}


def _gzsl(trial: Trial, seed: int, selection: str, epoch: int, factor: Factor | None, scale: str) -> Outcome:
    fight = trial.duel(seed, epoch, scale)
    values = {"ausuc": trial.curve(fight).area}
    uncalibrated = gzsl_values(trial, fight.answers(0.0))
    details: dict[str, Any] = {"unit": fight.unit, "uncalibrated": uncalibrated}
    details["class_averaged_ausuc"] = trial.curve(fight, by_class=True).area
    details["raw_score_ausuc"] = trial.curve(trial.duel(seed, epoch, "raw")).area
    predicted = None
    if factor is not None:
        predicted = fight.answers(factor.gamma)
        values |= gzsl_values(trial, predicted)
        details |= {"gamma": factor.gamma, "validation_harmonic": factor.harmonic, "informed": factor.informed}
        details["sent_to_unseen"] = sent_to_unseen(trial, predicted)
    counts = {name: count for name, count in gzsl_counts(trial).items() if name in values}
    return Outcome(seed, "gzsl", selection, values, counts, epoch, predicted, details)


def sent_to_unseen(trial: Trial, predicted: np.ndarray) -> dict[str, float]:
    """Share of the samples of either group that are answered with an unseen class."""
    sent, seen = ~trial.seen[predicted], trial.seen_sample
    return {"seen_samples": float(sent[seen].mean()), "unseen_samples": float(sent[~seen].mean())}


def _gzsl_oracle(trial: Trial, seed: int, scale: str) -> Outcome:
    """Best H over all epochs and factors, and best AUSUC over all epochs (separately), on the test samples."""
    best, area, looks = None, 0.0, 0
    epochs = trial.scores.epochs(seed)
    for epoch in epochs:
        fight = trial.duel(seed, epoch, scale)
        curve = trial.curve(fight)
        looks += len(curve.breaks) + 1
        area = max(area, curve.area)
        factor = fit_factor([curve])
        if best is None or factor.harmonic > best[1].harmonic:
            best = (epoch, factor, fight)
    epoch, factor, fight = best
    predicted = fight.answers(factor.gamma)
    values = {**gzsl_values(trial, predicted), "ausuc": area}
    details = {"gamma": factor.gamma, "unit": fight.unit, "looks": len(epochs), "operating_points": looks}
    return Outcome(seed, "gzsl", "oracle", values, gzsl_counts(trial), epoch, predicted, details)


def _last_argmax(values: Sequence[float]) -> int:
    return len(values) - 1 - int(np.argmax(values[::-1]))


def rows(outcomes: Sequence[Outcome], key: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows of the long runs file, values in percent."""
    return [
        {
            **{name: key.get(name, "") for name in KEY},
            "seed": o.seed,
            "setting": o.setting,
            "selection": o.selection,
            "metric": metric,
            "value": 100 * value,
            "n": o.counts[metric],
            "run": key.get("run", ""),
        }
        for o in outcomes
        for metric, value in o.values.items()
    ]


def reported(outcomes: Sequence[Outcome], setting: str) -> list[Outcome]:
    """Of every seed the outcome that is the main number: validated where there was something to select, else last."""
    best: dict[int, Outcome] = {}
    for outcome in outcomes:
        if outcome.setting == setting and outcome.selection in ("last", "validated"):
            best[outcome.seed] = outcome if outcome.selection == "validated" else best.get(outcome.seed, outcome)
    return [best[seed] for seed in sorted(best)]
