"""PoseC3D: a 3-D convolutional network over heat maps of joints.

Paper: Duan et al., "Revisiting skeleton-based action recognition", CVPR 2022 (SlowOnly R50 without its first stage).
Idea: every joint of every frame is drawn as a Gaussian into a map of its own; the stack (V, T, H, W) is a small video
that a 3-D residual network reads. Input: the joint stream of any layout; 48 frames of 56 x 56 maps in the paper.
With 17 joints and 60 classes the network has 2.0 M parameters.

What we do differently: the paper detects 17 joints in colour images (HRNet); here the joints of the recording are
projected along the depth axis (x and y of the clip's own coordinates), sigma is not weighted by a detection score, and
clips are not mirrored, because many class names tell left from right. As in the paper, the crop is the tightest square
around all poses of the clip, and all persons are drawn into the same maps (maximum), so that there is one map per clip,
without joints: the views per part do not exist (V' = 1), and absent persons are simply not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from zssar.backbones.base import Backbone
from zssar.backbones.layers import init_convolutions
from zssar.skeleton.layouts import Layout


def heat_maps(x: torch.Tensor, present: torch.Tensor, size: int, sigma: float) -> torch.Tensor:
    """(N, C >= 2, T, V, M), present (N, M) -> (N, V, T, size, size), values from 0 to 1, the first row on top.

    The square spans the poses of all frames and persons with a margin of an eighth on each side. Frames in which a
    person is missing (all zero) are left empty.
    """
    points = x[:, :2].permute(0, 1, 4, 2, 3).float()  # (N, 2, M, T, V)
    drawn = present[:, :, None] & (x != 0).any(3).any(1).transpose(1, 2)  # (N, M, T)
    mask = drawn[:, None, ..., None].expand_as(points)
    low = torch.where(mask, points, torch.inf).amin((2, 3, 4))
    high = torch.where(mask, points, -torch.inf).amax((2, 3, 4))
    empty = ~drawn.flatten(1).any(1)
    low, high = low.masked_fill(empty[:, None], 0), high.masked_fill(empty[:, None], 1)
    side = 1.25 * (high - low).amax(1).clamp(min=1e-6)  # (N,)
    centred = (points - ((low + high) / 2)[..., None, None, None]) / side[:, None, None, None, None]
    pixels = (centred + 0.5) * size - 0.5  # (N, 2, M, T, V)
    grid = torch.arange(size, device=x.device, dtype=torch.float32)
    across = torch.exp(-((pixels[:, 0, ..., None] - grid) ** 2) / (2 * sigma**2))  # (N, M, T, V, W)
    down = torch.exp(-((pixels[:, 1, ..., None] - grid.flip(0)) ** 2) / (2 * sigma**2))
    down = down * drawn[..., None, None]
    maps = down[:, 0, ..., :, None] * across[:, 0, ..., None, :]
    for person in range(1, x.shape[4]):
        maps = torch.maximum(maps, down[:, person, ..., :, None] * across[:, person, ..., None, :])
    return maps.transpose(1, 2)  # (N, V, T, H, W)


def norm_conv(in_channels: int, channels: int, kernel: Sequence[int], stride: Sequence[int] = (1, 1, 1)):
    """Convolution without bias that keeps the size (up to the stride), and batch norm."""
    padding = tuple(k // 2 for k in kernel)
    return nn.Sequential(
        nn.Conv3d(in_channels, channels, tuple(kernel), tuple(stride), padding, bias=False), nn.BatchNorm3d(channels)
    )


class Bottleneck(nn.Module):
    """1x1 (or 3x1x1 in time), 1x3x3, 1x1 to four times the width; residual."""

    def __init__(self, in_channels: int, width: int, stride: Sequence[int], inflate: bool):
        super().__init__()
        self.reduce = norm_conv(in_channels, width, (3 if inflate else 1, 1, 1))
        self.space = norm_conv(width, width, (1, 3, 3), stride)
        self.expand = norm_conv(width, 4 * width, (1, 1, 1))
        same = in_channels == 4 * width and tuple(stride) == (1, 1, 1)
        self.shortcut = nn.Identity() if same else norm_conv(in_channels, 4 * width, (1, 1, 1), stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.space(F.relu(self.reduce(x), inplace=True)), inplace=True)
        return F.relu(self.expand(y) + self.shortcut(x), inplace=True)


class PoseC3d(Backbone):
    """size: pixels of a side; sigma: of the Gaussians, in pixels; width: channels of the stem; blocks: per stage."""

    memory_format = torch.channels_last_3d
    streams: ClassVar[tuple[str, ...] | None] = (
        "joint",
        "joint_bone_motion",
    )  # the coordinates must be among the channels, first

    published_names: ClassVar[tuple[tuple[str, str], ...]] = (  # those of mmaction2 and pyskl
        (r"cls_head\.fc_cls\.(?P<rest>.+)", "head.{rest}"),
        *(
            (rf"{theirs}\.{part}\.(?P<rest>.+)", f"{ours}.{place}.{{rest}}")
            for theirs, ours in (
                ("conv1", "stem"),
                (r"layer(?P<one>\d)\.(?P<j>\d+)\.conv1", "stages.{one}.{j}.reduce"),
                (r"layer(?P<one>\d)\.(?P<j>\d+)\.conv2", "stages.{one}.{j}.space"),
                (r"layer(?P<one>\d)\.(?P<j>\d+)\.conv3", "stages.{one}.{j}.expand"),
                (r"layer(?P<one>\d)\.(?P<j>\d+)\.downsample", "stages.{one}.{j}.shortcut"),
            )
            for place, part in enumerate(("conv", "bn"))
        ),
    )
    paper_recipe: ClassVar[Mapping[str, Any]] = {
        "optimiser": "sgd",
        "lr": 0.4,
        "weight_decay": 3e-4,
        "schedule": "cosine",
        "warmup": 0,
        "label_smoothing": 0.0,
        "epochs": 240,
        "batch_size": 256,
        "frames": 48,
        "clip_norm": 40.0,
        "crop": 1.0,
        "rotation": 0.0,
        "scale": 0.2,
    }

    def __init__(
        self,
        layout: Layout,
        in_channels: int,
        num_classes: int,
        bodies: int = 2,
        size: int = 56,
        sigma: float = 0.6,
        width: int = 32,
        blocks: Sequence[int] = (4, 6, 3),
        dropout: float = 0.5,
    ):
        super().__init__()
        self.size, self.sigma, self.out_channels = size, sigma, 4 * width * 2 ** (len(blocks) - 1)
        self.stem = norm_conv(len(layout), width, (1, 7, 7))
        stages, channels = [], width
        for stage, count in enumerate(blocks):
            planes, parts = width * 2**stage, []
            for block in range(count):
                stride = (2 if stage == 2 else 1, 2, 2) if block == 0 else (1, 1, 1)
                parts.append(Bottleneck(channels, planes, stride, inflate=stage > 0))
                channels = 4 * planes
            stages.append(nn.Sequential(*parts))
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.out_channels, num_classes)
        init_convolutions(self)
        nn.init.normal_(self.head.weight, 0, 0.01)
        nn.init.zeros_(self.head.bias)

    def maps(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        y = heat_maps(x, present, self.size, self.sigma).contiguous(memory_format=self.memory_format)
        y = F.max_pool3d(F.relu(self.stem(y), inplace=True), (1, 3, 3), 1, (0, 1, 1))
        return self.stages(y).mean((3, 4))[:, None, ..., None]  # (N, 1, D, T', 1)

    def pool(self, maps: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        return maps[:, 0]

    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(pooled))
