"""DVTA: dual visual-text alignment.

Paper: J. Kuang, H. Liu, C. Tu, J. Gui, "Zero-shot skeleton-based action recognition with dual visual-text alignment",
Pattern Recognition 2026 (arXiv 2409.14336).
Idea: skeleton and text are projected into one space and compared by cosine (direct alignment, DA); the class text is
a mixture of label and context that each skeleton weighs for itself (semantic description enhancement, SDE); a metric
network judges every pair as well (augmented alignment, AA). Equations 1 to 10 of the paper.
Inputs: view ``pooled``; texts label and context, one unit-length vector per class and kind.
Paper and released code disagree in six places. Defaults follow the code, the paper's choice is an argument:
scaled attention (Eq. 3) ``sde_scale``; keys and values projected ``sde_inputs="projected"``; averaged probabilities
(Eq. 9) ``combine="probabilities"``; normalised one-hot target ``target="one_hot"``; AA gradients reaching the
projectors ``detach_aa=False``; one text per pair in training ``mixing="pair"``, as at test time.
"DA off" is the paper's Table 3: a linear layer for the skeleton, texts as they are, still compared by cosine; the two
projectors of its Table 4 are ``visual_projector`` and ``text_projector``.
Ours: the metric network's first layer is split into halves (see ``pairs``), equal up to rounding.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import inputs, layers, loops
from zssar.alignment.pairs import PairNetwork
from zssar.devices import autocast_dtype
from zssar.interfaces import AlignmentMethod, ClassTexts, Features
from zssar.training import warmup_cosine


def leaky_sigmoid(x: torch.Tensor, slope: float = 0.01) -> torch.Tensor:
    """Eq. 7: sigmoid above zero, slope * exp(slope * x) up to zero (so it jumps from ``slope`` to 0.5 there)."""
    return torch.where(x > 0, torch.sigmoid(x), slope * torch.exp(slope * x.clamp(max=0)))


def target_distribution(labels: torch.Tensor, kind: str = "softmax") -> torch.Tensor:
    """(B,) -> (B, B): same-class samples are positives. Code: softmax of 10 G; paper: G over its row sum."""
    same = (labels[:, None] == labels).float()
    return torch.softmax(10 * same, 1) if kind == "softmax" else same / same.sum(1, keepdim=True)


def log_probabilities(terms: list[torch.Tensor], combine: str, dim: int) -> torch.Tensor:
    """Log softmax of the summed terms (code), or the log of the mean of their softmaxes (Eq. 9)."""
    if combine == "logits":
        return F.log_softmax(sum(terms), dim)
    stacked = torch.stack([F.log_softmax(term, dim) for term in terms])
    return torch.logsumexp(stacked, 0) - np.log(len(terms))


class Projector(nn.Module):
    """D -> dim: one residual layer, two wider ones, all with ReLU, and a linear output."""

    def __init__(self, channels: int, dim: int, widths: tuple[int, ...]):
        super().__init__()
        self.residual = nn.Linear(channels, channels)
        steps = (channels, *widths)
        self.middle = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(steps))
        self.out = nn.Linear(steps[-1], dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.residual(x) + x)
        for layer in self.middle:
            x = F.relu(layer(x))
        return self.out(x)


class Network(nn.Module):
    """What DVTA learns. Class texts enter as unit vectors (K, U, dim), U kinds per class; without SDE U is 1."""

    def __init__(self, channels: int, dim: int, method: DVTA):
        super().__init__()
        deep = method.da if method.visual_projector is None else method.visual_projector
        project = method.da if method.text_projector is None else method.text_projector
        self.visual = Projector(channels, dim, method.widths) if deep else nn.Linear(channels, dim)
        self.text = nn.Linear(dim, dim) if project else nn.Identity()
        self.metric = PairNetwork(dim, dim, (2 * dim, dim)) if method.aa else None
        self.temperature = nn.Parameter(
            torch.full((2 if method.aa else 1,), float(method.temperature)), method.learn_temperature
        )
        self.scale = 1 / np.sqrt(dim) if method.sde_scale else 1.0
        self.keys_projected = method.sde_inputs == "projected"
        self.detach, self.activation, self.slope = method.detach_aa, method.activation, method.slope
        self.channels, self.dim = channels, dim
        self.half: torch.dtype | None = None  # set for training: the metric network is nearly all of the cost

    def keys_values(self, texts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The linear text projection commutes with the mixing (weights sum to 1), so it sees K x U texts only."""
        values = self.text(texts)
        return (values if self.keys_projected else texts), values

    def pair_terms(self, v: torch.Tensor, texts: torch.Tensor) -> list[torch.Tensor]:
        """Projected skeletons (n, dim), classes (K, U, dim) mixed for every pair -> similarities (n, K), 1 or 2."""
        keys, values = self.keys_values(texts)
        weights = torch.softmax(self.scale * torch.einsum("nd,kud->nku", v, keys), -1)  # Eq. 3
        dots = (torch.einsum("nd,kud->nku", v, values) * weights).sum(-1)
        gram = values @ values.transpose(1, 2)
        length = torch.einsum("nku,kuw,nkw->nk", weights, gram, weights).clamp_min(1e-16).sqrt()
        return self._terms(dots / (v.norm(dim=1, keepdim=True).clamp_min(1e-8) * length), v, values, weights)

    def column_terms(self, v: torch.Tensor, texts: torch.Tensor, labels: torch.Tensor) -> list[torch.Tensor]:
        """Similarities (B, B) of a batch: text j is sample j's class, mixed by skeleton j (the released training)."""
        keys, values = self.keys_values(texts)
        weights = torch.softmax(self.scale * torch.einsum("bd,bud->bu", v, keys[labels]), -1)
        mixed = (weights[..., None] * values[labels]).sum(1)
        cosine = F.normalize(v, dim=1) @ F.normalize(mixed, dim=1).T
        return self._terms(cosine, v, mixed[:, None], None)

    def _terms(self, cosine, v, values, weights) -> list[torch.Tensor]:
        """Exponents of Eq. 4 and, with AA, of Eq. 8. values (k, U, dim); weights (n, k, U), None where U is 1."""
        terms = [cosine / self.temperature[0]]
        if self.metric is None:
            return terms
        if self.detach:
            v, values = v.detach(), values.detach()
            weights = None if weights is None else weights.detach()
        half = self.half if self.training else None  # scores are computed in float32
        with torch.autocast(v.device.type, half, enabled=half is not None):
            right = self.metric.right_half(values)  # (k, U, H)
            right = right.squeeze(1) if right.shape[1] == 1 else torch.einsum("nku,kuh->nkh", weights, right)
            judged = self.metric.all_pairs(self.metric.left_half(v), right)
        return [*terms, self.activate(judged.to(cosine.dtype)) / self.temperature[1]]

    def activate(self, x: torch.Tensor) -> torch.Tensor:
        """Eq. 6: the metric network's output as a similarity."""
        if self.activation == "leaky_sigmoid":
            return leaky_sigmoid(x, self.slope)
        return torch.sigmoid(x) if self.activation == "sigmoid" else x


class DVTA(AlignmentMethod):
    """Arguments beyond those of every method; the parentheses give the paper's ablation table.

    da, sde, aa: the three modules (3). visual_projector, text_projector: the two halves of DA (4); None follows
    ``da``. activation, slope: of AA (5). loss (8): kl, info_nce (in-batch cross-entropy, both directions, the sample's
    own text the only positive) or softmax (cross-entropy of a skeleton over all seen classes). temperature,
    learn_temperature: of both similarities. widths: hidden layers of the visual projector. warmup: epochs of linear
    warm-up before half a cosine. precision: auto, fp32 or bf16, of training; scores are computed in float32.
    """

    def __init__(
        self,
        *,
        texts=("label", "context"),
        da: bool = True,
        sde: bool = True,
        aa: bool = True,
        visual_projector: bool | None = None,
        text_projector: bool | None = None,
        sde_inputs: str = "raw",
        sde_scale: bool = False,
        mixing: str = "column",
        activation: str = "leaky_sigmoid",
        slope: float = 0.01,
        detach_aa: bool = True,
        combine: str = "logits",
        loss: str = "kl",
        target: str = "softmax",
        temperature: float = 0.1,
        learn_temperature: bool = True,
        widths: tuple[int, ...] = (384, 512),
        epochs: int = 100,
        warmup: int = 15,
        batch_size: int = 128,
        min_steps: int = 0,
        lr: float = 1e-5,
        precision: str = "auto",
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.da, self.sde, self.aa = inputs.names(texts), da, sde, aa
        self.visual_projector, self.text_projector = visual_projector, text_projector
        self.sde_inputs, self.sde_scale, self.mixing = sde_inputs, sde_scale, mixing
        self.activation, self.slope, self.detach_aa = activation, slope, detach_aa
        self.combine, self.loss, self.target = combine, loss, target
        self.temperature, self.learn_temperature, self.widths = temperature, learn_temperature, tuple(widths)
        self.epochs, self.warmup, self.batch_size, self.lr = epochs, warmup, batch_size, lr
        self.min_steps, self.precision, self.seed, self.device = min_steps, precision, seed, device
        self.pairwise = combine == "logits"  # averaged softmaxes depend on the classes asked
        inputs.one_of(self, "sde_inputs", sde_inputs, ("raw", "projected"))
        inputs.one_of(self, "mixing", mixing, ("column", "pair"))
        inputs.one_of(self, "activation", activation, ("leaky_sigmoid", "sigmoid", "none"))
        inputs.one_of(self, "combine", combine, ("logits", "probabilities"))
        inputs.one_of(self, "loss", loss, ("kl", "info_nce", "softmax"))
        inputs.one_of(self, "target", target, ("softmax", "one_hot"))

    def fit(self, features, labels, texts, after_epoch=None):
        x, classes = self._skeletons(features), self._classes(texts)
        y = torch.as_tensor(inputs.labels_of(labels, len(x), texts), device=self.device)
        with loops.seeded(self.seed, self.device) as generator:
            self.network_ = Network(x.shape[1], classes.shape[2], self).to(self.device)
            self.network_.half = autocast_dtype(self.device, self.precision)
            loops.train(
                self,
                self.network_,
                lambda rows: self.batch_loss(x[rows], classes, y[rows]),
                loops.adam(self.network_.parameters(), self.lr),
                n=len(x),
                epochs=self.epochs,
                batch_size=self.batch_size,
                min_steps=self.min_steps,
                generator=generator,
                after_epoch=after_epoch,
                schedule=lambda epoch: warmup_cosine(epoch, self.epochs, self.warmup),
            )
        return self

    def batch_loss(self, x: torch.Tensor, classes: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Eq. 10 (Eq. 5 without AA) or one of the losses of Table 8. x (B, D), classes (S, U, dim), y (B,)."""
        v = self.network_.visual(x)
        if self.loss == "softmax":
            return F.nll_loss(log_probabilities(self.network_.pair_terms(v, classes), self.combine, 1), y)
        if self.sde and self.mixing == "column":
            terms = self.network_.column_terms(v, classes, y)
        elif len(classes) <= len(y):  # the same text stands in several columns: judge it once
            terms = [term[:, y] for term in self.network_.pair_terms(v, classes)]
        else:
            terms = self.network_.pair_terms(v, classes[y])
        to_text, to_skeleton = (log_probabilities(terms, self.combine, dim) for dim in (1, 0))
        if self.loss == "info_nce":
            return -(to_text.diagonal() + to_skeleton.diagonal()).mean() / 2
        target = target_distribution(y, self.target)
        return (F.kl_div(to_text, target, reduction="sum") + F.kl_div(to_skeleton, target.T, reduction="sum")) / (
            2 * len(y)
        )

    @torch.inference_mode()
    def score(self, features, texts):
        """float32 (n, K): S_DA + S_AA, each class's texts mixed for every sample."""
        inputs.fitted(self, "network_")
        network = self.network_
        x, classes = self._skeletons(features, network.channels), self._classes(texts, network.dim)
        rows = max(1, 2**24 // (len(classes) * 2 * network.dim))  # keeps the hidden layer near 64 MB
        terms = [network.pair_terms(network.visual(chunk), classes) for chunk in x.split(rows)]
        if self.combine == "probabilities":
            return torch.cat([log_probabilities(t, self.combine, 1).exp() for t in terms]).cpu().numpy()
        return torch.cat([sum(t) for t in terms]).cpu().numpy()

    def state(self):
        inputs.fitted(self, "network_")
        sizes = {"channels": self.network_.channels, "dim": self.network_.dim}
        return {**sizes, **layers.module_state(self.network_, "network.")}

    def restore(self, state):
        network = Network(int(state["channels"]), int(state["dim"]), self)
        self.network_ = layers.load_module(network, state, "network.").to(self.device)

    def _skeletons(self, features: Features, dim: int | None = None) -> torch.Tensor:
        """Eq. 1: (n, D), unit length."""
        return layers.tensor(layers.unit(inputs.array(features, "pooled", dim=dim)), self.device)

    def _classes(self, texts: ClassTexts, dim: int | None = None) -> torch.Tensor:
        """(K, U, dim): one unit vector per class and kind; without SDE the first kind alone."""
        kinds = self.texts if self.sde else self.texts[:1]
        vectors = [inputs.class_vectors(texts, [kind], dim) for kind in kinds]
        inputs.same_dimension(kinds, vectors)
        return layers.tensor(np.stack(vectors, 1), self.device)
