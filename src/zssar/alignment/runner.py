"""Fits one method with several seeds and scores the test samples at a few epochs. Sees no test label."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zssar import plugins
from zssar.alignment import statements
from zssar.errors import UserError
from zssar.interfaces import AlignmentMethod, ClassTexts, Features

SCORE_ROWS = 2048  # test samples scored at once: bounds memory for methods that read the grid
KEPT = 2**31  # bytes of test views that stay in memory from one checkpoint to the next


@dataclass(frozen=True)
class Classes:
    """Class names of a split, each group in index order: seen, unseen, and both together."""

    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    both: tuple[str, ...]

    @classmethod
    def of(cls, attrs: dict[str, Any]) -> Classes:
        """From the attributes of a feature file."""
        names, seen, unseen = attrs["class_names"], sorted(attrs["seen"]), sorted(attrs["unseen"])
        both = sorted(seen + unseen)
        return cls(*(tuple(names[i] for i in rows) for rows in (seen, unseen, both)))


def checkpoint_epochs(total: int, count: int) -> list[int]:
    """At most ``count`` evenly spaced epochs (from 1) that end with the last one."""
    return sorted({round(total * k / count) for k in range(1, count + 1)} - {0})


def total_epochs(method: AlignmentMethod) -> int:
    """How often the method will call ``after_epoch``: its ``cycles``, else ``epochs``, else once (closed form)."""
    return int(getattr(method, "cycles", None) or getattr(method, "epochs", None) or 1)


class Blocks:
    """Test samples, at most ``SCORE_ROWS`` at a time. Read once, with what methods derive from them, if they fit."""

    def __init__(self, features: Features):
        self.features = features
        size = sum(math.prod(view.shape) * view.dtype.itemsize for view in features.views.values())
        self.kept = list(self._read()) if size <= KEPT else None

    def __len__(self) -> int:
        return len(self.features)

    def __iter__(self) -> Iterator[Features]:
        return self._read() if self.kept is None else iter(self.kept)

    def _read(self) -> Iterator[Features]:
        for start in range(0, len(self.features), SCORE_ROWS):
            yield self.features.select(slice(start, start + SCORE_ROWS))


def score_in_blocks(method: AlignmentMethod, features: Blocks, texts: ClassTexts) -> np.ndarray:
    """float32 (n, K), block by block. Raises UserError if a score is not finite."""
    scores = np.concatenate([method.score(block, texts) for block in features]).astype(np.float32, copy=False)
    if scores.shape != (len(features), len(texts)):
        raise UserError(f"{type(method).__name__}.score returned {scores.shape}, not {(len(features), len(texts))}")
    if not np.isfinite(scores).all():
        raise UserError(
            f"{type(method).__name__} produced scores that are not finite: training diverged. Lower `lr` under "
            "`params:` of this method in config.yaml."
        )
    return scores


def run_seeds(
    module: str,
    params: dict[str, Any],
    train: Features,
    labels: np.ndarray,
    test: Features,
    texts: ClassTexts,
    classes: Classes,
    seeds: Sequence[int],
    checkpoints: int,
    device: str,
    keep: Callable[[int, int, np.ndarray, np.ndarray | None], None],
) -> list[dict[str, Any]]:
    """Fit and score per seed; ``keep(seed, epoch, scores over all classes, scores over unseen only or None)``.

    labels (n,) are positions in ``classes.seen``. Returns one record per seed: seconds, state, class name.
    """
    records, samples = [], Blocks(test)
    for seed in seeds:
        method = plugins.create("alignment", module, {**params, "seed": seed, "device": device})
        told = texts if method.reads_forms else statements.as_vectors(texts, classes.seen)
        seen_texts, all_texts, unseen_texts = (told.select(c) for c in (classes.seen, classes.both, classes.unseen))
        more = {"all_texts": all_texts} if method.uses_unseen_texts else {}
        wanted = set(checkpoint_epochs(total_epochs(method), checkpoints))
        spent = {"scoring": 0.0, "epochs": 0}

        def after_epoch(fitted, epoch, seed=seed, wanted=wanted, spent=spent, texts=(all_texts, unseen_texts)):
            spent["epochs"] = epoch
            if epoch not in wanted:
                return
            start = time.perf_counter()
            scores = score_in_blocks(fitted, samples, texts[0])
            unseen = None if fitted.pairwise else score_in_blocks(fitted, samples, texts[1])
            keep(seed, epoch, scores, unseen)
            spent["scoring"] += time.perf_counter() - start

        start = time.perf_counter()
        method.fit(train, labels, seen_texts, after_epoch=after_epoch, **more)
        seconds = time.perf_counter() - start
        if spent["epochs"] != max(wanted):
            raise UserError(
                f"alignment.{module} called after_epoch up to epoch {spent['epochs']}, but says it trains for "
                f"{max(wanted)}: its last scores would be missing"
            )
        records.append(
            {
                "seed": seed,
                "fit_seconds": round(seconds - spent["scoring"], 3),
                "scoring_seconds": round(spent["scoring"], 3),
                "losses": [round(float(x), 6) for x in getattr(method, "losses_", [])],
                "state": method.state(),
            }
        )
        print(f"{module}: seed {seed}: {seconds:.1f} s, of which {spent['scoring']:.1f} s scoring", flush=True)
    return records
