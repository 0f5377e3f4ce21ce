"""Motion profiles: language states movement in measurable terms, kinematics measures them, and the two are compared.

Paper: none; this project's own method (docs/profiles.md).
Idea: a class is a form of signed kinematic quantities filled in from its name alone (kind ``profile``); a recording is
    the same form measured on the skeleton (view ``profile``). Seen classes teach nothing but the exchange rates: centre
    and spread of every quantity, and how far statement and measurement agree.
Formulas, per quantity q: z = (x - mean) / sd over seen classes, u = (statement - mean) / sd over seen classes, means
    and sds shrunk to published ones (``statistics``);
    r = correlation of z and u over seen samples (class-balanced), shrunk to a prior, a = max(r, 0), w = weight of the
    statement (confidence, agreement of draws; 0 where the quantity does not matter);
    cosine: sum b w_c z_i u_c / (|z_i| |u_c|), norms under the same weights b w_c, where b = a / (1 - a^2) is what a
    quantity weighs in the log-likelihood ratio of two classes if z = a u + noise;
    gaussian: log N(z; m_c, C + D_c), less that of a class that states nothing, m_c = a u_c, C the shrunk covariance of
    what the statements leave unexplained, so that correlated quantities do not vote twice, D_c = diag(a^2 (1 - w_c))
    the doubt about the statement;
    joint (default): cosine + gaussian / Q.
Several authors of a form may each be judged like this and their scores added (``authors``, ``panel``).
Inputs: view ``profile`` (n, Q), NaN where unknown; texts ``profile`` (K, Q, 2): statement, weight. ``evidence``:
    measured (needs no network), regressed (the statement predicted from ``pooled`` by ridge), or both.
Every score is a sum over quantities: ``explain`` returns the terms. The mathematics is in ``quantities``.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

from zssar.alignment import certainty, inputs, linear, loops, panel, published, statements
from zssar.alignment.panel import Panel, Told
from zssar.alignment.quantities import CALIBRATIONS, COMPARISONS
from zssar.errors import UserError
from zssar.interfaces import AlignmentMethod


class Profile(AlignmentMethod):
    """All closed form; ``seed`` decides only what ``noise`` and ``seen_limit`` draw, ``device`` nothing.

    statistics: ``shrunk``: centres and spreads of seen classes and those of ``published`` together, the latter weighing
    ``prior_classes``, except on simulated classes, which they were made from; ``seen``: of seen classes alone;
    ``published``: no training sample is used.
    prior, prior_classes: agreement assumed before any is seen (a number, or ``published``: that of the simulated set),
    and how many classes that belief weighs. calibration: ``linear``, or ``monotone``: what each ordinal step is worth
    is learned from seen classes. authors: where a source joins the answers of several, ``together`` judges the mean
    answer, ``apart`` each author's and adds the scores, ``weighed`` besides weighs them by their errors on seen classes
    (``panel``). transfer: what was measured of seen classes beyond their statements is expected again
    of like classes (``transfer``). ridge: penalty of the regression from standardised features, relative to their mean
    variance.
    For ablations: ``groups`` and ``quantities`` name those to use (both empty: all); ``noise`` perturbs the answers
    (``statements.Form``); ``seen_limit`` keeps that many seen classes, drawn by ``seed`` (0: all).
    """

    epochs = 1
    reads_forms = True

    def __init__(
        self,
        *,
        texts=("profile",),
        evidence: str = "measured",
        compare: str = "joint",
        statistics: str = "shrunk",
        calibration: str = "linear",
        transfer: bool = False,
        authors: str = "together",
        prior: float | str = 0.5,
        prior_classes: float = 5.0,
        ridge: float = 1.0,
        groups=(),
        quantities=(),
        noise: float = 0.0,
        seen_limit: int = 0,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.evidence, self.compare = inputs.names(texts), evidence, compare
        self.statistics, self.calibration, self.transfer = statistics, calibration, transfer
        self.authors, self.prior, self.prior_classes, self.ridge = authors, prior, prior_classes, ridge
        self.groups, self.quantities = statements.listed(groups), statements.listed(quantities)
        self.noise, self.seen_limit, self.seed, self.device = noise, seen_limit, seed, device
        inputs.one_of(self, "evidence", evidence, tuple(statements.VIEWS))
        inputs.one_of(self, "compare", compare, COMPARISONS)
        inputs.one_of(self, "statistics", statistics, ("shrunk", "seen", "published"))
        inputs.one_of(self, "calibration", calibration, CALIBRATIONS)
        inputs.one_of(self, "authors", authors, panel.PANELS)
        if isinstance(prior, str):
            inputs.one_of(self, "prior", prior, ("published",))
        if statistics == "published" and (evidence, calibration) != ("measured", "linear"):
            raise UserError(
                "Profile: statistics='published' knows no features and no steps of the scale: use it with "
                "evidence='measured' and calibration='linear'"
            )
        if transfer and (statistics == "published" or evidence != "measured"):
            raise UserError("Profile: transfer=True needs evidence='measured' and statistics of seen classes")
        if authors == "weighed" and (statistics == "published" or evidence != "measured"):
            raise UserError("Profile: authors='weighed' needs evidence='measured' and statistics of seen classes")
        self.views = statements.VIEWS[evidence]

    def fit(self, features, labels, texts, after_epoch=None):
        y = inputs.labels_of(labels, len(features), texts)
        told, self.names_ = self._told(texts)
        found, pooled = self._evidence(features, texts)
        if self.statistics == "published":
            statistics = published.statistics(self.names_)
            self.panel_, self.temperature_ = Panel.published(statistics, len(told)), float("nan")
        else:
            kept, rows, y = statements.limited(y, len(texts), self.seen_limit, self.seed)
            found, pooled = (None if side is None else side[rows] for side in (found, pooled))
            data = _rows(told, kept), found, pooled, y
            shrunk = self.statistics == "shrunk"
            self.belief_ = published.belief(self.names_, texts.names) if shrunk else None
            self.panel_ = self._panel(*data)
            self.temperature_ = certainty.temperature(lambda part: self._rehearse(part, *data), y, len(kept))
        loops.report(self, 1, after_epoch)
        return self

    def score(self, features, texts):
        sides = self._sides(features, texts)
        return self.panel_.scores(*sides, self.compare).astype(np.float32)

    def explain(self, features, texts) -> np.ndarray:
        """float64 (n, K, Q): what every quantity in ``names_`` adds to the score of every class."""
        sides = self._sides(features, texts)
        return self.panel_.terms(*sides, self.compare)

    def answers(self, texts) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """What the classes state, (K, Q), its weight, and the names of the quantities, as this run uses them."""
        return self._form().read(texts)

    def probabilities(self, features, texts) -> np.ndarray:
        """float64 (n, K): how sure each class is among those asked; NaN where too few classes were seen to tell."""
        return certainty.softmax(self.score(features, texts), self.temperature_)

    def state(self):
        inputs.fitted(self, "panel_")
        arrays = {key: torch.from_numpy(np.array(value)) for key, value in self.panel_.state().items()}
        return {**arrays, "names": json.dumps(self.names_), "temperature": self.temperature_}

    def restore(self, state):
        self.names_, self.temperature_ = json.loads(state["names"]), float(state["temperature"])
        arrays = {key: value.numpy().copy() for key, value in state.items() if key not in ("names", "temperature")}
        self.panel_ = Panel.restore(arrays)

    def _told(self, texts) -> tuple[Told, list[str]]:
        """(statements and weights (K, Q) of each author, one for all ``together``; names of the quantities)."""
        if self.authors != "together":
            return self._form().apart(texts)
        value, weight, names = self.answers(texts)
        return [(value, weight)], names

    def _form(self) -> statements.Form:
        return statements.Form(self.texts[0], self.groups, self.quantities, self.noise, self.seed)

    def _panel(self, *data) -> Panel:
        prior = published.statistics(self.names_)["agreement"] if self.prior == "published" else self.prior
        options: dict[str, Any] = {"prior": prior, "strength": self.prior_classes, "calibration": self.calibration}
        options |= {"belief": self.belief_, "names": self.names_ if self.transfer else ()}
        return Panel.fit(*data, weigh=self.authors == "weighed", ridge=self.ridge, **options)

    def _rehearse(self, part, told, found, pooled, y) -> np.ndarray:
        """(n, hidden) scores of a rehearsal's rows over its hidden classes."""

        def side(array, rows):
            return None if array is None else array[rows]

        label = np.searchsorted(part.kept, y[part.fit])
        evidence = side(found, part.fit), side(pooled, part.fit)
        fitted = self._panel(_rows(told, part.kept), *evidence, label)
        return fitted.scores(_rows(told, part.hidden), side(found, part.score), side(pooled, part.score), self.compare)

    def _sides(self, features, texts):
        """statements of each author, measured, pooled: of what ``fit`` used."""
        inputs.fitted(self, "panel_")
        told, names = self._told(texts)
        if names != self.names_:
            raise UserError(
                f"texts of kind {self.texts[0]!r} have other quantities than the method was fitted on; run "
                "encode_texts and align again"
            )
        return told, *self._evidence(features, texts, self.panel_.bridges[0])

    def _evidence(self, features, texts, fitted=None) -> tuple[np.ndarray | None, np.ndarray | None]:
        """(measured (n, Q) or None, pooled (n, D) or None)."""
        found = pooled = None
        if self.evidence != "regressed":
            asked = texts.units.get(self.texts[0], self.names_)
            found = statements.measured(features, self.names_, asked)
        if self.evidence != "measured":
            pooled = linear.flat(features, ("pooled",), None if fitted is None else len(fitted.mean))
        return found, pooled


def _rows(told: Told, rows) -> Told:
    """The statements of some classes."""
    return [(value[rows], weight[rows]) for value, weight in told]
