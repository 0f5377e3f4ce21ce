"""Wide tables from the long runs file: CSV for machines, Markdown and LaTeX (booktabs) for readers.

Rows are methods (and whatever of backbone, stream, source, encoder varies), column groups are splits. Every number is
a ``runs.cell``; the Markdown and LaTeX files show the same cells rounded to one decimal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from zssar.errors import UserError
from zssar.reporting.published import Published, find
from zssar.reporting.runs import FACTORS, Cell, cell, chance, column_group, title_of_data


class TableParams(BaseModel):
    """What a table may be told. ``order``: methods from top to bottom, others follow by name. ``names``: methods as
    printed (not in the CSV file). ``groups``: column name -> splits averaged in it. ``published``: sources in
    published.csv, e.g. "PURLS supp. T8", whose values are shown beside ours; ``published_as``: our method, backbone or
    encoder -> its name there. ``setting``: what the table holds, see the schema of config.yaml. ``simulated``: data
    sets to be called simulated besides ``sim``."""

    model_config = ConfigDict(extra="forbid")
    title: str = ""
    order: list[str] = []
    names: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    published: list[str] = []
    published_as: dict[str, str] = {}
    setting: Literal["accuracy", "transductive", "efficiency"] = "accuracy"
    simulated: list[str] = []


@dataclass(frozen=True)
class Column:
    """One kind of number. ``where``: overview or detail (the Markdown blocks), or csv."""

    setting: str
    metric: str
    selection: str
    head: str


COLUMNS = (
    Column("zsl", "top1", "main", "ZSL top-1"),
    Column("zsl", "per_class", "main", "ZSL per class"),
    Column("gzsl", "seen", "main", "GZSL S"),
    Column("gzsl", "unseen", "main", "GZSL U"),
    Column("gzsl", "harmonic", "main", "GZSL H"),
    Column("gzsl", "ausuc", "main", "AUSUC"),
    Column("gzsl_gate", "seen", "main", "gate S"),
    Column("gzsl_gate", "unseen", "main", "gate U"),
    Column("gzsl_gate", "harmonic", "main", "gate H"),
    Column("gzsl_ratio", "seen", "main", "ratio gate S"),
    Column("gzsl_ratio", "unseen", "main", "ratio gate U"),
    Column("gzsl_ratio", "harmonic", "main", "ratio gate H"),
    Column("transductive", "top1", "main", "transductive ZSL top-1"),
    Column("transductive", "inductive_top1", "main", "the same, inductive"),
    Column("efficiency", "parameters_m", "last", "million parameters"),
    Column("efficiency", "mflops", "last", "MFLOP per sample"),
    Column("efficiency", "samples_per_second", "last", "samples per second"),
    Column("zsl", "top1", "last", "last epoch ZSL"),
    Column("zsl", "top1", "oracle", "oracle ZSL"),
    Column("gzsl", "harmonic", "oracle", "oracle H"),
)
BOLD = {c.head for c in COLUMNS if c.selection == "main"}


@dataclass
class Table:
    """Everything the three writers need. methods, labels: keys and what is printed, per row; cells[row][group][column
    head]."""

    title: str
    notes: list[str]
    methods: list[str]
    labels: list[dict[str, str]]
    groups: list[str]
    chance: dict[str, float]
    cells: list[dict[str, dict[str, Cell]]]
    published: list[dict[str, dict[str, Published]]]
    ranks: list[float]
    data: str

    def columns(self, group: str) -> list[Column]:
        """The columns with at least one number in this group."""
        return [c for c in COLUMNS if any(c.head in row.get(group, {}) for row in self.cells)]

    def best(self, group: str, head: str) -> float:
        """The highest mean of a column as printed, to one decimal; NaN with fewer than two rows."""
        means = [row[group][head].mean for row in self.cells if head in row.get(group, {})]
        return round(max(means), 1) if len(means) > 1 else math.nan


def read_params(params: dict[str, Any]) -> TableParams:
    try:
        return TableParams(**params)
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(TableParams.model_fields)
        raise UserError(
            f"table parameter {'.'.join(map(str, first['loc']))}: {first['msg']}. Known parameters: {known}."
        ) from None


def build(runs: pd.DataFrame, name: str, params: TableParams) -> Table:
    """The table of sorted runs (see ``runs.read_runs``)."""
    if (params.setting == "transductive") != bool((runs["setting"] == "transductive").any()):
        raise UserError(
            f"table {name}: transductive answers have a table of their own (parameter setting: transductive), and such "
            "a table holds nothing else"
        )
    runs = runs.assign(group=runs["dataset"] + "/" + [column_group(s, params.groups) for s in runs["split"]])
    varying = [f for f in FACTORS if runs[f].nunique() > 1]
    position = {m: i for i, m in enumerate(params.order)}
    keys = runs[["method", *varying]].drop_duplicates()
    keys = keys.assign(at=[position.get(m, len(position)) for m in keys["method"]])
    keys = keys.sort_values(["at", "method", *varying]).drop(columns="at")
    groups = sorted(runs["group"].unique())
    labels, cells, published = [], [], []
    for _, key in keys.iterrows():
        lines = runs[(runs[list(key.index)] == key).all(axis=1)]
        labels.append({k: params.names.get(v, v) if k == "method" else v for k, v in key.items()})
        cells.append({g: _cells(lines[lines["group"] == g]) for g in groups})
        row = {f: lines[f].iloc[0] for f in ("backbone", "encoder")}
        names = params.published_as
        published.append({g: find(params.published, key["method"], g, row, varying, names) for g in groups})
    levels = {g: chance(runs[runs["group"] == g]) for g in groups}
    title, data = _title(runs, name, params, groups, levels)
    methods, ranks = keys["method"].tolist(), _ranks(cells, groups)
    table = Table(title, [], methods, labels, groups, levels, cells, published, ranks, data)
    table.notes = _notes(runs, table, varying)
    return table


def _cells(lines: pd.DataFrame) -> dict[str, Cell]:
    found = {c.head: cell(lines, c.setting, c.metric, c.selection) for c in COLUMNS}
    return {head: value for head, value in found.items() if value is not None}


def _ranks(cells: list[dict[str, dict[str, Cell]]], groups: list[str]) -> list[float]:
    """Average rank over splits by the main (or transductive) ZSL top-1; 1 is best, ties share; NaN without a split."""

    def main(row: dict[str, Cell]) -> float:
        found = row.get("ZSL top-1") or row.get("transductive ZSL top-1")
        return found.mean if found else math.nan

    means = pd.DataFrame([[main(row[g]) for g in groups] for row in cells])
    return means.rank(ascending=False).mean(axis=1, skipna=False).tolist()


def _title(runs, name: str, params: TableParams, groups: list[str], levels: dict[str, float]) -> tuple[str, str]:
    seeds = runs.groupby(["group", "method"])["seed"].nunique()
    many = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    chances = ", ".join(f"{g.split('/', 1)[1]} {levels[g]:.1f}" for g in groups if math.isfinite(levels[g]))
    what = params.title or "Zero-shot skeleton action recognition"
    data = "; ".join(title_of_data(runs, params.simulated))
    plural = "seed" if many == "1" else "seeds"
    return f"{name}: {what} on {data}; {many} {plural}" + (f"; ZSL chance in %: {chances}" if chances else ""), data


def _notes(runs: pd.DataFrame, table: Table, varying: list[str]) -> list[str]:
    heads = {head for row in table.cells for group in row.values() for head in group}
    fixed = [f"{f} {runs[f].iloc[0]}" for f in FACTORS if f not in varying and runs[f].iloc[0]]
    pooled = any(c.draws > 1 for row in table.cells for g in row.values() for c in g.values())
    over = (
        "seeds (for a family of splits: over class draws, seeds averaged first)"
        if pooled
        else "the alignment's seeds, on one network"
    )
    notes = [
        f"Percent, mean ± standard deviation over {over}. Bold: highest mean."
        + (f" The same in every row: {', '.join(fixed)}." if fixed else ""),
        "Main numbers: epoch chosen on validation splits cut from the seen classes; the last epoch where a method has "
        "nothing to choose or there is no validation split. GZSL: calibrated stacking with a factor fitted on the same "
        "validation splits; S and U are accuracies on samples of seen and unseen classes, H their harmonic mean, "
        "AUSUC the area under the seen-unseen curve over all factors.",
        *_gate_notes(heads),
        "Oracle: best epoch (and best factor) picked on the unseen test samples, as much published code does. "
        "It is an upper bound and no result.",
    ]
    if "transductive ZSL top-1" in heads:
        notes[1:] = [
            "Transductive: answers adapted to all unlabelled test samples, which are known to be of unseen classes: "
            "class prototypes from the method's own answers, mixed with its scores by a weight chosen on validation "
            "splits. Another task than the inductive one of all other tables; not to be compared with them."
        ]
    if "samples per second" in heads:
        notes.append(
            "Size and speed: numbers that a trained alignment method stores; operations (a multiplication and an "
            "addition are two) and speed of scoring test samples against the unseen classes, features in memory, on "
            "the device that "
            "efficiency.json of the run names. Not percent."
        )
    if "GZSL H" not in heads and "AUSUC" in heads:
        notes.append(
            "No validation split was given, so no calibration factor could be fitted: S, U and H are left out."
        )
    backbones = sorted({str(p) for row in table.published for g in row.values() for p in g.values()})
    notes += [f"Published, under the same class split but other features: {p}." for p in backbones]
    return notes


def _gate_notes(heads: set[str]) -> list[str]:
    notes = []
    if "gate H" in heads:
        notes.append(
            "Gate: a classifier fitted on the validation splits sends a sample to the backbone's seen classes or to "
            "the method's unseen ones (SynSE)."
        )
    if "ratio gate H" in heads:
        notes.append("Ratio gate: unseen if best seen error / best unseen error exceeds a validated threshold (Flora).")
    return notes


# --- writers ---------------------------------------------------------------------------------------------------------


def to_csv(table: Table) -> pd.DataFrame:
    """One line per row; columns ``<dataset>/<split> <setting> <metric> <selection> mean|sd``, unrounded.

    Methods under their keys, as in the runs file, not under the names that the other two writers print.
    """
    lines = []
    rows = zip(table.methods, table.labels, table.cells, table.published, table.ranks)
    for method, label, row, published, rank in rows:
        line: dict[str, Any] = {"data": table.data, **label, "method": method, "rank": rank}
        for group in table.groups:
            line[f"{group} zsl chance"] = table.chance[group]
            for column in table.columns(group):
                found, name = (
                    row[group].get(column.head),
                    f"{group} {column.setting} {column.metric} {column.selection}",
                )
                line[f"{name} mean"] = found.mean if found else math.nan
                line[f"{name} sd"] = found.spread if found else math.nan
                if column.head == "ZSL top-1":
                    line[f"{group} main selection"] = found.selection if found else ""
            for what, value in published[group].items():
                line[f"{group} {what} published"] = value.value
        lines.append(line)
    return pd.DataFrame(lines)


def _shown(found: Cell | None, bold: bool, mark: tuple[str, str], pm: str) -> str:
    if found is None:
        return "–"
    value = f"{mark[0]}{found.mean:.1f}{mark[1]}" if bold else f"{found.mean:.1f}"
    return value if math.isnan(found.spread) else f"{value} {pm} {found.spread:.1f}"


def _grid(table: Table, group: str, columns: list[Column], mark: tuple[str, str], pm: str) -> list[list[str]]:
    """Body cells of one split as text: methods down, columns across; published values follow the column they match."""
    lines = []
    for row, published in zip(table.cells, table.published):
        line = []
        for column in columns:
            found = row[group].get(column.head)
            best = column.head in BOLD and found is not None and round(found.mean, 1) == table.best(group, column.head)
            line.append(_shown(found, best, mark, pm))
            if _is_published(table, group, column):
                value = published[group].get(f"{column.setting} {column.metric}")
                line.append(f"{value.value:.1f}" if value else "–")
        lines.append(line)
    return lines


def _is_published(table: Table, group: str, column: Column) -> bool:
    name = f"{column.setting} {column.metric}"
    return column.selection == "main" and any(name in row[group] for row in table.published)


def _heads(table: Table, group: str, columns: list[Column]) -> list[str]:
    heads = []
    for column in columns:
        level = table.chance[group]
        show = column.head == "ZSL top-1" and math.isfinite(level)
        heads.append(f"{column.head} (chance {level:.1f})" if show else column.head)
        if _is_published(table, group, column):
            heads.append("published")
    return heads


def to_markdown(table: Table) -> str:
    """Title, with several splits an overview of ZSL top-1 and H, then one block per split, then the rules."""
    parts = [f"# {table.title}", ""]
    names = list(table.labels[0])
    left = [[label[n] for n in names] for label in table.labels]
    if len(table.groups) > 1:
        heads, body = list(names), [list(line) for line in left]
        for group in table.groups:
            columns = [c for c in table.columns(group) if c.head in ("ZSL top-1", "GZSL H")]
            heads += [f"{group.split('/', 1)[1]}: {h}" for h in _heads(table, group, columns)]
            for line, more in zip(body, _grid(table, group, columns, ("**", "**"), "±")):
                line += more
        heads.append("average rank")
        for line, rank in zip(body, table.ranks):
            line.append("–" if math.isnan(rank) else f"{rank:.1f}")
        parts += ["## Overview", "", *pipe(heads, body, len(names)), ""]
    for group in table.groups:
        columns = table.columns(group)
        body = [a + b for a, b in zip(left, _grid(table, group, columns, ("**", "**"), "±"))]
        parts += [f"## {group}", "", *pipe([*names, *_heads(table, group, columns)], body, len(names)), ""]
    return "\n".join(parts + [line for note in table.notes for line in (note, "")]).rstrip() + "\n"


def pipe(heads: list[str], body: list[list[str]], left: int) -> list[str]:
    """A Markdown table, padded so that it can be read as plain text; the first ``left`` columns are left-aligned."""
    widths = [max(len(line[i]) for line in [heads, *body]) for i in range(len(heads))]

    def join(line: list[str]) -> str:
        return (
            "| "
            + " | ".join(v.ljust(w) if i < left else v.rjust(w) for i, (v, w) in enumerate(zip(line, widths)))
            + " |"
        )

    rule = "|" + "|".join("-" * (w + 2) if i < left else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return [join(heads), rule, *map(join, body)]


TEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "±": r"$\pm$", "–": "--"}


def escape(text: str) -> str:
    """Plain text for LaTeX."""
    return "".join(
        TEX.get(c, {"{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}.get(c, c))
        for c in text
    )


def to_latex(table: Table) -> str:
    """A booktabs table per split in one ``table*``; needs ``\\usepackage{booktabs}``."""
    names = list(table.labels[0])
    parts = [
        r"% \usepackage{booktabs} is needed",
        r"\begin{table*}",
        r"\centering\small",
        rf"\caption{{{escape(table.title)}.}}",
    ]
    for group in table.groups:
        columns = table.columns(group)
        heads = [*names, *_heads(table, group, columns)]
        parts += [rf"\begin{{tabular}}{{{'l' * len(names)}{'r' * (len(heads) - len(names))}}}", r"\toprule"]
        if len(table.groups) > 1:
            parts += [rf"\multicolumn{{{len(heads)}}}{{l}}{{{escape(group)}}} \\", r"\midrule"]
        parts += [" & ".join(map(escape, heads)) + r" \\", r"\midrule"]
        for label, line in zip(table.labels, _grid(table, group, columns, (r"\textbf{", "}"), r"$\pm$")):
            parts.append(
                " & ".join([*(escape(label[n]) for n in names), *(v.replace("–", "--") for v in line)]) + r" \\"
            )
        parts += [r"\bottomrule", r"\end{tabular}", ""]
    parts += [rf"\par\smallskip\footnotesize {escape(' '.join(table.notes))}", r"\end{table*}"]
    return "\n".join(parts) + "\n"
