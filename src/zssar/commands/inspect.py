"""``zssar inspect FILE``: one recording in words and as a picture."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from zssar.errors import UserError

HELP = "describe one recording and draw it (PNG, PDF, SVG, or a moving GIF)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("path", type=Path, metavar="FILE", help="raw file, packaged array, skeleton file (.h5), or a folder")
    add("--sample", default="", help="sample id, or number from 0; default: the first one")
    add("--reader", help="module of zssar.datasets; default: recognised by content")
    add("--class-names", help="CSV with index,name, or the name of a known list")
    add("--params", default="{}", help="JSON with further parameters of the reader")
    add("--output", type=Path, help="picture to write: .png, .pdf, .svg, or .gif for a moving one")


def run(args: argparse.Namespace) -> None:
    from zssar.datasets import single
    from zssar.datasets.files import class_names
    from zssar.reporting import viewer

    names = class_names(args.class_names) if args.class_names else None
    try:
        params = json.loads(args.params)
    except json.JSONDecodeError as error:
        raise UserError(f"--params is not valid JSON ({error.msg}, column {error.colno}): {args.params}") from None
    sequence, name, problems = single.find(args.path, args.sample, args.reader, names, params)
    for problem in problems[:5]:
        print(problem, file=sys.stderr)
    print(viewer.describe(sequence, name))
    if args.output is not None:
        viewer.draw(sequence, args.output, name)
        print(f"drawn: {args.output}")
