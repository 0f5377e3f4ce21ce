"""DG-STGCN: dynamic group spatio-temporal GCN.

Paper: Duan et al., arXiv 2210.05895, 2022. Idea: no skeleton prior; eight learnable graphs per block (3.2), each
refined for every clip channel by channel (tanh of differences) and as a whole (softmax over source joints of a
similarity), and six temporal branches over the joints and a virtual joint, their mean, which is then added to every
joint with a learnt weight (3.3). Input: any stream, any layout; 100 frames in the paper.
Published: 1,701,172 parameters (25 joints, 60 classes). The graph refinements share one factor per block, as in the
released configuration (vectors of eight of which the first is used).

Equal to the published module but cheaper: time is averaged before the projections (they are linear). Differences: the
``persons`` option.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from zssar.backbones.bodies import BodyBackbone
from zssar.backbones.layers import (
    PAPER,
    Branches,
    Shortcut,
    add_relu,
    blocks_of,
    init_convolutions,
    init_head,
)
from zssar.errors import UserError
from zssar.skeleton.layouts import Layout

DILATIONS = (1, 2, 3, 4)


class Spatial(nn.Module):
    """(B, C, T, V) -> (B, C', T, V) by K graphs on C' / K channels each."""

    def __init__(self, in_channels: int, channels: int, joints: int, subsets: int):
        super().__init__()
        if channels % subsets:
            raise UserError(f"dg_stgcn widths: {channels} is not a multiple of {subsets} (parameter subsets)")
        self.subsets = subsets
        self.graph = nn.Parameter(torch.randn(subsets, joints, joints) * 0.02 + 0.04)  # (K, source, target)
        self.alpha = nn.Parameter(torch.zeros(subsets))
        self.beta = nn.Parameter(torch.zeros(subsets))
        self.pre = nn.Sequential(nn.Conv2d(in_channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.query = nn.Conv2d(in_channels, channels, 1)
        self.key = nn.Conv2d(in_channels, channels, 1)
        self.post = nn.Conv2d(channels, channels, 1)
        self.bn = nn.BatchNorm2d(channels)
        self.shortcut = Shortcut(in_channels, channels)

    def graphs(self, x: torch.Tensor) -> torch.Tensor:
        """(B, K, C' / K, source, target)."""
        mean = x.mean(2, keepdim=True)
        query, key = (conv(mean).squeeze(2).unflatten(1, (self.subsets, -1)) for conv in (self.query, self.key))
        by_channel = torch.tanh(query[..., :, None] - key[..., None, :])
        whole = torch.softmax(query.transpose(2, 3) @ key, 2)[:, :, None]
        return by_channel * self.alpha[0] + whole * self.beta[0] + self.graph[:, None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value = self.pre(x)
        graphs = self.graphs(x).flatten(1, 2).to(value.dtype)  # (B, C', source, target)
        return add_relu(self.bn(self.post(torch.matmul(value, graphs))), self.shortcut(x))


class Temporal(nn.Module):
    """Six branches over the joints and their mean; (B, C, T, V) -> (B, C, T / stride, V)."""

    def __init__(self, channels: int, stride: int, joints: int):
        super().__init__()
        count = len(DILATIONS) + 2
        width = channels // count
        if not width:
            raise UserError(f"dg_stgcn widths: {channels} is less than the {count} temporal branches")
        widths = [channels - width * (count - 1)] + [width] * (count - 1)

        self.branches = Branches(channels, widths, 3, DILATIONS, stride)
        self.virtual = nn.Parameter(torch.zeros(joints))
        self.transform = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Conv2d(channels, channels, 1)
        )
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([x, x.mean(3, keepdim=True)], 3)
        y = self.branches(x)
        y = y[..., :-1] + y[..., -1:] * self.virtual.to(y.dtype)
        return self.bn(self.transform(y))


class Block(nn.Module):
    def __init__(self, in_channels: int, channels: int, stride: int, joints: int, subsets: int, shortcut: str):
        super().__init__()
        self.spatial = Spatial(in_channels, channels, joints, subsets)
        self.temporal = Temporal(channels, stride, joints)
        self.shortcut = Shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return add_relu(self.temporal(self.spatial(x)), self.shortcut(x))


_B = "blocks.{i}.temporal.branches"


class DgStgcn(BodyBackbone):
    """widths: full or [[width, stride], ...]; subsets: graphs per block."""

    memory_format = torch.contiguous_format  # the products are over joints, channel by channel

    published_names: ClassVar[tuple[tuple[str, str], ...]] = (  # those of pyskl
        (r"cls_head\.fc_cls\.(?P<rest>.+)", "head.{rest}"),
        (r"gcn\.(?P<i>\d+)\.gcn\.A", "blocks.{i}.spatial.graph"),
        (r"gcn\.(?P<i>\d+)\.gcn\.(?P<rest>(alpha|beta|pre|post|bn).*)", "blocks.{i}.spatial.{rest}"),
        (r"gcn\.(?P<i>\d+)\.gcn\.conv1\.(?P<rest>.+)", "blocks.{i}.spatial.query.{rest}"),
        (r"gcn\.(?P<i>\d+)\.gcn\.conv2\.(?P<rest>.+)", "blocks.{i}.spatial.key.{rest}"),
        (r"gcn\.(?P<i>\d+)\.gcn\.down\.0\.(?P<rest>.+)", "blocks.{i}.spatial.shortcut.conv.{rest}"),
        (r"gcn\.(?P<i>\d+)\.gcn\.down\.1\.(?P<rest>.+)", "blocks.{i}.spatial.shortcut.bn.{rest}"),
        (r"gcn\.(?P<i>\d+)\.residual\.(?P<rest>.+)", "blocks.{i}.shortcut.{rest}"),
        (r"gcn\.(?P<i>\d+)\.tcn\.add_coeff", "blocks.{i}.temporal.virtual"),
        (r"gcn\.(?P<i>\d+)\.tcn\.(?P<rest>(transform|bn)\..+)", "blocks.{i}.temporal.{rest}"),
        (r"gcn\.(?P<i>\d+)\.tcn\.branches\.(?P<b>[0-4])\.0\.(?P<rest>.+)", f"{_B}.reduce.{{rest}}#{{b}}/5"),
        (r"gcn\.(?P<i>\d+)\.tcn\.branches\.(?P<b>[0-4])\.1\.(?P<rest>.+)", f"{_B}.bn.{{rest}}#{{b}}/5"),
        (r"gcn\.(?P<i>\d+)\.tcn\.branches\.(?P<b>[0-3])\.3\.conv\.(?P<rest>.+)", f"{_B}.convs.{{b}}.{{rest}}"),
        (r"gcn\.(?P<i>\d+)\.tcn\.branches\.5\.(?P<rest>.+)", f"{_B}.plain.{{rest}}"),
    )
    paper_recipe: ClassVar[Mapping[str, Any]] = {
        **PAPER,
        "epochs": 150,
        "schedule": "cosine",
        "batch_size": 64,
        "frames": 100,
        "weight_decay": 5e-4,
        "rotation": 0.2,
    }

    def __init__(
        self,
        layout: Layout,
        in_channels: int,
        num_classes: int,
        bodies: int = 2,
        widths: str | Sequence[Sequence[int]] = "full",
        persons: str = "all",
        subsets: int = 8,
    ):
        plan = blocks_of(widths)
        super().__init__(layout, in_channels, num_classes, bodies, persons, plan[-1][0], norm_per_slot=False)
        sizes = [in_channels, *(width for width, _ in plan)]
        self.blocks = nn.ModuleList(
            Block(sizes[i], width, stride, len(layout), subsets, "match" if i else "none")
            for i, (width, stride) in enumerate(plan)
        )
        init_convolutions(self)
        init_head(self.head)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return x
