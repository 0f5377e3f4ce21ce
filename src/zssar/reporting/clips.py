"""Recordings for the report: which ones, the answers of every method in order, and joints small enough to embed.

Which: of the method with the best main number, the samples it answers rightly and those it does not, each list from as
many true classes as there are, in the order of classes and sample ids. Nothing is picked by looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zssar.errors import UserError
from zssar.reporting.records import Record, options_of
from zssar.reporting.viewer import FPS, SIDES, title
from zssar.skeleton.layouts import layout
from zssar.storage import Scores, Skeletons

FRAMES = 40  # an animation keeps at most so many
STEPS = 1000  # joints are stored as integers from 0 to STEPS over the largest extent
SHOWN = 4  # recordings of each kind, right and wrong


@dataclass(frozen=True)
class Answers:
    """One method on the unseen test samples of a split. order: (n, U), positions in ``names``, best first."""

    method: str
    run: str
    seed: int
    epoch: int
    selection: str
    sample_id: np.ndarray
    truth: np.ndarray
    names: tuple[str, ...]
    order: np.ndarray

    def right(self) -> np.ndarray:
        """(n,) bool"""
        return np.array(self.names)[self.order[:, 0]] == self.truth


@dataclass(frozen=True)
class Clip:
    """A recording with, per method, its first answers. joints: what the page draws (see ``drawing``)."""

    sample_id: str
    name: str
    title: str
    right: bool
    ranked: list[tuple[str, list[tuple[str, bool]]]]
    drawing: dict[str, Any]
    explanation: list[dict[str, Any]] = field(default_factory=list)


def answers(record: Record, root: Path | str = ".") -> Answers | None:
    """The ranked ZSL answers of a run's first seed at the epoch its table reports; None where files are not at hand."""
    options = options_of(record.steps.get("evaluate", {}).get("command", ""))
    scores_file = Path(record.place or "") / "scores.h5"
    labels_file = Path(root) / next(iter(options.get("labels", [])), "")
    if not scores_file.is_file() or not labels_file.is_file():
        return None
    reported = _reported(record.metrics)
    if reported is None:
        return None
    scores = Scores(scores_file)
    seed, epoch = reported["seed"], reported["epoch"]
    if seed not in scores.seeds or epoch not in scores.epochs(seed):
        raise UserError(f"{scores_file} has no scores of seed {seed}, epoch {epoch}; run evaluate again")
    table = pd.read_csv(labels_file, dtype={"sample_id": str}).set_index("sample_id").loc[list(scores.sample_id)]
    unseen = (table["group"] == "unseen").to_numpy()
    values = scores.read(seed, epoch, unseen=True)[unseen]
    return Answers(
        record.metrics["key"].get("method", ""),
        record.run,
        seed,
        epoch,
        reported["selection"],
        np.asarray(scores.sample_id)[unseen],
        table["name"].to_numpy()[unseen],
        tuple(scores.attrs["unseen"]),
        np.argsort(-values, axis=1, kind="stable"),
    )


def _reported(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """The ZSL outcome of the first seed that a table shows: validated, else last."""
    found = {o["selection"]: o for o in reversed(metrics.get("outcomes", [])) if o["setting"] == "zsl"}
    return found.get("validated", found.get("last"))


def choose(best: Answers, count: int = SHOWN) -> list[tuple[int, bool]]:
    """(row, whether right) of at most ``count`` samples answered rightly and as many answered wrongly."""
    order = np.lexsort((best.sample_id, best.truth))
    chosen = []
    for wanted in (True, False):
        rows = [int(i) for i in order if best.right()[i] == wanted]
        rounds: dict[str, int] = {}
        turn = []
        for i in rows:  # one of each class before a second of any
            rounds[best.truth[i]] = rounds.get(best.truth[i], 0) + 1
            turn.append((rounds[best.truth[i]], len(turn), i))
        chosen += [(i, wanted) for _, _, i in sorted(turn)[:count]]
    return chosen


def clips(everything: Sequence[Answers], skeletons: Skeletons, best: str, count: int = SHOWN) -> list[Clip]:
    """The recordings of one split. best: the method whose right and wrong answers are shown."""
    leader = next(a for a in everything if a.run == best)
    at = {str(sample): i for i, sample in enumerate(skeletons.sample_id)}
    result = []
    for row, right in choose(leader, count):
        sample = str(leader.sample_id[row])
        if sample not in at:
            raise UserError(f"sample {sample} of {leader.run} is not in the skeleton file; build both again")
        sequence, truth = skeletons.sequence(at[sample]), str(leader.truth[row])
        ranked = []
        for a in everything:
            i = int(np.flatnonzero(a.sample_id == sample)[0])
            ranked.append((a.method, [(a.names[j], a.names[j] == truth) for j in a.order[i, :3]]))
        result.append(Clip(sample, truth, title(sequence), right, ranked, drawing(sequence)))
    return result


def drawing(sequence) -> dict[str, Any]:
    """Joints as integers for the page: bodies -> frames -> x, y, z of every joint, None where a body is absent.

    x is turned over, as a sensor sees the right hand of a facing person on its left; y points up.
    """
    of = layout(sequence.layout)
    there = np.flatnonzero(sequence.present.any(0))
    if not len(there):
        raise UserError(f"{sequence.sample_id} has no frame with a person")
    first, last = int(there[0]), int(there[-1])
    frames = np.unique(np.linspace(first, last, min(FRAMES, last - first + 1)).round().astype(int))
    joints = sequence.joints.astype(float).copy()
    if of.dimensions == 3:
        joints[..., 0] *= -1
    else:
        joints[..., 2] = 0
    points = joints[sequence.present].reshape(-1, 3)
    low, high = np.percentile(points, 0.5, axis=0), np.percentile(points, 99.5, axis=0)
    scale = STEPS / max(float((high - low).max()), 1e-6)
    whole = np.clip(np.round((joints - low) * scale), -STEPS, 2 * STEPS).astype(int)
    bodies = [
        [whole[m, t].ravel().tolist() if sequence.present[m, t] else None for t in frames]
        for m in range(len(joints))
        if sequence.present[m].any()
    ]
    sides = [of.joints[v].split("_")[0] for v in range(len(of))]
    return {
        "size": np.round((high - low) * scale).astype(int).tolist(),
        "bodies": bodies,
        "edges": [list(edge) for edge in of.edges],
        "side": [("left", "right").index(s) if s in ("left", "right") else 2 for s in sides],
        "colours": list(SIDES.values()),
        "flat": of.dimensions == 2,
        "ms": round(1000 * (last - first + 1) / FPS / len(frames)),
    }
