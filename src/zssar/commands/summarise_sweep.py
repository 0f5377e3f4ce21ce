"""zssar summarise_sweep: the means, intervals and tests of a sweep."""

from __future__ import annotations

import argparse

HELP = "means, intervals over draws and classes, and tests of a sweep"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--runs", nargs="+", required=True, metavar="CSV", help="runs files of sweep_draws")
    add("--classes", nargs="+", required=True, metavar="CSV", help="their files of right answers per class")
    add("--reference", help="method, or method (source), that the others are tested against")
    add("--title", default="Sweep over class draws", help="first line of the Markdown file")
    add("--csv", required=True, help="output: one line per method, value and column")
    add("--markdown", required=True, help="output: the same for readers")


def run(args: argparse.Namespace) -> None:
    from zssar.reporting import curves
    from zssar.reporting.runs import read_runs
    from zssar.storage import write_text

    table = curves.summarise(read_runs(args.runs), curves.read_classes(args.classes), args.reference)
    write_text(args.csv, table.to_csv(index=False, float_format="%.3f", lineterminator="\n"))
    write_text(args.markdown, curves.to_markdown(table, args.title))
