"""What a sweep says in few numbers, and drawn: accuracy along an axis (noise, quantities, seen classes), and in groups.

Draws of classes share classes, so that neither the draws nor the clips are independent. The interval of a cell
therefore resamples draws and classes at once (pigeonhole bootstrap, evaluation/statistics.py); on a single split,
classes alone.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from zssar.errors import UserError
from zssar.evaluation import statistics
from zssar.reporting import style
from zssar.reporting.runs import cell, chance, column_group, is_simulated, read_frame

ON_AXIS = re.compile(r"^(?P<name>.+)\[(?P<axis>\w+)=(?P<value>[^\]]+)\]$")
CLASSES = ["method", "source", "split", "name", "right", "count"]
COLUMNS = ["dataset", "column", "chance", "draws", "repeats", "method", "source", "axis", "value", "top1", "sd"]
COLUMNS += ["low", "high", "harmonic", "harmonic_sd", "better", "p", "p_holm"]
AXIS_NAMES = {
    "noise": "error added to every stated number (s.d., in steps of the scale)",
    "wrong": "share of answers replaced by those of another class",
    "quantities": "quantities used (drawn at random)",
    "seen": "seen classes known to the alignment stage",
    "only": "only this group of quantities",
    "without": "all quantities but this group",
}


def read_classes(paths: Sequence[Path | str]) -> pd.DataFrame:
    """The files of right answers per class that sweep_draws writes. Raises UserError if columns differ."""
    text = ["method", "source", "split", "name"]
    return pd.concat([read_frame(path, CLASSES, text, "sweep_draws") for path in paths], ignore_index=True)


def read_summaries(paths: Sequence[Path | str]) -> pd.DataFrame:
    """The files that summarise_sweep writes, one below the other. Raises UserError if columns differ."""
    frames = [read_frame(path, COLUMNS, ["value", "axis"], "summarise_sweep") for path in paths]
    return pd.concat(frames, ignore_index=True)


def summarise(runs: pd.DataFrame, classes: pd.DataFrame, reference: str | None = None) -> pd.DataFrame:
    """One line per method, value on an axis and column (data set and family of draws), everything in percent.

    sd: over draws. low, high: 95 % interval over draws and classes. better, p, p_holm: share of draws on which the
    reference is the better one (a tie counts half), Wilcoxon's signed-rank test over draws of reference against
    method, and that after Holm's correction over all methods off an axis in the column.
    """
    runs = runs.assign(column=runs["split"].map(column_group))
    classes = classes.assign(column=classes["split"].map(column_group))
    parts = dict(list(classes.groupby(["column", "method", "source"])))
    lines = []
    for (dataset, column, method, source), found in runs.groupby(["dataset", "column", "method", "source"], sort=False):
        top1, h = cell(found, "zsl", "top1", "main"), cell(found, "gzsl", "harmonic", "main")
        if top1 is None:
            continue
        interval = _interval(parts[column, method, source])
        match = ON_AXIS.match(method)
        lines.append(
            {
                "dataset": dataset,
                "column": column,
                "chance": chance(found),
                "draws": top1.draws,
                "repeats": top1.seeds,
                "method": match["name"] if match else method,
                "source": source,
                "axis": match["axis"] if match else "",
                "value": match["value"] if match else "",
                "top1": top1.mean,
                "sd": top1.spread,
                "low": 100 * interval.low,
                "high": 100 * interval.high,
                "harmonic": h.mean if h else math.nan,
                "harmonic_sd": h.spread if h else math.nan,
            }
        )
    table = pd.DataFrame(lines, columns=COLUMNS).assign(number=lambda t: pd.to_numeric(t["value"], errors="coerce"))
    table["drawn"], table["easy"] = table["draws"] > 1, -table["chance"].round(2)
    order = ["dataset", "drawn", "easy", "column", "axis", "method", "source", "number"]
    table = table.sort_values(order, kind="stable").reset_index(drop=True).reindex(columns=COLUMNS)
    return _tested(table, runs, reference) if reference else table


def _interval(part: pd.DataFrame) -> statistics.Interval:
    """Accuracy with draws as rows and classes as columns; a cell is empty where a class is seen in that draw."""
    sides = [part.pivot_table(index="split", columns="name", values=v, aggfunc="sum").fillna(0) for v in CLASSES[4:]]
    table = statistics.Tally(*(side.to_numpy(float) for side in sides))
    return statistics.accuracy_interval(table, "both" if len(table.count) > 1 else "class")


def _tested(table: pd.DataFrame, runs: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Fill in the columns that compare with the reference, ``method`` or ``method (source)``."""
    name, _, source = reference.removesuffix(")").partition(" (")
    source = source or "frozen"
    for column, lines in table[table["axis"] == ""].groupby("column"):
        values = {
            (row.method, row.source): _by_draw(runs, column, row.method, row.source) for row in lines.itertuples()
        }
        if (name, source) not in values:
            raise UserError(f"the reference {reference!r} has no run in {column}; there are: {sorted(values)}")
        ours = values[name, source]
        for index, row in lines.iterrows():
            theirs = values[row["method"], row["source"]].reindex(ours.index)
            if (row["method"], row["source"]) == (name, source):
                continue
            table.loc[index, "better"] = 100 * float(((ours > theirs) + 0.5 * (ours == theirs)).mean())
            table.loc[index, "p"] = statistics.signed_rank(ours.tolist(), theirs.tolist())
        table.loc[lines.index, "p_holm"] = statistics.holm(table.loc[lines.index, "p"].tolist())
    return table


def _by_draw(runs: pd.DataFrame, column: str, method: str, source: str) -> pd.Series:
    lines = runs[(runs["column"] == column) & (runs["method"] == method) & (runs["source"] == source)]
    found = {split: cell(some, "zsl", "top1", "main") for split, some in lines.groupby("split")}
    return pd.Series({split: one.mean for split, one in found.items() if one})


def to_markdown(table: pd.DataFrame, title: str) -> str:
    """Every line of the summary, a block per column, in the order of the sweep."""
    text = [f"# {title}", ""]
    for (dataset, column), lines in table.groupby(["dataset", "column"], sort=False):
        first = lines.iloc[0]
        draws = f"{first.draws} draws" if first.draws > 1 else "one split"
        simulated = ", simulated data" if is_simulated(dataset) else ""
        text += [f"## {dataset}{simulated}, {column} ({draws}, chance {lines['chance'].max():.1f})", ""]
        text += ["| method | source | varied | ZSL top-1 | 95 % interval | GZSL H | reference better | p (Holm) |"]
        text += ["|---|---|---|---:|---:|---:|---:|---:|"]
        for row in lines.itertuples():
            varied = f"{row.axis} = {row.value}" if isinstance(row.axis, str) and row.axis else ""
            better = f"{_share(row.better)} | {_p(row.p_holm)}"
            text.append(
                f"| {row.method} | {row.source} | {varied} | {_plus_minus(row.top1, row.sd)} | {row.low:.1f} to "
                f"{row.high:.1f} | {_plus_minus(row.harmonic, row.harmonic_sd)} | {better} |"
            )
        text.append("")
    text += [
        "Percent. After ±: standard deviation over draws. Interval: bootstrap over draws and classes together (one "
        "split: classes). Reference better: share of draws; p: Wilcoxon over draws, which share classes, so that p is "
        "optimistic.",
        "",
    ]
    return "\n".join(text)


def _plus_minus(value: float, spread: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.1f} ± {spread:.1f}" if math.isfinite(spread) else f"{value:.1f}"


def _share(value: float) -> str:
    return f"{value:.0f} %" if math.isfinite(value) else "-"


def _p(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def ablation(summary: pd.DataFrame, axis: str, names: dict[str, str] | None = None, log: bool = False) -> Figure:
    """Accuracy along one axis, a panel per column, a line per method and source; bands: 95 % intervals.

    names: label per method or ``method (source)``, in the order of the legend. log: logarithmic axis, for numbers of
    classes or quantities.
    """
    lines = summary[summary["axis"] == axis]
    known = ", ".join(sorted(set(summary["axis"].dropna())))
    style.require(len(lines) > 0, f"no run of these summaries varies {axis!r}; known: {known}")
    numeric = pd.to_numeric(lines["value"], errors="coerce").notna().all()
    panels = list(lines.groupby(["dataset", "column"], sort=False))
    labels = _labels(lines, names or {})
    given = [name for name in (names or {}).values() if name in set(labels)]
    series = list(dict.fromkeys([*given, *labels]))
    style.require_few("methods", len(series))
    draw = _lines_of if numeric else _bars_of
    width = max(style.COLUMN, 2.3 * len(panels) + 0.5)
    height = 2.5 if numeric else 0.9 + 0.2 * lines["value"].nunique() * max(1, len(series) * 0.6)
    with style.paper():
        figure, grid = plt.subplots(1, len(panels), figsize=(width, height + 0.3), sharey=True, squeeze=False)
        for axes, ((dataset, column), part) in zip(grid.flat, panels):
            draw(axes, part, labels.loc[part.index], series)
            level = float(part["chance"].max())
            if math.isfinite(level):
                (axes.axhline if numeric else axes.axvline)(level, color="0.5", linestyle="--", linewidth=0.8)
            axes.set_title(f"{dataset}, {_readable(column)}")
            about = AXIS_NAMES.get(axis, axis)
            axes.set_xlabel(textwrap.fill(about if numeric else f"ZSL top-1 (%), {about}", 40))
            if numeric and log:
                axes.set_xscale("log", base=2)
                ticks = sorted(pd.to_numeric(part["value"]).unique())
                axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
                axes.minorticks_off()
        if numeric:
            grid[0, 0].set_ylabel("ZSL top-1 (%)")
            grid[0, 0].set_ylim(0, 100)
        handles = [_handle(i, numeric) for i in range(len(series))]
        handles.append(plt.Line2D([], [], color="0.5", linestyle="--", linewidth=0.8))
        style.legend(figure, handles, [*series, "chance"])
        style.simulated_note(figure, any(map(is_simulated, lines["dataset"].unique())))
    return figure


def _labels(lines: pd.DataFrame, names: dict[str, str]) -> pd.Series:
    """What every line of the summary is called."""
    several = lines.groupby("method")["source"].nunique() > 1

    def label(row) -> str:
        full = f"{row['method']} ({row['source']})"
        return names.get(full) or names.get(row["method"]) or (full if several[row["method"]] else row["method"])

    return lines.apply(label, axis=1)


def _readable(column: str) -> str:
    match = re.match(r"random_(\d+)_", column)
    return f"{match[1]} unseen classes" if match else column


def _handle(i: int, numeric: bool):
    colour, marker = style.CATEGORIES[i], style.MARKERS[i % len(style.MARKERS)]
    return plt.Line2D([], [], color=colour, marker=marker, linestyle="-" if numeric else "")


def _lines_of(axes, part: pd.DataFrame, labels: pd.Series, series: list[str]) -> None:
    for i, name in enumerate(series):
        own = part[labels == name].assign(x=lambda d: pd.to_numeric(d["value"])).sort_values("x")
        marker = style.MARKERS[i % len(style.MARKERS)]
        axes.fill_between(own["x"], own["low"], own["high"], color=style.CATEGORIES[i], alpha=0.13, linewidth=0)
        axes.plot(own["x"], own["top1"], marker=marker, color=style.CATEGORIES[i], markersize=3.5)


def _bars_of(axes, part: pd.DataFrame, labels: pd.Series, series: list[str]) -> None:
    """Values that are no numbers, one below the other, as points with their intervals."""
    values = list(dict.fromkeys(part["value"]))
    for i, name in enumerate(series):
        own = part[labels == name].set_index("value").reindex(values)
        y = np.arange(len(values)) + 0.22 * (i - (len(series) - 1) / 2)
        sides = np.abs(np.stack([own["top1"] - own["low"], own["high"] - own["top1"]]))
        marker = style.MARKERS[i % len(style.MARKERS)]
        axes.errorbar(own["top1"], y, xerr=sides, fmt=marker, color=style.CATEGORIES[i], elinewidth=0.8)
    axes.set_yticks(range(len(values)), values)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.grid(axis="x", color="0.92", linewidth=0.6)
