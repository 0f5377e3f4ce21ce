"""Figures over many runs, drawn from runs files. Each function takes the runs (see ``runs.read_runs``)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from zssar.evaluation.statistics import Ranking, ranking
from zssar.reporting import style
from zssar.reporting.runs import by_split, cell, chance, column_group, is_simulated, row_labels


def _simulated(runs: pd.DataFrame) -> bool:
    return any(map(is_simulated, runs["dataset"].unique()))


def _grouped(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    groups = runs["dataset"] + "/" + runs["split"].map(column_group)
    return dict(iter(runs.groupby(groups)))


def inflation(runs: pd.DataFrame, setting: str = "zsl", metric: str = "top1") -> Figure:
    """Last epoch, main number and oracle of every method, one panel per split: what looking at the test set adds."""
    panels = _grouped(runs)
    methods = list(dict.fromkeys(row_labels(runs)))
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    marks = {"last": ("|", "0.35", 7), "main": ("o", style.CATEGORIES[0], 5), "oracle": ("D", style.CATEGORIES[1], 4)}
    names = {"last": "last epoch", "main": "main number (validated)", "oracle": "oracle: best on test"}
    with style.paper():
        size = (max(style.COLUMN, 2.4 * columns + 1.0), rows * (0.75 + 0.19 * len(methods)) + 0.35)
        figure, grid = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (title, lines) in zip(grid.flat, panels.items()):
            labels = row_labels(runs).loc[lines.index]
            for y, method in enumerate(methods):
                found = {s: cell(lines[labels == method], setting, metric, s) for s in marks}
                if found["main"] and found["oracle"]:
                    ends = [found["main"].mean, found["oracle"].mean]
                    axes.plot(ends, [y, y], color=style.CATEGORIES[1], linewidth=1, zorder=1)
                for selection, (marker, colour, area) in marks.items():
                    if found[selection]:
                        axes.plot(found[selection].mean, y, marker, color=colour, markersize=area, zorder=2)
            if setting == "zsl" and math.isfinite(chance(lines)):
                axes.axvline(chance(lines), color="0.6", linestyle="--", linewidth=0.8, zorder=0)
            axes.set_yticks(range(len(methods)), methods)
            axes.set_ylim(len(methods) - 0.5, -0.5)
            axes.set_title(title)
            axes.set_xlabel(f"{setting.upper()} {'top-1' if metric == 'top1' else metric} (%)")
            axes.grid(axis="y", color="0.92", linewidth=0.6)
        handles = [
            plt.Line2D([], [], marker=m, color=c, markersize=a, linestyle="", label=names[s])
            for s, (m, c, a) in marks.items()
        ]
        if setting == "zsl":
            handles.append(plt.Line2D([], [], color="0.6", linestyle="--", linewidth=0.8, label="chance"))
        style.legend(figure, handles, [h.get_label() for h in handles])
        style.simulated_note(figure, _simulated(runs))
    return figure


def unseen_count(runs: pd.DataFrame, methods: Sequence[str] | None = None) -> Figure:
    """Main ZSL accuracy against the number of unseen classes; bars: deviation over draws, else over seeds.

    Methods stand a little beside each other, so that no point or bar hides behind another.
    """
    labels = row_labels(runs)
    panels = _grouped(runs)
    shown = list(methods or dict.fromkeys(labels))
    style.require_few("methods (option `methods`)", len(shown))
    datasets = sorted(runs["dataset"].unique())
    with style.paper():
        size = (max(style.COLUMN, 2.6 * len(datasets) + 0.6), 2.9)
        figure, grid = plt.subplots(1, len(datasets), figsize=size, sharey=True, squeeze=False)
        for axes, dataset in zip(grid.flat, datasets):
            points = _by_count({t: p for t, p in panels.items() if t.startswith(f"{dataset}/")}, labels, shown)
            counts = sorted({count for found in points.values() for count, _, _ in found})
            beside = 0.012 * max(counts[-1] - counts[0], 1) if counts else 0.0
            for i, method in enumerate(shown):
                if points[method]:
                    x, y, spread = np.array(points[method]).T
                    x = x + beside * (i - (len(shown) - 1) / 2)
                    look = {"fmt": style.MARKERS[i % len(style.MARKERS)] + "-", "elinewidth": 0.7, "label": method}
                    axes.errorbar(x, y, np.nan_to_num(spread), color=style.CATEGORIES[i], **look)
            if counts:
                x = np.linspace(counts[0], counts[-1], 100) if len(counts) > 1 else np.array(counts)
                axes.plot(x, 100 / x, "--", color="0.5", linewidth=0.8, label="chance")
                axes.set_xticks(counts)
            axes.set_title(dataset)
            axes.set_xlabel("number of unseen classes")
            axes.set_ylim(bottom=0)
        grid[0, 0].set_ylabel("ZSL top-1 (%)")
        handles: dict = {}  # of all panels: a method may be missing in one of them
        for axes in grid.flat:
            handles |= dict(zip(*axes.get_legend_handles_labels()[::-1]))
        order = [name for name in (*shown, "chance") if name in handles]
        style.legend(figure, [handles[name] for name in order], order)
        style.simulated_note(figure, _simulated(runs))
    return figure


def _by_count(
    panels: Mapping[str, pd.DataFrame], labels: pd.Series, methods: Sequence[str]
) -> dict[str, list[tuple[int, float, float]]]:
    """method -> (number of unseen classes, accuracy, deviation) of every panel in which both are known."""
    points: dict[str, list[tuple[int, float, float]]] = {method: [] for method in methods}
    for lines in panels.values():
        level = chance(lines)
        for method in methods:
            found = cell(lines[labels.loc[lines.index] == method], "zsl", "top1", "main")
            if found and math.isfinite(level):
                points[method].append((round(100 / level), found.mean, found.spread))
    return {method: sorted(found) for method, found in points.items()}


def critical_difference(runs: pd.DataFrame, setting: str = "zsl", metric: str = "top1", alpha: float = 0.05) -> Figure:
    """Average ranks over the splits that all methods have; a bar joins methods Nemenyi's test cannot tell apart."""
    table = by_split(runs, setting, metric, "main").dropna(axis=1)
    found = ranking({m: table.loc[m].tolist() for m in table.index}, alpha)
    title = f"average rank over {found.blocks} splits, {setting.upper()} {'top-1' if metric == 'top1' else metric}"
    if math.isfinite(found.p):
        title += f"; Friedman p {found.p:.2g}"
    return _rank_figure(found, title, _simulated(runs))


def _rank_figure(found: Ranking, title: str, simulated: bool) -> Figure:
    """Demsar's diagram: the axis of ranks on top, methods on two sides below it, bars for what is not different."""
    methods, k = list(found.ranks), len(found.ranks)
    left, right = methods[: (k + 1) // 2], methods[(k + 1) // 2 :]
    first = 0.55 + 0.22 * len(found.groups)  # depth of the first label below the axis
    depth = first + 0.42 * max(len(left), len(right))
    with style.paper():
        figure, axes = plt.subplots(figsize=(style.PAGE * 0.8, 0.5 + 0.42 * depth))
        axes.set(xlim=(0.2 - 0.25 * k, k + 0.8 + 0.25 * k), ylim=(depth, -1.3))
        axes.axis("off")
        axes.plot([1, k], [0, 0], "k-", linewidth=0.9)
        for rank in range(1, k + 1):
            axes.plot([rank, rank], [0, -0.14], "k-", linewidth=0.9)
            axes.text(rank, -0.24, str(rank), ha="center", va="bottom")
        reach = min(found.critical, k - 1)
        axes.errorbar([1 + reach / 2], [-0.85], xerr=[[reach / 2]], color="k", capsize=2.5, linewidth=1)
        axes.text(1 + reach + 0.1, -0.85, f"critical difference {found.critical:.2f}", va="center", fontsize=7)
        for side, names in (("left", left), ("right", right[::-1])):
            edge, align = (0.7, "right") if side == "left" else (k + 0.3, "left")
            for i, name in enumerate(names):
                y, rank = first + 0.42 * i, found.ranks[name]
                axes.plot([rank, rank, edge], [0, y, y], color="0.35", linewidth=0.8)
                text = f"{name}  {rank:.2f}" if side == "left" else f"{rank:.2f}  {name}"
                axes.text(edge + (-0.06 if side == "left" else 0.06), y, text, ha=align, va="center")
        for i, group in enumerate(found.groups):
            ends = np.array([found.ranks[group[0]] - 0.04, found.ranks[group[-1]] + 0.04])
            axes.plot(ends, [0.22 + 0.22 * i] * 2, color=style.CATEGORIES[0], linewidth=3, solid_capstyle="round")
        axes.set_title(title)
        style.simulated_note(figure, simulated)
    return figure
