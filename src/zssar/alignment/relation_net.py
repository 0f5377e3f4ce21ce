"""RelationNet: a network learns how to compare a feature with a class text.

Paper: Sung et al., "Learning to Compare: Relation Network for Few-Shot Learning", CVPR 2018 (section 3.4, zero-shot);
    for skeletons Jasani and Mazagonwalla, "Skeleton based Zero Shot Action Recognition in Joint Pose-Language Semantic
    Space", 2019. No official skeleton code: a reconstruction.
Idea: lift the text into feature space, put both side by side, and let a small network say how well they match.
Formulas: r(x, c) = sigmoid(g([x, f(t_c)])), trained with (r - 1[c = y])^2 over all pairs of a batch's samples and a
    batch's classes (equations 1 and 2).
Inputs: ``pooled`` features; label texts, unit length.
Differences: layers of 512 instead of 1000-1200 units; Adam 1e-4 instead of 1e-5. The first relation layer is applied to
    feature and text separately and summed, which is the same product (equal up to rounding) for n * K pairs. Scores are
    what goes into the sigmoid: the same order, where 32-bit sigmoids of a confident network are all exactly 0.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import inputs, layers, loops
from zssar.alignment.pairs import rectified_pairs
from zssar.interfaces import AlignmentMethod

PAIRS = 200_000  # (sample, class) pairs scored at once


class RelationModule(nn.Module):
    """Attribute network f and relation network g."""

    def __init__(self, channels: int, dim: int, hidden: int):
        super().__init__()
        self.attribute = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.ReLU())
        self.first, self.last = nn.Linear(2 * channels, hidden), nn.Linear(hidden, 1)
        self.channels, self.dim = channels, dim

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """(n, channels), (K, dim) -> (n, K), the relation scores r before their sigmoid."""
        of_x, of_t = self.first.weight.split(self.channels, 1)
        halves = F.linear(x, of_x, self.first.bias), F.linear(self.attribute(t), of_t)
        return rectified_pairs(*halves, self.last.weight[0]) + self.last.bias


class RelationNet(AlignmentMethod):
    """``weight_decay`` acts on the attribute network only, as in the paper's zero-shot experiments."""

    def __init__(
        self,
        *,
        texts=("label",),
        hidden: int = 512,
        weight_decay: float = 1e-5,
        epochs: int = 100,
        batch_size: int = 128,
        min_steps: int = 0,
        lr: float = 1e-4,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.hidden, self.weight_decay = inputs.names(texts), hidden, weight_decay
        self.epochs, self.batch_size, self.lr, self.seed, self.device = epochs, batch_size, lr, seed, device
        self.min_steps = min_steps

    def fit(self, features, labels, texts, after_epoch=None):
        x = layers.tensor(inputs.array(features, "pooled"), self.device)
        y = torch.as_tensor(inputs.labels_of(labels, len(x), texts), device=self.device)
        t = layers.tensor(inputs.class_vectors(texts, self.texts), self.device)
        with loops.seeded(self.seed, self.device) as generator:
            net = self.net_ = RelationModule(x.shape[1], t.shape[1], self.hidden).to(self.device)
            groups = [
                {"params": list(net.attribute.parameters()), "weight_decay": self.weight_decay},
                {"params": [*net.first.parameters(), *net.last.parameters()]},
            ]
            loops.train(
                self,
                net,
                lambda rows: match_loss(torch.sigmoid(net(x[rows], t)), y[rows]),
                loops.adam(groups, self.lr),
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
        inputs.fitted(self, "net_")
        t = layers.tensor(inputs.class_vectors(texts, self.texts, self.net_.dim), self.device)
        blocks = inputs.chunks(features, "pooled", max(1, PAIRS // len(t)), dim=self.net_.channels)
        return np.concatenate([self.net_(layers.tensor(block, self.device), t).cpu().numpy() for block in blocks])

    def state(self):
        inputs.fitted(self, "net_")
        return layers.module_state(self.net_)

    def restore(self, state):
        hidden, dim = state["attribute.0.weight"].shape
        net = RelationModule(len(state["attribute.2.weight"]), dim, hidden)
        self.net_ = layers.load_module(net, state).to(self.device)


def match_loss(relations: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean squared error against the 0/1 match matrix over the classes that occur in the batch.

    relations (B, K) over all seen classes: masking the absent ones keeps shapes fixed, so that a GPU never waits for a
    count of distinct classes.
    """
    target = F.one_hot(labels, relations.shape[1]).to(relations.dtype)
    present = target.amax(0)
    return ((relations - target).square() * present).sum() / (len(labels) * present.sum())
