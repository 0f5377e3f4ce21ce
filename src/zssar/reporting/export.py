"""A table that can travel: its files, and beside them the records of its runs, without scores, features or models.

What is left of a run: ``run.json`` of align; of ``metrics.json``, as ``evaluate.json``, the record of evaluate and what
was chosen (epochs, calibration factors); ``run.json`` of the network. Runs on validation splits come along, because
they chose. With these, ``zssar explain`` traces every cell, and a report shows every record.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zssar.errors import UserError
from zssar.reporting import records, runs
from zssar.storage import write_json

DROPPED = ("test_top1_by_epoch", "validation_top1_by_epoch", "uncalibrated", "n")  # of an outcome


def export(table: Path | str, folder: Path | str, root: Path | str = ".") -> dict[str, int]:
    """Copy a table and the records behind it into ``folder``; returns how many files of each sort.

    Files of the table with the same name are replaced, records of other tables in the folder stay. Raises UserError if
    the record of a run is missing, naming the run.
    """
    source, folder = records.runs_file(table), Path(folder)
    base = source.name.removesuffix(".runs.csv")
    if folder.resolve() == source.parent.resolve():
        raise UserError(f"{folder} is where the table already lies; name another folder")
    made = dict(_records(source, Path(root)))
    folder.mkdir(parents=True, exist_ok=True)
    files = [path for path in sorted(source.parent.glob(f"{base}.*")) if path.is_file()]
    for path in files:
        shutil.copy(path, folder / path.name)
    for place, content in made.items():
        write_json(folder / "records" / place, content)
    return {"files of the table": len(files), "records": len(made)}


def _records(source: Path, root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """(place under ``records``, content) of every run behind a table and of its validation runs."""
    lines = runs.read_runs([source])
    waiting, known = list(records.runs_of(lines)), set()
    while waiting:
        run = waiting.pop()
        if run in known:
            continue
        known.add(run)
        record = records.find(run, source.parent, root, bool((lines["setting"] == "transductive").any()))
        if "align" not in record.steps:
            raise UserError(
                f"the record of {run} is not here; build it by snakemake --cores all {run}/scores.h5, then export"
            )
        waiting += records.validation_runs(record)
        place = records.inside_results(run)
        yield place / "run.json", record.steps["align"]
        if "evaluate" in record.steps:
            yield place / "evaluate.json", _short(record)
        if "evaluate_transductive" in record.steps:
            yield place / "transductive.json", {"evaluation": record.steps["evaluate_transductive"]}
        folder, network = records.find_network(record, source.parent, root)
        if network:
            yield records.inside_results(folder) / "run.json", network


def _short(record: records.Record) -> dict[str, Any]:
    """What evaluate read and chose, without curves, confusions and classes."""
    outcomes = [{k: v for k, v in o.items() if k not in DROPPED} for o in record.outcomes]
    return {"evaluation": record.steps["evaluate"], "outcomes": outcomes}
