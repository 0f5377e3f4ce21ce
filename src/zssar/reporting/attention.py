"""PURLS's attention over joints and time, drawn on the body (its Fig. 4 and supplementary)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from zssar.errors import unknown
from zssar.reporting import style, viewer
from zssar.reporting.runs import is_simulated
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons


def attention(
    weights: Sequence[Path | str], skeletons: Sequence[Path | str], classes: Sequence[str] | None = None
) -> Figure:
    """Rows: descriptions (parts, phases, global). Columns: thirds of the time, for each of ``classes`` (default: two).

    Colour of a joint: attention by the class's own sentence, mean over its test recordings, in multiples of an even
    spread over all joints and thirds (white = 1). The range is that of the data: read the scale, it may be narrow.
    Orange is more, violet less; the scale ends at twice the even spread, as none can have less than nothing.
    The body is one recording of the class, in the middle of that third.
    """
    style.require(len(weights) == 1 and len(skeletons) == 1, "attention needs one --attention and one --skeletons file")
    with np.load(weights[0], allow_pickle=False) as file:
        found = {key: file[key] for key in file.files}
    known, units = [str(c) for c in found["classes"]], [str(u) for u in found["units"]]
    shown = list(classes or known[:2])
    for name in shown:
        if name not in known:
            raise unknown("class", name, known, "option `classes` of attention")
    of, data = layout(str(found["layout"])), Skeletons(skeletons[0])
    relative = found["attention"] * found["attention"].shape[2] * found["attention"].shape[3]  # (K, slots, bins, V)
    bins, reach = relative.shape[2], min(1.0, float(np.quantile(np.abs(relative - 1), 0.995)))
    at = {str(name): i for i, name in enumerate(data.sample_id)}
    with style.paper():
        size = (style.PAGE, 0.95 * len(units) + 0.9)
        figure, grid = plt.subplots(len(units), bins * len(shown), figsize=size, squeeze=False)
        for c, name in enumerate(shown):
            k = known.index(name)
            one = data.sequence(at[str(found["sample_id"][k])])
            frames = np.flatnonzero(one.present.any(0))
            middles = [int(frames[int((b + 0.5) * len(frames) / bins)]) for b in range(bins)]
            for row, unit in enumerate(units):
                for b, t in enumerate(middles):
                    axes = grid[row, c * bins + b]
                    image = _body(axes, one, of, t, relative[k, row, b], reach)
                    if row == 0:
                        when = f"time {b + 1}/{bins}"
                        axes.set_title(f"{name}\n{when}" if b == bins // 2 else f"\n{when}", fontsize=7)
                    if c == 0 and b == 0:
                        axes.set_ylabel(unit, fontsize=7)
        beyond = "max" if relative.max() > 1 + reach else "neither"
        bar = figure.colorbar(image, ax=grid, fraction=0.02, pad=0.01, extend=beyond)
        bar.set_label("attention, multiples of an even spread")
        bar.outline.set_visible(False)
        style.simulated_note(figure, is_simulated(str(found["dataset"])))
    return figure


def _body(axes, one, of, t: int, weight: np.ndarray, reach: float):
    """One pose from the front with its joints coloured by weight (V,)."""
    low, high = viewer._limits(one, of, "front")
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    person = int(np.argmax(one.present[:, t]))
    points = viewer._flat(one.joints[person, t], of, "front")
    for child, parent in of.edges:
        axes.plot(*points[[child, parent]].T, color="0.7", linewidth=0.7, zorder=1)
    order = np.argsort(np.abs(weight - 1))
    return axes.scatter(*points[order].T, c=weight[order], s=11, cmap=style.TWO_SIDED, vmin=1 - reach, vmax=1 + reach,
                        edgecolors="0.4", linewidths=0.25, zorder=2)  # fmt: skip
