"""``results/report.html``: one file with the tables, what is behind every cell, figures, recordings and records.

The page is a Jinja2 template in ``page/``; style and script are put inside it, so that it works from ``file://``.
Nothing here computes a number of its own: cells are those of ``tables``, figures those of ``gallery``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from zssar.reporting import pictures, records, runs, tables
from zssar.reporting.clips import Answers, Clip, answers, clips, reasons
from zssar.storage import Skeletons, write_text

PAGE = Path(__file__).parent / "page"
SPLITS_SHOWN = 3  # of one table: splits with recordings


@dataclass(frozen=True)
class Source:
    """A table of the page. lines: its runs file, in the order and by the names of the table; built: its cells."""

    name: str
    lines: pd.DataFrame
    built: tables.Table
    folder: Path
    setting: str = "accuracy"


def read_source(path: Path | str, params: Mapping[str, Any]) -> Source:
    """A table by any of its files. Its name is what its runs file says."""
    path = records.runs_file(path)
    lines = runs.read_runs([path])
    name = str(lines["table"].iloc[0]) or path.name.removesuffix(".runs.csv")
    asked = tables.read_params(dict(params))
    built = tables.build(lines, name, asked)
    lines = runs.in_order(lines, asked.order)
    lines = lines.assign(method=lines["method"].map(lambda method: asked.names.get(method, method)))
    return Source(name, lines, built, path.parent, asked.setting)


class Page:
    """Collects what several parts of the page share: the cells' lines, the runs and their records."""

    def __init__(self, sources: Sequence[Source], root: Path | str = "."):
        self.sources, self.root = sources, Path(root)
        self.cells: list[dict[str, Any]] = []
        self.clips: list[dict[str, Any]] = []
        self.splits: list[str] = []
        self.records: dict[str, records.Record] = {}
        self.table_of: dict[str, str] = {}
        for source in sources:
            for run in records.runs_of(source.lines):
                adapted = source.setting == "transductive"
                if adapted or run not in self.records:
                    self.records[run] = records.find(run, source.folder, root, adapted)
                self.table_of.setdefault(run, source.name)
        self.index = {run: i for i, run in enumerate(self.records)}

    # --- tables ---

    def table(self, source: Source) -> dict[str, Any]:
        built = source.built
        lines = source.lines.assign(
            group=source.lines["dataset"] + "/" + source.lines["split"].map(runs.column_group),
        )
        names = list(built.labels[0])
        groups = []
        for group in built.groups:
            columns = built.columns(group)
            mine = lines[lines["group"] == group]
            rows = [
                {
                    "labels": [label[n] for n in names],
                    "cells": [
                        cell
                        for c in columns
                        for cell in (
                            self._cell(source, group, c, row[group].get(c.head), label, _lines_of(mine, label)),
                            *_published(built, group, c, i),
                        )
                    ],
                }
                for i, (label, row) in enumerate(zip(built.labels, built.cells))
            ]
            heads = [head for c in columns for head in _heads(built, group, c)]
            groups.append({"name": group, "heads": heads, "rows": rows})
        return {
            "name": source.name,
            "anchor": anchor(source.name),
            "title": built.title,
            "labels": names,
            "groups": groups,
            "notes": built.notes,
        }

    def _cell(self, source, group: str, column: tables.Column, found, label, lines: pd.DataFrame) -> dict[str, Any]:
        if found is None:
            return empty_cell()
        mine = lines[
            (lines["setting"] == column.setting)
            & (lines["metric"] == column.metric)
            & (lines["selection"] == found.selection)
        ]
        of = "draws (seeds averaged within a draw)" if found.draws > 1 else "seeds"
        self.cells.append(
            {
                "title": f"{', '.join(label.values())}; {group}; {column.head}: {found.mean:.2f}",
                "rule": f"Mean over {of} of the lines below: setting {column.setting}, metric {column.metric}, "
                f"selection {found.selection}{', in percent' if column.setting != 'efficiency' else ''}."
                + (" Chosen on the test samples: an upper bound, no result." if found.selection == "oracle" else ""),
                "lines": [
                    [self._split(r.split), int(r.seed), round(float(r.value), 4), int(r.n), self.index[r.run]]
                    for r in mine.itertuples()
                ],
            }
        )
        best = column.head in tables.BOLD and round(found.mean, 1) == source.built.best(group, column.head)
        return {
            "value": f"{found.mean:.6f}",
            "id": len(self.cells) - 1,
            "bold": best,
            "mean": f"{found.mean:.1f}",
            "spread": "" if math.isnan(found.spread) else f" ± {found.spread:.1f}",
            "kind": "oracle" if found.selection == "oracle" else "",
            "note": "",
        }

    def _split(self, name: str) -> int:
        if name not in self.splits:
            self.splits.append(name)
        return self.splits.index(name)

    # --- recordings ---

    def recordings(self, skeletons: Iterable[Path | str], explain=None) -> list[dict[str, Any]]:
        """One part per split. explain: (record, seed, sample ids) -> Contributions or None."""
        parts = []
        for path in skeletons:
            file = Skeletons(path)
            for source in _judged(self.sources):
                lines = source.lines[source.lines["dataset"] == file.attrs["dataset"]]
                for split in list(dict.fromkeys(lines["split"]))[:SPLITS_SHOWN]:
                    part = self._recordings_of(source, lines[lines["split"] == split], file, explain)
                    if part:
                        parts.append(part)
        return parts

    def _recordings_of(self, source: Source, lines: pd.DataFrame, file: Skeletons, explain) -> dict[str, Any] | None:
        found = [answers(self.records[run], self.root) for run in records.runs_of(lines)]
        printed = runs.printed_methods(lines)
        everything = [replace(a, method=printed[a.run]) for a in found if a is not None]
        if not everything:
            return None
        first = pictures.by_main_number(lines, [a.run for a in everything])[0]
        best = next(a for a in everything if a.run == first)
        everything.sort(key=lambda a: a.run != best.run)
        shown = clips(everything, file, best.run)
        self._explain(everything, shown, explain)
        dataset, split = lines[["dataset", "split"]].iloc[0]
        return {
            "name": f"{source.name}: {dataset}/{split}",
            "note": f"Best main number: {best.method}, {_epoch(best)}seed {best.seed}: "
            f"{100 * best.right().mean():.1f} % of {len(best.truth)} recordings right, "
            f"{len(best.names)} unseen classes. First three answers of each method.",
            "clips": [self._clip(clip) for clip in shown],
        }

    def _explain(self, everything: Sequence[Answers], shown: Sequence[Clip], explain) -> None:
        """The answer against the truth where it was wrong, against the second answer where it was right."""
        for a in everything if explain else []:
            found = explain(self.records[a.run], a.seed, [clip.sample_id for clip in shown])
            for i, clip in enumerate(shown if found else []):
                ranked = [a.names[j] for j in a.order[int((a.sample_id == clip.sample_id).argmax())]]
                other = clip.name if ranked[0] != clip.name else ranked[1]
                why = reasons(a.method, ranked[0], other, found.names, found.classes, found.terms[i])
                shape = pictures.grid(why["frame"], 1, why["title"], lambda v: f"{v:+.3f}")
                clip.explanation.append({"title": why["title"], "grid": shape})

    def _clip(self, clip: Clip) -> dict[str, Any]:
        self.clips.append(clip.drawing)
        return {**vars(clip), "index": len(self.clips) - 1}

    # --- records ---

    def run_records(self) -> list[dict[str, Any]]:
        return [
            {
                "index": i,
                "folder": run,
                "name": run.removeprefix("results/runs/"),
                "steps": [_step(verb, step) for verb, step in self.records[run].steps.items()],
                "epochs": self.records[run].chosen(),
                "rebuild": records.rebuild_commands(self.table_of[run], run, self.root),
            }
            for run, i in self.index.items()
        ]

    def data(self) -> Markup:
        """What the script reads, as JSON that cannot end its element."""
        text = json.dumps(
            {"cells": self.cells, "clips": self.clips, "splits": self.splits}, ensure_ascii=False, separators=(",", ":")
        )
        return Markup(text.replace("<", "\\u003c"))


def _judged(sources: Sequence[Source]) -> list[Source]:
    """Tables of accuracies, whose answers the figures show; transductive ones and those of speed are tables only."""
    return [source for source in sources if source.setting == "accuracy"]


def _epoch(found: Answers) -> str:
    """Which epoch answers; nothing for the only one of a closed form."""
    return "" if found.epoch == 1 else f"{found.selection} epoch {found.epoch}, "


def _lines_of(lines: pd.DataFrame, label: Mapping[str, str]) -> pd.DataFrame:
    keep = pd.Series(True, lines.index)
    for name, value in label.items():
        keep &= lines[name] == value
    return lines[keep]


def empty_cell(**more: Any) -> dict[str, Any]:
    """A cell without a value of ours."""
    return {"value": "", "id": None, "bold": False, "mean": "–", "spread": "", "kind": "", "note": "", **more}


def _is_published(built: tables.Table, group: str, column: tables.Column) -> bool:
    name = f"{column.setting} {column.metric}"
    return column.selection == "main" and any(name in row[group] for row in built.published)


def _published(built: tables.Table, group: str, column: tables.Column, row: int) -> list[dict[str, Any]]:
    """The cell with the value of the paper, if the column has any."""
    if not _is_published(built, group, column):
        return []
    found = built.published[row][group].get(f"{column.setting} {column.metric}")
    if found is None:
        return [empty_cell(kind="published")]
    return [empty_cell(value=f"{found.value:.6f}", mean=f"{found.value:.1f}", kind="published", note=str(found))]


def _heads(built: tables.Table, group: str, column: tables.Column) -> list[dict[str, str]]:
    level = built.chance[group]
    chance = column.head == "ZSL top-1" and math.isfinite(level)
    text = column.head + (f" (chance {level:.1f})" if chance else "")
    heads = [{"text": text, "kind": "oracle" if column.selection == "oracle" else ""}]
    if _is_published(built, group, column):
        heads.append({"text": "published", "kind": "published"})
    return heads


def anchor(name: str) -> str:
    """A name as the id of an element."""
    return "table-" + re.sub(r"[^a-zA-Z0-9]+", "-", name)


def _step(verb: str, step: Mapping[str, Any]) -> dict[str, Any]:
    machine = step.get("machine", {})
    seeds = step.get("params", {}).get("seeds", [])
    return {
        "verb": verb,
        "finished": step.get("finished", "unknown"),
        "commit": step.get("commit", "unknown"),
        "seeds": ", ".join(map(str, seeds)),
        "cost": f"{step.get('seconds', 0):.1f} s, {step.get('peak_memory_mb', 0):.0f} MB",
        "machine": ", ".join(str(v) for k, v in machine.items() if k in ("processor", "gpu", "system")),
        "versions": ", ".join(f"{k} {v}" for k, v in step.get("versions", {}).items()),
        "inputs": records.inputs_of(dict(step)),
        "command": records.pasteable(step.get("command", "")),
    }


def render(context: Mapping[str, Any]) -> str:
    """The page. Everything is escaped but style, script and data."""
    loader = jinja2.FileSystemLoader(PAGE)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    inside = {"css": Markup((PAGE / "page.css").read_text()), "script": Markup((PAGE / "page.js").read_text())}
    return environment.get_template("template.html").render(**context, **inside) + "\n"


def write_report(
    table_files: Sequence[Path | str],
    output: Path | str,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    skeletons: Sequence[Path | str] = (),
    histories: Sequence[Path | str] = (),
    texts: Sequence[Path | str] = (),
    title: str = "Report",
    explain=None,
) -> None:
    """Write the page. params: table -> what ``make_table`` was told (see ``tables.TableParams``).

    explain: (record, seed, sample ids) -> an object with ``classes``, ``names`` and ``terms`` (n, K, Q), or None.
    """
    params = params or {}
    sources = [read_source(path, params.get(_name(path, params), {})) for path in table_files]
    page = Page(sources)
    recordings = page.recordings(skeletons, explain)
    simulated = sorted({d for s in sources for d in runs.title_of_data(s.lines, _simulated(s, params)) if "(" in d})
    count = f"{len(sources)} {'table' if len(sources) == 1 else 'tables'}, {len(page.records)} runs"
    context = {
        "title": title,
        "sources": f"{count}, {sum(len(s.lines) for s in sources)} values.",
        "simulated": [name.removesuffix(" (simulated data)") for name in simulated],
        "tables": [page.table(source) for source in sources],
        "inflation": [part for s in _judged(sources) for part in pictures.inflation(s.name, s.lines)],
        "figures": [f for s in _judged(sources) for f in pictures.figures(s.name, s.lines, page.records)],
        "recordings": recordings,
        "curves": pictures.learning_curves(histories),
        "texts": pictures.texts(texts),
        "runs": page.run_records(),
    }
    write_text(output, render({**context, "data": page.data()}))


def _name(path: Path | str, params: Mapping[str, Any]) -> str:
    """The key of params for a table's file: the longest one that its path ends with."""
    base = str(Path(path).with_suffix("")).removesuffix(".runs")
    return max((name for name in params if base == name or base.endswith(f"/{name}")), key=len, default="")


def _simulated(source: Source, params: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return params.get(source.name, {}).get("simulated", [])
