"""Loss functions that several methods share. Every function takes tensors and returns a scalar."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def hinge_rank(scores: torch.Tensor, labels: torch.Tensor, margin: float) -> torch.Tensor:
    """Mean over samples of the sum over wrong classes of max(0, margin - true score + wrong score).

    scores (B, K), labels (B,). Frome et al. 2013, equation 1, with the full sum instead of sampled classes.
    """
    violation = F.relu(margin - scores.gather(1, labels[:, None]) + scores)
    # The true class contributes exactly the margin, whatever the scores: leave it out.
    return violation.scatter(1, labels[:, None], 0.0).sum(1).mean()


def symmetric_contrastive(logits: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of rows plus that of columns, sample i belonging to text i. logits (B, B); PURLS, section 3.3."""
    target = torch.arange(len(logits), device=logits.device)
    return F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)
