"""The accuracy of every class: one line per split, class and method, from metrics.json files.

ZSL: unseen classes, asked for unseen classes only. GZSL: all classes of the split, asked for all, at the validated
operating point. The reported selection; mean and standard deviation (n - 1) over seeds. The mean of a method's ZSL
lines on a split is the cell "ZSL per class" of the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from zssar.errors import UserError
from zssar.reporting.figures import renamed
from zssar.reporting.runs import FACTORS, is_simulated
from zssar.reporting.tables import pipe

COLUMNS = ["dataset", "split", "setting", "group", "class", "samples", "row", "selection", "seeds", "mean", "sd"]


def rows(runs: Sequence[Mapping[str, Any]], names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """One line per split, setting, class and run, in percent; classes without samples are left out.

    names: method -> as the table prints it. Raises UserError if no run has class accuracies.
    """
    varying = [f for f in FACTORS if len({m["key"].get(f, "") for m in runs}) > 1]
    lines = [line for m in runs for line in _of_run(renamed(m, names), varying)]
    if not lines:
        raise UserError("no metrics.json of these holds class accuracies; run evaluate again")
    return pd.DataFrame(lines, columns=COLUMNS)


def _of_run(m: Mapping[str, Any], varying: Sequence[str]):
    key, unseen = m["key"], set(m["unseen"])
    label = ", ".join([key.get("method", ""), *(key.get(f, "") for f in varying)])
    for setting in ("zsl", "gzsl"):
        seeds = [entry for entry in m[setting].values() if "per_class" in entry]
        for name in seeds[0]["per_class"] if seeds else ():
            values = [s["per_class"][name] for s in seeds]
            if None in values:
                continue
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
            group = "unseen" if name in unseen else "seen"
            place = [key.get("dataset", ""), key.get("split", ""), setting, group, name]
            counts = [m["samples_per_class"][name], label, seeds[0]["selection"], len(values)]
            yield [*place, *counts, float(np.mean(values)), spread]


def markdown(table: pd.DataFrame, title: str, simulated: Sequence[str] = ()) -> str:
    """A block per split: unseen classes down, methods across, ZSL only; the last line is the mean over classes."""
    parts = [f"# {title}: accuracy of every unseen class", ""]
    for (dataset, split), lines in table[table["setting"] == "zsl"].groupby(["dataset", "split"], sort=False):
        labels = list(dict.fromkeys(lines["row"]))
        made = " (simulated data)" if is_simulated(dataset, simulated) else ""
        values = lines.pivot_table(index="class", columns="row", values="mean", sort=False)[labels]
        samples = lines.drop_duplicates("class").set_index("class")["samples"]
        body = [[name, str(samples[name]), *(_shown(v) for v in values.loc[name])] for name in values.index]
        body.append(["**mean of classes**", str(samples.sum()), *(_shown(v) for v in values.mean())])
        parts += [f"## {dataset}/{split}{made}", "", *pipe(["class", "samples", *labels], body, 1), ""]
    parts.append(
        "Percent, ZSL: samples of unseen classes, asked for unseen classes; seeds averaged, selection as in the table. "
        "The CSV also holds deviations over seeds and GZSL accuracies of all classes.\n"
    )
    return "\n".join(parts)


def _shown(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.1f}"
