"""Figures of single runs, drawn from metrics.json files. Each function returns a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from zssar.reporting import style
from zssar.reporting.runs import is_simulated


def run_title(metrics: Mapping[str, Any]) -> str:
    """Method, data set and split of a metrics.json."""
    key = metrics["key"]
    place = "/".join(key[k] for k in ("dataset", "split") if key.get(k))
    return ", ".join(part for part in (key.get("method", ""), place) if part)


def confusion(metrics: Mapping[str, Any]) -> Figure:
    """Confusion of the unseen classes (ZSL), reported selection, rows in percent, averaged over seeds."""
    names, seeds = metrics["unseen"], metrics["zsl"]
    style.require(bool(seeds), "metrics.json holds no ZSL confusion; run evaluate again")
    counts = np.array([entry["confusion"] for entry in seeds.values()], float)
    rows = counts.sum(axis=2, keepdims=True)
    share = 100 * np.divide(counts, rows, out=np.full_like(counts, np.nan), where=rows > 0).mean(axis=0)
    selection = next(iter(seeds.values()))["selection"]
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
        plural = f"mean of {len(seeds)} seeds" if len(seeds) > 1 else "one seed"
        figure.suptitle(f"{run_title(metrics)}\nunseen classes, {selection} epoch, {plural}", fontsize=8)
        if size <= 24:
            for i, j in np.argwhere(np.nan_to_num(share) >= 0.5):
                dark = share[i, j] > 55
                colour = "white" if dark else "black"
                axes.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", color=colour, fontsize=small)
        bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
        bar.set_label("% of the true class")
        bar.outline.set_visible(False)
        style.simulated_note(figure, is_simulated(metrics["key"].get("dataset", "")))
    return figure
