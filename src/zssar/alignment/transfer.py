"""Residuals carried over from seen classes: what was measured beyond the statement, expected again of like classes.

Paper: none; ordinary kriging, i.e. Gaussian-process regression (Rasmussen and Williams, "Gaussian Processes for Machine
    Learning", MIT Press 2006, Eq. 2.25 and, for leaving classes out, 5.12), from the space of statements to that of
    measurements.
Idea: classes with like statements leave like residuals, because body, sensor and the way a quantity is measured are the
    same. A body is its own mirror image, so every seen class speaks twice: as it is, and with left and right exchanged.
Formulas: residual r_c = mean z_c - a w_c u_c; k(c, d) = exp(-|w_c u_c - w_d u_d| / l), quantities weighted as in the
    cosine; expected beyond the statement: f_c = k(c, S) (K + s I)^-1 R. l and s are chosen by the squared error on seen
    classes left out in turn, each together with its mirror image; where that is no better than expecting nothing,
    nothing is carried over.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SCALES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)  # l, in standard deviations of a statement
NOISES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 32.0)  # s, relative to the variance that is carried over
SIDES = {"right_": "left_", "left_": "right_"}
TURNED = ("_sweep", "_rotation", "trunk_twist")  # ends of names: change their sign in a mirror


def mirror(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(position of each quantity's mirror image, its sign, bool: whether there is one), each (Q,).

    A quantity whose other side is not among ``names`` has none. The partner is left where it is: exchanging the two
    people is another symmetry, which recordings do not have (one of them acts).
    """
    at, here = {name: q for q, name in enumerate(names)}, np.arange(len(names))
    found = here.copy()
    for q, name in enumerate(names):
        for side, other in SIDES.items():
            if name.startswith(side):
                found[q] = at.get(other + name.removeprefix(side), -1)
    sign = np.array([-1.0 if name.endswith(TURNED) else 1.0 for name in names])
    return np.where(found < 0, here, found), sign, found >= 0


def distances(one: np.ndarray, other: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(A, B) root mean square distance of statements (A, Q) and (B, Q) under the weights (Q,) of the quantities."""
    share = weight / np.maximum(weight.sum(), 1e-12)
    square = ((one[:, None] - other[None]) ** 2) @ share
    return np.sqrt(np.maximum(square, 0.0))


def reflected(
    value: np.ndarray, weight: np.ndarray, evidence: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Statements (S, Q), their weights and evidence (n, Q) in a mirror; what has no image there is unknown."""
    at, sign, there = mirror(names)
    return value[:, at] * sign, weight[:, at] * there, np.where(there, evidence[:, at] * sign, np.nan)


def learn(stated: np.ndarray, residual: np.ndarray, weight: np.ndarray, pair: np.ndarray) -> tuple[np.ndarray, float]:
    """(dual (P, Q), l) of points with statements and residuals (P, Q); ``pair`` (P,): points left out together.

    The dual is 0 where carrying over is no better than not.
    """
    far, groups = distances(stated, stated, weight), [np.flatnonzero(pair == c) for c in np.unique(pair)]
    best = (residual**2).mean(), np.zeros_like(residual), 1.0
    for scale in SCALES:
        kernel = np.exp(-far / scale)
        for noise in NOISES:
            inverse = np.linalg.inv(kernel + noise * np.eye(len(kernel)))
            dual = inverse @ residual
            missed = np.concatenate([np.linalg.solve(inverse[np.ix_(g, g)], dual[g]) for g in groups])
            if (missed**2).mean() < best[0]:
                best = (missed**2).mean(), dual, scale
    return best[1], best[2]
