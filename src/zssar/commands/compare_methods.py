"""zssar compare_methods: intervals, tests and ranks over the runs of a table."""

from __future__ import annotations

import argparse

HELP = "intervals, tests and ranks of the methods of a table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--runs", nargs="+", required=True, metavar="CSV", help="runs files, for example results/table1.runs.csv")
    add("--predictions", nargs="*", default=[], metavar="CSV", help="predictions files written by evaluate")
    add("--reference", help="method the others are tested against; default: the best main number")
    add("--simulated", nargs="*", default=[], metavar="NAME", help="data sets the title calls simulated, besides sim")
    add("--csv", help="optional output: the same as --json, one line per method and comparison")
    add("--json", required=True, help="output: everything, in percent")
    add("--markdown", required=True, help="output: for readers")


def run(args: argparse.Namespace) -> None:
    from zssar.reporting.comparison import compare, read_predictions, to_lines, to_markdown
    from zssar.reporting.runs import read_runs
    from zssar.storage import write_json, write_text

    predictions = read_predictions(args.predictions) if args.predictions else None
    result = compare(read_runs(args.runs), predictions, args.reference, args.simulated)
    write_text(args.markdown, to_markdown(result))
    if args.csv:
        write_text(args.csv, to_lines(result).to_csv(index=False, float_format="%.6g"))
    write_json(args.json, result)
