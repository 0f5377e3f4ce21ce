"""Stated and measured quantities brought into one scale and compared: what the profile methods share.

``Judge`` holds what seen classes teach: the exchange rate of every quantity (centre and spread of statement and
measurement) and how far the two agree. Its terms add up to the score, so that every answer can be taken apart.
``Bridge`` puts the two sorts of evidence before it: the measured quantities, and those regressed from features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import numpy as np
from scipy import linalg

from zssar.alignment import linear, transfer
from zssar.alignment.statements import mixed, moments

COMPARISONS = ("joint", "cosine", "gaussian")
CALIBRATIONS = ("linear", "monotone")
STEPS = np.linspace(-3, 3, 25)  # of the ordinal scale at which a monotone calibration is kept
SURE = 0.95  # agreements above count as this one
LIMIT = 3.0  # standardised values are cut here: one bad measurement must not outvote the rest
FOLDS = 5


def class_folds(classes: int, count: int = FOLDS) -> Iterator[np.ndarray]:
    """Bool masks (classes,) of the classes held out in turn: every ``count``-th, so that neighbours are parted."""
    count = min(count, classes)
    for fold in range(count) if count > 1 else ():
        yield np.arange(classes) % count == fold


# --- comparing -------------------------------------------------------------------------------------------------------


@dataclass
class Judge:
    """What was learned of Q quantities (twice as many where measurement and regression both speak).

    centre, spread: of the evidence; stated_centre, stated_spread: of the statements; agreement: correlation of the two,
    0..1; covariance (Q, Q): of what the statements leave unexplained; ladder (Q, steps): what each step
    of the scale is worth under a monotone calibration, empty under a linear one; like, carried (P, Q), reach (1,): what
    ``transfer`` expects of like classes, empty without it.
    """

    centre: np.ndarray
    spread: np.ndarray
    stated_centre: np.ndarray
    stated_spread: np.ndarray
    agreement: np.ndarray
    covariance: np.ndarray
    ladder: np.ndarray
    like: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    carried: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    reach: np.ndarray = field(default_factory=lambda: np.ones(1))

    @classmethod
    def fit(
        cls, value, weight, evidence, y, *, prior, strength: float, calibration: str = "linear", belief=None, names=()
    ) -> Judge:
        """value, weight (S, Q) of seen classes; evidence (n, Q) of their samples, NaN where unknown; y (n,).

        prior: agreement assumed before any class is seen, one for all or (Q,); strength: how many classes that weighs.
        belief: centres and spreads (Q,) of another data set, NaN where there is none, which weigh as many.
        names: of the quantities, if residuals are to be carried over.
        """
        stated_centre, stated_spread = moments(value, weight)
        balance = 1.0 / np.bincount(y, minlength=len(value))[y]
        known = np.isfinite(evidence)
        centre, spread = moments(evidence, balance[:, None] * known)
        if belief is not None:
            there, told = np.stack([known[y == c].any(0) for c in np.unique(y)]).sum(0), (weight > 0).sum(0)
            centre, spread = mixed((centre, spread), there, (belief["centre"], belief["spread"]), strength)
            stated = belief["stated_centre"], belief["stated_spread"]
            stated_centre, stated_spread = mixed((stated_centre, stated_spread), told, stated, strength)
        judge = cls(centre, spread, stated_centre, stated_spread, np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0)))
        z = judge.standardise(evidence)
        if calibration == "monotone":
            judge.ladder = _ladder(value, weight, class_means(z, known, y, len(value)), judge, strength)
        u = judge.standardise_statement(value)
        classes = (weight > 0).sum(0)
        judge.agreement = _agreement(z, u[y], balance[:, None] * known * weight[y], classes, prior, strength)
        judge.covariance = _unexplained(z - known * judge.agreement * (weight * u)[y], balance, y)
        if len(names):
            judge._carry(value, weight, evidence, y, names)
        return judge

    def _carry(self, value, weight, evidence, y, names) -> None:
        """What is left over in seen classes and in their mirror images, for classes like them."""
        stated, left = [], []
        for told, counts, found in ((value, weight, evidence), transfer.reflected(value, weight, evidence, names)):
            stated.append(counts * self.standardise_statement(told))
            left.append(np.nan_to_num(self.left_over(told, counts, found, y), nan=0.0))
        pair = np.tile(np.arange(len(value)), 2)
        self.like = np.concatenate(stated)
        self.carried, reach = transfer.learn(self.like, np.concatenate(left), self._worth(), pair)
        self.reach = np.array([reach])

    def left_over(self, value, weight, evidence, y) -> np.ndarray:
        """(S, Q) what was measured of classes beyond their statements, standardised; NaN where nothing was."""
        z, u = self.standardise(evidence), self.standardise_statement(value)
        return class_means(z, np.isfinite(evidence), y, len(value)) - self.agreement * weight * u

    def _worth(self) -> np.ndarray:
        """(Q,) b, what a quantity weighs in the cosine."""
        return self.agreement / (1 - np.minimum(self.agreement, SURE) ** 2)

    def beyond(self, u: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """(K, Q) what is expected of classes beyond their standardised statements; 0 where nothing is carried over."""
        if not self.carried.size:
            return np.zeros_like(u)
        return np.exp(-transfer.distances(weight * u, self.like, self._worth()) / self.reach) @ self.carried

    def standardise(self, evidence: np.ndarray) -> np.ndarray:
        """Unknown becomes 0, the mean of seen classes, which speaks neither for nor against any class."""
        return np.nan_to_num(np.clip((evidence - self.centre) / self.spread, -LIMIT, LIMIT), nan=0.0)

    def standardise_statement(self, value: np.ndarray) -> np.ndarray:
        if self.ladder.size:
            columns = [np.interp(value[:, q], STEPS, self.ladder[q]) for q in range(value.shape[1])]
            return np.stack(columns, 1)
        return np.clip((value - self.stated_centre) / self.stated_spread, -LIMIT, LIMIT)

    def scores(self, value: np.ndarray, weight: np.ndarray, evidence: np.ndarray, compare: str) -> np.ndarray:
        """float64 (n, K): the sum of ``terms``, without the memory they take."""
        one = (self.terms(value[[c]], weight[[c]], evidence, compare).sum(2) for c in range(len(value)))
        return np.concatenate(list(one), 1)

    def terms(self, value: np.ndarray, weight: np.ndarray, evidence: np.ndarray, compare: str) -> np.ndarray:
        """float64 (n, K, Q): what every quantity adds to the score of every class."""
        if compare == "joint":  # the mean log-likelihood of a quantity is of the size of a cosine
            return self._cosine(value, weight, evidence) + self._gaussian(value, weight, evidence) / value.shape[1]
        return (self._cosine if compare == "cosine" else self._gaussian)(value, weight, evidence)

    def _cosine(self, value, weight, evidence) -> np.ndarray:
        u = self.standardise_statement(value)
        z = self.standardise(evidence[:, None] - self.beyond(u, weight) * self.spread)  # (n, K, Q)
        weight = weight * self._worth()
        return z * (weight * u) / self._sizes(z, u, weight)[..., None]

    def _gaussian(self, value, weight, evidence) -> np.ndarray:
        """Log-likelihood ratio against a class that states nothing, so that what does not matter adds next to nothing.

        A half of a log-determinant goes to each quantity as its log standard deviation given those before it.
        """
        z, u = self.standardise(evidence), self.standardise_statement(value)
        known = np.isfinite(evidence)
        terms = np.empty((len(z), len(u), u.shape[1]))
        nothing, more = self._likelihood(z, known, np.zeros(u.shape[1]), np.zeros(u.shape[1])), self.beyond(u, weight)
        for c in range(len(u)):
            terms[:, c] = self._likelihood(z - more[c], known, u[c], weight[c]) - nothing
        return terms

    def _likelihood(self, z, known, u, weight) -> np.ndarray:
        """(n, Q) log density of one class, quantity by quantity, up to a constant."""
        doubt = np.diag((1 - weight) * self.agreement**2)
        factor = linalg.cholesky(self.covariance + doubt, lower=True)
        inverse = linalg.cho_solve((factor, True), np.eye(len(weight)))
        off = known * (z - self.agreement * u * (weight > 0))
        return -0.5 * off * (off @ inverse) - np.log(np.diag(factor))

    @staticmethod
    def _sizes(z: np.ndarray, u: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """(n, K) |z_i| |u_c|: each class measures the sample (n, K, Q) by the quantities that matter to it."""
        size = np.sqrt(np.einsum("nkq,kq->nk", z**2, weight))
        return np.maximum(size * np.sqrt((weight * u**2).sum(1)), 1e-9)


def _agreement(z, u, weight, classes, prior, strength: float) -> np.ndarray:
    """Correlation of measurement and statement per quantity, shrunk to the prior by the number of classes that speak.

    A quantity whose statements or measurements do not vary among seen classes keeps the prior. Never negative: a
    quantity that contradicts its statements is not understood, and is left out rather than turned round.
    """
    centred = [v - (weight * v).sum(0) / np.maximum(weight.sum(0), 1e-12) for v in (z, u)]
    size = np.sqrt((weight * centred[0] ** 2).sum(0) * (weight * centred[1] ** 2).sum(0))
    known = size > 1e-9
    r = np.where(known, (weight * centred[0] * centred[1]).sum(0) / np.maximum(size, 1e-9), 0.0)
    counted = np.where(known, classes, 0)
    return np.maximum((counted * r + strength * prior) / np.maximum(counted + strength, 1e-12), 0.0)


def class_means(z: np.ndarray, known: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """(count, Q) mean of the known values of each class; NaN where there is none."""
    one = np.eye(count)[y]
    number = one.T @ known
    return np.where(number > 0, (one.T @ (z * known)) / np.maximum(number, 1), np.nan)


def _ladder(value, weight, means, judge: Judge, strength: float) -> np.ndarray:
    """(Q, steps): isotonic regression of the classes' measurements on their statements, and the straight line.

    The two are mixed by the number of classes that speak, as the agreement is. Measurements are in standard deviations,
    so that a scale whose upper half is one value on the skeleton loses the difference. A quantity that does not rise
    keeps the straight line: its agreement says what it is worth.
    """
    from sklearn.isotonic import IsotonicRegression  # a second; this calibration alone needs it

    straight = np.clip((STEPS[None] - judge.stated_centre[:, None]) / judge.stated_spread[:, None], -LIMIT, LIMIT)
    for q in range(value.shape[1]):
        told = (weight[:, q] > 0) & np.isfinite(means[:, q])
        if len(np.unique(value[told, q])) < 2:
            continue
        rising = IsotonicRegression(out_of_bounds="clip").fit(value[told, q], means[told, q], weight[told, q])
        found, at_classes = rising.predict(STEPS), rising.predict(value[told, q])
        centre, spread = moments(at_classes[:, None], weight[told, q][:, None])
        if np.ptp(at_classes) < 1e-6:
            continue
        share = told.sum() / (told.sum() + strength)
        straight[q] = (1 - share) * straight[q] + share * np.clip((found - centre) / spread, -LIMIT, LIMIT)
    return straight


def _unexplained(residual: np.ndarray, balance: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Shrunk covariance of the residuals, every class counting the same.

    Two covariances are shrunk, each by what it is estimated from, and added: that of samples about their class mean
    (many samples), and that of class means about the statement (few classes).
    """
    classes = np.unique(y)
    means = np.stack([residual[y == c].mean(0) for c in classes])
    about = (residual - means[np.searchsorted(classes, y)]) * np.sqrt(balance * len(y) / balance.sum())[:, None]
    return _shrunk(about) + _shrunk(means) + 1e-3 * np.eye(residual.shape[1])


def _shrunk(rows: np.ndarray) -> np.ndarray:
    """Second moments shrunk towards a multiple of the identity (Ledoit and Wolf 2004); of one row, that alone."""
    from sklearn.covariance import (
        ledoit_wolf,  # here: importing it takes a second that closed forms without it need not pay
    )

    if len(rows) < 2:
        return (rows**2).mean() * np.eye(rows.shape[1])
    return ledoit_wolf(rows, assume_centered=True)[0]


# --- both sorts of evidence ------------------------------------------------------------------------------------------


@dataclass
class Bridge:
    """A fitted judge and, where features speak, the regression that turns them into quantities."""

    judge: Judge
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None
    map: np.ndarray | None = None

    @classmethod
    def fit(cls, value, weight, found, pooled, y, *, ridge: float, prior, belief=None, **options) -> Bridge:
        """value, weight (S, Q); found (n, Q) measured or None; pooled (n, D) features or None, not both; y (n,).

        prior (one or (Q,)), belief (of measured quantities; regressed ones have other units), options: ``Judge.fit``.
        """
        prior = np.tile(np.broadcast_to(prior, value.shape[1]), 1 + (found is not None and pooled is not None))
        if belief is not None and pooled is not None:
            none = np.full(value.shape[1], np.nan)
            both = found is not None
            belief = {key: np.concatenate([side, none]) if both else none for key, side in belief.items()}
        parts, learned = [] if found is None else [found], {}
        if pooled is not None:
            mean, scale = linear.statistics(pooled)
            x = (pooled - mean) / scale
            stated_centre, stated_spread = moments(value, weight)
            target = np.clip((value - stated_centre) / stated_spread, -LIMIT, LIMIT) * (weight > 0)
            parts.append(_out_of_fold(x, y, target, ridge))
            learned = {"mean": mean, "scale": scale, "map": _regress(x, target[y], ridge)}
        value, weight = (np.concatenate([side] * len(parts), 1) for side in (value, weight))
        return cls(
            Judge.fit(value, weight, np.concatenate(parts, 1), y, prior=prior, belief=belief, **options), **learned
        )

    @classmethod
    def published(cls, statistics: dict[str, np.ndarray]) -> Bridge:
        """From statistics of another data set alone (``published``): quantities count as uncorrelated."""
        unexplained = np.diag(1 - np.minimum(statistics["agreement"], SURE) ** 2)
        return cls(Judge(**statistics, covariance=unexplained, ladder=np.zeros((0, 0))))

    def scores(self, value, weight, found, pooled, compare: str) -> np.ndarray:
        """float64 (n, K)."""
        told, counts, evidence = self._sides(value, weight, found, pooled)
        return self.judge.scores(told, counts, evidence, compare)

    def terms(self, value, weight, found, pooled, compare: str) -> np.ndarray:
        """float64 (n, K, Q); with both sorts of evidence, what they add is summed per quantity."""
        told, counts, evidence = self._sides(value, weight, found, pooled)
        terms = self.judge.terms(told, counts, evidence, compare)
        return terms.reshape(*terms.shape[:2], -1, value.shape[1]).sum(2)

    def _sides(self, value, weight, found, pooled) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        parts = [] if found is None else [found]
        if pooled is not None:
            parts.append((pooled - self.mean) / self.scale @ self.map)
        value, weight = (np.concatenate([side] * len(parts), 1) for side in (value, weight))
        return value, weight, np.concatenate(parts, 1)

    def state(self) -> dict[str, np.ndarray]:
        """Flat: what ``restore`` takes."""
        own = {key: getattr(self, key) for key in ("mean", "scale", "map") if getattr(self, key) is not None}
        return own | {f"judge.{part.name}": getattr(self.judge, part.name) for part in fields(Judge)}

    @classmethod
    def restore(cls, state: dict[str, np.ndarray]) -> Bridge:
        judge = Judge(*(state[f"judge.{part.name}"] for part in fields(Judge)))
        return cls(judge, **{key: state[key] for key in ("mean", "scale", "map") if key in state})


def _regress(x: np.ndarray, target: np.ndarray, ridge: float) -> np.ndarray:
    gram = x.T @ x / len(x) + ridge * np.eye(x.shape[1])
    return linalg.solve(gram, x.T @ target / len(x), assume_a="pos")


def _out_of_fold(x: np.ndarray, y: np.ndarray, target: np.ndarray, ridge: float) -> np.ndarray:
    """Predictions for classes the regression has not seen, as it will meet unseen ones. target (S, Q)."""
    predicted = x @ _regress(x, target[y], ridge)
    for out in class_folds(len(target)):
        rows = out[y]
        if rows.any() and not rows.all():
            predicted[rows] = x[rows] @ _regress(x[~rows], target[y[~rows]], ridge)
    return predicted
