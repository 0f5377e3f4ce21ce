"""AA-GCN: attention-enhanced adaptive graph convolution, one stream of MS-AAGCN.

Paper: Shi et al., "Skeleton-based action recognition with multi-stream adaptive graph convolutional networks", TIP
2020. Idea: the graph of a block is a learnable copy of the skeleton plus, for every clip, alpha times the tanh of the
similarity of projected joint features (eq. 4-6), and three attentions follow one another (3.3): over joints, over
frames, over channels, each as y + y * a. Temporal unit: a convolution over nine frames.
Input: any stream, any layout; 100 or 300 frames in the literature. Published: 3,781,668 parameters (25 joints, 60
classes).

Equal to the published module but cheaper: joints are mixed before the 1x1 products, which are then one product for
all three subsets (both are linear), and the three attentions multiply once. Differences: the ``persons`` option.
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
    Shortcut,
    add_relu,
    blocks_of,
    frames_back,
    frames_first,
    fused,
    init_convolutions,
    init_head,
    temporal_conv,
)
from zssar.skeleton.layouts import Layout


class Gate(torch.autograd.Function):
    """y (B, C, T, V) times place (B, 1, T, V) times channel (B, C), with few passes over memory in both directions."""

    @staticmethod
    def forward(ctx, y: torch.Tensor, place: torch.Tensor, channel: torch.Tensor) -> torch.Tensor:
        place, channel = place.to(y.dtype), channel.to(y.dtype)
        ctx.save_for_backward(y, place, channel)
        return (y * place).mul_(channel[:, :, None, None])

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        y, place, channel = ctx.saved_tensors
        both = (grad * y).permute(0, 2, 3, 1).flatten(1, 2)  # (B, T V, C)
        by_place = torch.bmm(both, channel[:, :, None]).view_as(place)
        by_channel = torch.bmm(place.flatten(1)[:, None], both)[:, 0]
        return (grad * place).mul_(channel[:, :, None, None]), by_place, by_channel


class Attention(nn.Module):
    """Joints, then frames, then channels: y + y * sigmoid(...) three times, each looking at what the last one left."""

    def __init__(self, channels: int, joints: int):
        super().__init__()
        kernel = joints if joints % 2 else joints - 1
        self.joints = nn.Conv1d(channels, 1, kernel, padding=(kernel - 1) // 2)
        self.frames = nn.Conv1d(channels, 1, 9, padding=4)
        self.squeeze = nn.Linear(channels, channels // 2)
        self.excite = nn.Linear(channels // 2, channels)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """(B, C, T, V) -> the same. The three factors are found first and multiply y once."""
        n, _, frames, joints = y.shape
        by_joint = 1 + torch.sigmoid(self.joints(y.mean(2)))  # (B, 1, V)
        weight = (by_joint / joints).to(y.dtype).repeat_interleave(frames, 0)  # (B T, 1, V)
        over_joints = torch.bmm(weight, frames_first(y)).view(n, frames, -1).transpose(1, 2)  # (B, C, T)
        by_frame = 1 + torch.sigmoid(self.frames(over_joints))  # (B, 1, T)
        over_all = (over_joints * by_frame).mean(2)
        by_channel = 1 + torch.sigmoid(self.excite(F.relu(self.squeeze(over_all))))  # (B, C)
        return Gate.apply(y, by_frame[..., None] * by_joint[:, :, None], by_channel)


class Spatial(nn.Module):
    """(B, C, T, V) -> (B, C', T, V)."""

    def __init__(self, in_channels: int, channels: int, graph: torch.Tensor):
        super().__init__()
        inner = max(1, channels // 4)
        self.graph = nn.Parameter(graph.clone())  # (K, source, target)
        self.alpha = nn.Parameter(torch.zeros(1))
        self.theta = nn.ModuleList(nn.Conv2d(in_channels, inner, 1) for _ in range(SUBSETS))
        self.phi = nn.ModuleList(nn.Conv2d(in_channels, inner, 1) for _ in range(SUBSETS))
        self.value = nn.ModuleList(nn.Conv2d(in_channels, channels, 1) for _ in range(SUBSETS))
        self.bn = nn.BatchNorm2d(channels)
        self.shortcut = Shortcut(in_channels, channels)
        self.attention = Attention(channels, graph.shape[1])

    def similarity(self, x: torch.Tensor) -> torch.Tensor:
        """(B, K, source, target): products over channels and time, divided by their number."""
        source, target = (fused(list(convs), x).unflatten(1, (SUBSETS, -1)) for convs in (self.theta, self.phi))
        source = source.permute(0, 1, 4, 3, 2).flatten(3)  # (B, K, V, T C)
        target = target.permute(0, 1, 4, 3, 2).flatten(3)
        return source @ target.transpose(2, 3) / source.shape[3]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        frames = x.shape[2]
        graph = self.graph + self.alpha * torch.tanh(self.similarity(x))  # (B, K, source, target)
        matrix = graph.permute(0, 3, 1, 2).flatten(1, 2).to(x.dtype)  # (B, target K, source)
        rows = torch.bmm(matrix.repeat_interleave(frames, 0), frames_first(x))  # (B T, target K, C)
        mixed = frames_back(rows.view(len(rows), x.shape[3], -1), frames)  # (B, K C, T, V)
        weight = torch.cat([conv.weight for conv in self.value], 1)
        y = F.conv2d(mixed, weight, sum(conv.bias for conv in self.value))
        return self.attention(add_relu(self.bn(y), self.shortcut(x)))


class Block(nn.Module):
    def __init__(self, in_channels: int, channels: int, stride: int, graph: torch.Tensor, shortcut: str):
        super().__init__()
        self.spatial = Spatial(in_channels, channels, graph)
        self.temporal = temporal_conv(channels, channels, 9, stride)
        self.bn = nn.BatchNorm2d(channels)
        self.shortcut = Shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return add_relu(self.bn(self.temporal(self.spatial(x))), self.shortcut(x))


class AaGcn(BodyBackbone):
    """widths: full or [[width, stride], ...]."""

    published_names: ClassVar[tuple[tuple[str, str], ...]] = (
        *FAMILY_NAMES,
        *(
            (rf"l(?P<one>\d+)\.gcn1\.{theirs}\.(?P<rest>.+)", f"blocks.{{one}}.spatial.{ours}.{{rest}}")
            for theirs, ours in (
                ("conv_a", "theta"),
                ("conv_b", "phi"),
                ("conv_d", "value"),
                ("conv_sa", "attention.joints"),
                ("conv_ta", "attention.frames"),
                ("fc1c", "attention.squeeze"),
                ("fc2c", "attention.excite"),
            )
        ),
        (r"l(?P<one>\d+)\.tcn1\.conv\.(?P<rest>.+)", "blocks.{one}.temporal.{rest}"),
        (r"l(?P<one>\d+)\.tcn1\.bn\.(?P<rest>.+)", "blocks.{one}.bn.{rest}"),
    )
    paper_recipe: ClassVar[Mapping[str, Any]] = {
        **PAPER,
        "epochs": 60,
        "milestones": [30, 40, 50],
        "warmup": 5,
        "batch_size": 64,
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
        graph = torch.from_numpy(direction_partition(layout))
        sizes = [in_channels, *(width for width, _ in plan)]
        self.blocks = nn.ModuleList(
            Block(sizes[i], width, stride, graph, "match" if i else "none") for i, (width, stride) in enumerate(plan)
        )
        init_convolutions(self)
        for block in self.blocks:
            nn.init.constant_(block.spatial.bn.weight, 1e-6)
            nn.init.zeros_(block.spatial.attention.frames.weight)
            nn.init.zeros_(block.spatial.attention.excite.weight)
            nn.init.zeros_(block.spatial.attention.excite.bias)
        init_head(self.head)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return x
