"""The views of a clip that methods ask for, averages of one map (N, D, T', V') over persons, time and joints.

``pooled_masked`` alone needs maps of its own: those of the clip without its most active frames (masking.py).
"""

from __future__ import annotations

import torch

from zssar.errors import UserError, unknown
from zssar.skeleton.layouts import Layout

PARTS = ("parts2", "parts4", "parts6", "parts_purls")
PHASES = ("start", "middle", "end")
MASKED = "pooled_masked"
VIEWS = ("pooled", *PARTS, "phases", "grid", "seen_logits", MASKED)
PROFILE = "profile"  # measured on the skeleton file (profiles.py), not on a network's map


def check(names, layout: Layout, joints: int) -> None:
    """Raise UserError for views that do not exist, or that this network's map cannot give."""
    for name in names:
        if name not in VIEWS:
            raise unknown("feature view", name, (*VIEWS, PROFILE), "config: backbones.<name>.views")
        if name in PARTS and joints != len(layout):
            raise UserError(
                f"config: backbones.<name>.views: {name} needs a map over the {len(layout)} joints of {layout.name}, "
                f"this network's map has {joints}; drop the view or choose a graph network"
            )


def part_matrix(layout: Layout, grouping: str) -> torch.Tensor:
    """(V, P): column p averages the joints of part p, in the order of ``layout.parts(grouping)``."""
    parts = layout.parts(grouping)
    matrix = torch.zeros(len(layout), len(parts))
    for column, joints in enumerate(parts.values()):
        matrix[list(joints), column] = 1 / len(joints)
    return matrix


def phase_matrix(frames: int) -> torch.Tensor:
    """(T', 3): averages over the first, middle and last third of the map's frames.

    A frame that straddles a border counts in both thirds by its share, so that maps whose length is not a multiple of
    three, or shorter than three, are divided evenly.
    """
    edges = torch.arange(frames + 1, dtype=torch.float64)
    borders = torch.linspace(0, frames, 4, dtype=torch.float64)
    low = torch.maximum(edges[:-1, None], borders[None, :-1])
    high = torch.minimum(edges[1:, None], borders[None, 1:])
    share = (high - low).clamp(min=0)
    return (share / share.sum(0)).float()


def views(pooled_map: torch.Tensor, logits: torch.Tensor, names, layout: Layout) -> dict[str, torch.Tensor]:
    """(N, D, T', V') and (N, S) -> pooled (N, D), parts (N, P, D), phases (N, 3, D), grid (N, D, T', V'), logits.

    names: any of ``VIEWS`` except ``MASKED``.
    """
    result = {}
    for name in names:
        if name == "pooled":
            result[name] = pooled_map.mean((2, 3))
        elif name in PARTS:
            result[name] = torch.einsum("ndv,vp->npd", pooled_map.mean(2), part_matrix(layout, name).to(pooled_map))
        elif name == "phases":
            matrix = phase_matrix(pooled_map.shape[2]).to(pooled_map)
            result[name] = torch.einsum("ndt,tz->nzd", pooled_map.mean(3), matrix)
        elif name == "grid":
            result[name] = pooled_map.half()
        else:
            result[name] = logits
    return result
