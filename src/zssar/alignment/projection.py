"""What PURLS and its one-slot baseline share: the projection of skeleton slots to text slots, its loss, its recipe."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import inputs, loops
from zssar.errors import UserError
from zssar.interfaces import AlignmentMethod

INITIAL_SCALE = math.log(1 / 0.07)  # 2.6593; a plain factor, never exponentiated (released code)


def slot_projection(
    slots: int, channels: int, dim: int, hidden: int = 1024, blocks: int = 0, dropout: float = 0.5
) -> nn.Sequential:
    """(n, slots * channels) -> (n, slots * dim) in (-1, 1); Kaiming-uniform weights. The last two are Linear, Tanh."""
    layers: list[nn.Module] = []
    widths = [slots * channels, *[hidden] * (blocks + 1)]
    for a, b in pairwise(widths):
        layers += [nn.BatchNorm1d(a), nn.Dropout(dropout), nn.Linear(a, b), nn.SiLU()]
    layers += [nn.BatchNorm1d(hidden), nn.Dropout(dropout), nn.Linear(hidden, slots * dim), nn.Tanh()]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def slot_losses(outputs: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """PURLS Eq. 3 per slot: outputs (B, P, d), unit texts (B, P, d), scale (P,) -> (P,).

    Sum of the cross-entropies of both directions with the sample's own text as the only positive, as released; the
    paper halves it. Samples of the same class in a batch count as negatives of each other.
    """
    logits = scale[:, None, None] * torch.einsum("ipd,jpd->pij", outputs, texts)
    own = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    to_text = F.cross_entropy(logits.transpose(1, 2), own, reduction="none").mean(1)
    to_skeleton = F.cross_entropy(logits, own, reduction="none").mean(1)
    return to_text + to_skeleton


def check_recipe(method: AlignmentMethod) -> None:
    """Raise UserError for arguments ``holdout`` and ``keep`` that make no sense together."""
    inputs.one_of(method, "keep", method.keep, ("best", "last"))
    if method.keep == "best" and not method.holdout:
        name = type(method).__name__
        raise UserError(f"{name}: keep='best' needs holdout > 0, the samples that judge an epoch; or set keep='last'")


def follow_held_out(
    method: AlignmentMethod, name: str, loss: Callable[[torch.Tensor], torch.Tensor], held: torch.Tensor
) -> Callable[[], float] | None:
    """PURLS's recipe as ``validate`` of ``loops.train``: learning rate / 10 after 25 epochs without a lower loss.

    loss: rows to a scalar, on held-out rows ``held`` in batches of the training's size. With ``keep="best"`` the
    attribute ``name`` of the method, the network being trained, is replaced by a copy of the best epoch's so far.
    None, a constant rate and the last epoch, if nothing is held out.
    """
    if not method.holdout:
        return None
    network = getattr(method, name)

    def criterion() -> float:
        total = sum(loss(rows).double() * len(rows) for rows in held.split(method.batch_size))
        return total.item() / len(held)  # one wait for a GPU

    watch = loops.Watch(criterion, "min", patience=25, cooldown=3)

    def validate() -> float:
        factor = watch()
        if method.keep == "best" and watch.stale == 0:
            setattr(method, name, copy.deepcopy(network))
        return factor

    return validate
