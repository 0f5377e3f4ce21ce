"""Figures of runs, drawn from metrics.json files. Each function returns a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from zssar.reporting import style
from zssar.reporting.runs import FACTORS, is_simulated

Metrics = Mapping[str, Any]


def run_title(metrics: Metrics) -> str:
    """Method, data set and split of a metrics.json."""
    return ", ".join(part for part in (metrics["key"].get("method", ""), _place(metrics)) if part)


def _place(metrics: Metrics) -> str:
    return "/".join(metrics["key"][k] for k in ("dataset", "split") if metrics["key"].get(k))


def run_labels(runs: Sequence[Metrics]) -> list[str]:
    """What tells the runs apart: the method, and whatever else of the key differs between them."""
    differs = [k for k in ("dataset", "split", *FACTORS) if len({m["key"].get(k, "") for m in runs}) > 1]
    several = len({m["key"].get("method", "") for m in runs}) > 1
    labels = []
    for m in runs:
        more = ", ".join(m["key"].get(k, "") for k in differs)
        method = m["key"].get("method", "run")
        labels.append(f"{method} ({more})" if more and several else more or method)
    return labels


def called(metrics: Metrics, name: str) -> Metrics:
    """The metrics with another name of the method."""
    return {**metrics, "key": {**metrics["key"], "method": name}}


def renamed(metrics: Metrics, names: Mapping[str, str] | None) -> Metrics:
    """The metrics with the method called as a table prints it."""
    method = metrics["key"].get("method", "")
    return called(metrics, (names or {}).get(method, method))


def _simulated(runs: Sequence[Metrics]) -> bool:
    return any(is_simulated(m["key"].get("dataset", "")) for m in runs)


def confusion(metrics: Metrics) -> Figure:
    """Confusion of the unseen classes (ZSL), reported selection, rows in percent, averaged over seeds."""
    names, seeds = metrics["unseen"], metrics["zsl"]
    style.require(bool(seeds), "metrics.json holds no ZSL confusion; run evaluate again")
    counts = np.array([entry["confusion"] for entry in seeds.values()], float)
    rows = counts.sum(axis=2, keepdims=True)
    share = 100 * np.divide(counts, rows, out=np.full_like(counts, np.nan), where=rows > 0).mean(axis=0)
    size = len(names)
    with style.paper():
        inches = float(np.clip(0.9 + 0.24 * size, 2.2, 5.4))
        figure, axes = plt.subplots(figsize=(inches + 1.6, inches + 1.0))
        image = axes.imshow(share, cmap=style.MAGNITUDE, vmin=0, vmax=100, interpolation="nearest")
        small = float(np.clip(0.7 * 72 * inches / size, 4, 7))  # points; at most 70 % of a row
        axes.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=small)
        axes.set_yticks(range(size), names, fontsize=small)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("answer")
        axes.set_ylabel("true class")
        figure.suptitle(f"{run_title(metrics)}\nunseen classes, {_behind(metrics, counts)}", fontsize=8)
        if size <= 24:
            for i, j in np.argwhere(np.nan_to_num(share) >= 0.5):
                dark = share[i, j] > 55
                colour = "white" if dark else "black"
                axes.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", color=colour, fontsize=small)
        bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
        bar.set_label("% of the true class")
        bar.outline.set_visible(False)
        style.simulated_note(figure, _simulated([metrics]))
    return figure


def _behind(metrics: Metrics, counts: np.ndarray) -> str:
    """Which epoch and how many seeds are behind the confusions (seeds, U, U).

    A closed form has one epoch and no random number: nothing was selected, and every seed gives the same answers.
    """
    selection = next(iter(metrics["zsl"].values()))["selection"]
    epochs = {o["epoch"] for o in metrics["outcomes"] if o["setting"] == "zsl"}
    same = len(counts) > 1 and bool((counts == counts[0]).all())
    if epochs == {1} and (same or len(counts) == 1):
        return "closed form: one answer for every seed" if same else "one seed"
    if same:
        return f"{selection} epoch, the same for all {len(counts)} seeds"
    return f"{selection} epoch, " + (f"mean of {len(counts)} seeds" if len(counts) > 1 else "one seed")


def _class_accuracies(metrics: Metrics, setting: str) -> dict[str, float]:
    """Class accuracy in percent, averaged over seeds."""
    seeds = [entry["per_class"] for entry in metrics[setting].values() if "per_class" in entry]
    style.require(bool(seeds), f"metrics.json holds no class accuracies of {setting}; was there a validation split?")
    return {name: float(np.mean([s[name] for s in seeds])) for name in seeds[0] if seeds[0][name] is not None}


def per_class(runs: Sequence[Metrics]) -> Figure:
    """ZSL accuracy per unseen class with 95 % intervals over subjects; several runs of one split side by side."""
    style.require(len({tuple(m["unseen"]) for m in runs}) == 1, "per_class compares runs of one split only")
    style.require_few("runs", len(runs))
    accuracies = [_class_accuracies(m, "zsl") for m in runs]
    order = sorted(accuracies[0], key=lambda name: -np.mean([a[name] for a in accuracies]))
    height = 0.8 / len(runs)
    with style.paper():
        size = float(np.clip(0.9 + 0.11 * len(order) * (1 + len(runs)), 1.8, 9))
        figure, axes = plt.subplots(figsize=(style.COLUMN + 1.0, size))
        for i, (m, values, label) in enumerate(zip(runs, accuracies, run_labels(runs))):
            at = np.arange(len(order)) + (i - (len(runs) - 1) / 2) * height
            x = np.array([values[name] for name in order])
            spans = m.get("intervals", {}).get("zsl", {}).get("per_class_by_subject", {})
            low, high = (
                np.array([spans.get(name, {}).get(k, v) for name, v in zip(order, x)]) for k in ("low", "high")
            )
            axes.barh(at, x, height * 0.92, color=style.CATEGORIES[i % len(style.CATEGORIES)], label=label)
            whiskers = np.maximum(0, [x - low, high - x])
            axes.errorbar(x, at, xerr=whiskers, fmt="none", ecolor="0.25", elinewidth=0.7)
        chance = 100 / len(runs[0]["unseen"])
        axes.axvline(chance, color="0.4", linewidth=0.8, linestyle="--", label=f"chance {chance:.1f}")
        axes.set_yticks(range(len(order)), order)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel("accuracy (%)\nbars: seeds averaged, lines: 95 % over subjects")
        style.legend(figure, *axes.get_legend_handles_labels(), "outside upper center")
        axes.set_title(run_title(runs[0]) if len(runs) == 1 else "/".join(run_title(runs[0]).split(", ")[1:]))
        style.simulated_note(figure, _simulated(runs))
    return figure


def class_change(runs: Sequence[Metrics]) -> Figure:
    """Change of ZSL accuracy per class from the first run to the second (e.g. without and with a text kind)."""
    style.require(len(runs) == 2, f"class_change needs two metrics files, from and to, not {len(runs)}")
    style.require(runs[0]["unseen"] == runs[1]["unseen"], "class_change compares runs of one split only")
    before, after = (_class_accuracies(m, "zsl") for m in runs)
    order = sorted(before, key=lambda name: before[name] - after[name])
    change = np.array([after[name] - before[name] for name in order])
    labels = run_labels(runs)
    with style.paper():
        figure, axes = plt.subplots(figsize=(style.COLUMN + 1.0, float(np.clip(0.9 + 0.2 * len(order), 1.6, 9))))
        colours = np.where(change >= 0, style.CATEGORIES[0], style.CATEGORIES[1])
        axes.barh(range(len(order)), change, color=colours)
        for i, (name, value) in enumerate(zip(order, change)):
            text = f"{before[name]:.0f} to {after[name]:.0f}"
            left = value < 0
            axes.annotate(text, (value, i), (-3 if left else 3, 0), textcoords="offset points",
                          ha="right" if left else "left", va="center", fontsize=6)  # fmt: skip
        reach = 1.6 * max(1.0, float(np.abs(change).max()))
        axes.set_xlim(-reach, reach)
        axes.set_xticks([t for t in axes.get_xticks() if abs(t) <= min(100, reach)])  # room for words, not for numbers
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.set_yticks(range(len(order)), order)
        axes.invert_yaxis()
        axes.set_xlabel(f"change of accuracy (points), mean {change.mean():+.1f}")
        axes.set_title(f"{labels[0]} → {labels[1]}\n{run_title(runs[0]).split(', ')[-1]}")
        style.simulated_note(figure, _simulated(runs))
    return figure


def curves(runs: Sequence[Metrics]) -> Figure:
    """Seen-unseen curves with their area and the validated operating points; one thin line a seed."""
    style.require_few("runs", len(runs))
    top, handles = 0.0, []
    with style.paper():
        figure, axes = plt.subplots(figsize=(style.COLUMN + 0.4, style.COLUMN + 0.4))
        for i, (m, label) in enumerate(zip(runs, run_labels(runs))):
            style.require(bool(m["gzsl"]), f"{run_title(m)}: no seen-unseen curve; the test set has no seen class")
            colour = style.CATEGORIES[i % len(style.CATEGORIES)]
            areas = [entry["ausuc"] for entry in m["gzsl"].values()]
            marker = style.MARKERS[i % len(style.MARKERS)]
            look: dict[str, Any] = {"color": colour, "marker": marker, "markeredgecolor": "white"}
            handles.append(plt.Line2D([], [], **look, markersize=6, label=f"{label}: AUSUC {np.mean(areas):.1f}"))
            for entry in m["gzsl"].values():
                axes.plot(entry["curve"]["unseen"], entry["curve"]["seen"], color=colour, linewidth=0.9)
                top = max(top, *entry["curve"]["unseen"], *entry["curve"]["seen"])
                if "point" in entry:
                    point = entry["point"]["unseen"], entry["point"]["seen"]
                    axes.plot(*point, **look, markeredgewidth=0.6, markersize=6)
        grid = np.linspace(0.5, 100, 200)
        limit = min(100, 10 * np.ceil(top / 10 + 0.2))
        for h in (h for h in (5, 10, 20, 30, 40, 60, 80) if 0.15 * limit <= h < 0.95 * limit):
            with np.errstate(divide="ignore", invalid="ignore"):
                line = np.where(2 * grid > h, h * grid / (2 * grid - h), np.nan)
            axes.plot(grid, line, color="0.85", linewidth=0.6, zorder=0)
            axes.annotate(f"H {h}", (h, h), color="0.6", fontsize=5.5, ha="center", va="center", zorder=0)
        axes.set(xlim=(0, limit), ylim=(0, limit), xlabel="accuracy on unseen classes, U (%)")
        axes.set_ylabel("accuracy on seen classes, S (%)")
        axes.set_aspect("equal")
        style.legend(figure, handles, [handle.get_label() for handle in handles])
        axes.set_title(run_title(runs[0]).split(", ")[-1] + "\nmarkers: factor chosen on validation splits")
        style.simulated_note(figure, _simulated(runs))
    return figure


def parameter(
    runs: Sequence[Metrics], name: str, settings: Sequence[str] = ("zsl", "gzsl"), label: str | None = None
) -> Figure:
    """Main accuracy against a parameter of the method (STAR, Fig. 3 c and d: number of prompts), one split per line.

    name: of the parameter, which every run must state under ``params``; label: what the axis calls it. ZSL top-1 and,
    if there, GZSL H, a little beside each other; bars: deviation over seeds.
    """
    lines: dict[str, list[tuple[float, float, float]]] = {}
    places = list(dict.fromkeys(map(_place, runs)))
    for m in runs:
        value = m.get("align", {}).get("params", {}).get(name)
        style.require(
            isinstance(value, int | float) and not isinstance(value, bool),
            f"{run_title(m)} states no number for the parameter {name!r}; write it under `params:` of the method",
        )
        for setting, metric, about in (("zsl", "top1", "ZSL top-1"), ("gzsl", "harmonic", "GZSL H")):
            found = _main_values(m, setting, metric)
            if setting in settings and found:
                spread = float(np.std(found, ddof=1)) if len(found) > 1 else 0.0
                line = about if len(places) == 1 else f"{about}, {_place(m)}"
                lines.setdefault(line, []).append((float(value), float(np.mean(found)), spread))
    style.require_few("lines", len(lines))
    with style.paper():
        figure, axes = plt.subplots(figsize=(style.COLUMN + 0.6, 2.7))
        values = sorted({p[0] for points in lines.values() for p in points})
        for i, (line, points) in enumerate(lines.items()):
            x, y, spread = np.array(sorted(points)).T
            x = x + 0.01 * (values[-1] - values[0]) * (i - (len(lines) - 1) / 2)
            mark = style.MARKERS[i % len(style.MARKERS)] + "-"
            axes.errorbar(x, y, spread, fmt=mark, color=style.CATEGORIES[i], elinewidth=0.7, label=line)
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.set(xlabel=label or name.replace("_", " "), ylabel="accuracy (%)", ylim=(0, None))
        axes.set_title(places[0] if len(places) == 1 else "")
        style.legend(figure, *axes.get_legend_handles_labels())
        style.simulated_note(figure, _simulated(runs))
    return figure


def _main_values(metrics: Metrics, setting: str, metric: str) -> list[float]:
    """One value per seed, in percent: validated, else last."""
    found: dict[int, float] = {}
    for selection in ("last", "validated"):
        for outcome in metrics["outcomes"]:
            if (outcome["setting"], outcome["selection"]) == (setting, selection) and metric in outcome["percent"]:
                found[outcome["seed"]] = outcome["percent"][metric]
    return list(found.values())


def validation(runs: Sequence[Metrics]) -> Figure:
    """How well validation predicts test: ZSL accuracy of every scored epoch and seed on both, and rank correlation."""
    from scipy.stats import spearmanr

    style.require_few("runs", len(runs))
    with style.paper():
        figure, axes = plt.subplots(figsize=(style.COLUMN + 1.2, style.COLUMN))
        for i, (m, label) in enumerate(zip(runs, run_labels(runs))):
            x, y = validation_pairs(m)
            style.require(len(x) > 1, f"{run_title(m)}: nothing was validated; leave it out of this figure")
            rho = spearmanr(x, y).statistic if np.ptp(x) > 0 and np.ptp(y) > 0 else float("nan")
            marker, colour = style.MARKERS[i % len(style.MARKERS)], style.CATEGORIES[i % len(style.CATEGORIES)]
            axes.scatter(
                x,
                y,
                s=14,
                c=colour,
                marker=marker,
                linewidths=0,
                alpha=0.8,
                label=f"{label}: rank correlation {rho:+.2f}",
            )
        axes.set_xlabel("accuracy on pseudo-unseen classes (%)")
        axes.set_ylabel("accuracy on unseen test classes (%)")
        axes.set_title("one point per scored epoch and seed")
        style.legend(figure, *axes.get_legend_handles_labels())
        style.simulated_note(figure, _simulated(runs))
    return figure


def validation_pairs(metrics: Metrics) -> tuple[np.ndarray, np.ndarray]:
    """Validation and test ZSL accuracy in percent of the same seeds and epochs."""
    test, held = {}, {}
    for outcome in metrics["outcomes"]:
        for name, target in (("test_top1_by_epoch", test), ("validation_top1_by_epoch", held)):
            target |= {(outcome["seed"], epoch): value for epoch, value in outcome.get(name, {}).items()}
    both = [k for k in test if k in held]
    return np.array([held[k] for k in both]), np.array([test[k] for k in both])
