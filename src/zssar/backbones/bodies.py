"""What graph networks share: an input batch norm, one pass per body, and the average over the persons of a clip.

An absent second body is a block of zeros. Published code sends it through the network all the same, so that its
constant answer is half of the average of every one-person clip (``persons="all"``, needed to compare with published
numbers). ``persons="present"`` leaves absent bodies out, in training and evaluation: one-person clips cost half, the
batch statistics describe people only, and the order of the persons does not matter.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import nn

from zssar.backbones.base import Backbone
from zssar.errors import UserError
from zssar.skeleton.layouts import Layout

PERSONS = ("all", "present")


class BodyBackbone(Backbone):
    """A network that looks at one body at a time. Subclasses give ``body``; ``classify`` is a linear head.

    memory_format: how ``body`` gets its input.
    norm_per_slot: the input batch norm has its own statistics for every person slot, as in the 2s-AGCN family
    (ignored with ``persons="present"``, where slots mean nothing).
    """

    memory_format = torch.channels_last

    def __init__(
        self,
        layout: Layout,
        in_channels: int,
        num_classes: int,
        bodies: int,
        persons: str,
        out_channels: int,
        norm_per_slot: bool,
    ):
        super().__init__()
        if persons not in PERSONS:
            raise UserError(f"backbone parameter persons: {persons!r}; choose one of {', '.join(PERSONS)}")
        self.persons, self.out_channels, self.bodies = persons, out_channels, bodies
        self.norm_per_slot = norm_per_slot and persons == "all" and bodies > 1
        per_body = len(layout) * in_channels
        self.data_bn = nn.BatchNorm1d(per_body * bodies if self.norm_per_slot else per_body)
        self.head = nn.Linear(out_channels, num_classes)

    @abstractmethod
    def body(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, T, V) -> (B, D, T', V) for B bodies that know nothing of each other."""

    def maps(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        n, slots = len(x), x.shape[4]
        x = x.permute(0, 4, 3, 1, 2)  # (N, M, V, C, T)
        if self.persons == "present":
            return self._some(x, present)
        if slots != self.bodies and self.norm_per_slot:
            raise UserError(f"this backbone was built for {self.bodies} person slots, the clips have {slots}")
        if self.training:
            return self.body(self._normalised(x)).unflatten(0, (n, slots))
        return self._with_constant_for_empty(x)

    def pool(self, maps: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        if maps.shape[1] == 1:
            return maps[:, 0]
        if self.persons == "all":
            return maps.mean(1)
        weight = present.to(maps.dtype)
        weight = weight / weight.sum(1, keepdim=True).clamp(min=1)
        return torch.einsum("nmdtv,nm->ndtv", maps, weight)

    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        return self.head(pooled)

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        """(N, M, V, C, T) -> (N M, C, T, V) after the input batch norm."""
        n, slots, joints, channels, frames = x.shape
        rows = x.reshape(n, -1, frames) if self.norm_per_slot else x.reshape(n * slots, -1, frames)
        x = self.data_bn(rows).view(n * slots, joints, channels, frames)
        return x.permute(0, 2, 3, 1).contiguous(memory_format=self.memory_format)

    def _some(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        n, slots = x.shape[:2]
        there = present.flatten()
        if bool(there.all()):
            return self.body(self._normalised(x)).unflatten(0, (n, slots))
        rows = there.nonzero()[:, 0]
        rows = rows if len(rows) else rows.new_zeros(1)  # an empty batch would leave the shape of the map unknown
        found = self.body(self._normalised(x.flatten(0, 1)[rows][:, None]))
        maps = found.new_zeros(n * slots, *found.shape[1:])
        return maps.index_copy(0, rows, found).unflatten(0, (n, slots))

    def _with_constant_for_empty(self, x: torch.Tensor) -> torch.Tensor:
        """Exact in evaluation mode: all empty bodies of a slot share one map, computed once per batch."""
        n, slots = x.shape[:2]
        empty = (x == 0).flatten(2).all(2).flatten()  # (N M,)
        normalised = self._normalised(x)
        if int(empty.sum()) <= slots:
            return self.body(normalised).unflatten(0, (n, slots))
        # A slot's first empty body stands for all of them; on a GPU a loop over rows would start a kernel for each.
        first = empty.view(n, slots).to(torch.uint8).argmax(0) * slots + torch.arange(slots, device=x.device)
        source = torch.where(empty, first.repeat(n), torch.arange(n * slots, device=x.device))
        rows, back = source.unique(return_inverse=True)
        return self.body(normalised[rows])[back].unflatten(0, (n, slots))
