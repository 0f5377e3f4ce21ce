"""Building blocks that several methods share: text vectors, normalisation, initialisation. Blocks, no loops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from zssar.interfaces import ClassTexts


def unit(array: np.ndarray) -> np.ndarray:
    """Rows scaled to Euclidean length 1 along the last axis; zero rows stay zero."""
    norm = np.linalg.norm(array, axis=-1, keepdims=True)
    return array / np.maximum(norm, 1e-12)


def class_vectors(texts: ClassTexts, kinds: Sequence[str]) -> np.ndarray:
    """float32 (K, dim), unit length: every unit normalised, averaged per kind, kinds summed, normalised again."""
    total = sum(unit(unit(texts[kind]).mean(1)) for kind in kinds)
    return unit(total).astype(np.float32)


def tensor(array, device: str | torch.device = "cpu") -> torch.Tensor:
    """float32 tensor on the device."""
    return torch.as_tensor(np.asarray(array, np.float32), device=device)


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(n, D), (k, D) -> (n, k) cosines."""
    return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T


def module_state(module: nn.Module, prefix: str = "") -> dict[str, torch.Tensor]:
    """A module's weights on the CPU, for ``AlignmentMethod.state``."""
    return {prefix + key: value.detach().cpu().clone() for key, value in module.state_dict().items()}


def load_module(module: nn.Module, state: dict, prefix: str = "") -> nn.Module:
    """The reverse of ``module_state``; returns the module in evaluation mode."""
    module.load_state_dict({k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)})
    return module.eval()
