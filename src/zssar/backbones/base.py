"""The promise of a backbone: a torch module that turns clips into a map over time and joints."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn


class Backbone(nn.Module, ABC):
    """One subclass per module in ``zssar.backbones``; the module name is the name in config.yaml.

    Constructor: ``(layout: Layout, in_channels: int, num_classes: int, bodies: int = 2, **params)``, where ``bodies``
    is the number M of person slots in the data; plain PyTorch, device-free. Parameters that a recipe treats apart
    carry their weight decay relative to the others as an attribute ``decay`` (see Shift-GCN).
    """

    out_channels: int
    streams: ClassVar[tuple[str, ...] | None] = None  # those it can read; None: all
    published_names: ClassVar[tuple[tuple[str, str], ...]] = ()  # official keys, see features.published
    paper_recipe: ClassVar[Mapping[str, Any]] = {}  # keyword arguments of features.recipe.Training, as published

    @abstractmethod
    def maps(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """(N, C, T, V, M), present bool (N, M) -> (N, M', D, T', V').

        One map per person slot (M' = M), or M' = 1 where the network sees all persons at once; V' = 1 where the
        map has no joints.
        """

    @abstractmethod
    def pool(self, maps: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """(N, M', D, T', V') -> (N, D, T', V'): the persons of a clip in one map."""

    @abstractmethod
    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        """(N, D) -> (N, num_classes)."""

    def forward(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """(N, C, T, V, M), (N, M) -> logits (N, num_classes)."""
        return self.classify(self.pool(self.maps(x, present), present).mean((2, 3)))
