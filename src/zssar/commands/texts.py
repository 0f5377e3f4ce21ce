"""``zssar texts report|lint|stamp``: look at texts before training, check committed answers, mark what they answer."""

from __future__ import annotations

import argparse
from pathlib import Path

from zssar.errors import UserError

HELP = "look at class texts: report (similarities), lint (committed answers), stamp (hash of the question)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    report = actions.add_parser("report", help="similarity of classes, nearest pairs, separability")
    report.add_argument("--texts", type=Path, nargs="+", required=True, help="text files, .h5")
    report.add_argument("--titles", nargs="+", default=[], help="their titles; default: the end of each path")
    report.add_argument("--pairs", type=int, default=10, help="nearest pairs shown per text file")
    report.add_argument("--output", type=Path, required=True, help="folder for texts.html, pairs.csv, separability.csv")
    for name, help_text in (
        ("lint", "check committed answers"),
        ("stamp", "write the hash of its question into each committed answer that has none"),
    ):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("--kind", type=Path, nargs="+", required=True, help="templates, prompts/*.md")
        action.add_argument("--class-names", type=Path, required=True, help="CSV with the columns index,name")
        action.add_argument("--frozen", type=Path, required=True, help="folder of the data set's committed answers")
        if name == "stamp":
            action.add_argument(
                "--all", action="store_true", help="also answers to an earlier wording: you have read them"
            )


def run(args: argparse.Namespace) -> None:
    {"report": _report, "lint": _lint, "stamp": _stamp}[args.action](args)


def _report(args: argparse.Namespace) -> None:
    from zssar.reporting.texts import write_report

    titles = args.titles or [" ".join((*path.parts[-4:-1], path.stem)) for path in args.texts]
    if len(titles) != len(args.texts) or len(set(titles)) != len(titles):
        raise UserError(f"--titles must name each of the {len(args.texts)} text files once, found {titles}")
    write_report(dict(zip(titles, args.texts, strict=True)), args.output, args.pairs)


def _committed(args: argparse.Namespace):
    """(kind, path) of the templates given for which the folder has answers."""
    from zssar.text.prompts import read_kind

    if not args.frozen.is_dir():
        raise UserError(f"--frozen: {args.frozen} is not a folder")
    for path in args.kind:
        kind = read_kind(path)
        yield from ((kind, file) for file in sorted(args.frozen.glob(f"{kind.name}.jsonl")))
        yield from ((kind, file) for file in sorted(args.frozen.glob(f"{kind.name}.*.jsonl")))  # other authors' answers


def _lint(args: argparse.Namespace) -> None:
    from zssar.text.answers import in_class_order, read_answers, read_class_names
    from zssar.text.lint import complaints

    names = read_class_names(args.class_names)
    found = []
    for kind, path in _committed(args):
        lines = in_class_order(path, read_answers(path), names)
        found += [f"{path}: {complaint}" for complaint in complaints(kind, lines, names)]
        stale = sum(line.template != kind.template for line in lines)
        if stale:
            print(f"{path}: {stale} of {len(lines)} answers are not to the question as it is worded now")
    if found:
        raise UserError(f"{len(found)} complaints:\n" + "\n".join(found))


def _stamp(args: argparse.Namespace) -> None:
    from zssar.text.answers import read_class_names
    from zssar.text.lint import stamp

    names = read_class_names(args.class_names)
    for kind, path in _committed(args):
        print(f"{path}: {stamp(kind, path, names, args.all)} answers stamped with {kind.template}")
