"""Seen/unseen gates: other ways than calibrated stacking to decide whether a sample is of a seen or an unseen class.

Classifier gate (SynSE, ICIP 2021; used by MSF, ICIG 2023, and SA-DVAE, ECCV 2024). A logistic regression looks at how
peaked the unseen answer p and the backbone's own seen answer are: features are the k highest entries of p and the k
highest of softmax(logits / T), in order of size. Fitted on validation splits: pseudo-unseen samples against held-out
samples of the remaining seen classes. A sample goes to the unseen branch (the method's ZSL answer) if
P(unseen) > threshold, to the seen branch (the backbone's best seen class) otherwise; this inequality is the only one,
in fitting and in applying. What differs from the published procedure, and why:
- Both groups carry the same weight, and balanced accuracy is maximised; published code balances by dropping samples.
- T and threshold are judged on out-of-fold probabilities of a five-fold split, not on one random fifth.
- Ties go to the threshold nearest 0.5 and then to the lowest T, so that small validation sets give no extreme gate.
- Features are standardised with the validation samples' mean and deviation, so that C = 1 means the same everywhere.
- p is the softmax of the scores of the unseen classes in units of the sample (see calibration): methods here return
  scores of any scale, not probabilities.
- k is the smallest number of unseen classes among the splits, so that features of all splits have the same length.

Ratio gate (Flora, 2026). With errors e = -score >= 0, r = min seen e / min unseen e; a sample is called unseen if
r > theta. Theta is fitted like a calibration factor (-r takes the place of the margin), on validation splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zssar.errors import UserError, unknown
from zssar.evaluation.calibration import Duel, fit_factor, units
from zssar.evaluation.protocols import Outcome, gzsl_counts, gzsl_values, match_epoch, sent_to_unseen
from zssar.evaluation.trials import Trial
from zssar.storage import open_features

if TYPE_CHECKING:  # scikit-learn takes a second to import, and most evaluations fit no gate
    from sklearn.pipeline import Pipeline

TEMPERATURES = tuple(range(1, 10))
GATES = ("classifier", "ratio")
SETTINGS = {"classifier": "gzsl_gate", "ratio": "gzsl_ratio"}
THRESHOLDS = tuple(round(0.25 + 0.01 * i, 2) for i in range(50))


def read_logits(path: Path | str, trial: Trial) -> np.ndarray:
    """The backbone's logits (n, K) in the order of the trial's samples and columns; -inf in unseen columns.

    Raises UserError if samples or seen classes differ from those of the scores.
    """
    with open_features(path, ["seen_logits"]) as (features, _, ids):
        logits, attrs = features["seen_logits"].astype(np.float64), features.attrs
    row = {str(name): i for i, name in enumerate(ids)}
    lost = [str(i) for i in trial.scores.sample_id if str(i) not in row]
    if lost:
        raise UserError(f"{path} lacks {len(lost)} samples of {trial.scores.path} (first: {lost[0]!r})")
    names = [attrs["class_names"][c] for c in attrs["seen"]]
    if set(names) != {name for name, seen in zip(trial.classes, trial.seen) if seen} or logits.shape[1] != len(names):
        raise UserError(f"{path}: its seen classes are not those of {trial.scores.path}; the files are of other splits")
    column = {name: j for j, name in enumerate(trial.classes)}
    result = np.full((len(trial.labels), len(trial.classes)), -np.inf)
    result[:, [column[name] for name in names]] = logits[[row[str(i)] for i in trial.scores.sample_id]]
    return result


@dataclass(frozen=True)
class Evidence:
    """What the classifier gate looks at in n samples.

    unseen: p sorted downwards (n, U). logits: of seen classes, sorted downwards (n, S).
    seen_answer, unseen_answer: columns (n,) either branch would answer.
    """

    unseen: np.ndarray
    logits: np.ndarray
    seen_answer: np.ndarray
    unseen_answer: np.ndarray

    def features(self, temperature: float, k: int) -> np.ndarray:
        """(n, k + min(k, S))."""
        from scipy.special import softmax

        return np.hstack([self.unseen[:, :k], softmax(self.logits / temperature, axis=1)[:, :k]])


def evidence(trial: Trial, seed: int, epoch: int, logits: np.ndarray) -> Evidence:
    """Evidence of one epoch; ``logits`` as ``read_logits`` returns them."""
    from scipy.special import softmax

    scores = trial.unseen_scores(seed, epoch)
    unit = units(trial.all_scores(seed, epoch), trial.seen)[:, None]
    answers = trial.unseen[scores.argmax(axis=1)]
    descending = -np.sort(-softmax(scores / unit, axis=1), axis=1)
    own = -np.sort(-logits[:, trial.seen], axis=1)
    return Evidence(descending, own, logits.argmax(axis=1), answers)


@dataclass(frozen=True)
class Gate:
    """A fitted classifier gate. quality: balanced accuracy of its out-of-fold decisions on the validation samples."""

    model: Pipeline
    temperature: float
    threshold: float
    k: int
    quality: float

    def unseen(self, found: Evidence) -> np.ndarray:
        """bool (n,): samples for the unseen branch."""
        probability = self.model.predict_proba(found.features(self.temperature, self.k))[:, 1]
        return decide(probability, self.threshold)

    def answers(self, found: Evidence) -> np.ndarray:
        """Columns (n,)."""
        return np.where(self.unseen(found), found.unseen_answer, found.seen_answer)


def decide(probability: np.ndarray, threshold: float) -> np.ndarray:
    """The one inequality: a sample goes to the unseen branch if P(unseen) > threshold."""
    return probability > threshold


def fit_gate(found: Sequence[Evidence], unseen_sample: Sequence[np.ndarray], k: int) -> Gate:
    """Fit on the samples of all validation splits; unseen_sample: bool (n,) each, is the sample pseudo-unseen.

    Raises UserError if one group has fewer than five samples.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    truth = np.concatenate(unseen_sample)
    k = min([k, *(e.logits.shape[1] for e in found), *(e.unseen.shape[1] for e in found)])
    if min(truth.sum(), (~truth).sum()) < 5:
        raise UserError(
            f"the gate needs five validation samples of either group, there are {int(truth.sum())} pseudo-unseen and "
            f"{int((~truth).sum())} seen ones; use a larger validation split or leave the gate out."
        )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    best = None
    for temperature in TEMPERATURES:
        features = np.concatenate([e.features(temperature, k) for e in found])
        probability = cross_val_predict(_classifier(), features, truth, cv=folds, method="predict_proba")[:, 1]
        for threshold in THRESHOLDS:
            chosen = decide(probability, threshold)
            quality = (chosen[truth].mean() + (~chosen[~truth]).mean()) / 2
            rank = (round(float(quality), 12), -abs(threshold - 0.5), -temperature)
            if best is None or rank > best[0]:
                best = (rank, temperature, threshold)
    (quality, *_), temperature, threshold = best
    features = np.concatenate([e.features(temperature, k) for e in found])
    return Gate(_classifier().fit(features, truth), temperature, threshold, k, quality)


def _classifier() -> Pipeline:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, class_weight="balanced", solver="newton-cholesky"))


def ratio_duel(trial: Trial, seed: int, epoch: int) -> Duel:
    """The ratio gate as a duel with margin -r. Raises UserError if a score is positive, hence no negative error."""
    errors = -trial.all_scores(seed, epoch)
    if (errors < 0).any():
        raise UserError(
            f"{trial.where(seed, epoch)}: the ratio gate needs scores that are negative errors (all at most 0); "
            "use calibrated stacking for methods with other scores."
        )
    errors = np.maximum(errors, 1e-12)
    seen, unseen = np.flatnonzero(trial.seen), np.flatnonzero(~trial.seen)
    best_seen, best_unseen = errors[:, seen].min(axis=1), errors[:, unseen].min(axis=1)
    answers = seen[errors[:, seen].argmin(axis=1)], unseen[errors[:, unseen].argmin(axis=1)]
    return Duel(*answers, -best_seen / best_unseen, 1.0)


def suits_ratio(trials: Sequence[Trial]) -> bool:
    """Whether all scores of all seeds and epochs can be negative errors, which the ratio gate needs."""
    return all(
        (trial.all_scores(seed, epoch) <= 0).all()
        for trial in trials
        for seed in trial.scores.seeds
        for epoch in trial.scores.epochs(seed)
    )


# --- as outcomes beside calibrated stacking --------------------------------------------------------------------------


def gate_outcomes(
    kinds: Sequence[str],
    trial: Trial,
    validations: Sequence[Trial],
    stacked: Sequence[Outcome],
    logits: Mapping[str, np.ndarray] | None = None,
) -> list[Outcome]:
    """For every gzsl outcome last or validated in ``stacked`` one more per gate, at the same epoch.

    Settings are ``gzsl_gate`` and ``gzsl_ratio``. logits: score file -> logits from ``read_logits``, of the trial and
    of every validation; needed by the classifier gate. Raises UserError without a validation split.
    """
    for kind in kinds:
        if kind not in GATES:
            raise unknown("gate", kind, GATES, "gates")
    if kinds and not validations:
        raise UserError("a gate is fitted on validation splits; give --val-scores or leave `gates` out")
    if "classifier" in kinds and not all(str(t.scores.path) in (logits or {}) for t in (trial, *validations)):
        raise UserError("the classifier gate needs --logits and one --val-logits file per validation split")
    make = {
        "classifier": lambda o: _classifier_outcome(trial, validations, o.seed, o.epoch, logits or {}),
        "ratio": lambda o: _ratio_outcome(trial, validations, o.seed, o.epoch),
    }
    outcomes, fitted = [], {}  # last and validated may be the same epoch
    for kind in kinds:
        for outcome in stacked:
            if outcome.setting == "gzsl" and outcome.selection != "oracle":
                at = (kind, outcome.seed, outcome.epoch)
                fitted[at] = fitted.get(at) or make[kind](outcome)
                values, predicted, details = fitted[at]
                details["sent_to_unseen"] = sent_to_unseen(trial, predicted)
                counts = {name: gzsl_counts(trial)[name] for name in values}
                place = (outcome.seed, SETTINGS[kind], outcome.selection)
                outcomes.append(Outcome(*place, values, counts, outcome.epoch, predicted, details))
    return outcomes


def _classifier_outcome(trial: Trial, validations: Sequence[Trial], seed: int, epoch: int, logits):
    found = [evidence(v, seed, match_epoch(v, trial, seed, epoch), logits[str(v.scores.path)]) for v in validations]
    gate = fit_gate(found, [~v.seen_sample for v in validations], len(trial.unseen))
    here = evidence(trial, seed, epoch, logits[str(trial.scores.path)])
    predicted = gate.answers(here)
    details = {"temperature": gate.temperature, "threshold": gate.threshold, "validation_gate_accuracy": gate.quality}
    return gzsl_values(trial, predicted), predicted, details


def _ratio_outcome(trial: Trial, validations: Sequence[Trial], seed: int, epoch: int):
    curves = [v.curve(ratio_duel(v, seed, match_epoch(v, trial, seed, epoch))) for v in validations]
    factor, fight = fit_factor(curves), ratio_duel(trial, seed, epoch)
    predicted = fight.answers(factor.gamma)
    values = {**gzsl_values(trial, predicted), "ausuc": trial.curve(fight).area}
    details = {"theta": -factor.gamma, "validation_harmonic": factor.harmonic, "informed": factor.informed}
    return values, predicted, details
