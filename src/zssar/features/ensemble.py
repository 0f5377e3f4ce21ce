"""Several networks, one per stream, whose features are read as those of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from zssar.errors import UserError, unknown

FUSIONS = ("mean", "concat")
SHARES = {"joint_motion": 0.4, "bone_motion": 0.4}  # Shift-GCN's four streams: 0.6 joint and bone, 0.4 their motions


def check(cards: Sequence, fusion: str) -> None:
    """Raise UserError for an unknown fusion, or for networks whose features do not fit together."""
    if fusion not in FUSIONS:
        raise unknown("fusion", fusion, FUSIONS)
    shapes = {(card.module, card.frames, card.bodies) for card in cards}
    if len(shapes) > 1:
        raise UserError(f"networks of an ensemble must agree in module, frames and person slots: {sorted(shapes)}")


def fuse(
    blocks: Sequence[Iterator[dict[str, np.ndarray]]], streams: Sequence[str], fusion: str
) -> Iterator[dict[str, np.ndarray]]:
    """Views of consecutive clips from one iterator per network.

    mean: every view is the average of the networks, weighted as Shift-GCN weights the scores of its streams (scaled to
    sum 1), so that features keep their dimension, as in the 256-d vectors that SynSE and MSF use.
    concat: features side by side; the logits are averaged as above.
    """
    shares = np.array([SHARES.get(stream, 0.6) for stream in streams])
    shares = (shares / shares.sum()).astype(np.float32)
    for found in zip(*blocks, strict=True):
        yield {name: _join(name, [views[name] for views in found], shares, fusion) for name in found[0]}


def _join(name: str, arrays: list[np.ndarray], shares: np.ndarray, fusion: str) -> np.ndarray:
    if fusion == "concat" and name != "seen_logits":
        return np.concatenate(arrays, 1 if name in ("pooled", "grid") else 2)  # along the channels
    return sum(share * array.astype(np.float32) for share, array in zip(shares, arrays))
