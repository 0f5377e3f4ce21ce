"""What PURLS and its one-slot baseline share: the projection of skeleton slots to text slots, and its loss."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

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
