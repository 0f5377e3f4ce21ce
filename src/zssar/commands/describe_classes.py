"""``zssar describe_classes``: the texts of one description kind for every class of a data set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from zssar.config import is_forced
from zssar.errors import UserError

HELP = "write one description per class: from committed answers, a language model or a published file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", type=Path, required=True, help="template, prompts/<kind>.md")
    parser.add_argument("--class-names", type=Path, required=True, help="CSV with the columns index,name")
    parser.add_argument("--source", default="frozen", help="name of the source in config.yaml")
    parser.add_argument("--source-params", default="{}", help="the source's parameters, JSON; empty: committed answers")
    parser.add_argument("--frozen", type=Path, required=True, help="folder of the data set's committed answers")
    parser.add_argument("--output", type=Path, required=True, help="description file to write, .jsonl")
    parser.add_argument("--only", nargs="+", default=[], help='ask again about these classes only: "kick,wave"')
    parser.add_argument("--again", action="store_true", help="ask about all classes again, as snakemake -R does")
    parser.add_argument("--dry-run", action="store_true", help="say what asking would take, ask nothing, write nothing")


def run(args: argparse.Namespace) -> None:
    from zssar.text.answers import read_class_names, write_answers
    from zssar.text.describe import describe
    from zssar.text.prompts import read_kind

    try:
        params = json.loads(args.source_params)
    except json.JSONDecodeError as error:
        raise UserError(f"--source-params is not JSON: {error}") from None
    if not isinstance(params, dict):
        raise UserError('--source-params must be a JSON object, such as {} or {"model": "gpt-4o"}')
    lines = describe(
        read_kind(args.kind),
        read_class_names(args.class_names),
        args.source,
        params,
        args.frozen,
        args.output,
        only=[name.strip() for names in args.only for name in names.split(",") if name.strip()],
        dry_run=args.dry_run,
        again=args.again or is_forced("describe_classes", str(args.output)),
    )
    if lines is not None:
        write_answers(args.output, lines)
        if "model" in params:
            from zssar.text.llm import finish

            finish(args.output, lines)
