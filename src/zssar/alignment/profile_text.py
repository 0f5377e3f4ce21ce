"""Profile and text together: the scores of the motion profile and of a method that reads sentences, added.

Paper: none; this project's own method (docs/profiles.md). Adding weighted scores of methods trained apart is stacking:
    Wolpert, "Stacked Generalization", Neural Networks 1992; here rehearsed on hidden classes, not hidden samples.
Idea: the profile says what can be measured, sentences say the rest; how much each deserves is learned on pseudo-unseen
    classes cut from the seen ones, inside ``fit``.
Formulas: score(i, c) = a p(i, c) + b t(i, c), a, b >= 0, that maximise the mean log softmax of the hidden classes among
    each other over the rehearsals (``certainty``).
Inputs: those of ``profile`` and of the partner. The first text kind is the form, the others are the partner's.
With fewer than four seen classes nothing can be hidden: the profile alone speaks, b = 0.
"""

from __future__ import annotations

import numpy as np
import torch

from zssar import plugins
from zssar.alignment import certainty, inputs, loops
from zssar.errors import UserError
from zssar.interfaces import AlignmentMethod

MEMBERS = ("profile", "partner")


class ProfileText(AlignmentMethod):
    """partner: a module of alignment, or a dotted name, with its ``partner_params``; ``profile_params``: of profile.

    A partner is fitted once more per rehearsal, five times at most, with the parameters of the final fit.
    """

    epochs = 1
    reads_forms = True

    def __init__(
        self,
        *,
        texts=("profile", "label", "global"),
        partner: str = "ridge",
        partner_params: dict | None = None,
        profile_params: dict | None = None,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.partner, self.seed, self.device = inputs.names(texts), partner, seed, device
        self.partner_params, self.profile_params = partner_params, profile_params
        if len(self.texts) < 2:
            raise UserError(
                f"ProfileText: texts={list(self.texts)}; name the form, then at least one kind of sentences"
            )
        members = self._members()
        if members[1].uses_unseen_texts:
            raise UserError(f"ProfileText: the partner {partner!r} trains with unseen texts and cannot be rehearsed")
        self.pairwise = members[1].pairwise
        self.views = tuple(dict.fromkeys(view for member in members for view in member.views))

    def fit(self, features, labels, texts, after_epoch=None):
        y = inputs.labels_of(labels, len(features), texts)
        parts = list(certainty.rehearsals(y, len(texts)))
        scores = [self._rehearse(part, features, y, texts) for part in parts]
        found = [np.searchsorted(part.hidden, y[part.score]) for part in parts]
        self.weights_ = certainty.weights(scores, found) if parts else np.array([1.0, 0.0])
        self.members_ = self._fitted(features, y, texts)
        loops.report(self, 1, after_epoch)
        return self

    def score(self, features, texts):
        inputs.fitted(self, "members_")
        return (self._scores(self.members_, features, texts) @ self.weights_).astype(np.float32)

    @property
    def names_(self) -> list[str]:
        """What the terms of ``explain`` are: the quantities, then the partner, e.g. ``ridge``."""
        inputs.fitted(self, "members_")
        return [*self.members_[0].names_, self.partner.rpartition(".")[2]]

    def explain(self, features, texts) -> np.ndarray:
        """float64 (n, K, Q + 1): what every quantity adds to the score of every class, and what the partner adds."""
        inputs.fitted(self, "members_")
        profile, partner = self.members_
        sides = profile.explain(features, texts), partner.score(features, texts)[..., None].astype(np.float64)
        return np.concatenate([weight * side for weight, side in zip(self.weights_, sides)], 2)

    def answers(self, texts) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """What the classes state, (K, Q), its weight, and the names of the quantities; sentences state no number."""
        return self.members_[0].answers(texts)

    def state(self):
        inputs.fitted(self, "members_")
        parts = {f"{n}.{key}": value for n, m in zip(MEMBERS, self.members_) for key, value in m.state().items()}
        return {**parts, "weights": torch.from_numpy(self.weights_.copy())}

    def restore(self, state):
        self.weights_ = state["weights"].numpy().copy()
        self.members_ = self._members()
        for name, member in zip(MEMBERS, self.members_):
            mark = f"{name}."
            member.restore({key.removeprefix(mark): value for key, value in state.items() if key.startswith(mark)})

    def _members(self) -> list[AlignmentMethod]:
        common = {"seed": self.seed, "device": self.device}
        form, sentences = self.texts[:1], self.texts[1:]
        return [
            plugins.create("alignment", "profile", {**(self.profile_params or {}), "texts": form, **common}),
            plugins.create("alignment", self.partner, {**(self.partner_params or {}), "texts": sentences, **common}),
        ]

    def _fitted(self, features, y, texts) -> list[AlignmentMethod]:
        members = self._members()
        return [member.fit(features, y, texts) for member in members]

    def _rehearse(self, part: certainty.Rehearsal, features, y, texts) -> np.ndarray:
        """(n, hidden, 2)."""
        kept, hidden = (texts.select([texts.names[k] for k in at]) for at in (part.kept, part.hidden))
        members = self._fitted(features.select(part.fit), np.searchsorted(part.kept, y[part.fit]), kept)
        return self._scores(members, features.select(part.score), hidden)

    @staticmethod
    def _scores(members, features, texts) -> np.ndarray:
        """float64 (n, K, 2)."""
        return np.stack([member.score(features, texts).astype(np.float64) for member in members], 2)
