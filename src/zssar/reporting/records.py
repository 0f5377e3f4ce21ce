"""From a cell of a table back to what made it: run records, input files with their hashes, the rebuilding command.

A run is a folder named in the column ``run`` of the runs file. Its ``run.json`` was written by ``align``, its
``metrics.json`` by ``evaluate``. Tables that travel without their runs (``results/reference``) keep the records beside
them in a folder ``records``, under the same path less the leading ``results/``; ``zssar export_table`` puts them there.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from zssar.errors import UserError, unknown
from zssar.provenance import file_digest
from zssar.storage import read_json


@dataclass(frozen=True)
class Input:
    """A file that a step read: the option that named it, its path and the SHA-256 it had."""

    name: str
    path: str
    digest: str

    def state(self, root: Path | str = ".") -> str:
        """unchanged, changed or missing: the file as it is now against the hash in the record."""
        path = Path(root) / self.path
        if not self.path or not path.is_file():
            return "missing"
        return "unchanged" if file_digest(path) == self.digest else "changed"


@dataclass(frozen=True)
class Record:
    """``steps``: verb -> what its record says, in the order align, evaluate; empty if no record was found.

    metrics: the whole of metrics.json, empty where the table travelled without it. outcomes: what every selection took
    and reached, seed by seed.
    """

    run: str
    steps: dict[str, dict[str, Any]]
    metrics: dict[str, Any]
    place: Path | None
    outcomes: Sequence[dict[str, Any]] = ()

    def chosen(self) -> str:
        """Which epochs the selections took, in one line; empty if unknown."""
        found: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            if outcome["setting"] == "zsl":
                found.setdefault(outcome["selection"], []).append(str(outcome["epoch"]))
        return "; ".join(f"{name}: epoch {', '.join(epochs)}" for name, epochs in found.items())


def runs_file(table: Path | str) -> Path:
    """The runs file of a table given as CSV, Markdown, LaTeX or runs file. Raises UserError if it is not there."""
    table = Path(table)
    base = table.name.removesuffix(".runs.csv") if table.name.endswith(".runs.csv") else table.stem
    path = table.with_name(f"{base}.runs.csv")
    if path.is_file():
        return path
    known = sorted(p.name.replace(".runs.csv", ".csv") for p in table.parent.glob("*.runs.csv"))
    if known and table.exists():
        raise UserError(
            f"{path} does not exist: {table.name} is no table of runs, or came without its lines. Tables of runs in "
            f"{table.parent}: {', '.join(known)}"
        )
    if known:
        raise unknown("table", table.name, known, str(table.parent))
    raise UserError(
        f"{path} does not exist, and every line behind {table} would be in it. Tables are built by "
        "snakemake --cores all results/<table>.csv"
    )


def find(run: str, beside: Path | str, root: Path | str = ".", transductive: bool = False) -> Record:
    """The record of a run: in ``records`` beside a table in the folder ``beside``, else in the run's own folder.

    transductive: with the step that adapted its answers to the test samples, for tables of such answers.
    """
    for place in (Path(beside) / "records" / inside_results(run), Path(root) / run):
        metrics = read_json(place / "metrics.json") if (place / "metrics.json").is_file() else {}
        judged = metrics or (read_json(place / "evaluate.json") if (place / "evaluate.json").is_file() else {})
        align = read_json(place / "run.json") if (place / "run.json").is_file() else metrics.get("align")
        found = {"align": align, "evaluate": judged.get("evaluation")}
        if transductive and (place / "transductive.json").is_file():
            found["evaluate_transductive"] = read_json(place / "transductive.json")["evaluation"]
        steps = {verb: step for verb, step in found.items() if step}
        if steps:
            return Record(run, steps, metrics, place, judged.get("outcomes", []))
    return Record(run, {}, {}, None)


def inside_results(path: str) -> Path:
    """A recorded path less the leading ``results/``: its place in ``records``."""
    found = Path(path)
    return found.relative_to("results") if found.parts[:1] == ("results",) else found


def find_network(record: Record, beside: Path | str, root: Path | str = ".") -> tuple[str, dict[str, Any]]:
    """(folder, record) of the network whose features a run read, by where the workflow keeps it; empty if not there.

    Nothing is found for features without a network, an ensemble of streams, or a borrowed network.
    """
    features = next((one for one in inputs_of(record.steps.get("align", {})) if one.name == "seen_train"), None)
    parts = Path(features.path).parts if features else ()
    if len(parts) < 3 or parts[:2] != ("results", "features"):
        return "", {}
    folder = str(Path("results", "backbones", *parts[2:-1]))
    for place in (Path(beside) / "records" / inside_results(folder), Path(root) / folder):
        if (place / "run.json").is_file():
            return folder, read_json(place / "run.json")
    return folder, {}


def pasteable(command: str) -> str:
    """A recorded command line that a shell takes: records join the words by spaces, so JSON values need quotes."""
    parts, at = [], 0
    for found in re.finditer(r"(?<= )[\[{]", command):
        if found.start() < at:
            continue
        try:
            _, end = json.JSONDecoder().raw_decode(command, found.start())
        except ValueError:
            continue
        parts += [command[at : found.start()], shlex.quote(command[found.start() : end])]
        at = end
    return "".join([*parts, command[at:]])


def options_of(command: str) -> dict[str, list[str]]:
    """``--name value ...`` of a recorded command line, names with underscores."""
    found: dict[str, list[str]] = {}
    name = ""
    try:
        words = shlex.split(pasteable(command))
    except ValueError:  # a quotation mark in a value that is no JSON
        words = command.split()
    for word in words:
        if word.startswith("--"):
            name = word[2:].replace("-", "_")
            found[name] = []
        elif name:
            found[name].append(word)
    return found


def inputs_of(step: dict[str, Any]) -> list[Input]:
    """The files a step read. The path is empty where the command line does not tell it."""
    options = options_of(step.get("command", ""))
    result = []
    for name, digests in step.get("inputs", {}).items():
        several = digests if isinstance(digests, list) else [digests]
        paths = options.get(name, [])
        paths = paths if len(paths) == len(several) else [""] * len(several)
        result += [Input(name, path, digest) for path, digest in zip(paths, several)]
    return result


def config_files(table: str, folder: Path | str = ".") -> list[str] | None:
    """What must follow ``--configfile`` for a table to be known: experiments that define it and its data set.

    An empty list if ``config.yaml`` alone does; None if no configuration at hand defines the table.
    """
    folder = Path(folder)
    known = {path: set(_keys(path)) for path in _configurations(folder)}
    default = known.get(folder / "config.yaml", set())
    if ("tables", table) in default:
        return []
    for path, keys in known.items():
        if ("tables", table) not in keys:
            continue
        dataset = _table(path, table).get("dataset")
        files = [path]
        if ("datasets", dataset) not in default | keys:
            files = [p for p, k in known.items() if ("datasets", dataset) in k][:1] + files
        return [p.relative_to(folder).as_posix() for p in files]
    return None


def _configurations(folder: Path) -> Iterator[Path]:
    if (folder / "config.yaml").is_file():
        yield folder / "config.yaml"
    yield from sorted((folder / "workflow" / "experiments").glob("*.yaml"))


def _read(path: Path) -> dict[str, Any]:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None


def _keys(path: Path) -> Iterator[tuple[str, str]]:
    for section, entries in _read(path).items():
        if isinstance(entries, dict):
            yield from ((section, name) for name in entries)


def _table(path: Path, table: str) -> dict[str, Any]:
    return _read(path)["tables"][table]


def rebuild_commands(table: str, run: str, folder: Path | str = ".") -> list[tuple[str, str]]:
    """(what it does, command) pairs."""
    files = config_files(table, folder)
    extra = "" if not files else " --configfile " + " ".join(files)
    ask = f"snakemake --cores all results/{table}.csv"
    return [
        (
            "build what is gone of the table's runs, and the table from them",
            f"{ask}{extra}",
        ),
        (
            "train and judge this run again, and the table from it",
            f"{ask} --forcerun {run}/scores.h5{extra}",
        ),
    ]


def validation_runs(record: Record) -> list[str]:
    """Folders of the runs on validation splits that chose this run's epoch and calibration."""
    step = record.steps.get("evaluate", {})
    return [str(Path(p).parent) for p in options_of(step.get("command", "")).get("val_scores", [])]


def runs_of(lines: pd.DataFrame) -> Sequence[str]:
    """The runs behind some lines of a runs file, each once, in order."""
    return list(dict.fromkeys(lines["run"]))
