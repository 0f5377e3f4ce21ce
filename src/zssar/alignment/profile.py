"""Motion profiles: language states movement in measurable terms, kinematics measures them, and the two are compared.

Paper: none; this project's own method (docs/profiles.md).
Idea: a class is a form of signed kinematic quantities filled in from its name alone (kind ``profile``); a recording is
    the same form measured on the skeleton (view ``profile``). Seen classes teach nothing but the exchange rates: centre
    and spread of every quantity, and how far statement and measurement agree.
Formulas, per quantity q: z = (x - mean) / sd over seen classes, u = (statement - mean) / sd over seen classes,
    r = correlation of z and u over seen samples (class-balanced), shrunk to a prior, a = max(r, 0), w = weight of the
    statement (confidence, agreement of draws; 0 where the quantity does not matter);
    cosine: score(i, c) = sum a w_c z_i u_c / (|z_i| |u_c|), norms under the same weights;
    gaussian: -1/2 (z - m_c)' C^-1 (z - m_c), m_c = a w_c u_c, C the shrunk covariance of what the statements leave
    unexplained, so that correlated quantities do not vote twice.
Inputs: view ``profile`` (n, Q), NaN where unknown; texts ``profile`` (K, Q, 2): statement, weight. ``evidence``:
    measured (needs no network), regressed (the statement predicted from ``pooled`` by ridge), or both.
Every score is a sum over quantities: ``explain`` returns the terms. The mathematics is in ``quantities``.
"""

from __future__ import annotations

import json

import numpy as np
import torch

from zssar.alignment import inputs, linear, loops, quantities
from zssar.interfaces import AlignmentMethod


class Profile(AlignmentMethod):
    """``prior``, ``prior_classes``: agreement assumed before any is seen, and how many classes that belief weighs.

    ``only``: names of the quantities to use (ablations); empty for all. ``ridge``: penalty of the regression from
    standardised features, relative to their mean variance. ``seed`` and ``device`` change nothing: all closed form.
    """

    epochs = 1

    def __init__(
        self,
        *,
        texts=("profile",),
        evidence: str = "measured",
        compare: str = "cosine",
        prior: float = 0.5,
        prior_classes: float = 5.0,
        ridge: float = 1.0,
        only=(),
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.evidence, self.compare = inputs.names(texts), evidence, compare
        self.prior, self.prior_classes, self.ridge = prior, prior_classes, ridge
        self.only, self.seed, self.device = tuple(only), seed, device
        inputs.one_of(self, "evidence", evidence, quantities.VIEWS)
        inputs.one_of(self, "compare", compare, quantities.COMPARISONS)
        self.views = quantities.VIEWS[evidence]

    def fit(self, features, labels, texts, after_epoch=None):
        y = inputs.labels_of(labels, len(features), texts)
        value, weight, self.names_ = quantities.stated(texts, self.texts[0], self.only)
        options = {"prior": self.prior, "prior_classes": self.prior_classes, "ridge": self.ridge}
        found = self._evidence(features, texts)
        self.bridge_ = quantities.Bridge.fit(value, weight, *found, y, **options)
        loops.report(self, 1, after_epoch)
        return self

    def score(self, features, texts):
        inputs.fitted(self, "bridge_")
        value, weight, _ = quantities.stated(texts, self.texts[0], self.names_)
        found = self._evidence(features, texts, self.bridge_)
        return self.bridge_.scores(value, weight, *found, self.compare).astype(np.float32)

    def explain(self, features, texts) -> np.ndarray:
        """float64 (n, K, Q): what every quantity in ``names_`` adds to the score of every class."""
        inputs.fitted(self, "bridge_")
        value, weight, _ = quantities.stated(texts, self.texts[0], self.names_)
        return self.bridge_.terms(value, weight, *self._evidence(features, texts, self.bridge_), self.compare)

    def state(self):
        inputs.fitted(self, "bridge_")
        arrays = {key: torch.from_numpy(np.array(value)) for key, value in self.bridge_.state().items()}
        return {**arrays, "names": json.dumps(self.names_)}

    def restore(self, state):
        arrays = {key: value.numpy().copy() for key, value in state.items() if key != "names"}
        self.bridge_, self.names_ = quantities.Bridge.restore(arrays), json.loads(state["names"])

    def _evidence(self, features, texts, fitted=None) -> tuple[np.ndarray | None, np.ndarray | None]:
        """(measured (n, Q) or None, pooled (n, D) or None)."""
        found = pooled = None
        if self.evidence != "regressed":
            asked = texts.units.get(self.texts[0], self.names_)
            found = quantities.measured(features, self.names_, asked)
        if self.evidence != "measured":
            pooled = linear.flat(features, ("pooled",), None if fitted is None else len(fitted.mean))
        return found, pooled
