"""One score file and the labels of its samples, matched by sample id: the only place where test labels are read."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zssar.errors import UserError
from zssar.evaluation.calibration import Duel, duel
from zssar.evaluation.metrics import check_scores, seen_unseen_curve, top1
from zssar.storage import Scores

COLUMNS = ("sample_id", "label", "name", "subject", "group")


@dataclass(frozen=True)
class Trial:
    """Scores of every seed and epoch, with the truth about their n samples.

    classes: K names in column order. labels: column of the true class (n,). seen: bool (K,), columns of seen classes.
    unseen: columns (U,) in the order of the score file's ``unseen``. subject (n,).
    """

    scores: Scores
    classes: tuple[str, ...]
    labels: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray
    subject: np.ndarray

    @property
    def seen_sample(self) -> np.ndarray:
        """bool (n,): samples of seen classes."""
        return self.seen[self.labels]

    def where(self, seed: int, epoch: int) -> str:
        return f"{self.scores.path} (seed {seed}, epoch {epoch})"

    def unseen_scores(self, seed: int, epoch: int) -> np.ndarray:
        """Checked scores (n, U) of all samples when only the unseen classes are asked, float64."""
        scores = self.scores.read(seed, epoch, unseen=True)
        return check_scores(scores, len(self.labels), len(self.unseen), self.where(seed, epoch))

    def zsl(self, seed: int, epoch: int) -> np.ndarray:
        """Columns (u,) answered for the unseen samples when only the unseen classes are asked."""
        return self.unseen[self.unseen_scores(seed, epoch)[~self.seen_sample].argmax(axis=1)]

    def zsl_top1(self, seed: int, epoch: int) -> float:
        return top1(self.zsl(seed, epoch), self.labels[~self.seen_sample])

    def all_scores(self, seed: int, epoch: int) -> np.ndarray:
        """Checked scores (n, K), float64."""
        scores = self.scores.read(seed, epoch)
        return check_scores(scores, len(self.labels), len(self.classes), self.where(seed, epoch))

    def duel(self, seed: int, epoch: int, scale: str) -> Duel:
        """GZSL scores reduced to best seen against best unseen class."""
        return duel(self.all_scores(seed, epoch), self.seen, scale)

    def curve(self, fight: Duel, by_class: bool = False):
        """Seen-unseen curve of a duel; ``by_class``: S and U as means of class accuracies."""
        weights = 1 / np.bincount(self.labels, minlength=len(self.classes))[self.labels] if by_class else None
        right_seen, right_unseen = fight.seen == self.labels, fight.unseen == self.labels
        return seen_unseen_curve(fight.margin, right_seen, right_unseen, self.seen_sample, weights)


def load_trial(scores_path: Path | str, labels_path: Path | str) -> Trial:
    """Read and match. Raises UserError if samples, classes or groups of the two files differ."""
    scores = Scores(scores_path)
    for key in ("classes", "seen", "unseen"):
        if key not in scores.attrs:
            raise UserError(f"{scores_path} has no attribute {key!r}; it was not written by zssar align")
    classes, unseen_names = tuple(scores.attrs["classes"]), list(scores.attrs["unseen"])
    column = {name: j for j, name in enumerate(classes)}
    groups = {**dict.fromkeys(scores.attrs["seen"], "seen"), **dict.fromkeys(unseen_names, "unseen")}
    if set(groups) != set(classes) or len(groups) != len(scores.attrs["seen"]) + len(unseen_names):
        raise UserError(f"{scores_path}: its seen and unseen classes do not add up to its classes")
    if not scores.seeds or not unseen_names:
        raise UserError(f"{scores_path} holds no scores or no unseen class; delete it and run align again")
    rows = _matched_rows(scores, labels_path)
    for row in rows:
        expected = groups.get(row["name"])
        if expected != row["group"]:
            raise UserError(
                f"{labels_path}: sample {row['sample_id']!r} of class {row['name']!r} is in group {row['group']!r}, "
                f"but {scores_path} says {expected or 'that it does not know this class'}; "
                "the two files are of different splits."
            )
    return Trial(
        scores,
        classes,
        np.array([column[row["name"]] for row in rows], int),
        np.array([groups[name] == "seen" for name in classes]),
        np.array([column[name] for name in unseen_names], int),
        np.array([int(row["subject"]) for row in rows], int),
    )


def _matched_rows(scores: Scores, labels_path: Path | str) -> list[dict[str, str]]:
    """Rows of the labels file in the order of the scores' samples."""
    try:
        with open(labels_path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except FileNotFoundError:
        raise UserError(f"{labels_path} does not exist; extract_features writes it beside test.h5") from None
    missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
    if missing:
        raise UserError(f"{labels_path}:1: no column {missing[0]!r} (columns needed: {', '.join(COLUMNS)})")
    by_id = {row["sample_id"]: row for row in rows}
    wanted = list(map(str, scores.sample_id))
    for name, ids in ((labels_path, [row["sample_id"] for row in rows]), (scores.path, wanted)):
        if len(set(ids)) != len(ids):
            raise UserError(f"{name}: sample ids repeat (first: {next(i for i in ids if ids.count(i) > 1)!r})")
    for ids, others, here, there in (
        (wanted, by_id, scores.path, labels_path),
        (by_id, set(wanted), labels_path, scores.path),
    ):
        lost = [i for i in ids if i not in others]
        if lost:
            raise UserError(
                f"{len(lost)} samples of {here} (first: {lost[0]!r}) are not in {there}; "
                "the two files are of different splits or one is out of date."
            )
    return [by_id[i] for i in wanted]
