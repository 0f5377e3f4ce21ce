"""Several authors of one form: each is judged on its own, and their scores are added by what they have deserved.

Averaging answers first and judging afterwards (``authors: together``) treats a careless author as a careful one. A
panel has a bridge per author, so that each has its own centres, spreads and agreements (``apart``), and may weigh them
(``weighed``) by how well their statements on seen classes foretell what was measured on these.

Weights: Bates and Granger, "The Combination of Forecasts", Operational Research Quarterly 1969: the statement of author
    a, m_ac = a_q w_c u_c in the words of ``profile``, is a forecast of the class mean z_c; with E the covariance of the
    authors' errors over seen classes and quantities, the unbiased combination of least squared error has the weights
    argmin v'Ev, sum v = 1; v >= 0 is asked besides, because a negative weight turns an author's answers round.
    What all authors get wrong alike, the noise of measurement among it, adds a constant to E and changes no weight.
Shrinkage: E is mixed with the matrix in which all authors err alike (one variance, one covariance), whose optimum is
    equal weights; it counts as many classes as E has free numbers, A (A + 1) / 2, so that few seen classes, and few
    answers, leave the weights equal.
Only seen classes and their training recordings enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from zssar.alignment.quantities import Bridge

PANELS = ("together", "apart", "weighed")
Told = Sequence[tuple[np.ndarray, np.ndarray]]  # of each author: statements and weights (K, Q)


def combination(errors: np.ndarray, classes: int) -> np.ndarray:
    """float64 (A,), none negative, sum 1: weights of authors with these errors (cells, A) of so many classes."""
    count = errors.shape[1]
    if count == 1 or not errors.any():
        return np.full(count, 1 / count)
    found, strength = errors.T @ errors / len(errors), count * (count + 1) / 2
    variance = np.trace(found) / count
    covariance = (found.sum() - np.trace(found)) / (count * (count - 1))
    alike = covariance * np.ones_like(found) + (variance - covariance) * np.eye(count)
    mixed = (classes * found + strength * alike) / (classes + strength)
    # v'Ev - 2 sum v under v >= 0 has the same direction as the problem with sum v = 1, and is least squares. The small
    # multiple of the identity serves authors who agree in everything.
    factor = linalg.cholesky(mixed + 1e-9 * variance * np.eye(count), lower=True)
    weights, _ = optimize.nnls(factor.T, linalg.solve_triangular(factor, np.ones(count), lower=True))
    return weights / weights.sum()


@dataclass
class Panel:
    """One fitted bridge per author and the weights (A,) of their scores, which add up to 1."""

    bridges: list[Bridge]
    trust: np.ndarray

    @classmethod
    def fit(cls, told: Told, found, pooled, y, *, weigh: bool = False, **options) -> Panel:
        """told: of the S seen classes; found, pooled, y, options: ``Bridge.fit``. weigh: False for equal weights."""
        bridges = [Bridge.fit(value, weight, found, pooled, y, **options) for value, weight in told]
        trust = np.full(len(told), 1 / len(told))
        if weigh:
            errors = np.stack(
                [b.judge.left_over(*form, found, y).ravel() for b, form in zip(bridges, told, strict=True)], 1
            )
            trust = combination(errors[np.isfinite(errors).all(1)], len(np.unique(y)))
        return cls(bridges, trust)

    @classmethod
    def published(cls, statistics: dict[str, np.ndarray], authors: int) -> Panel:
        """From statistics of another data set alone."""
        return cls([Bridge.published(statistics)] * authors, np.full(authors, 1 / authors))

    def scores(self, told: Told, found, pooled, compare: str) -> np.ndarray:
        """float64 (n, K)."""
        parts = zip(self.trust, self.bridges, told, strict=True)
        return sum(share * bridge.scores(*form, found, pooled, compare) for share, bridge, form in parts if share)

    def terms(self, told: Told, found, pooled, compare: str) -> np.ndarray:
        """float64 (n, K, Q)."""
        parts = zip(self.trust, self.bridges, told, strict=True)
        return sum(share * bridge.terms(*form, found, pooled, compare) for share, bridge, form in parts if share)

    def state(self) -> dict[str, np.ndarray]:
        """Flat: what ``restore`` takes."""
        members = {f"{a}.{key}": array for a, b in enumerate(self.bridges) for key, array in b.state().items()}
        return {"trust": self.trust, **members}

    @classmethod
    def restore(cls, state: dict[str, np.ndarray]) -> Panel:
        authors = [
            {key.removeprefix(f"{a}."): array for key, array in state.items() if key.startswith(f"{a}.")}
            for a in range(len(state["trust"]))
        ]
        return cls([Bridge.restore(own) for own in authors], state["trust"])
