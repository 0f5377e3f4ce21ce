"""What goes into metrics.json beside the numbers of the table: choices, class accuracies, confusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zssar.evaluation import metrics
from zssar.evaluation.protocols import Outcome, reported
from zssar.evaluation.trials import Trial


def summarise(trial: Trial, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """metrics.json without its key and provenance. Accuracies in percent; confusions are counts, rows = true class."""
    names = np.array(trial.classes)
    counts = np.bincount(trial.labels, minlength=len(names))
    result: dict[str, Any] = {
        "classes": list(trial.classes),
        "unseen": [str(names[c]) for c in trial.unseen],
        "samples": {"seen": int(trial.seen_sample.sum()), "unseen": int((~trial.seen_sample).sum())},
        "samples_per_class": {str(name): int(count) for name, count in zip(names, counts)},
        "outcomes": [_outcome(outcome) for outcome in outcomes],
        "zsl": {},
        "gzsl": {},
    }
    unseen_labels = trial.labels[~trial.seen_sample]
    for outcome in reported(outcomes, "zsl"):
        result["zsl"][str(outcome.seed)] = {
            "selection": outcome.selection,
            "per_class": _per_class(trial, outcome.predicted, unseen_labels, trial.unseen),
            "confusion": metrics.confusion(outcome.predicted, unseen_labels, trial.unseen).tolist(),
        }
    for outcome in reported(outcomes, "gzsl"):
        if outcome.predicted is not None:
            every = np.arange(len(names))
            result["gzsl"][str(outcome.seed)] = {
                "selection": outcome.selection,
                "per_class": _per_class(trial, outcome.predicted, trial.labels, every),
            }
    return result


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "seed": outcome.seed,
        "setting": outcome.setting,
        "selection": outcome.selection,
        "epoch": outcome.epoch,
        "percent": {name: 100 * value for name, value in outcome.values.items()},
        "n": outcome.counts,
        **_percent(outcome.details),
    }


def _percent(details: dict[str, Any]) -> dict[str, Any]:
    """Fractions among the details in percent; factors, units and counts as they are."""
    plain = {"gamma", "unit", "informed", "looks", "operating_points"}

    def scale(value):
        return {str(k): scale(v) for k, v in value.items()} if isinstance(value, dict) else 100 * value

    return {key: value if key in plain or isinstance(value, str) else scale(value) for key, value in details.items()}


def _per_class(trial: Trial, predicted: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> dict[str, float | None]:
    """Class accuracies in percent; None (JSON null) for a class without samples."""
    accuracies = metrics.per_class(predicted, labels, classes)
    return {trial.classes[c]: None if np.isnan(a) else 100 * float(a) for c, a in zip(classes, accuracies)}


def predictions(trial: Trial, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One row per sample, seed and setting of the reported selection: truth and answer by name."""
    ids, names = trial.scores.sample_id, trial.classes
    everything = np.arange(len(trial.labels))
    result = []
    for setting, samples in (("zsl", everything[~trial.seen_sample]), ("gzsl", everything)):
        for outcome in reported(outcomes, setting):
            if outcome.predicted is None:
                continue
            for i, answer in zip(samples, outcome.predicted):
                result.append(
                    {
                        "setting": setting,
                        "selection": outcome.selection,
                        "seed": outcome.seed,
                        "sample_id": str(ids[i]),
                        "subject": int(trial.subject[i]),
                        "group": "seen" if trial.seen[trial.labels[i]] else "unseen",
                        "name": names[trial.labels[i]],
                        "predicted": names[answer],
                    }
                )
    return result
