"""Clips without their most active frames, for the view ``pooled_masked`` that SMIE's temporal constraint needs.

SMIE (Zhou et al., ACM MM 2023) looks at a clip a second time after its most telling frames were taken out: of 50 frames
the 35 with the least motion stay, in their order, and 15 of those, at random positions that all clips of a batch share,
are dropped as well. Here the shares 35/50 and 20/50 hold for windows of any length. The paper draws positions anew for
every batch; stored features hold ``DRAWS`` fixed draws of positions, each common to all clips, of which the method
takes one per batch.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

QUIET, LEFT = 35 / 50, 20 / 50  # shares of a window's frames: after the choice by motion, and after thinning
DRAWS = 4


def counts(frames: int) -> tuple[int, int]:
    """How many of ``frames`` stay after the choice by motion, and after thinning: 35 and 20 of 50."""
    return max(1, round(QUIET * frames)), max(1, round(LEFT * frames))


def activity(x: torch.Tensor) -> torch.Tensor:
    """(N, C, T, V, M) -> (N, T): squared difference to the next plus to the previous frame, a mean over all else.

    The first and the last frame have one neighbour, and the missing difference counts as zero.
    """
    steps = (x[:, :, 1:] - x[:, :, :-1]).square().mean((1, 3, 4))
    return F.pad(steps, (0, 1)) + F.pad(steps, (1, 0))


def positions(frames: int, draw: int) -> torch.Tensor:
    """Which of a window's quiet frames stay in this draw: int64 (20 of 35, say), ascending, equal for all clips."""
    quiet, left = counts(frames)
    return torch.randperm(quiet, generator=torch.Generator().manual_seed(draw))[:left].sort().values


def masked(x: torch.Tensor, draw: int) -> torch.Tensor:
    """(N, C, T, V, M) joint coordinates -> (N, C, 0.4 T, V, M): the quiet frames of each clip, thinned, in their order.

    A clip's result does not depend on the other clips.
    """
    n, c, t, v, m = x.shape
    quiet = activity(x).argsort(dim=1, stable=True)[:, : counts(t)[0]].sort(1).values
    rows = quiet[:, positions(t, draw).to(x.device)]
    return x.gather(2, rows[:, None, :, None, None].expand(n, c, -1, v, m))
