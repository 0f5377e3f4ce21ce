"""DeViSE: one linear map from skeleton features into text space, trained with a hinge rank loss.

Paper: Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013. No official code for skeletons.
Idea: the projected feature must be closer to its own class's text than to any wrong one, by a margin. New classes are
    ranked by the same similarity.
Formulas: loss(x, y) = sum over c != y of max(0, margin - t_y . Mx + t_c . Mx)  (equation 1);
    score(x, c) = cos(Mx, t_c).
Inputs: ``pooled`` features; label texts, unit length.
Differences: similarities are cosines (Mx is normalised too), so that the margin has a scale; all wrong classes enter
    the sum, where the paper draws them at random until the first violation (``negatives="first"``); Adam, not SGD.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import inputs, layers, loops, losses
from zssar.interfaces import AlignmentMethod


class DeViSE(AlignmentMethod):
    """``texts``: kinds summed into one class vector. ``negatives``: "all" wrong classes, or the "first" violating."""

    def __init__(
        self,
        *,
        texts=("label",),
        margin: float = 0.1,
        negatives: str = "all",
        epochs: int = 100,
        batch_size: int = 128,
        min_steps: int = 0,
        lr: float = 1e-3,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.margin, self.negatives = inputs.names(texts), margin, negatives
        self.epochs, self.batch_size, self.lr, self.seed, self.device = epochs, batch_size, lr, seed, device
        self.min_steps = min_steps
        inputs.one_of(self, "negatives", negatives, ("all", "first"))

    def fit(self, features, labels, texts, after_epoch=None):
        x = layers.tensor(inputs.array(features, "pooled"), self.device)
        y = torch.as_tensor(inputs.labels_of(labels, len(x), texts), device=self.device)
        t = layers.tensor(inputs.class_vectors(texts, self.texts), self.device)
        loss = losses.hinge_rank if self.negatives == "all" else first_violation
        with loops.seeded(self.seed, self.device) as generator:
            self.projection_ = nn.Linear(x.shape[1], t.shape[1], bias=False).to(self.device)
            loops.train(
                self,
                self.projection_,
                lambda rows: loss(F.normalize(self.projection_(x[rows]), dim=-1) @ t.T, y[rows], self.margin),
                loops.adam(self.projection_.parameters(), self.lr),
                n=len(x),
                epochs=self.epochs,
                batch_size=self.batch_size,
                min_steps=self.min_steps,
                generator=generator,
                after_epoch=after_epoch,
            )
        return self

    @torch.inference_mode()
    def score(self, features, texts):
        inputs.fitted(self, "projection_")
        x = layers.tensor(inputs.array(features, "pooled", dim=self.projection_.in_features), self.device)
        t = layers.tensor(inputs.class_vectors(texts, self.texts, self.projection_.out_features), self.device)
        return layers.cosine(self.projection_(x), t).cpu().numpy()

    def state(self):
        inputs.fitted(self, "projection_")
        return layers.module_state(self.projection_)

    def restore(self, state):
        out, into = state["weight"].shape
        self.projection_ = layers.load_module(nn.Linear(into, out, bias=False), state).to(self.device)


def first_violation(scores: torch.Tensor, labels: torch.Tensor, margin: float) -> torch.Tensor:
    """The paper's approximation of the sum: per sample one random wrong class among those that violate the margin."""
    violation = F.relu(margin - scores.gather(1, labels[:, None]) + scores).scatter(1, labels[:, None], 0.0)
    order = torch.rand_like(violation).masked_fill(violation <= 0, -1.0)
    return violation.gather(1, order.argmax(1, keepdim=True)).mean()
