"""How far a difference can be trusted: clustered bootstrap, paired permutation, signed ranks, average ranks.

Samples of one subject, and samples of one class, are not independent: whole classes flip at once. Intervals therefore
resample subjects, classes, or both. The two-way interval multiplies the weights of a resample of subjects and a
resample of classes (pigeonhole bootstrap, Owen 2007), which errs on the wide side. With five unseen classes any
interval over classes is rough; the spread over many random class draws says more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zssar.errors import UserError
from zssar.evaluation.metrics import harmonic

CLUSTERS = ("subject", "class", "both")


def usable_clusters(subject: np.ndarray) -> tuple[str, ...]:
    """The ways of clustering that make sense: with a single (or unknown) subject only classes can be resampled."""
    return CLUSTERS if len(np.unique(subject)) > 1 else ("class",)


@dataclass(frozen=True)
class Interval:
    """A value and the percentile interval of its bootstrap distribution, as fractions. error: standard error."""

    value: float
    low: float
    high: float
    error: float


@dataclass(frozen=True)
class Tally:
    """Right answers and samples by subject and class: ``right`` and ``count`` (S, C). Right may be a seed mean."""

    right: np.ndarray
    count: np.ndarray

    def accuracy(self, by_subject: np.ndarray, by_class: np.ndarray) -> np.ndarray:
        """Weighted accuracy (B,) for weights of subjects (B, S) and classes (B, C); NaN where nothing is left."""
        right = np.einsum("bs,sc,bc->b", by_subject, self.right, by_class, optimize=True)
        count = np.einsum("bs,sc,bc->b", by_subject, self.count, by_class, optimize=True)
        return np.divide(right, count, out=np.full_like(right, np.nan), where=count > 0)


def tally(right: np.ndarray, subject: np.ndarray, label: np.ndarray) -> Tally:
    """right: (n,) or (seeds, n), bool or share; seeds are averaged first. subject, label: (n,), any integers."""
    right = np.atleast_2d(np.asarray(right, float)).mean(axis=0)
    subjects, row = np.unique(subject, return_inverse=True)
    classes, column = np.unique(label, return_inverse=True)
    shape = (len(subjects), len(classes))
    sums, count = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (row, column), right)
    np.add.at(count, (row, column), 1)
    return Tally(sums, count)


def accuracy_interval(table: Tally, clusters: str, level: float = 0.95, draws: int = 2000, seed: int = 0) -> Interval:
    """Interval of the accuracy, resampling subjects, classes or both (see CLUSTERS)."""
    rng = np.random.default_rng(seed)
    subjects, classes = table.count.shape
    by_subject = _weights(rng, draws, subjects, clusters in ("subject", "both"))
    by_class = _weights(rng, draws, classes, clusters in ("class", "both"))
    value = float(table.right.sum() / table.count.sum())
    return _interval(value, table.accuracy(by_subject, by_class), level)


def harmonic_interval(
    right: np.ndarray,
    subject: np.ndarray,
    label: np.ndarray,
    seen: np.ndarray,
    clusters: str,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Interval of H. seen: bool (n,). A resample of subjects is the same for S and U; classes are drawn in either."""
    rng = np.random.default_rng(seed)
    right = np.atleast_2d(np.asarray(right, float)).mean(axis=0)
    subjects, row = np.unique(subject, return_inverse=True)
    by_subject = _weights(rng, draws, len(subjects), clusters in ("subject", "both"))
    values, resampled = [], []
    for group in (seen, ~seen):
        table = tally(right[group], row[group], label[group])
        here = by_subject[:, np.unique(row[group])]
        by_class = _weights(rng, draws, table.count.shape[1], clusters in ("class", "both"))
        values.append(right[group].mean())
        resampled.append(table.accuracy(here, by_class))
    return _interval(harmonic(*values), harmonic(*resampled), level)


def _weights(rng: np.random.Generator, draws: int, clusters: int, resample: bool) -> np.ndarray:
    """How often each cluster occurs in each bootstrap draw, (draws, clusters)."""
    if not resample:
        return np.ones((draws, clusters))
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws).astype(float)


def _interval(value: float, resampled: np.ndarray, level: float) -> Interval:
    resampled = resampled[np.isfinite(resampled)]
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high), float(resampled.std(ddof=1)))


def paired_permutation(a: np.ndarray, b: np.ndarray, cluster: np.ndarray, draws: int = 9999, seed: int = 0) -> float:
    """Two-sided p value that two methods are equally right on the same samples, exchanging whole clusters.

    a, b: (n,) right answers, or shares of seeds. cluster (n,): samples that are exchanged together, e.g. the class;
    a range gives the usual test over samples. Exact where 2^clusters is at most ``draws``.
    """
    from scipy import stats  # here and below: it takes half a second to import, and no single run needs it

    groups, index = np.unique(cluster, return_inverse=True)
    first, second = (np.bincount(index, weights=np.asarray(x, float)) for x in (a, b))
    if len(groups) < 2 or np.array_equal(first, second):
        return 1.0

    def difference(x, y, axis):
        return np.sum(x - y, axis=axis)

    result = stats.permutation_test(
        (first, second),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=draws,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def signed_rank(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided Wilcoxon signed-rank p value over paired draws; 1 if all differences are 0. NaN with under 2 draws."""
    from scipy import stats

    a, b = np.asarray(a, float), np.asarray(b, float)
    if len(a) < 2:
        return math.nan
    return 1.0 if np.array_equal(a, b) else float(stats.wilcoxon(a, b).pvalue)


def holm(p: Sequence[float]) -> np.ndarray:
    """p values after Holm's step-down correction (1979), in the order given. NaN stays NaN and does not count."""
    p = np.asarray(p, float)
    result, known = np.full(len(p), np.nan), np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    result[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return result


@dataclass(frozen=True)
class Ranking:
    """Average ranks (1 = best) of methods over blocks (splits or draws) and the distance that tells two apart.

    p: Friedman's test that all methods are the same. critical: Nemenyi's critical difference at ``alpha`` (Demsar,
    JMLR 2006). groups: maximal runs of methods, by name, that it cannot tell apart.
    """

    ranks: dict[str, float]
    blocks: int
    p: float
    critical: float
    groups: list[tuple[str, ...]]


def ranking(values: Mapping[str, Sequence[float]], alpha: float = 0.05) -> Ranking:
    """Rank methods by values (larger is better), one per block, same blocks for all. Ties share their ranks.

    Raises UserError with fewer than two methods or blocks, or if blocks are missing.
    """
    from scipy import stats

    names = list(values)
    table = np.array([list(values[name]) for name in names], float) if names else np.zeros((0, 0))
    if table.ndim != 2 or len(names) < 2 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise UserError(
            "ranks need at least two methods with a value on each of the same two or more splits; "
            f"there are {len(names)} methods. Leave out methods or splits that are incomplete."
        )
    k, blocks = table.shape
    mean = stats.rankdata(-table, axis=0).mean(axis=1)
    order = np.argsort(mean, kind="stable")
    # Friedman's statistic is undefined for two methods or if every method is the same everywhere.
    p = float(stats.friedmanchisquare(*table).pvalue) if k > 2 and np.ptp(mean) > 0 else math.nan
    critical = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / math.sqrt(2)
    critical *= math.sqrt(k * (k + 1) / (6 * blocks))
    groups: list[tuple[str, ...]] = []
    reach = -1
    for i, first in enumerate(order):
        last = max(j for j in range(i, k) if mean[order[j]] - mean[first] <= critical)
        if last > i and last > reach:
            groups.append(tuple(names[order[j]] for j in range(i, last + 1)))
        reach = max(reach, last)
    return Ranking({names[i]: float(mean[i]) for i in order}, blocks, p, critical, groups)
