"""Ridge: features are regressed on class texts in closed form; the nearest text wins.

Paper: the two-stage scheme of Palatucci et al., "Zero-shot Learning with Semantic Output Codes", NeurIPS 2009: ridge
    regression into the semantic space, then the nearest class.
Idea: the simplest bridge from features to text there is; deep methods should beat it.
Formulas: W = (X'X / n + alpha I)^-1 X'T / n; score(x, c) = cos(W'x, t_c), or the mean cosine over units.
Inputs: any (n, D), part or phase views, flattened; any text kinds.
Differences: features are standardised and texts centred with statistics of the training rows, so the intercept needs no
    penalty and sentences are compared by what sets them apart (``centre=False``: as encoded, without an intercept).
    Cosine instead of Euclidean distance. ``fusion="sum"`` makes one target of all kinds and units; ``"concat"``
    regresses on each unit by itself and averages the cosines. ``alpha`` is relative to the mean variance of a feature.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import linalg

from zssar.alignment import inputs, layers, linear, loops
from zssar.interfaces import AlignmentMethod


class Ridge(AlignmentMethod):
    """``seed`` and ``device`` change nothing here."""

    epochs = 1

    def __init__(
        self,
        *,
        texts=("label",),
        views=("pooled",),
        alpha: float = 1.0,
        fusion: str = "sum",
        centre: bool = True,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.views = inputs.names(texts), inputs.names(views)
        self.alpha, self.fusion, self.centre, self.seed, self.device = alpha, fusion, centre, seed, device
        inputs.one_of(self, "fusion", fusion, ("sum", "concat"))

    def fit(self, features, labels, texts, after_epoch=None):
        raw = linear.flat(features, self.views)
        y = inputs.labels_of(labels, len(raw), texts)
        units = linear.text_units(texts, self.texts, self.fusion)  # (S, units, dim)
        self.mean_, self.scale_ = linear.statistics(raw)
        self.origin_ = units[np.unique(y)].mean(0) if self.centre else np.zeros(units.shape[1:])
        x = (raw - self.mean_) / self.scale_
        target = layers.unit(units - self.origin_)[y].reshape(len(x), -1)
        gram = x.T @ x / len(x) + self.alpha * np.eye(x.shape[1])
        self.map_ = linalg.solve(gram, x.T @ target / len(x), assume_a="pos")  # (D, units * dim)
        loops.report(self, 1, after_epoch)
        return self

    def score(self, features, texts):
        inputs.fitted(self, "map_")
        x = (linear.flat(features, self.views, len(self.map_)) - self.mean_) / self.scale_
        units = linear.text_units(texts, self.texts, self.fusion, self.origin_.shape)
        told = layers.unit(units - self.origin_)
        seen = layers.unit((x @ self.map_).reshape(len(x), *self.origin_.shape))
        return (np.einsum("nud,kud->nk", seen, told) / told.shape[1]).astype(np.float32)

    def state(self):
        inputs.fitted(self, "map_")
        return {key: torch.from_numpy(getattr(self, key + "_").copy()) for key in ("mean", "scale", "origin", "map")}

    def restore(self, state):
        for key in ("mean", "scale", "origin", "map"):
            setattr(self, key + "_", state[key].numpy().copy())
