"""zssar explain: what is behind a cell of a table."""

from __future__ import annotations

import argparse

HELP = "runs, seeds, commits, inputs and the rebuilding command behind the cells of a table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("table", metavar="TABLE", help="a table, e.g. results/table1.csv; its runs file lies beside it")
    add("--method", help="row; default: all")
    add("--split", help="column: sim_36_16, sim/sim_36_16, or a family of draws such as random_5_0; default: all")


def run(args: argparse.Namespace) -> None:
    from zssar.reporting.trace import explain

    print(explain(args.table, args.method, args.split), end="")
