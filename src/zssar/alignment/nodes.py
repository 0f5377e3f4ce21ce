"""Nodes of a feature grid: the positions in time and joints that attention reads from.

Grids (n, D, T', V) are float16 on disk and may be larger than memory; they are read by rows, and what is kept stays
float16.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional as F

from zssar.alignment import inputs
from zssar.errors import UserError
from zssar.interfaces import Features

READ = 2**27  # bytes of grid, as float32, in memory at a time


def grid_shape(features: Features, dim: int | None = None) -> tuple[int, int, int]:
    """D, T', V of the view ``grid``, read from its first row and checked as in ``inputs.array``."""
    return inputs.array(features, "grid", np.arange(1), 4, dim).shape[1:]


def read_rows(features: Features) -> int:
    """How many rows of the grid to read at a time."""
    return max(1, READ // (4 * math.prod(grid_shape(features))))


def segments(length: int, count: int) -> list[slice]:
    """``count`` consecutive segments of nearly equal length. Raises UserError if there are fewer steps than that."""
    if length < count:
        raise UserError(
            f"{length} time steps cannot be cut into {count} segments; use longer windows or fewer segments"
        )
    bounds = [i * length // count for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def blocks(features: Features, device, dim: int | None = None) -> Iterator[torch.Tensor]:
    """float32 (rows, D, T', V) on the device, all rows in order, checked as in ``inputs.array``.

    Float16 is what travels to the device; conversion and the search for NaN happen there, in parallel kernels.
    """
    grid_shape(features, dim)
    size = read_rows(features)
    for start in range(0, len(features), size):
        rows = slice(start, start + size)
        block = torch.as_tensor(features.batch("grid", rows), device=device).float()
        if not torch.isfinite(block.sum()):  # a pass over memory instead of six; one bad number spoils the sum
            inputs.array(features, "grid", rows, 4, dim)  # raises and says which row; finite rows pass
        yield block


class Grid:
    """Batches of a grid as float32 (B, T', V, D) on the device; kept there in float16 if it fits, else read by rows.

    ``bins``: average the time steps to that many; None leaves them as they are. ``memory``: bytes that may be kept;
    None takes 2 GiB on a CPU and half of what is free on a GPU.
    """

    def __init__(self, features: Features, device, dim: int | None = None, bins=None, memory: int | None = None):
        self.features, self.device, self.dim = features, torch.device(device), dim
        self.channels, times, self.joints = grid_shape(features, dim)
        self.parts = None if bins is None else segments(times, bins)
        key = ("grid", bins, self.device)
        self.kept: torch.Tensor | None = features.memo.get(key) if memory is None else None  # of an earlier seed
        if memory is None:
            memory = torch.cuda.mem_get_info(self.device)[0] // 2 if self.device.type == "cuda" else 2**31
        if self.kept is None and 2 * len(features) * self.channels * (bins or times) * self.joints <= memory:
            with torch.inference_mode(False), torch.no_grad():  # training may want it too
                turned = [self._turn(block).half() for block in blocks(features, self.device, dim)]
                self.kept = features.memo[key] = torch.cat(turned)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (B,), on any device."""
        if self.kept is not None:
            return self.kept[rows.to(self.device)].float()
        read = inputs.array(self.features, "grid", rows.cpu().numpy(), 4, self.dim)
        return self._turn(torch.as_tensor(read, device=self.device))

    def _turn(self, grid: torch.Tensor) -> torch.Tensor:
        block = grid.permute(0, 2, 3, 1)
        if self.parts is None:
            return block
        return torch.stack([block[:, part].mean(1) for part in self.parts], 1)


def unit_nodes(features: Features, bins: int, device, dim: int | None = None) -> torch.Tensor:
    """float16 (n, bins * V, D) on the device: time averaged to ``bins``, every node of unit length (zeros stay zero).

    PURLS, section 3.3. A clip's node set does not depend on the other clips. Not to be changed by the caller: the
    next seed or checkpoint gets the same tensor.
    """
    d, t, v = grid_shape(features, dim)
    key = ("unit nodes", bins, torch.device(device))
    if key in features.memo:
        return features.memo[key]
    with torch.inference_mode(False), torch.no_grad():  # training may want them too
        features.memo[key] = _unit_nodes(features, bins, device, (d, t, v), dim)
    return features.memo[key]


def _unit_nodes(features: Features, bins: int, device, shape: tuple[int, int, int], dim: int | None) -> torch.Tensor:
    d, t, v = shape
    times, start = segments(t, bins), 0
    nodes = torch.empty(len(features), bins * v, d, dtype=torch.float16, device=device)
    for block in blocks(features, device, dim):
        block = torch.stack([block[:, :, part].mean(2) for part in times], 1)  # (rows, bins, D, V)
        block = F.normalize(block.transpose(2, 3).flatten(1, 2), dim=-1)
        nodes[start : start + len(block)] = block.half()
        start += len(block)
    return nodes
