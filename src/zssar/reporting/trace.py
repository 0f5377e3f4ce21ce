"""What is behind the cells of a table, in words: values per seed, runs, commits, inputs, and the rebuilding command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from zssar.errors import UserError, unknown
from zssar.reporting import records, runs, tables

WIDTH = 22
STATES = {"unchanged": "unchanged", "changed": "CHANGED since this run", "missing": "not here now"}


def select(lines: pd.DataFrame, method: str | None, split: str | None, where: str) -> pd.DataFrame:
    """The lines of a method and a split. split: its name, ``dataset/name``, or a family of draws (``random_5_0``).

    Raises UserError naming the closest known method or split, and where the two do not meet.
    """
    if method is not None and method not in set(lines["method"]):
        raise unknown("method", method, lines["method"].unique(), where)
    at = pd.Series(True, lines.index)
    if split is not None:
        dataset, slash, name = split.rpartition("/")
        named = (lines["split"] == name) | (lines["split"].map(runs.column_group) == name)
        at = named & ((lines["dataset"] == dataset) | (not slash))
        if not at.any():
            known = lines["split"]
            if slash and dataset in set(lines["dataset"]):
                known = lines["dataset"] + "/" + lines["split"]
            elif slash:
                raise unknown("data set", dataset, lines["dataset"].unique(), where)
            families = set(lines["split"].map(runs.column_group)) if not slash else set()
            raise unknown("split", split, {*known, *families}, where)
    chosen = lines[at & (lines["method"] == method)] if method is not None else lines[at]
    if chosen.empty:
        has = ", ".join(sorted(lines.loc[lines["method"] == method, "split"].unique()))
        raise UserError(f"{where}: method {method!r} has no run on {split!r}; it has: {has}")
    return chosen


def explain(table: Path | str, method: str | None = None, split: str | None = None, root: Path | str = ".") -> str:
    """The text that ``zssar explain`` prints. root: the folder that recorded paths are relative to."""
    path = records.runs_file(table)
    lines = runs.read_runs([path])
    chosen = select(lines, method, split, str(path))
    name = str(chosen["table"].iloc[0])
    parts = [f"{table}: table {name}, {len(chosen)} of {len(lines)} lines of {path}"]
    for key, group in _cells(chosen):
        parts += ["", key, *_values(group)]
    for run in records.runs_of(chosen):
        record = records.find(run, path.parent, root, bool((chosen["setting"] == "transductive").any()))
        parts += ["", *_run(record, *records.find_network(record, path.parent, root), name, root)]
    return "\n".join(parts) + "\n"


def _cells(chosen: pd.DataFrame):
    """(heading, lines) of each row and column of the table that was asked for."""
    columns = chosen["dataset"] + "/" + chosen["split"].map(runs.column_group)
    for (label, column), group in chosen.groupby([runs.row_labels(chosen), columns], sort=False):
        yield f"{label}, {column}", group


def _values(group: pd.DataFrame) -> list[str]:
    """One line per column of the table: the cell, the selection behind it, and what it is the mean of."""
    shown = []
    for column in tables.COLUMNS:
        found = runs.cell(group, column.setting, column.metric, column.selection)
        if found is None:
            continue
        mine = group[
            (group["setting"] == column.setting)
            & (group["metric"] == column.metric)
            & (group["selection"] == found.selection)
        ]
        spread = "" if found.spread != found.spread else f" ± {found.spread:.2f}"
        if found.draws > 1:
            means = mine.groupby("split", sort=False)["value"].mean()
            single = f"{found.draws} draws: " + " ".join(f"{v:.2f}" for v in means)
        else:
            single = ", ".join(f"seed {r.seed}: {r.value:.2f}" for r in mine.itertuples())
        shown.append(f"  {column.head:<{WIDTH}} {found.mean:.2f}{spread} ({found.selection}; {single})")
    return shown


def _run(record: records.Record, place: str, network: dict, table: str, root: Path | str) -> list[str]:
    parts = [f"run {record.run}"]
    if not record.steps:
        parts.append("  no run record here: the run was deleted, or the table came without its records")
    elif str(record.place) != str(Path(root) / record.run):
        parts.append(f"  record: {record.place}")
    for verb, step in record.steps.items():
        parts += _step(verb, step, root)
    if network:
        parts += [f"  {'network':<{WIDTH}} {place}", *_step("pretrain_backbone", network, root)]
    validation = records.validation_runs(record)
    if record.chosen():
        parts.append(f"  {'epochs, seed by seed':<{WIDTH}} {record.chosen()}")
    if validation:
        borrowed = record.steps["evaluate"].get("params", {}).get("validation_backbone") == "shared"
        note = " (with this run's own network, which has seen the pseudo-unseen classes)" if borrowed else ""
        parts.append(f"  {'chosen on':<{WIDTH}} {', '.join(validation)}{note}")
    for what, command in records.rebuild_commands(table, record.run, root):
        parts += [f"  to {what}:", f"    {command}"]
    if records.config_files(table, root) is None:
        parts.append(f"  (no configuration here defines the table {table!r}: name the one that does by --configfile)")
    return parts


def _step(verb: str, step: dict, root: Path | str) -> list[str]:
    def line(name: str, value) -> str:
        return f"    {name:<{WIDTH - 2}} {value}"

    params = step.get("params", {})
    seeds: Sequence[int] = params.get("seeds", [params["seed"]] if "seed" in params else [])
    machine = step.get("machine", {})
    parts = [f"  {verb}", line("finished", step.get("finished", "unknown")), line("commit", step.get("commit", "?"))]
    if str(step.get("commit", "")).endswith("+"):
        parts[-1] += " (+: files had been changed since that commit)"
    if seeds:
        parts.append(line("seeds", ", ".join(map(str, seeds))))
    place = ", ".join(str(v) for k, v in machine.items() if k in ("processor", "gpu", "system"))
    parts.append(line("cost", f"{step.get('seconds', 0):.1f} s, {step.get('peak_memory_mb', 0):.0f} MB; {place}"))
    for one in records.inputs_of(step):
        parts.append(line(f"input {one.name}", f"{one.path or '(path not recorded)'} ({STATES[one.state(root)]})"))
        parts.append(line("", f"sha256 {one.digest}"))
    return [*parts, line("command", records.pasteable(step.get("command", "?")))]
