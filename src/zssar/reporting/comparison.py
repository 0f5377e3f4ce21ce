"""Which differences between methods hold: intervals, tests and ranks, as JSON and as Markdown.

From the answers to single samples, per split: 95 % intervals clustered by subject, by class and by both, and paired
permutation tests against a reference method that exchange whole classes (Holm-corrected within a split). From the runs
file, over splits: Wilcoxon signed-rank tests against the reference (Holm-corrected), average ranks with Friedman's test
and Nemenyi's critical difference, and the inflation: how much higher the oracle stands than the main number.
A reference that was picked as the best of the same numbers makes every p optimistic; name one beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zssar.errors import UserError, unknown
from zssar.evaluation import statistics
from zssar.reporting.runs import by_split, read_frame, row_labels, title_of_data

QUANTITIES = (("zsl", "top1", "ZSL top-1"), ("gzsl", "harmonic", "GZSL H"))
PREDICTION_COLUMNS = ["run", "setting", "selection", "seed", "sample_id", "subject", "group", "name", "predicted"]


def read_predictions(paths: Sequence[Path | str]) -> pd.DataFrame:
    """All lines of the predictions files written by evaluate. Raises UserError if one has other columns."""
    text = ["run", "sample_id", "name", "predicted"]
    return pd.concat([read_frame(path, PREDICTION_COLUMNS, text, "evaluate") for path in paths], ignore_index=True)


def compare(
    runs: pd.DataFrame,
    predictions: pd.DataFrame | None,
    reference: str | None = None,
    simulated: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything the module's text names, as plain values in percent."""
    result: dict[str, Any] = {
        "title": _title(runs, simulated),
        "over_splits": {},
        "within_splits": {},
        "inflation": inflation(runs),
    }
    for setting, metric, name in QUANTITIES:
        table = by_split(runs, setting, metric, "main")
        if table.empty:
            continue
        against = _reference(table, reference)
        result["over_splits"][name] = over_splits(table, against)
    if predictions is not None:
        labels = row_labels(runs)
        where = pd.DataFrame({"run": runs["run"], "label": labels, "split": runs["dataset"] + "/" + runs["split"]})
        places = {r.run: (r.label, r.split) for r in where.drop_duplicates().itertuples()}
        strangers = set(predictions["run"]) - set(places)
        if strangers:
            raise UserError(f"predictions of {min(strangers)!r} have no line in the runs files")
        result["within_splits"] = within_splits(predictions, places, reference)
    return result


def _title(runs: pd.DataFrame, simulated: Sequence[str]) -> str:
    return f"Comparison of {row_labels(runs).nunique()} methods on {', '.join(title_of_data(runs, simulated))}"


def _reference(table: pd.DataFrame, reference: str | None) -> str:
    """The named row, else the one with the highest mean over the splits that every row has."""
    if reference is not None:
        if reference not in table.index:
            raise unknown("reference method", reference, table.index)
        return reference
    complete = table.dropna(axis=1)
    return str((complete if complete.shape[1] else table).mean(axis=1).idxmax())


def over_splits(table: pd.DataFrame, reference: str) -> dict[str, Any]:
    """Tests and ranks over the splits that all methods have; a split counts once however many seeds it has."""
    complete = table.dropna(axis=1)
    blocks = complete.shape[1]
    others = [m for m in complete.index if m != reference]
    p = [statistics.signed_rank(complete.loc[m], complete.loc[reference]) for m in others] if blocks else []
    corrected = statistics.holm(p)
    result: dict[str, Any] = {
        "splits": list(complete.columns),
        "left_out": [c for c in table.columns if c not in complete.columns],
        "reference": reference,
        "smallest_possible_p": 2.0 ** (1 - blocks) if blocks else None,
        "signed_rank": {
            m: {
                "mean_difference": float((complete.loc[m] - complete.loc[reference]).mean()),
                "p": _number(raw),
                "p_holm": _number(c),
            }
            for m, raw, c in zip(others, p, corrected)
        },
    }
    if blocks > 1 and len(complete) > 1:
        ranks = statistics.ranking({m: complete.loc[m].tolist() for m in complete.index})
        result["ranks"] = {**vars(ranks), "p": _number(ranks.p), "groups": [list(g) for g in ranks.groups]}
    return result


def within_splits(predictions: pd.DataFrame, places: dict[str, tuple[str, str]], reference: str | None) -> dict:
    """split -> method -> accuracy, intervals and p values for ZSL top-1 (seeds averaged per sample)."""
    lines = predictions[predictions["setting"] == "zsl"]
    lines = lines.assign(
        right=(lines["name"] == lines["predicted"]).astype(float),
        label=lines["run"].map(lambda r: places[r][0]),
        split=lines["run"].map(lambda r: places[r][1]),
    )
    result: dict[str, Any] = {}
    for split, here in lines.groupby("split"):
        share = here.pivot_table(index="sample_id", columns="label", values="right", aggfunc="mean")
        truth = here.drop_duplicates("sample_id").set_index("sample_id").loc[share.index]
        if share.isna().any(axis=None):
            raise UserError(f"{split}: the methods were not tested on the same samples; run evaluate again for all")
        subject, label = truth["subject"].to_numpy(), truth["name"].to_numpy()
        best = reference if reference in share.columns else share.mean().idxmax()
        others = [m for m in share.columns if m != best]
        p = [statistics.paired_permutation(share[m].to_numpy(), share[best].to_numpy(), label) for m in others]
        corrected = dict(zip(others, statistics.holm(p)))
        result[split] = {"reference": best, "classes": len(np.unique(label)), "methods": {}}
        for m in share.columns:
            table = statistics.tally(share[m].to_numpy(), subject, label)
            spans = {
                c: [100 * v for v in (i.low, i.high)]
                for c in statistics.usable_clusters(subject)
                for i in [statistics.accuracy_interval(table, c)]
            }
            entry = {"top1": 100 * float(share[m].mean()), "intervals": spans, "p": None, "p_holm": None}
            if m != best:
                entry |= {"p": p[others.index(m)], "p_holm": float(corrected[m])}
            result[split]["methods"][m] = entry
    return result


def inflation(runs: pd.DataFrame) -> dict[str, dict[str, float]]:
    """method -> points by which the oracle exceeds the main ZSL top-1, and validation gained over the last epoch."""
    tables = {s: by_split(runs, "zsl", "top1", s) for s in ("last", "main", "oracle")}
    result = {}
    for method in tables["main"].index:
        rows = {s: t.loc[method] if method in t.index else pd.Series(dtype=float) for s, t in tables.items()}
        result[method] = {
            "oracle_minus_main": _number((rows["oracle"] - rows["main"]).mean()),
            "main_minus_last": _number((rows["main"] - rows["last"]).mean()),
        }
    return result


def _number(value: float) -> float | None:
    """None instead of NaN, which JSON does not know."""
    return None if value is None or math.isnan(value) else float(value)


LINES = ["scope", "quantity", "method", "reference", "value", "low_subject", "high_subject", "low_class", "high_class"]
LINES += ["low_both", "high_both", "difference", "average_rank", "p", "p_holm", "splits"]


def to_lines(result: dict[str, Any]) -> pd.DataFrame:
    """Long form: scope is a split, ``over splits`` or ``inflation``; values in percent, p corrected within a scope."""
    lines = []
    for split, found in result["within_splits"].items():
        for method, e in found["methods"].items():
            spans = {f"{end}_{c}": v for c, pair in e["intervals"].items() for end, v in zip(("low", "high"), pair)}
            line = {"scope": split, "quantity": "ZSL top-1", "method": method, "reference": found["reference"], **spans}
            lines.append({**line, "value": e["top1"], "p": e["p"], "p_holm": e["p_holm"], "splits": 1})
    for quantity, found in result["over_splits"].items():
        ranks = found.get("ranks", {}).get("ranks", {})
        own = {found["reference"]: {"mean_difference": 0.0, "p": None, "p_holm": None}}
        for method, e in (own | found["signed_rank"]).items():
            line = {"scope": "over splits", "quantity": quantity, "method": method, "reference": found["reference"]}
            line |= {"difference": e["mean_difference"], "p": e["p"], "p_holm": e["p_holm"]}
            lines.append({**line, "average_rank": ranks.get(method), "splits": len(found["splits"])})
    for method, e in result["inflation"].items():
        for quantity, value in e.items():
            lines.append({"scope": "inflation", "quantity": quantity, "method": method, "difference": value})
    return pd.DataFrame(lines, columns=LINES)


# --- Markdown --------------------------------------------------------------------------------------------------------


def to_markdown(result: dict[str, Any]) -> str:
    """The comparison for readers."""
    from zssar.reporting.tables import pipe

    parts = [f"# {result['title']}", ""]
    for split, found in result["within_splits"].items():
        parts += [f"## {split}: ZSL top-1, 95 % intervals", ""]
        clusters = list(next(iter(found["methods"].values()))["intervals"])
        heads = [
            "method",
            "top-1",
            *(f"over {c}" + ("es" if c == "class" else "s" if c == "subject" else "") for c in clusters),
        ]
        body = []
        for m, e in sorted(found["methods"].items(), key=lambda item: -item[1]["top1"]):
            spans = [f"{low:.1f} to {high:.1f}" for low, high in e["intervals"].values()]
            body.append([m, f"{e['top1']:.1f}", *spans, _p(e["p"]), _p(e["p_holm"])])
        parts += [*pipe([*heads, f"p against {found['reference']}", "p (Holm)"], body, 1), ""]
        smallest = 2.0 ** (1 - found["classes"])
        parts += [
            f"p: paired permutation of whole classes; {found['classes']} classes allow no p below {smallest:.2g}.",
            "",
        ]
    for name, found in result["over_splits"].items():
        parts += [f"## Over {len(found['splits'])} splits: {name}", ""]
        ranks = found.get("ranks", {}).get("ranks", {})
        body = [
            [m, _p(ranks.get(m), 2), f"{e['mean_difference']:+.1f}", _p(e["p"]), _p(e["p_holm"])]
            for m, e in found["signed_rank"].items()
        ]
        body.insert(0, [found["reference"], _p(ranks.get(found["reference"]), 2), "reference", "–", "–"])
        if ranks:
            body.sort(key=lambda line: float(line[1]))
        parts += [*pipe(["method", "average rank", "mean difference", "p", "p (Holm)"], body, 1), ""]
        parts += [_over_note(found), ""]
    parts += ["## Inflation: points gained by choosing the epoch on the test samples", ""]
    body = [[m, _signed(e["oracle_minus_main"]), _signed(e["main_minus_last"])] for m, e in result["inflation"].items()]
    parts += [*pipe(["method", "oracle - main", "main - last epoch"], body, 1), ""]
    return "\n".join(parts).rstrip() + "\n"


def _over_note(found: dict[str, Any]) -> str:
    note = "p: Wilcoxon signed-rank test over splits"
    if found["smallest_possible_p"]:
        note += f"; {len(found['splits'])} splits allow no p below {found['smallest_possible_p']:.2g}"
    if "ranks" in found:
        ranks = found["ranks"]
        note += (
            f". Friedman p {_p(ranks['p'])}; ranks closer than {ranks['critical']:.2f} cannot be told apart (Nemenyi)"
        )
    if found["left_out"]:
        note += f". Left out, because a method lacks them: {', '.join(found['left_out'])}"
    return note + "."


def _p(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"< {10**-digits:.{digits}f}" if 0 < value < 10**-digits / 2 else f"{value:.{digits}f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"
