"""zssar make_figure: one figure, as PNG, PDF or SVG."""

from __future__ import annotations

import argparse
import json

HELP = "draw a figure from metrics.json files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--kind", required=True, help="confusion")
    add("--metrics", nargs="*", default=[], metavar="JSON", help="metrics.json files written by evaluate")
    add("--params", type=json.loads, default={}, metavar="JSON", help="options of the kind")
    add("--output", nargs="+", required=True, metavar="FILE", help="one file per format: .png, .pdf, .svg")


def run(args: argparse.Namespace) -> None:
    from zssar.errors import UserError, unknown
    from zssar.reporting import figures, style
    from zssar.storage import read_json

    kinds = {"confusion": figures.confusion}
    if args.kind not in kinds:
        raise unknown("kind of figure", args.kind, kinds, "--kind")
    if len(args.metrics) != 1:
        raise UserError(f"a {args.kind} figure needs exactly one file after --metrics, not {len(args.metrics)}")
    style.save(kinds[args.kind](read_json(args.metrics[0]), **args.params), args.output)
