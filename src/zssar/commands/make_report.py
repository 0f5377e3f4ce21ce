"""zssar make_report: one self-contained HTML page of finished tables."""

from __future__ import annotations

import argparse
import json

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

    write_report(args.tables, args.output, args.params, args.skeletons, args.histories, args.texts, args.title)
