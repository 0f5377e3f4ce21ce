"""What goes into metrics.json beside the numbers of the table: choices, class accuracies, confusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zssar.evaluation import metrics
from zssar.evaluation.metrics import Curve
from zssar.evaluation.protocols import Outcome, reported
from zssar.evaluation.statistics import Interval, accuracy_interval, harmonic_interval, tally, usable_clusters
from zssar.evaluation.trials import Trial

CURVE_POINTS = 201
FRACTIONS = {
    "uncalibrated",
    "class_averaged_ausuc",
    "raw_score_ausuc",
    "validation_harmonic",
    "validation_gate_accuracy",
    "sent_to_unseen",
    "test_top1_by_epoch",
    "validation_top1_by_epoch",
}


def summarise(trial: Trial, outcomes: Sequence[Outcome], scale: str = "sample") -> dict[str, Any]:
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
        curve = trial.curve(trial.duel(outcome.seed, outcome.epoch, scale))
        entry = {"selection": outcome.selection, "ausuc": 100 * curve.area, "curve": _thin(curve)}
        if outcome.predicted is not None:
            every = np.arange(len(names))
            entry["per_class"] = _per_class(trial, outcome.predicted, trial.labels, every)
            entry["point"] = {name: 100 * outcome.values[name] for name in ("seen", "unseen", "harmonic")}
        result["gzsl"][str(outcome.seed)] = entry
    result["intervals"] = intervals(trial, outcomes)
    return result


def _thin(curve: Curve) -> dict[str, list[float]]:
    """At most CURVE_POINTS points of the seen-unseen curve, in percent, from gamma = -inf to +inf."""
    keep = np.unique(np.linspace(0, len(curve.seen) - 1, CURVE_POINTS).round().astype(int))
    return {name: np.round(100 * getattr(curve, name)[keep], 2).tolist() for name in ("unseen", "seen")}


def intervals(trial: Trial, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """95 % bootstrap intervals of the reported selection, seeds averaged: setting -> metric -> clusters -> interval."""
    result: dict[str, Any] = {}
    seen, clusters = trial.seen_sample, usable_clusters(trial.subject)
    answers = {s: [o.predicted for o in reported(outcomes, s) if o.predicted is not None] for s in ("zsl", "gzsl")}
    if answers["zsl"]:
        subject, labels = trial.subject[~seen], trial.labels[~seen]
        table = tally(np.array([p == labels for p in answers["zsl"]]), subject, labels)
        result["zsl"] = {"top1": {c: _plain(accuracy_interval(table, c)) for c in clusters}}
        by_class = {}
        for label in np.unique(labels) if "subject" in clusters else ():
            one = tally(
                np.array([(p == labels)[labels == label] for p in answers["zsl"]]), *_of(label, subject, labels)
            )
            by_class[trial.classes[label]] = _plain(accuracy_interval(one, "subject"))
        result["zsl"]["per_class_by_subject"] = by_class
    if answers["gzsl"]:
        right = np.array([p == trial.labels for p in answers["gzsl"]])
        groups = {"seen": seen, "unseen": ~seen}
        tables = {n: tally(right[:, g], trial.subject[g], trial.labels[g]) for n, g in groups.items()}
        result["gzsl"] = {n: {c: _plain(accuracy_interval(t, c)) for c in clusters} for n, t in tables.items()}
        arguments = (right, trial.subject, trial.labels, seen)
        result["gzsl"]["harmonic"] = {c: _plain(harmonic_interval(*arguments, c)) for c in clusters}
    return result


def _of(label: int, subject: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return subject[labels == label], labels[labels == label]


def _plain(interval: Interval) -> dict[str, float]:
    return {name: round(100 * value, 3) for name, value in vars(interval).items()}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "seed": outcome.seed,
        "setting": outcome.setting,
        "selection": outcome.selection,
        "epoch": outcome.epoch,
        "percent": {name: 100 * value for name, value in outcome.values.items()},
        "n": outcome.counts,
        **{key: _percent(value) if key in FRACTIONS else value for key, value in outcome.details.items()},
    }


def _percent(value):
    """A fraction, or a dict of fractions, times 100."""
    return {str(k): _percent(v) for k, v in value.items()} if isinstance(value, dict) else 100 * value


def _per_class(trial: Trial, predicted: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> dict[str, float | None]:
    """Class accuracies in percent; None (JSON null) for a class without samples."""
    accuracies = metrics.per_class(predicted, labels, classes)
    return {trial.classes[c]: None if np.isnan(a) else 100 * float(a) for c, a in zip(classes, accuracies)}


def predictions(trial: Trial, outcomes: Sequence[Outcome], run: str = "") -> list[dict[str, Any]]:
    """One row per sample, seed and setting of the reported selection: truth and answer by name. run: its folder."""
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
                        "run": run,
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
