"""zssar make_report: one self-contained HTML page of finished tables."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

HELP = "one HTML file with tables, what is behind every cell, figures, recordings and run records"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--tables", nargs="+", required=True, metavar="CSV", help="tables; their runs files lie beside them")
    add("--params", type=json.loads, default={}, metavar="JSON", help="table -> the --params of its make_table")
    add("--skeletons", nargs="*", default=[], metavar="H5", help="skeleton files of the data sets, for recordings")
    add("--histories", nargs="*", default=[], metavar="JSONL", help="pretraining histories of the backbones")
    add("--texts", nargs="*", default=[], metavar="H5", help="text files whose similarities are shown")
    add("--title", default="Zero-shot skeleton action recognition: report", help="heading of the page")
    add("--output", required=True, metavar="HTML", help="output: the page")


def run(args: argparse.Namespace) -> None:
    from zssar.reporting.report import write_report

    files = args.skeletons, args.histories, args.texts
    write_report(args.tables, args.output, args.params, *files, args.title, _contributions)


def _contributions(record, seed: int, sample_id: list[str]):
    """What the terms of a run's scores were, by the files that its record names; None where they are not at hand."""
    from zssar.alignment import contributions
    from zssar.errors import UserError
    from zssar.reporting.records import options_of

    options = options_of(record.steps.get("align", {}).get("command", ""))
    files = [*options.get("texts", []), *options.get("test", [])]
    model = record.place / "model.pt"
    if not files or not all(Path(path).is_file() for path in (model, *files)):
        return None
    texts = dict(zip(options.get("kinds", []), options["texts"]))
    try:
        return contributions.read(model, seed, options["test"][0], texts, sample_id)
    except UserError as error:  # the page is whole without
        print(f"warning: no explanation of answers: {error}", file=sys.stderr)
        return None
