"""zssar compare_validation: how well validation accuracy predicted test accuracy, method by method."""

from __future__ import annotations

import argparse

HELP = "how well validation predicted test, method by method and split by split"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--runs", nargs="+", required=True, metavar="CSV", help="runs files, for example results/table1.runs.csv")
    add("--simulated", nargs="*", default=[], metavar="NAME", help="data sets the title calls simulated, besides sim")
    add("--csv", required=True, help="output: one line per method, and one per split")
    add("--markdown", required=True, help="output: for readers")


def run(args: argparse.Namespace) -> None:
    from zssar.reporting import foresight
    from zssar.reporting.runs import read_runs
    from zssar.storage import write_text

    runs = read_runs(args.runs)
    result = foresight.foresight(runs)
    write_text(args.markdown, foresight.to_markdown(result, runs, args.simulated))
    write_text(args.csv, result.to_csv(index=False, float_format="%.4f"))
