"""zssar export_table: a table with the records of its runs, small enough to commit or to send."""

from __future__ import annotations

import argparse

HELP = "copy a table and the records behind every cell, without scores and models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="a table of runs, e.g. results/utd_mhad/table1.csv")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for its files and a folder `records`")


def run(args: argparse.Namespace) -> None:
    from zssar.reporting.export import export

    for what, count in export(args.table, args.output).items():
        print(f"{count} {what}")
