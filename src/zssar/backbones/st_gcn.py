"""ST-GCN: spatial temporal graph convolutional networks.

Paper: Yan, Xiong, Lin, AAAI 2018. Idea: a graph convolution over the joints of one frame, split into three groups of
neighbours by their distance from the body's centre (eq. 10, 11), then a convolution over nine frames.
A block: 1x1 convolution to 3 C channels, sum over groups of features times (A_k * M_k) with learnable edge weights
M_k; batch norm, ReLU, 9x1 convolution, batch norm, dropout; residual; ReLU. Input: any stream, any layout.

``widths="full"`` is the published network (3,098,832 parameters with 25 joints and 60 classes). ``"small"`` is the
16-channel one of SMIE (Zhou et al., ACM MM 2023) and its successors (836,800). ``"compact"`` is ours, four blocks for
CPUs: it learns in a third of the epochs of ``small`` at the same cost per clip (benchmarks/README.md). A list of
[width, stride] pairs builds another.

Differences: the fingertips' edges (see ``graph``), Kaiming-normal instead of N(0, 0.02) weights, the ``persons`` option
(see ``bodies``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from zssar.backbones.bodies import BodyBackbone
from zssar.backbones.graph import SUBSETS, distance_partition
from zssar.backbones.layers import (
    PAPER,
    Shortcut,
    add_relu,
    blocks_of,
    graph_product,
    init_convolutions,
    init_head,
    temporal_conv,
)
from zssar.skeleton.layouts import Layout

WIDTHS = {
    "small": ((16, 1),) * 4 + ((32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (256, 1)),
    "compact": ((32, 1), (64, 2), (128, 2), (256, 1)),
}


class Block(nn.Module):
    """Spatial graph convolution, then temporal convolution; (B, C, T, V) -> (B, C', T / stride, V)."""

    def __init__(self, in_channels, channels, stride, graph: torch.Tensor, dropout: float, shortcut: str, kernel: int):
        super().__init__()
        self.edges = nn.Parameter(torch.ones_like(graph))
        self.spatial = nn.Conv2d(in_channels, SUBSETS * channels, 1)
        self.bn_spatial = nn.BatchNorm2d(channels)
        self.temporal = temporal_conv(channels, channels, kernel, stride)
        self.bn_temporal = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.shortcut = Shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x: torch.Tensor, graph: torch.Tensor) -> torch.Tensor:
        y = graph_product(self.spatial(x), graph * self.edges)
        y = self.temporal(F.relu(self.bn_spatial(y), inplace=True))
        return add_relu(self.dropout(self.bn_temporal(y)), self.shortcut(x))


class StGcn(BodyBackbone):
    """widths: full, small, compact or [[width, stride], ...]; dropout: in all blocks but the first; kernel: frames."""

    published_names: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"A", "graph"),
        (r"edge_importance\.(?P<i>\d+)", "blocks.{i}.edges"),
        (r"st_gcn_networks\.(?P<i>\d+)\.gcn\.conv\.(?P<rest>.+)", "blocks.{i}.spatial.{rest}"),
        (r"st_gcn_networks\.(?P<i>\d+)\.tcn\.0\.(?P<rest>.+)", "blocks.{i}.bn_spatial.{rest}"),
        (r"st_gcn_networks\.(?P<i>\d+)\.tcn\.2\.(?P<rest>.+)", "blocks.{i}.temporal.{rest}"),
        (r"st_gcn_networks\.(?P<i>\d+)\.tcn\.3\.(?P<rest>.+)", "blocks.{i}.bn_temporal.{rest}"),
        (r"st_gcn_networks\.(?P<i>\d+)\.residual\.0\.(?P<rest>.+)", "blocks.{i}.shortcut.conv.{rest}"),
        (r"st_gcn_networks\.(?P<i>\d+)\.residual\.1\.(?P<rest>.+)", "blocks.{i}.shortcut.bn.{rest}"),
        (r"(fcn|fc)\.(?P<rest>.+)", "head.{rest}"),
    )
    # Official NTU RGB+D recipe (there on clips padded to 300 frames; set `frames` for longer windows).
    paper_recipe: ClassVar[Mapping[str, Any]] = {
        **PAPER,
        "epochs": 80,
        "milestones": [10, 50],
        "batch_size": 64,
    }

    def __init__(
        self,
        layout: Layout,
        in_channels: int,
        num_classes: int,
        bodies: int = 2,
        widths: str | Sequence[Sequence[int]] = "full",
        dropout: float = 0.5,
        persons: str = "all",
        kernel: int = 9,
    ):
        plan = blocks_of(widths, WIDTHS)
        super().__init__(layout, in_channels, num_classes, bodies, persons, plan[-1][0], norm_per_slot=False)
        graph = torch.from_numpy(distance_partition(layout))
        self.register_buffer("graph", graph)
        sizes = [in_channels, *(width for width, _ in plan)]
        self.blocks = nn.ModuleList(
            Block(sizes[i], width, stride, graph, dropout if i else 0.0, "match" if i else "none", kernel)
            for i, (width, stride) in enumerate(plan)
        )
        init_convolutions(self)
        init_head(self.head)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x, self.graph)
        return x
