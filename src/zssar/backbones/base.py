"""The promise of a backbone: a torch module that turns clips into a map over time and joints."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn


class Backbone(nn.Module, ABC):
    """One subclass per module in ``zssar.backbones``; the module name is the name in config.yaml.

    Constructor: ``(layout: Layout, in_channels: int, num_classes: int, **params)``; plain PyTorch, device-free.
    """

    out_channels: int

    @abstractmethod
    def maps(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """(N, C, T, V, M), present bool (N, M) -> (N, M, D, T', V'): one map per person slot, V' = 1 without joints."""

    @abstractmethod
    def pool(self, maps: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """(N, M, D, T', V') -> (N, D, T', V'): the persons of a clip in one map."""

    @abstractmethod
    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        """(N, D) -> (N, num_classes)."""

    def forward(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """(N, C, T, V, M), (N, M) -> logits (N, num_classes)."""
        return self.classify(self.pool(self.maps(x, present), present).mean((2, 3)))
