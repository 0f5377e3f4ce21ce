"""Building blocks of the graph networks: initial weights, residuals, temporal convolutions. Blocks, no networks.

Tensors between blocks are (B, C, T, V), for most networks in channels-last memory, so that a joint's channels lie
together: 1x1 convolutions are then plain matrix products and the graph product needs no copy (benchmarks/README.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from zssar.errors import UserError, unknown

# What the published recipes of the family share; none of them augments, smooths labels or clips gradients.
PAPER = {
    "optimiser": "sgd",
    "lr": 0.1,
    "weight_decay": 1e-4,
    "schedule": "step",
    "warmup": 0,
    "label_smoothing": 0.0,
    "crop": 1.0,
    "rotation": 0.0,
    "scale": 0.0,
}

# (width, stride in time) of the ten blocks that ST-GCN, Shift-GCN, CTR-GCN and AA-GCN share.
# Names shared by the official code of the 2s-AGCN family (blocks l1 ... l10), see zssar.features.published.
FAMILY_NAMES = (
    (r"fc\.(?P<rest>.+)", "head.{rest}"),
    (r"l(?P<one>\d+)\.residual\.(?P<rest>.+)", "blocks.{one}.shortcut.{rest}"),
    (r"l(?P<one>\d+)\.gcn1\.down\.0\.(?P<rest>.+)", "blocks.{one}.spatial.shortcut.conv.{rest}"),
    (r"l(?P<one>\d+)\.gcn1\.down\.1\.(?P<rest>.+)", "blocks.{one}.spatial.shortcut.bn.{rest}"),
    (r"l(?P<one>\d+)\.gcn1\.bn\.(?P<rest>.+)", "blocks.{one}.spatial.bn.{rest}"),
    (r"l(?P<one>\d+)\.gcn1\.PA", "blocks.{one}.spatial.graph"),
    (r"l(?P<one>\d+)\.gcn1\.alpha", "blocks.{one}.spatial.alpha"),
)

Plan = tuple[tuple[int, int], ...]
TEN_BLOCKS: Plan = ((64, 1),) * 4 + ((128, 2), (128, 1), (128, 1), (256, 2), (256, 1), (256, 1))


def blocks_of(widths: str | Sequence[Sequence[int]], named: Mapping[str, Plan] | None = None) -> Plan:
    """((width, stride), ...) from a name (``full``: the ten blocks) or a list of pairs. Raises UserError otherwise."""
    known = {"full": TEN_BLOCKS, **(named or {})}
    if isinstance(widths, str):
        if widths not in known:
            raise unknown("widths of a backbone", widths, known)
        return known[widths]
    plan = tuple(tuple(pair) for pair in widths)
    if not plan or any(len(pair) != 2 or min(pair) < 1 for pair in plan):
        raise UserError(f"widths of a backbone: expected [[width, stride], ...] of positive numbers, got {widths}")
    return plan


def init_convolutions(module: nn.Module) -> None:
    """Kaiming-normal (fan out) weights and zero biases for every convolution; ones and zeros for batch norms."""
    for part in module.modules():
        if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)


def init_head(head: nn.Linear) -> None:
    """The 2s-AGCN family's head: weights from N(0, 2 / classes), zero bias."""
    nn.init.normal_(head.weight, 0, math.sqrt(2 / head.out_features))
    nn.init.zeros_(head.bias)


def frames_first(x: torch.Tensor) -> torch.Tensor:
    """(B, C, T, V) -> (B T, V, C), a view of channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(0, 1)


def frames_back(x: torch.Tensor, frames: int) -> torch.Tensor:
    """(B T, V, C) -> (B, C, T, V), the reverse of ``frames_first``."""
    return x.unflatten(0, (-1, frames)).permute(0, 3, 1, 2)


def graph_product(y: torch.Tensor, graph: torch.Tensor) -> torch.Tensor:
    """(B, K C, T, V), graph (K, V, W) -> (B, C, T, W): sum over k, v of y[k, v] graph[k, v, w].

    One batched product of (W, V K) with (V K, C): the rows of a frame already lie as (v, k).
    """
    subsets, joints, targets = graph.shape
    frames = y.shape[2]
    rows = frames_first(y).reshape(-1, joints * subsets, y.shape[1] // subsets)
    matrix = graph.permute(2, 1, 0).reshape(1, targets, joints * subsets).to(y.dtype)
    return frames_back(torch.bmm(matrix.expand(len(rows), -1, -1), rows), frames)


class Shortcut(nn.Module):
    """What is added to a block's output: nothing, the input, or a strided 1x1 convolution with batch norm."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, kind: str = "match"):
        super().__init__()
        self.none = kind == "none"
        self.conv = None
        if not self.none and (in_channels != out_channels or stride != 1):
            self.conv = nn.Conv2d(in_channels, out_channels, 1, (stride, 1))
            self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor | float:
        if self.none:
            return 0.0
        return x if self.conv is None else self.bn(self.conv(x))


def fused(convs: Sequence[nn.Conv2d], x: torch.Tensor) -> torch.Tensor:
    """The outputs of several 1x1 convolutions of one input, one after another along channels, in one product."""
    return F.conv2d(x, torch.cat([c.weight for c in convs]), torch.cat([c.bias for c in convs]))


def temporal_conv(channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A convolution along time that keeps the number of frames (up to the stride)."""
    pad = (kernel + (kernel - 1) * (dilation - 1) - 1) // 2
    return nn.Conv2d(channels, out_channels, (kernel, 1), (stride, 1), (pad, 0), (dilation, 1))


class Branches(nn.Module):
    """Parallel views of time: dilated convolutions, a max-pool over three frames, a plain 1x1 (the stride in each).

    widths: output channels of each branch, in this order. All but the last begin with a 1x1 convolution, batch norm and
    ReLU, here one of each for all of them together. (B, C, T, V) -> (B, sum of widths, T / stride, V).
    """

    def __init__(self, channels: int, widths: Sequence[int], kernel: int, dilations: Sequence[int], stride: int):
        super().__init__()
        self.widths = list(widths[:-1])
        self.reduce = nn.Conv2d(channels, sum(self.widths), 1)
        self.bn = nn.BatchNorm2d(sum(self.widths))
        self.convs = nn.ModuleList(
            temporal_conv(width, width, kernel, stride, dilation)
            for width, dilation in zip(widths, dilations, strict=False)
        )
        self.pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        self.plain = nn.Conv2d(channels, widths[-1], 1, (stride, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = F.relu(self.bn(self.reduce(x)), inplace=True).split(self.widths, 1)
        parts = [conv(part) for conv, part in zip(self.convs, parts, strict=False)] + [self.pool(parts[-1])]
        return torch.cat([*parts, self.plain(x)], 1)


def add_relu(x: torch.Tensor, shortcut: torch.Tensor | float) -> torch.Tensor:
    """relu(x + shortcut) with one pass less over memory where autograd allows it."""
    return F.relu(x + shortcut if isinstance(shortcut, torch.Tensor) else x, inplace=True)
