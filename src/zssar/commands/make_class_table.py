"""zssar make_class_table: the accuracy of every class and method behind a table."""

from __future__ import annotations

import argparse
import json

HELP = "accuracy of every class (ZSL, GZSL) for the runs of a table, as CSV and Markdown"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--metrics", nargs="+", required=True, metavar="JSON", help="metrics.json of the runs, in the table's order")
    add("--title", default="Classes", help="first line of the Markdown")
    add("--names", type=json.loads, default={}, metavar="JSON", help="method -> as the table prints it")
    add("--simulated", nargs="*", default=[], metavar="DATASET", help="data sets to be called so")
    add("--csv", required=True, help="output: one line per split, setting, class and run")
    add("--markdown", required=True, help="output: unseen classes down, methods across")


def run(args: argparse.Namespace) -> None:
    from zssar import storage
    from zssar.reporting import classes

    table = classes.rows([storage.read_json(path) for path in args.metrics], args.names)
    storage.write_text(args.csv, table.to_csv(index=False, float_format="%.4f"))
    storage.write_text(args.markdown, classes.markdown(table, args.title, args.simulated))
