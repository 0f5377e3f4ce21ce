"""The long runs file: read, check, sort, and the one rule by which its lines become cells.

A cell belongs to a row (method and whatever else varies), a column group (data set and split), a setting, a metric and
a selection. ``main`` is not in the file: it stands for ``validated`` where the run has such lines for that setting and
``last`` elsewhere. The value of a cell is the mean over seeds, its spread the standard deviation over seeds (n - 1).
Where several splits are draws of one family (``random_<unseen>_<seed>_<draw>``), seeds are averaged within each draw
first; the cell is the mean of the draws and its spread the standard deviation over draws.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zssar.errors import UserError

KEY = ["table", "dataset", "split", "partition", "backbone", "stream", "source", "encoder", "method"]
COLUMNS = [*KEY, "seed", "setting", "selection", "metric", "value", "n", "run"]
IDENTITY = [*KEY, "seed", "setting", "selection", "metric"]
FACTORS = ["backbone", "stream", "source", "encoder"]  # become row labels where they vary within a table
RANDOM_DRAW = re.compile(r"^(random_\d+_\d+)_\d+(@\w+)?$")
SIMULATED = re.compile(r"^sim(_|$)")


def read_frame(path: Path | str, columns: Sequence[str], text: Sequence[str], verb: str) -> pd.DataFrame:
    """A CSV file that ``zssar <verb>`` wrote, the columns ``text`` as strings. Raises UserError for any other file."""
    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys(text, str))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; ask Snakemake for it: snakemake --cores all {path}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise UserError(f"{path} is no file of {verb} ({error}); delete it and run {verb} again") from None
    if list(frame.columns) != list(columns):
        odd = ", ".join(sorted(set(frame.columns) ^ set(columns))) or "order"
        raise UserError(f"{path}:1: columns must be {','.join(columns)} (differs: {odd}); run {verb} again")
    return frame


def read_runs(paths: Sequence[Path | str], table: str | None = None) -> pd.DataFrame:
    """All lines of the files, sorted; ``table`` overrides that column. Raises UserError on odd or repeated lines."""
    frames = []
    for path in paths:
        frame = read_frame(path, COLUMNS, [*KEY, "setting", "selection", "metric", "run"], "evaluate")
        bad = ~np.isfinite(pd.to_numeric(frame["value"], errors="coerce").to_numpy(float))
        if bad.any():
            raise UserError(f"{path}:{int(np.flatnonzero(bad)[0]) + 2}: value is not a finite number")
        frames.append(frame)
    if not frames:
        raise UserError("no runs files were given")
    runs = pd.concat(frames, ignore_index=True)
    text = [*KEY, "run"]
    runs[text] = runs[text].fillna("")
    if table is not None:
        runs["table"] = table
    repeated = runs.duplicated(IDENTITY, keep=False)
    if repeated.any():
        line = runs[repeated].iloc[0]
        raise UserError(
            f"two lines for {line['dataset']}/{line['split']}, method {line['method']}, seed {line['seed']}, "
            f"{line['setting']} {line['selection']} {line['metric']}: runs "
            + " and ".join(sorted(runs.loc[repeated, "run"].unique())[:2])
            + " differ in nothing that a row or column of the table names."
        )
    return runs.sort_values(IDENTITY, ignore_index=True)


def in_order(runs: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The lines with methods in this order, others after them by name: what figures and lists then follow."""
    position = {m: i for i, m in enumerate(methods)}
    at = runs["method"].map(lambda m: (position.get(m, len(position)), m))
    return runs.loc[at.sort_values(kind="stable").index].reset_index(drop=True)


def printed_methods(runs: pd.DataFrame) -> dict[str, str]:
    """run -> what these lines call its method."""
    return dict(zip(runs["run"], runs["method"]))


def column_group(split: str, groups: Mapping[str, Sequence[str]] | None = None) -> str:
    """The column a split belongs to: a named group, the family of a random draw, or the split itself."""
    for name, members in (groups or {}).items():
        if split in members:
            return name
    draw = RANDOM_DRAW.match(split)
    return f"{draw[1]}{draw[2] or ''}" if draw else split


def is_simulated(dataset: str, simulated: Sequence[str] = ()) -> bool:
    """Whether a data set is simulated: by its name (``sim``, ``sim_...``) or because ``simulated`` names it."""
    return bool(SIMULATED.match(dataset)) or dataset in simulated


def title_of_data(runs: pd.DataFrame, simulated: Sequence[str] = ()) -> list[str]:
    """The data sets of the runs as a title names them."""
    names = sorted(runs["dataset"].unique())
    return [f"{name} (simulated data)" if is_simulated(name, simulated) else name for name in names]


@dataclass(frozen=True)
class Cell:
    """One number of a table. spread: NaN with a single value. seeds, draws: how many of each are behind it."""

    mean: float
    spread: float
    seeds: int
    draws: int
    selection: str


def cell(runs: pd.DataFrame, setting: str, metric: str, selection: str) -> Cell | None:
    """The cell of lines that share row and column; None if there are none. ``selection`` may be ``main``."""
    lines = runs[runs["setting"] == setting]
    if selection == "main":
        selection = "validated" if (lines["selection"] == "validated").any() else "last"
    lines = lines[(lines["selection"] == selection) & (lines["metric"] == metric)]
    if lines.empty:
        return None
    by_draw = lines.groupby("split")["value"]
    means, draws = by_draw.mean(), by_draw.ngroups
    spread = means.std(ddof=1) if draws > 1 else lines["value"].std(ddof=1)
    return Cell(float(means.mean()), float(spread), int(by_draw.size().min()), draws, selection)


def row_labels(runs: pd.DataFrame, names: Mapping[str, str] | None = None) -> pd.Series:
    """What a line's row is called in one string: the method, and in brackets whatever factor varies in the file."""
    varying = [f for f in FACTORS if runs[f].nunique() > 1]
    label = runs["method"].map(lambda m: (names or {}).get(m, m))
    if not varying:
        return label
    return label + " (" + runs[varying].agg(", ".join, axis=1) + ")"


def by_split(runs: pd.DataFrame, setting: str, metric: str, selection: str, names=None) -> pd.DataFrame:
    """Cell means, rows as ``row_labels``, columns ``dataset/split`` (draws apart); NaN where a method has no line."""
    labels, splits = row_labels(runs, names), runs["dataset"] + "/" + runs["split"]
    values: dict[tuple[str, str], float] = {}
    for (label, split), lines in runs.groupby([labels, splits]):
        found = cell(lines, setting, metric, selection)
        values[label, split] = found.mean if found else float("nan")
    table = pd.Series(values).unstack()
    return table.dropna(axis=0, how="all").dropna(axis=1, how="all")


def chance(runs: pd.DataFrame) -> float:
    """ZSL chance level of a column in percent (100 / unseen classes, mean over draws); NaN if not in the file."""
    lines = runs[(runs["setting"] == "zsl") & (runs["metric"] == "chance")]
    return float(lines["value"].mean()) if len(lines) else float("nan")
