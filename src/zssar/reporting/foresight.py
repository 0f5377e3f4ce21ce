"""How well validation predicted test, from a runs file.

Two questions. Per method, over splits (or draws of classes): does a split on which the pseudo-unseen classes are easy
turn out easy on the unseen classes? Spearman's rank correlation, and the mean gap. Per split, over methods: does the
method that validation ranks first belong to the best on test? Spearman's rank correlation, and the regret: points of
test accuracy between the best method and the one validation would have picked. Accuracies are seed means, the main
number (``validation_top1`` and ``top1`` of the setting ``zsl``). Splits with another number of unseen classes have
another chance level, so correlations are taken within a family of splits (``random_5_0``, ...) where there is one, and
over all splits of the table otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from zssar.errors import UserError
from zssar.reporting.runs import RANDOM_DRAW, by_split, title_of_data
from zssar.reporting.tables import pipe

COLUMNS = ["of", "name", "over", "count", "rank_correlation", "validation", "test", "gap", "regret", "picked", "best"]


def foresight(runs: pd.DataFrame) -> pd.DataFrame:
    """One line per method and family of splits (``of`` = method), then one per split (``of`` = split)."""
    held, test = (by_split(runs, "zsl", metric, "main") for metric in ("validation_top1", "top1"))
    if held.empty:
        raise UserError(
            "the runs file has no validation_top1: either there was no validation split (protocol.validation in the "
            "config), or evaluate was run by an older version; run evaluate again."
        )
    test = test.reindex(index=held.index, columns=held.columns)
    families: dict[str, list[str]] = {}
    for split in held.columns:
        dataset, _, name = split.partition("/")
        draw = RANDOM_DRAW.match(name)
        families.setdefault(f"{dataset}/{draw[1]}{draw[2] or ''}" if draw else f"{dataset}, all splits", []).append(
            split
        )
    lines = []
    for family, splits in families.items():
        for method in held.index:
            x, y = held.loc[method, splits], test.loc[method, splits]
            lines.append({"of": "method", "name": method, "over": family, **_agreement(x, y)})
    for split in held.columns:
        x, y = held[split].dropna(), test[split].dropna()
        line = {"of": "split", "name": split, "over": "methods", **_agreement(held[split], test[split])}
        if len(x) and len(y):
            picked, best = x.idxmax(), y.idxmax()
            line |= {"picked": picked, "best": best, "regret": y[best] - y.get(picked, math.nan)}
        lines.append(line)
    return pd.DataFrame(lines, columns=COLUMNS)


def _agreement(x: pd.Series, y: pd.Series) -> dict[str, float]:
    from scipy.stats import spearmanr

    both = x.notna() & y.notna()
    x, y = x[both], y[both]
    defined = len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0
    rho = float(spearmanr(x, y).statistic) if defined else math.nan
    return {"count": len(x), "rank_correlation": rho, "validation": x.mean(), "test": y.mean(), "gap": (x - y).mean()}


def to_markdown(result: pd.DataFrame, runs: pd.DataFrame, simulated: Sequence[str] = ()) -> str:
    """Two tables and what their columns mean."""
    parts = [f"# How well validation predicted test: {', '.join(title_of_data(runs, simulated))}", ""]
    methods, splits = (result[result["of"] == of] for of in ("method", "split"))
    for family, lines in methods.groupby("over", sort=False):
        parts += [f"## Per method, over {family} ({int(lines['count'].max())} splits)", ""]
        heads = ["method", "rank correlation", "validation", "test", "validation - test"]
        body = [
            [r.name, _n(r.rank_correlation, "+.2f"), _n(r.validation), _n(r.test), _n(r.gap, "+.1f")]
            for r in lines.drop(columns="name").assign(name=lines["name"]).itertuples(index=False)
        ]
        parts += [*pipe(heads, body, 1), ""]
    parts += ["## Per split, over methods", ""]
    heads = ["split", "picked by validation", "best on test", "methods", "rank correlation", "regret"]
    body = [
        [r.name, str(r.picked), str(r.best), str(r.count_), _n(r.rank_correlation, "+.2f"), _n(r.regret)]
        for r in splits.rename(columns={"count": "count_"}).itertuples(index=False)
    ]
    parts += [*pipe(heads, body, 3), ""]
    mean = splits["rank_correlation"].mean()
    parts += [
        f"Mean over splits: rank correlation {_n(mean, '+.2f')}, regret {_n(splits['regret'].mean())} points.",
        "",
        "Percent, ZSL top-1, seeds averaged, at the epoch of the main number; validation: pseudo-unseen classes cut "
        "from the seen ones. Rank correlation: Spearman; – with fewer than three values or without variation. Regret: "
        "test accuracy of the best method minus that of the method with the best validation accuracy. Validation and "
        "test have different classes and, often, different numbers of classes, so their gap is no error of its own.",
    ]
    return "\n".join(parts).rstrip() + "\n"


def _n(value: float, form: str = ".1f") -> str:
    return "–" if value is None or math.isnan(value) else f"{value:{form}}"
