"""ESZSL: a bilinear score between features and class texts, fitted in closed form.

Paper: Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning", ICML 2015.
Idea: regress the +1/-1 class membership of seen samples on x' V s with both sides regularised. The Frobenius
    regulariser makes the optimum one line of linear algebra.
Formulas: V = (X X' + gamma I)^-1 X Y S' (S S' + lambda I)^-1  (equation 3); score(x, c) = x' V s_c.
Inputs: any (n, D) or part and phase views, flattened; texts summed into one unit vector per class.
Differences: features are standardised with statistics of the training rows, so that ``gamma`` means the same for every
    backbone. The paper picks gamma and lambda from 10^-3 ... 10^3 by validation; the default is the grid's middle.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import linalg

from zssar.alignment import inputs, linear, loops
from zssar.interfaces import AlignmentMethod


class ESZSL(AlignmentMethod):
    """``gamma`` regularises the feature side, ``lam`` the text side. ``seed`` and ``device`` change nothing here."""

    epochs = 1

    def __init__(
        self,
        *,
        texts=("label",),
        views=("pooled",),
        gamma: float = 1.0,
        lam: float = 1.0,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.views = inputs.names(texts), inputs.names(views)
        self.gamma, self.lam, self.seed, self.device = gamma, lam, seed, device

    def fit(self, features, labels, texts, after_epoch=None):
        raw = linear.flat(features, self.views)
        y = inputs.labels_of(labels, len(raw), texts)
        s = inputs.class_vectors(texts, self.texts).astype(np.float64)  # (S, dim): rows are the paper's columns of S
        self.mean_, self.scale_ = linear.statistics(raw)
        x = (raw - self.mean_) / self.scale_  # (n, D): rows are the paper's columns of X
        membership = np.where(np.arange(len(s)) == y[:, None], 1.0, -1.0)  # Y (n, S)
        left = linalg.solve(x.T @ x + self.gamma * np.eye(x.shape[1]), x.T @ membership @ s, assume_a="pos")
        self.map_ = linalg.solve(s.T @ s + self.lam * np.eye(s.shape[1]), left.T, assume_a="pos").T  # V (D, dim)
        loops.report(self, 1, after_epoch)
        return self

    def score(self, features, texts):
        inputs.fitted(self, "map_")
        x = (linear.flat(features, self.views, len(self.map_)) - self.mean_) / self.scale_
        t = inputs.class_vectors(texts, self.texts, self.map_.shape[1])
        return (x @ self.map_ @ t.T).astype(np.float32)

    def state(self):
        inputs.fitted(self, "map_")
        return {key: torch.from_numpy(getattr(self, key + "_").copy()) for key in ("mean", "scale", "map")}

    def restore(self, state):
        for key in ("mean", "scale", "map"):
            setattr(self, key + "_", state[key].numpy().copy())
