"""Loss functions that several methods share. Every function takes tensors and returns a scalar."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def hinge_rank(
    scores: torch.Tensor, labels: torch.Tensor, margin: float, true: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean over samples of the sum over wrong classes of max(0, margin - true score + wrong score).

    scores (B, K), labels (B,). Frome et al. 2013, equation 1, with the full sum instead of sampled classes. true (B,):
    the scores of the true classes where they carry another gradient than ``scores`` does.
    """
    true = scores.gather(1, labels[:, None]) if true is None else true[:, None]
    violation = F.relu(margin - true + scores)
    # The true class contributes exactly the margin, whatever the scores: leave it out.
    return violation.scatter(1, labels[:, None], 0.0).sum(1).mean()


def detached_hinge(e: torch.Tensor, classes: torch.Tensor, labels: torch.Tensor, margin: float) -> torch.Tensor:
    """``hinge_rank`` of dot products e (B, D) . classes (K, D), as in ReViSE and JPoSE of the SynSE release.

    The bank of all classes carries no gradient; only the text of each sample's own class does.
    """
    return hinge_rank(e @ classes.detach().T, labels, margin, true=(e * classes[labels]).sum(1))


def gaussian_kernel(a: torch.Tensor, b: torch.Tensor, sharpness: float) -> torch.Tensor:
    """(n, D), (m, D) -> (n, m): exp(-sharpness * squared distance)."""
    squared = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T
    # Below exp(-80) lie denormal numbers, which processors handle ten times as slowly as zeros or ones.
    return torch.exp((-sharpness * squared).clamp(-80, 0))


def mmd(a: torch.Tensor, b: torch.Tensor, weights: torch.Tensor, sharpness: float) -> torch.Tensor:
    """Squared maximum mean discrepancy of the rows of a (n, D) and rows of b (m, D) that occur with ``weights`` (m,).

    Weights that sum to 1 stand for repeated rows: the same number as with every repetition written out.
    """
    own = gaussian_kernel(a, a, sharpness).mean()
    other = weights @ gaussian_kernel(b, b, sharpness) @ weights
    return own + other - 2 * (gaussian_kernel(a, b, sharpness) @ weights).mean()


def mined_triplets(e: torch.Tensor, groups: torch.Tensor, margin: float, every_pair: bool = False) -> torch.Tensor:
    """Triplet loss with the hardest positive and negative of the batch, on dot products; e (B, D), groups (B,).

    Per anchor: the least similar sample of its group (itself if alone) and the most similar one outside it. The sum
    over anchors is divided by B. ``every_pair``: each anchor meets the mined pairs of all anchors (B * B terms), as in
    the released JPoSE. Anchors without a sample outside their group add nothing.
    """
    with torch.no_grad():
        similar, same = e @ e.T, groups[:, None] == groups
        positive = torch.where(same, similar, float("inf")).argmin(1)
        negative = torch.where(same, -float("inf"), similar).argmax(1)
        minable = (~same).any(1).to(e.dtype)
    if every_pair:
        terms = F.relu(margin - e @ e[positive].T + e @ e[negative].T) * minable  # (anchor, mined pair)
    else:
        terms = F.relu(margin + (e * (e[negative] - e[positive])).sum(1)) * minable
    return terms.sum() / len(e)
