"""CTR-GCN: channel-wise topology refinement graph convolution.

Paper: Chen et al., ICCV 2021. Idea: a shared learnable graph per block, refined for every channel and clip by the
differences of joint features (eq. 5-7): q and k are 1x1 projections averaged over time, M[u, v] = tanh(q_u - k_v),
R = 1x1 projection of M to all channels, graph = alpha R + A, out[u] = sum_v graph[u, v] W x[v]; three of them are
added. Temporal unit (3.4): four branches, two dilated convolutions, a max-pool and a plain 1x1.
Input: any stream, any layout; 64 frames in the paper. Published: 1,446,672 parameters (25 joints, 60 classes).

Equal to the published module but cheaper: the average over time is taken before the projections q and k (they are
linear), alpha scales the refining weights instead of their large output, and the subsets share one convolution.
Differences: the ``persons`` option.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from zssar.backbones.bodies import BodyBackbone
from zssar.backbones.graph import SUBSETS, direction_partition
from zssar.backbones.layers import (
    FAMILY_NAMES,
    PAPER,
    Branches,
    Shortcut,
    add_relu,
    blocks_of,
    fused,
    init_convolutions,
    init_head,
)
from zssar.errors import UserError
from zssar.skeleton.layouts import Layout


class Refinement(nn.Module):
    """The four projections of one subset."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        reduced = 8 if in_channels in (3, 9) else max(1, in_channels // 8)
        self.query = nn.Conv2d(in_channels, reduced, 1)
        self.key = nn.Conv2d(in_channels, reduced, 1)
        self.value = nn.Conv2d(in_channels, channels, 1)
        self.refine = nn.Conv2d(reduced, channels, 1)


class Spatial(nn.Module):
    """(B, C, T, V) -> (B, C', T, V)."""

    def __init__(self, in_channels: int, channels: int, graph: torch.Tensor):
        super().__init__()
        self.graph = nn.Parameter(graph.clone())  # (K, target, source)
        self.alpha = nn.Parameter(torch.zeros(1))
        self.subsets = nn.ModuleList(Refinement(in_channels, channels) for _ in range(SUBSETS))
        self.bn = nn.BatchNorm2d(channels)
        self.shortcut = Shortcut(in_channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, _, frames, joints = x.shape
        mean = x.mean(2, keepdim=True)
        query = fused([s.query for s in self.subsets], mean).unflatten(1, (SUBSETS, -1))  # (B, K, r, 1, V)
        key = fused([s.key for s in self.subsets], mean).unflatten(1, (SUBSETS, -1))
        pairs = torch.tanh(query.transpose(3, 4) - key).unbind(1)  # (B, r, target, source) each
        values = fused([s.value for s in self.subsets], x).unflatten(1, (SUBSETS, -1)).unbind(1)  # (B, C', T, V) each
        y = None
        for subset, pair, value, graph in zip(self.subsets, pairs, values, self.graph):
            refined = F.conv2d(pair, subset.refine.weight * self.alpha, subset.refine.bias * self.alpha)
            matrix = (refined + graph).flatten(0, 1).transpose(1, 2)  # (B C', source, target)
            rows = value.reshape(-1, frames, joints)
            y = torch.bmm(rows, matrix) if y is None else torch.baddbmm(y, rows, matrix)
        return add_relu(self.bn(y.view(n, -1, frames, joints)), self.shortcut(x))


class Temporal(nn.Module):
    """Four branches of a quarter of the channels each, batch norm."""

    def __init__(self, channels: int, stride: int, kernel: int = 5, dilations: Sequence[int] = (1, 2)):
        super().__init__()
        count = len(dilations) + 2
        if channels % count:
            raise UserError(f"ctr_gcn widths: {channels} is not a multiple of {count}")
        self.branches = Branches(channels, [channels // count] * count, kernel, dilations, stride)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.branches(x))


class Block(nn.Module):
    def __init__(self, in_channels: int, channels: int, stride: int, graph: torch.Tensor, shortcut: str):
        super().__init__()
        self.spatial = Spatial(in_channels, channels, graph)
        self.temporal = Temporal(channels, stride)
        self.shortcut = Shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return add_relu(self.temporal(self.spatial(x)), self.shortcut(x))


_T = "blocks.{one}.temporal"
_B = f"{_T}.branches"


class CtrGcn(BodyBackbone):
    """widths: full or [[width, stride], ...], widths divisible by four."""

    memory_format = torch.contiguous_format  # the products are over joints, channel by channel

    published_names: ClassVar[tuple[tuple[str, str], ...]] = (
        *FAMILY_NAMES,
        *(
            (
                rf"l(?P<one>\d+)\.gcn1\.convs\.(?P<k>\d)\.conv{number}\.(?P<rest>.+)",
                f"blocks.{{one}}.spatial.subsets.{{k}}.{name}.{{rest}}",
            )
            for number, name in enumerate(("query", "key", "value", "refine"), 1)
        ),
        (r"l(?P<one>\d+)\.tcn1\.branches\.(?P<b>[0-2])\.0\.(?P<rest>.+)", f"{_B}.reduce.{{rest}}#{{b}}/3"),
        (r"l(?P<one>\d+)\.tcn1\.branches\.(?P<b>[0-2])\.1\.(?P<rest>.+)", f"{_B}.bn.{{rest}}#{{b}}/3"),
        (r"l(?P<one>\d+)\.tcn1\.branches\.(?P<b>[01])\.3\.conv\.(?P<rest>.+)", f"{_B}.convs.{{b}}.{{rest}}"),
        (r"l(?P<one>\d+)\.tcn1\.branches\.(?P<b>[01])\.3\.bn\.(?P<rest>.+)", f"{_T}.bn.{{rest}}#{{b}}/4"),
        (r"l(?P<one>\d+)\.tcn1\.branches\.2\.4\.(?P<rest>.+)", f"{_T}.bn.{{rest}}#2/4"),
        (r"l(?P<one>\d+)\.tcn1\.branches\.3\.0\.(?P<rest>.+)", f"{_B}.plain.{{rest}}"),
        (r"l(?P<one>\d+)\.tcn1\.branches\.3\.1\.(?P<rest>.+)", f"{_T}.bn.{{rest}}#3/4"),
    )
    paper_recipe: ClassVar[Mapping[str, Any]] = {
        **PAPER,
        "epochs": 65,
        "milestones": [35, 55],
        "warmup": 5,
        "batch_size": 64,
        "weight_decay": 4e-4,
        "frames": 64,
        "crop": 0.5,
        "test_crop": 0.95,
        "rotation": 0.3,
    }

    def __init__(
        self,
        layout: Layout,
        in_channels: int,
        num_classes: int,
        bodies: int = 2,
        widths: str | Sequence[Sequence[int]] = "full",
        persons: str = "all",
    ):
        plan = blocks_of(widths)
        super().__init__(layout, in_channels, num_classes, bodies, persons, plan[-1][0], norm_per_slot=True)
        graph = torch.from_numpy(direction_partition(layout))  # (K, source, target): rows of the paper are targets
        sizes = [in_channels, *(width for width, _ in plan)]
        self.blocks = nn.ModuleList(
            Block(sizes[i], width, stride, graph, "match" if i else "none") for i, (width, stride) in enumerate(plan)
        )
        init_convolutions(self)
        for block in self.blocks:
            nn.init.constant_(block.spatial.bn.weight, 1e-6)
        init_head(self.head)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return x
