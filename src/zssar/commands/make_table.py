"""zssar make_table: one long runs file and its wide CSV, Markdown and LaTeX tables."""

from __future__ import annotations

import argparse
import json

HELP = "join runs files and write the table as CSV, Markdown and LaTeX"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--runs", nargs="+", required=True, metavar="CSV", help="runs files written by evaluate")
    add("--table", required=True, metavar="NAME", help="name of the table")
    add("--params", type=json.loads, default={}, metavar="JSON", help="title, order, names, groups, published")
    add("--csv", required=True, help="output: wide table for machines")
    add("--markdown", required=True, help="output: table for readers")
    add("--latex", required=True, help="output: table for papers")
    add("--all-runs", required=True, metavar="CSV", help="output: every line behind the table, sorted")


def run(args: argparse.Namespace) -> None:
    from zssar.reporting.runs import read_runs
    from zssar.reporting.tables import build, read_params, to_csv, to_latex, to_markdown
    from zssar.storage import write_text

    params = read_params(args.params)
    runs = read_runs(args.runs, args.table)
    table = build(runs, args.table, params)
    write_text(args.all_runs, runs.to_csv(index=False, float_format="%.4f"))
    write_text(args.markdown, to_markdown(table))
    write_text(args.latex, to_latex(table))
    write_text(args.csv, to_csv(table).to_csv(index=False, float_format="%.4f"))
