"""Figures and small tables of the report, as what its template takes: pictures inside the page, grids to sort."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from zssar.reporting import figures as of_runs
from zssar.reporting import overviews, runs, spaces, style
from zssar.reporting import texts as of_texts
from zssar.reporting.records import Record, runs_of

SPLITS_SHOWN = 3  # splits of a table that get figures of their own
ENLARGED = 1.3 * 96 / 72  # CSS pixels a point: print sizes read small on a screen
HISTORIES_SHOWN = 12
UNITS_SHOWN = 8
FIELDS = ("loss", "accuracy")
WORDS = {
    "zsl": ("top1", "ZSL top-1"),
    "gzsl": ("harmonic", "GZSL H"),
}


def inside(figure: Figure, alt: str, caption: str) -> dict[str, Any]:
    """The figure as SVG in a data address; letters become outlines, as the reader's fonts are not known."""
    out = io.BytesIO()
    with style.paper(), plt.rc_context({"svg.fonttype": "path"}):
        figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    points = re.search(rb'<svg[^>]* width="([0-9.]+)pt"', out.getvalue())
    width = round(ENLARGED * float(points[1])) if points else None
    return {"src": address(out.getvalue(), "image/svg+xml"), "alt": alt, "caption": caption, "width": width}


def address(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def grid(frame: pd.DataFrame, left: int, caption: str, show: Callable[[float], str]) -> dict[str, Any]:
    """A sortable table: the first ``left`` columns are words, the others numbers or NaN."""
    rows = []
    for values in frame.itertuples(index=False):
        row = [(str(v), "") for v in values[:left]]
        for v in values[left:]:
            known = v is not None and math.isfinite(v)
            row.append((show(v) if known else "–", f"{v:.6f}" if known else ""))
        rows.append(row)
    return {"heads": list(frame.columns), "rows": rows, "left": left, "caption": caption}


# --- oracle against validated ----------------------------------------------------------------------------------------


def inflation(name: str, lines: pd.DataFrame) -> list[dict[str, Any]]:
    """Main number, oracle and their difference per method, means over the splits that have both; one part or none."""
    methods = list(dict.fromkeys(runs.row_labels(lines)))
    frame = pd.DataFrame({"method": methods})
    drawn = []
    for setting, (metric, title) in WORDS.items():
        main, oracle = (runs.by_split(lines, setting, metric, s) for s in ("main", "oracle"))
        if main.empty or oracle.empty:
            continue
        main, oracle = main.align(oracle, join="inner")
        both = main.notna() & oracle.notna()
        for head, values in (
            (f"{title}, main", main.where(both)),
            (f"{title}, oracle", oracle.where(both)),
            (f"{title}, inflation", (oracle - main).where(both)),
        ):
            frame[head] = frame["method"].map(values.mean(axis=1))
        drawn.append(
            inside(
                overviews.inflation(lines, setting, metric),
                f"{title} at the last, the main and the oracle epoch",
                f"{title} of {name}: circle, main number; diamond, oracle; line between them, the inflation.",
            )
        )
    shape = grid(frame, 1, f"inflation, {name}", lambda v: f"{v:.1f}")
    return [{"name": name, "grid": shape, "figures": drawn}] if drawn else []


# --- figures of runs -------------------------------------------------------------------------------------------------


def figures(name: str, lines: pd.DataFrame, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """Per split: seen-unseen curves, validation against test, confusion and classes of the best method."""
    found = []
    splits = list(dict.fromkeys(zip(lines["dataset"], lines["split"])))
    for dataset, split in splits[:SPLITS_SHOWN]:
        mine = lines[(lines["dataset"] == dataset) & (lines["split"] == split)]
        found += _of_split(f"{name}, {dataset}/{split}", mine, records)
    if len(splits) > SPLITS_SHOWN:
        found[-1]["caption"] += f" Figures of the first {SPLITS_SHOWN} of {len(splits)} splits are shown."
    return found + _over_splits(name, lines)


def _of_split(place: str, lines: pd.DataFrame, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    ranked = by_main_number(lines, [r for r in runs_of(lines) if records[r].metrics])
    printed = runs.printed_methods(lines)
    metrics = [of_runs.called(records[run].metrics, printed[run]) for run in ranked]
    if not metrics:
        return []
    few, found = metrics[: len(style.CATEGORIES)], []
    left = f" The {len(few)} of {len(metrics)} methods with the best main numbers." if len(few) < len(metrics) else ""
    curves = [m for m in few if m["gzsl"]]
    if curves:
        caption = f"{place}: accuracy on seen against unseen classes for every calibration factor."
        found.append(inside(of_runs.curves(curves), "seen-unseen curves", caption + left))
    validated = [m for m in few if len(of_runs.validation_pairs(m)[0]) > 1]
    if validated:
        caption = f"{place}: how well accuracy on pseudo-unseen classes tells accuracy on the unseen ones."
        found.append(inside(of_runs.validation(validated), "validation against test accuracy", caption + left))
    caption = f"{place}: confusion of the unseen classes, {metrics[0]['key'].get('method', '')}"
    found.append(inside(of_runs.confusion(metrics[0]), "confusion matrix", caption + " (best main number)."))
    return found


def by_main_number(lines: pd.DataFrame, candidates: Sequence[str]) -> list[str]:
    """Runs by their main ZSL top-1, best first; those without one last."""
    found = {run: runs.cell(lines[lines["run"] == run], "zsl", "top1", "main") for run in candidates}
    level = {run: -1.0 if cell is None else cell.mean for run, cell in found.items()}
    return sorted(candidates, key=lambda run: -level[run])


def _over_splits(name: str, lines: pd.DataFrame) -> list[dict[str, Any]]:
    """Accuracy against the number of unseen classes, ranks: where there are splits enough."""
    found = []
    table = runs.by_split(lines, "zsl", "top1", "main").dropna(axis=1)
    ranked = list(table.mean(axis=1).sort_values(ascending=False).index)
    counts = {round(float(v)) for v in lines.loc[lines["metric"] == "chance", "value"]}
    if len(counts) > 1 and ranked:
        few = ranked[: len(style.CATEGORIES)]
        caption = f"{name}: accuracy against the number of unseen classes, {len(few)} of {len(ranked)} methods."
        found.append(inside(overviews.unseen_count(lines, few), "accuracy and number of classes", caption))
    if table.shape[1] >= 3 and len(table) >= 3:
        caption = f"{name}: average ranks over {table.shape[1]} splits; joined methods cannot be told apart (Nemenyi)."
        found.append(inside(overviews.critical_difference(lines), "critical difference of ranks", caption))
    return found


# --- pretraining -----------------------------------------------------------------------------------------------------


def learning_curves(paths: Sequence[Path | str]) -> list[dict[str, Any]]:
    """Loss and accuracy of pretraining, a figure for each dozen of backbones."""
    histories = {_backbone(path): spaces.read_history(path) for path in paths}
    names, found = list(histories), []
    for start in range(0, len(names), HISTORIES_SHOWN):
        some = {name: histories[name] for name in names[start : start + HISTORIES_SHOWN]}
        fields = [f for f in FIELDS if all(any(f in line for line in h) for h in some.values())]
        if fields:
            caption = "; ".join(f"{name}: {_ending(h)}" for name, h in some.items())
            found.append(inside(spaces.losses(some, fields), "learning curves of the backbones", caption))
    return found


def _backbone(path: Path | str) -> str:
    """dataset/split/network of a history file, the parts of its path that say so."""
    parts = Path(path).parts[-4:-1]
    return "/".join(parts) if parts else str(path)


def _ending(history: list[dict[str, Any]]) -> str:
    last = history[-1]
    accuracy = f", accuracy {100 * last['accuracy']:.1f} %" if "accuracy" in last else ""
    return f"{last['epoch']} epochs{accuracy}"


# --- texts -----------------------------------------------------------------------------------------------------------


def texts(paths: Sequence[Path | str]) -> dict[str, Any] | None:
    """Similarities of class texts and the nearest pairs of every text file; None without files."""
    sets = [of_texts.read_text_set(path, " ".join((*Path(path).parts[-4:-1], Path(path).stem))) for path in paths]
    if not sets:
        return None
    scores = of_texts.summary(sets)
    many = {one.title for one in sets if len(one.units) > UNITS_SHOWN}  # forms such as the profile have dozens
    scores = scores[(scores["unit"] == "all") | ~scores["texts"].isin(many)]
    scores.columns = [str(c).replace("_", " ") for c in scores.columns]
    parts = []
    for one in sets:
        pairs = of_texts.nearest_pairs(one).drop(columns="texts")
        pairs.columns = [str(c).replace("_", " ") for c in pairs.columns]
        picture = {
            "src": address(of_texts.heat_map(one), "image/png"),
            "alt": f"similarity of classes, {one.title}",
            "caption": f"{one.title}: cosine between classes, similar ones side by side.",
            "width": None,
        }
        shown = grid(pairs, 2, f"nearest pairs, {one.title}", lambda v: f"{v:.3f}")
        parts.append({"title": one.title, "figure": picture, "pairs": shown})
    return {"summary": grid(scores, 2, "separability of texts", lambda v: f"{v:.3f}"), "sets": parts}
