"""A metric network over every skeleton-text pair, computed without concatenating the pairs.

The first layer of an MLP on [a; b] is linear, so W [a; b] = W_a a + W_b b: both halves are computed once per vector
instead of once per pair. For n skeletons and k texts this takes (n + k) instead of 2 n k half products.
``rectified_pairs`` is the network with one hidden layer.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


class PairNetwork(nn.Module):
    """MLP with ReLUs on concatenated pairs, one output: left + right -> hidden[0] -> ... -> 1, PyTorch's default init.

    ``forward(a, b)`` is the plain form on aligned pairs (..., left), (..., right) -> (...). ``all_pairs`` takes the two
    halves of the first layer and gives the same numbers for every combination.
    """

    def __init__(self, left: int, right: int, hidden: tuple[int, ...]):
        super().__init__()
        self.split = left
        self.first = nn.Linear(left + right, hidden[0])
        widths = (*hidden, 1)
        self.rest = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self._finish(self.first(torch.cat([a, b], -1)))

    def left_half(self, a: torch.Tensor) -> torch.Tensor:
        """(..., left) -> (..., hidden[0]), with the bias."""
        return F.linear(a, self.first.weight[:, : self.split], self.first.bias)

    def right_half(self, b: torch.Tensor) -> torch.Tensor:
        """(..., right) -> (..., hidden[0]), without the bias."""
        return F.linear(b, self.first.weight[:, self.split :])

    def all_pairs(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Halves (n, H) and (k, H), or (n, k, H) where the text depends on the skeleton -> (n, k)."""
        hidden = left[:, None] + right
        if hidden.is_contiguous():
            return self._finish(hidden)
        return self._finish(hidden.transpose(0, 1)).T  # texts mixed by einsum lie in memory class by class

    def _finish(self, hidden: torch.Tensor) -> torch.Tensor:
        """(..., H) -> (...). As rows: given batch dimensions, PyTorch may repeat a layer's weights for each batch."""
        shape, hidden = hidden.shape[:-1], hidden.reshape(-1, hidden.shape[-1])
        for layer in self.rest:
            hidden = layer(F.relu(hidden, inplace=True))
        return hidden.view(shape)


class _RectifiedPairs(torch.autograd.Function):
    """The hidden layer (n, k, H) is nearly all of what a step reads and writes: it is written once each way."""

    @staticmethod
    def forward(ctx, left, right, weight):
        hidden = (left[:, None] + right).relu_()
        ctx.save_for_backward(hidden, weight)
        return torch.mv(hidden.flatten(0, 1), weight).view(hidden.shape[:2])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        hidden, weight = ctx.saved_tensors
        active = hidden.sign()
        of_left = torch.bmm(grad[:, None], active).squeeze(1) * weight
        of_right = torch.bmm(grad.T[:, None], active.transpose(0, 1)).squeeze(1) * weight
        return of_left, of_right, torch.mv(hidden.flatten(0, 1).T, grad.flatten())


def rectified_pairs(left: torch.Tensor, right: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """sum over h of weight[h] * relu(left[i, h] + right[j, h]): (n, H), (k, H), (H,) -> (n, k)."""
    return _RectifiedPairs.apply(left, right, weight)
