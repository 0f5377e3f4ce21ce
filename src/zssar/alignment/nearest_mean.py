"""Nearest class mean: seen class means vote for a point in text space; the nearest text wins. Nothing is regressed.

Paper: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (ConSE), ICLR 2014, with a
    nearest-class-mean classifier (Mensink et al., TPAMI 2013) in place of ConSE's network.
Idea: a sample that lies between the means of "wave" and "throw" is described by a mixture of the two texts.
Formulas: p(s | x) = softmax over seen classes s of cos(x, mean_s) / temperature, x standardised; f(x) = sum over the
    ``top`` most probable s of p(s | x) t_s (equation 3 of ConSE, renormalised); score(x, c) = cos(f(x), t_c).
Inputs: any (n, D), part or phase views, flattened; texts summed into one unit vector per class.
Differences: see above. Texts are centred on the mean of the seen classes, as sentences share a large common part
    (``centre=False``: as encoded). ``top`` is 10 as in ConSE(10).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import softmax

from zssar.alignment import inputs, layers, linear, loops
from zssar.interfaces import AlignmentMethod


class NearestMean(AlignmentMethod):
    """``seed`` and ``device`` change nothing here."""

    epochs = 1

    def __init__(
        self,
        *,
        texts=("label",),
        views=("pooled",),
        top: int = 10,
        temperature: float = 0.1,
        centre: bool = True,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.views, self.top, self.temperature = inputs.names(texts), inputs.names(views), top, temperature
        self.centre, self.seed, self.device = centre, seed, device

    def fit(self, features, labels, texts, after_epoch=None):
        raw = linear.flat(features, self.views)
        y = inputs.labels_of(labels, len(raw), texts)
        self.mean_, self.scale_ = linear.statistics(raw)
        x = (raw - self.mean_) / self.scale_
        present = np.unique(y)
        t = inputs.class_vectors(texts, self.texts).astype(np.float64)[present]
        self.origin_ = t.mean(0) if self.centre else np.zeros(t.shape[1])
        self.seen_ = t - self.origin_  # (S, dim)
        self.centres_ = np.stack([x[y == label].mean(0) for label in present])  # (S, D)
        loops.report(self, 1, after_epoch)
        return self

    def score(self, features, texts):
        inputs.fitted(self, "centres_")
        x = (linear.flat(features, self.views, self.centres_.shape[1]) - self.mean_) / self.scale_
        near = layers.unit(x) @ layers.unit(self.centres_).T / self.temperature  # (n, S)
        if self.top < near.shape[1]:
            floor = np.partition(near, -self.top, axis=1)[:, -self.top, None]
            near = np.where(near >= floor, near, -np.inf)
        told = layers.unit(softmax(near, axis=1) @ self.seen_)
        t = inputs.class_vectors(texts, self.texts, self.seen_.shape[1]) - self.origin_
        return (told @ layers.unit(t).T).astype(np.float32)

    def state(self):
        inputs.fitted(self, "centres_")
        keys = ("mean", "scale", "origin", "seen", "centres")
        return {key: torch.from_numpy(getattr(self, key + "_").copy()) for key in keys}

    def restore(self, state):
        for key in ("mean", "scale", "origin", "seen", "centres"):
            setattr(self, key + "_", state[key].numpy().copy())
