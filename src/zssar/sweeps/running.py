"""Runs a sweep: every split, every run, every value on its axis, every repeat. Rows are those of the runs file.

A cell on an axis is called ``name[axis=value]`` and its repeats are its seeds, so that tables, comparisons and figures
take a sweep as they take any other runs file. Cells on an axis are judged by ZSL alone.
"""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydantic

from zssar.alignment import runner
from zssar.evaluation.protocols import Outcome, evaluate, rows
from zssar.evaluation.trials import Trial
from zssar.interfaces import ClassTexts
from zssar.sweeps import alterations
from zssar.sweeps.material import Material, quantities_as_features

CLASS_COLUMNS = ("method", "source", "split", "name", "right", "count")


class Run(pydantic.BaseModel):
    """One line of a sweep. module, texts, params: as in ``methods`` of config.yaml.

    axis, values: what is varied (``alterations``); repeats: how often where chance decides. quantities: read the
    measured quantities in the place of a network's features.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    name: str
    module: str
    texts: list[str]
    params: dict[str, Any] = {}
    source: str = "frozen"
    axis: str | None = None
    values: list[float | int | str] = [0]
    repeats: int = pydantic.Field(1, ge=1)
    seeds: list[int] = [0]
    quantities: bool = False


@dataclass
class Kept:
    """Scores in memory, with the face of ``storage.Scores``."""

    path: str
    attrs: Mapping[str, Any]
    sample_id: np.ndarray
    found: dict[int, dict[int, tuple[np.ndarray, np.ndarray | None]]]

    @property
    def seeds(self) -> list[int]:
        return sorted(self.found)

    def epochs(self, seed: int) -> list[int]:
        return sorted(self.found[seed])

    def read(self, seed: int, epoch: int, unseen: bool = False) -> np.ndarray:
        scores, of_unseen = self.found[seed][epoch]
        if not unseen:
            return scores
        at = {c: j for j, c in enumerate(self.attrs["classes"])}
        return scores[:, [at[c] for c in self.attrs["unseen"]]] if of_unseen is None else of_unseen


def trial_of(run: Run, material: Material, texts: ClassTexts, seeds: Sequence[int], checkpoints: int) -> Trial:
    """Fit and score one run as ``align`` does, and lay the truth beside the scores."""
    classes = material.classes
    found: dict[int, dict[int, tuple[np.ndarray, np.ndarray | None]]] = {}

    def keep(seed, epoch, scores, unseen):
        found.setdefault(seed, {})[epoch] = (scores, unseen)

    params = {"texts": tuple(run.texts), **run.params}
    with contextlib.redirect_stdout(io.StringIO()):  # one line per fit is too much for thousands of them
        runner.run_seeds(
            run.module, params, material.train, material.labels, material.test, texts, classes,
            seeds, checkpoints, "cpu", keep,
        )  # fmt: skip
    attrs = {"classes": classes.both, "seen": classes.seen, "unseen": classes.unseen}
    column = {name: j for j, name in enumerate(classes.both)}
    return Trial(
        Kept(f"{run.name} on {material.split}", attrs, material.sample_id, found),  # type: ignore[arg-type]
        classes.both,
        np.array([column[name] for name in material.truth]),
        np.array([name in classes.seen for name in classes.both]),
        np.array([column[name] for name in classes.unseen]),
        material.subject,
    )


def sweep(
    runs: Sequence[Run],
    splits: Sequence[str],
    material_of: Callable[[str], Material],
    texts_of: Callable[[str, Sequence[str]], ClassTexts],
    groups: Mapping[str, str],
    key: Mapping[str, str],
    validation: int = 0,
    checkpoints: int = 5,
    step: Callable[[], None] = lambda: None,
) -> tuple[list[dict], list[dict]]:
    """(rows of the runs file, right answers per class). texts_of(source, kinds) reads texts; key: columns of all rows.

    validation: validation splits used to calibrate GZSL; they are made of the seen classes, as in the pipeline.
    """
    table: list[dict] = []
    by_class: list[dict] = []
    for name in splits:
        here = material_of(name)
        held = [material_of(f"{name}-val{k}") for k in range(validation)] if any(r.axis is None for r in runs) else []
        for run in runs:
            texts = texts_of(run.source, run.texts)
            sides = [quantities_as_features(m) for m in (here, *held)] if run.quantities else [here, *held]
            own = {**key, "split": name, "partition": here.partition, "source": run.source}
            for method, outcomes, trial in _cells(run, sides, texts, groups, checkpoints):
                table += rows(outcomes, {**own, "method": method, "run": ""})
                by_class += _classes(outcomes, trial, {"method": method, "source": run.source, "split": name})
            step()
    return table, by_class


def _cells(run: Run, sides: Sequence[Material], texts: ClassTexts, groups: Mapping[str, str], checkpoints: int):
    """Yield (method column, outcomes, trial) of every value and repeat of a run on one split."""
    material, *held = sides
    if run.axis is None:
        trial = trial_of(run, material, texts, run.seeds, checkpoints)
        yield run.name, evaluate(trial, [trial_of(run, m, texts, run.seeds, checkpoints) for m in held]), trial
        return
    for value in run.values:
        for repeat in range(run.repeats):
            # The same draws for every method and source, so that they can be compared pair by pair.
            rng = np.random.default_rng(zlib.crc32(f"{material.split} {run.axis} {value} {repeat}".encode()))
            changed, altered = alterations.alter(run.axis, value, material, texts, groups, rng)
            trial = trial_of(run, changed, altered, [run.seeds[0]], 1)
            outcomes = [o for o in evaluate(trial) if o.setting == "zsl" and o.selection == "last"]
            for outcome in outcomes:
                outcome.seed = repeat
            yield f"{run.name}[{run.axis}={value}]", outcomes, trial


def _classes(outcomes: Sequence[Outcome], trial: Trial, own: dict) -> list[dict]:
    """Right answers and clips per unseen class, of the selection that is the main number; seeds are added up."""
    zsl = [o for o in outcomes if o.setting == "zsl"]
    main = "validated" if any(o.selection == "validated" for o in zsl) else "last"
    labels = trial.labels[~trial.seen_sample]
    return [
        {
            **own,
            "name": trial.classes[column],
            "right": int(((o.predicted == labels) & (labels == column)).sum()),
            "count": int((labels == column).sum()),
        }
        for o in zsl
        if o.selection == main and o.predicted is not None
        for column in trial.unseen
    ]
