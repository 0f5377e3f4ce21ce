"""A transductive reading of any method's scores: class prototypes moved towards the unlabelled test samples.

Transductive means that a sample's answer depends on the other test samples, and that all of them are known to be of
unseen classes. That is another task than zero-shot recognition; results stand in tables of their own and are never
compared with inductive ones. No test label is used.

Per class k: a prototype p_k, the mean of the unit-length features of the samples the method itself assigns to k, the
half of them with the largest lead of the best over the second score; new scores are
    (1 - w) * s_ik / spread_i + w * cos(x_i, p_k) / spread'_i,
each part centred per sample and divided by its standard deviation over the classes; the prototypes are recomputed from
the new answers ROUNDS times. A class that nobody is assigned to keeps its text scores alone. This is self-training in
the plain form that recurs in the field (e.g. the test-time prototypes of PGFA), not anybody's published method. The
weight w is picked on validation splits, from WEIGHTS; w = 0 is the inductive answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zssar.errors import UserError
from zssar.evaluation.protocols import Outcome, match_epoch, reported
from zssar.evaluation.trials import Trial
from zssar.storage import open_features

ROUNDS = 10
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 0.9)
SETTING = "transductive"


def read_pooled(path, trial: Trial) -> np.ndarray:
    """Unit-length features (u, D) of the trial's unseen samples. Raises UserError if one of them is not in the file."""
    with open_features(path, ["pooled"]) as (features, _, ids):
        pooled = features["pooled"].astype(np.float64)
    row = {str(name): i for i, name in enumerate(ids)}
    wanted = [str(i) for i in trial.scores.sample_id[~trial.seen_sample]]
    lost = [i for i in wanted if i not in row]
    if lost:
        raise UserError(f"{path} lacks {len(lost)} samples of {trial.scores.path} (first: {lost[0]!r})")
    pooled = pooled[[row[i] for i in wanted]]
    return pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)


def standardised(scores: np.ndarray) -> np.ndarray:
    """Each row centred and divided by its standard deviation; zeros where a row is constant."""
    scores = scores - scores.mean(axis=1, keepdims=True)
    spread = scores.std(axis=1, keepdims=True)
    return np.divide(scores, spread, out=np.zeros_like(scores), where=spread > 0)


def adapt(scores: np.ndarray, features: np.ndarray, weight: float) -> np.ndarray:
    """Scores (u, U) and unit features (u, D) of the same samples -> adapted scores (u, U)."""
    text = standardised(scores)
    now = text
    for _ in range(ROUNDS if weight else 0):
        now = (1 - weight) * text + weight * standardised(_similarities(now, features))
    return now


def _similarities(scores: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Cosine (u, U) of every sample with the prototype of every class; the row mean where a class has nobody."""
    answer = scores.argmax(axis=1)
    best = np.sort(scores, axis=1)
    lead = best[:, -1] - best[:, -2] if scores.shape[1] > 1 else np.ones(len(scores))
    result = np.full(scores.shape, np.nan)
    for k in np.unique(answer):
        mine = np.flatnonzero(answer == k)
        sure = mine[np.argsort(-lead[mine], kind="stable")[: -(-len(mine) // 2)]]
        prototype = features[sure].mean(axis=0)
        result[:, k] = features @ (prototype / max(np.linalg.norm(prototype), 1e-12))
    return np.where(np.isnan(result), np.nanmean(result, axis=1, keepdims=True), result)


def accuracies(trial: Trial, features: np.ndarray, seed: int, epoch: int, weight: float) -> tuple[float, np.ndarray]:
    """ZSL top-1 and answers (u,) of the adapted scores."""
    unseen = ~trial.seen_sample
    adapted = adapt(trial.unseen_scores(seed, epoch)[unseen], features, weight)
    answers = trial.unseen[adapted.argmax(axis=1)]
    return float((answers == trial.labels[unseen]).mean()), answers


def transductive_outcomes(
    trial: Trial,
    features: np.ndarray,
    validations: Sequence[tuple[Trial, np.ndarray]],
    inductive: Sequence[Outcome],
) -> list[Outcome]:
    """Per seed, at the epoch of the inductive main number: setting ``transductive``, with the inductive top-1 beside.

    Raises UserError without validation splits, which choose the weight.
    """
    if not validations:
        raise UserError("the weight of the adaptation is picked on validation splits; give --val-scores")
    result = []
    for outcome in reported(inductive, "zsl"):
        seed, epoch = outcome.seed, outcome.epoch
        held = [
            float(np.mean([accuracies(v, x, seed, match_epoch(v, trial, seed, epoch), w)[0] for v, x in validations]))
            for w in WEIGHTS
        ]
        weight = WEIGHTS[int(np.argmax(held))]
        top1, answers = accuracies(trial, features, seed, epoch, weight)
        values = {"top1": top1, "inductive_top1": outcome.values["top1"]}
        details = {"weight": weight, "validation_top1_by_weight": {w: 100 * a for w, a in zip(WEIGHTS, held)}}
        counts = dict.fromkeys(values, len(answers))
        result.append(Outcome(seed, SETTING, outcome.selection, values, counts, epoch, answers, details))
    return result
