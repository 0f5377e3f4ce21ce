"""Shift-GCN: skeleton action recognition with shift graph convolutional networks.

Paper: Cheng et al., CVPR 2020. Idea: no graph and no convolution over it; features are moved between joints and frames,
and only 1x1 products compute. Spatial unit (section 3.2, non-local shift with adaptive mask): channel c of joint v
comes from joint v + c (mod V); times tanh(mask) + 1; linear; moved back; batch norm per joint and channel.
Temporal unit (3.3): every channel is moved in time by a real displacement it learns, by linear interpolation; 1x1
product; ReLU; moved again, with the stride. Input: any stream, any layout; 64 or 300 frames in the literature.

The spatial shift is one index permutation (its gradient the inverse one). The temporal shift is a depthwise
convolution with two non-zero taps per channel, which equals gathering two frames and blending them and is faster.
``displacement_gradient="sign"`` follows the published CUDA kernel, which hands 0.01 times the sign of the gradient to
the optimiser (1e-4 where it is zero); ``"true"`` the gradient itself. The published code also keeps a displacement
along joints that starts at 1e-8 and is never trained; it is left out (2,816 values of the published 693,107).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from zssar.backbones.bodies import BodyBackbone
from zssar.backbones.layers import FAMILY_NAMES, PAPER, Shortcut, add_relu, blocks_of, init_convolutions, init_head
from zssar.errors import UserError
from zssar.skeleton.layouts import Layout


class Permute(torch.autograd.Function):
    """Columns in another order; unlike indexing, the way back is a permutation too and not a scattered sum."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, order: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(order, inverse)
        return x.index_select(1, order)

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        order, inverse = ctx.saved_tensors
        return Permute.apply(grad, inverse, order), None, None


class SignGradient(torch.autograd.Function):
    """Identity whose gradient is 0.01 times the sign of the true one, 1e-4 where that is zero."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> torch.Tensor:
        return torch.where(grad == 0, 1e-4, 0.01 * grad.sign())


def shift_order(joints: int, channels: int, direction: int) -> torch.Tensor:
    """Index (V C,) into rows of (v, c): position (v, c) reads joint (v + direction * c) mod V of channel c."""
    v, c = torch.arange(joints)[:, None], torch.arange(channels)[None, :]
    return (((v + direction * c) % joints) * channels + c).flatten()


class SpatialShift(nn.Module):
    """(B, C, T, V) -> (B, C', T, V): shift in, mask, linear, shift out, batch norm, shortcut, ReLU."""

    def __init__(self, in_channels: int, channels: int, joints: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_channels, channels) / math.sqrt(channels))
        self.weight.decay = 10.0  # 1e-3 where the rest has 1e-4
        self.bias = nn.Parameter(torch.zeros(channels))
        self.mask = nn.Parameter(torch.zeros(joints, in_channels))
        self.mask.decay = 0.0
        self.bn = nn.BatchNorm1d(joints * channels)
        self.shortcut = Shortcut(in_channels, channels)
        for name, width, direction in (("into", in_channels, 1), ("out", channels, -1)):
            order = shift_order(joints, width, direction)
            self.register_buffer(name, order, persistent=False)
            self.register_buffer(f"{name}_inverse", order.argsort(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, channels, frames, joints = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(n * frames, joints * channels)
        rows = Permute.apply(rows, self.into, self.into_inverse).view(-1, joints, channels)
        rows = (rows * (self.mask.tanh() + 1).to(rows.dtype)).view(-1, channels)
        rows = F.linear(rows, self.weight.t(), self.bias).view(n * frames, -1)
        rows = self.bn(Permute.apply(rows, self.out, self.out_inverse))
        return add_relu(rows.view(n, frames, joints, -1).permute(0, 3, 1, 2), self.shortcut(x))


class TemporalShift(nn.Module):
    """out[c, t] = (1 - f) x[c, s t + k] + f x[c, s t + k + 1], with k + f the displacement (plus 1/2 for stride 2).

    Frames outside the clip are zero; the output has floor(T / s) frames. ``reach`` is the number of taps on each side.
    """

    def __init__(self, channels: int, stride: int, gradient: str):
        super().__init__()
        self.displacement = nn.Parameter(torch.empty(channels).uniform_(-1, 1))
        self.stride, self.gradient = stride, gradient

    def position(self) -> torch.Tensor:
        """(C,): the displacement as it is applied."""
        moved = SignGradient.apply(self.displacement) if self.gradient == "sign" else self.displacement
        return moved + 0.5 if self.stride == 2 else moved

    def forward(self, x: torch.Tensor, reach: int) -> torch.Tensor:
        position = self.position()
        whole = position.detach().floor()
        share = (position - whole)[:, None]
        taps = torch.arange(-reach, reach + 1, device=x.device)
        kernel = (1 - share) * (taps == whole[:, None]) + share * (taps == whole[:, None] + 1)  # (C, 2 reach + 1)
        y = F.conv2d(x, kernel[:, None, :, None].to(x.dtype), None, (self.stride, 1), (reach, 0), groups=x.shape[1])
        return y[:, :, : x.shape[2] // self.stride]


class Block(nn.Module):
    """Spatial unit, temporal unit (norm, shift, product, ReLU, shift, norm), residual, ReLU."""

    def __init__(self, in_channels, channels, stride, joints, gradient, shortcut):
        super().__init__()
        self.spatial = SpatialShift(in_channels, channels, joints)
        self.bn_in = nn.BatchNorm2d(channels)
        self.shift_in = TemporalShift(channels, 1, gradient)
        self.linear = nn.Conv2d(channels, channels, 1)
        self.shift_out = TemporalShift(channels, stride, gradient)
        self.bn_out = nn.BatchNorm2d(channels)
        self.shortcut = Shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x: torch.Tensor, reach: Sequence[int]) -> torch.Tensor:
        y = self.shift_in(self.bn_in(self.spatial(x)), reach[0])
        y = self.shift_out(F.relu(self.linear(y), inplace=True), reach[1])
        shortcut = self.shortcut(x)
        if isinstance(shortcut, torch.Tensor):
            shortcut = shortcut[:, :, : y.shape[2]]  # an odd number of frames: the shift rounds down
        return add_relu(self.bn_out(y), shortcut)


class ShiftGcn(BodyBackbone):
    """displacement_gradient: sign (as published) or true. widths: full or [[width, stride], ...], strides 1 and 2."""

    published_names: ClassVar[tuple[tuple[str, str], ...]] = (
        *FAMILY_NAMES,
        (r"l(?P<one>\d+)\.gcn1\.Linear_(?P<rest>.+)", "blocks.{one}.spatial.{rest}"),
        (r"l(?P<one>\d+)\.gcn1\.Feature_Mask", "blocks.{one}.spatial.mask"),
        (r"l(?P<one>\d+)\.gcn1\.shift_(in|out)", ""),
        (r"l(?P<one>\d+)\.tcn1\.bn\.(?P<rest>.+)", "blocks.{one}.bn_in.{rest}"),
        (r"l(?P<one>\d+)\.tcn1\.bn2\.(?P<rest>.+)", "blocks.{one}.bn_out.{rest}"),
        (r"l(?P<one>\d+)\.tcn1\.shift_(?P<end>in|out)\.ypos", "blocks.{one}.shift_{end}.displacement"),
        (r"l(?P<one>\d+)\.tcn1\.shift_(in|out)\.xpos", ""),
        (r"l(?P<one>\d+)\.tcn1\.temporal_linear\.(?P<rest>.+)", "blocks.{one}.linear.{rest}"),
    )
    paper_recipe: ClassVar[Mapping[str, Any]] = {**PAPER, "epochs": 140, "milestones": [60, 80, 100], "batch_size": 64}

    def __init__(
        self,
        layout: Layout,
        in_channels: int,
        num_classes: int,
        bodies: int = 2,
        widths: str | Sequence[Sequence[int]] = "full",
        persons: str = "all",
        displacement_gradient: str = "sign",
    ):
        if displacement_gradient not in ("sign", "true"):
            raise UserError(f"shift_gcn displacement_gradient: {displacement_gradient!r}; choose sign or true")
        plan = blocks_of(widths)
        super().__init__(layout, in_channels, num_classes, bodies, persons, plan[-1][0], norm_per_slot=True)
        sizes = [in_channels, *(width for width, _ in plan)]
        self.blocks = nn.ModuleList(
            Block(sizes[i], width, stride, len(layout), displacement_gradient, "match" if i else "none")
            for i, (width, stride) in enumerate(plan)
        )
        init_convolutions(self)
        init_head(self.head)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        for block, reach in zip(self.blocks, self._reach()):
            x = block(x, reach)
        return x

    def _reach(self) -> list[tuple[int, int]]:
        """Taps needed on each side by the two shifts of every block; one wait for the device instead of one a shift."""
        shifts = [shift for block in self.blocks for shift in (block.shift_in, block.shift_out)]
        with torch.no_grad():
            ends = torch.stack([torch.stack([s.position().min(), s.position().max()]) for s in shifts]).tolist()
        found = [max(1, -math.floor(low), math.floor(high) + 1) for low, high in ends]
        return list(zip(found[::2], found[1::2]))
