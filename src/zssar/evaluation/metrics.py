"""Accuracies of zero-shot recognition, each computed once from the answers to all samples, never as a mean of batches.

ZSL: unseen samples meet unseen classes. GZSL: all test samples meet all classes; S is the accuracy on samples of seen
classes, U on samples of unseen classes, H their harmonic mean (Xian et al., TPAMI 2019). The seen-unseen curve and its
area AUSUC follow Chao et al., ECCV 2016. Functions return fractions; ``protocols`` turns them into percent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zssar.errors import UserError


def check_scores(scores: np.ndarray, samples: int, classes: int, where: str) -> np.ndarray:
    """The scores (n, K) as float64. Raises UserError naming ``where`` if a shape is wrong or a score is not finite."""
    if scores.shape != (samples, classes):
        raise UserError(
            f"{where}: scores have shape {scores.shape}, but there are {samples} samples and {classes} classes; "
            "delete the score file and run align again."
        )
    bad = ~np.isfinite(scores)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise UserError(
            f"{where}: {int(bad.sum())} of {scores.size} scores are not finite (first: sample {row}, class {column}). "
            "The method diverged or divides by zero; lower its learning rate or look at its training history."
        )
    return scores.astype(np.float64)


def top1(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Share of samples with the right answer; NaN without samples."""
    return float(np.mean(predicted == labels)) if len(labels) else float("nan")


def per_class(predicted: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Accuracy (len(classes),) on the samples of each class; NaN for a class without samples."""
    right = predicted == labels
    return np.array([right[labels == c].mean() if (labels == c).any() else np.nan for c in classes])


def per_class_mean(predicted: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> float:
    """Mean of the class accuracies over the classes that have samples."""
    accuracies = per_class(predicted, labels, classes)
    return float(np.nanmean(accuracies)) if np.isfinite(accuracies).any() else float("nan")


def harmonic(seen, unseen):
    """2SU / (S + U), and 0 where both are 0. Numbers or arrays."""
    seen, unseen = np.asarray(seen, float), np.asarray(unseen, float)
    total = seen + unseen
    result = np.divide(2 * seen * unseen, total, out=np.zeros_like(total), where=total > 0)
    return float(result) if result.ndim == 0 else result


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Counts (K, K): row = true class, column = answer, both in the order of ``classes``; others do not count."""
    labels, predicted, classes = (np.asarray(a, np.int64) for a in (labels, predicted, classes))
    top = max((int(a.max()) for a in (labels, predicted, classes) if a.size), default=-1)
    row = np.full(top + 1, -1)
    row[classes] = np.arange(len(classes))
    at = np.stack([row[labels], row[predicted]])
    result = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(result, tuple(at[:, (at >= 0).all(0)]), 1)
    return result


@dataclass(frozen=True)
class Curve:
    """Seen and unseen accuracy for every calibration factor gamma, exactly.

    Both are step functions of gamma. ``breaks`` (B,) are the factors where an answer changes, ascending; ``seen`` and
    ``unseen`` (B + 1,) are the accuracies between them: entry 0 below the first break, entry B above the last.
    """

    breaks: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray

    @property
    def harmonic(self) -> np.ndarray:
        return harmonic(self.seen, self.unseen)

    @property
    def area(self) -> float:
        """AUSUC: area under seen over unseen accuracy. Samples that flip at the same factor are joined by a line."""
        return float(np.sum(np.diff(self.unseen) * (self.seen[1:] + self.seen[:-1]) / 2))

    def at(self, gamma) -> np.ndarray:
        """Index of the step that holds each gamma. A sample whose margin equals gamma still counts as seen."""
        return np.searchsorted(self.breaks, gamma, side="left")


def seen_unseen_curve(
    margin: np.ndarray, right_if_seen: np.ndarray, right_if_unseen: np.ndarray, seen_sample: np.ndarray, weights=None
) -> Curve:
    """The curve from n margins (best seen score minus best unseen score); a sample is called unseen if margin < gamma.

    right_if_seen, right_if_unseen: bool (n,), is the best seen (unseen) class the true one. seen_sample: bool (n,).
    weights (n,): e.g. one over the class size, for class-averaged S and U; default: every sample counts the same.
    """
    weights = np.ones(len(margin)) if weights is None else np.asarray(weights, float)
    order = np.argsort(margin, kind="stable")
    ordered = margin[order]
    last_of_tie = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.zeros(0, bool)

    def share(right: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Weight of right answers among the samples flipped so far, (B + 1,)."""
        flipped = np.cumsum((weights * (right & group))[order])[last_of_tie]
        return np.concatenate([[0.0], flipped]) / weights[group].sum()

    lost = share(right_if_seen, seen_sample)
    return Curve(ordered[last_of_tie], lost[-1] - lost, share(right_if_unseen, ~seen_sample))
