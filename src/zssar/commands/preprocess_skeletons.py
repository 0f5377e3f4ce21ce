"""Raw recordings to one skeleton file and a report of what was found."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

HELP = "read raw recordings, apply a preprocessing recipe, write one HDF5 file and a report"
SHOWN = 10  # problems printed; the report holds all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--reader", required=True, help="module of zssar.datasets (ntu, utd_mhad, ...) or a dotted name of your own")
    add("--root", required=True, type=Path, help="folder of the raw recordings")
    add("--dataset", required=True, help="name of the data set, e.g. ntu60; decides class list and splits")
    add("--recipe", default="zssar", help="preprocessing recipe: zssar, as_is, ctrgcn, shiftgcn, aimclr, pyskl")
    add("--class-names", help="CSV with index,name, or the name of a known list; default: that of the data set")
    add("--params", default="{}", help="JSON with further parameters of the reader")
    add("--workers", type=int, default=1, help="processes")
    add("--allow-missing-classes", action="store_true", help="go on when a class of the list has no recording")
    add("--drop-duplicates", action="store_true", help="of recordings with equal content keep the first")
    add("--output", required=True, type=Path, help="skeleton file to write (.h5)")
    add("--report", required=True, type=Path, help="report to write (.json)")


def run(args: argparse.Namespace) -> None:
    from zssar import storage
    from zssar.datasets import convert, report, sniff
    from zssar.training import Progress

    job = _job(args)
    dataset = job.dataset()
    listing = convert.list_units(dataset, args.root)
    work = args.output.with_name(f"{args.output.name}.parts")
    progress = Progress(f"preprocess {args.dataset}", len(listing.units), "files")
    tally = convert.convert(job, listing, work, args.workers, progress.step)
    problems = [*listing.problems, *tally.problems]
    for problem in problems[:SHOWN]:
        print(problem, file=sys.stderr)
    if len(problems) > SHOWN:
        print(f"... and {len(problems) - SHOWN} more problems; the report lists all", file=sys.stderr)
    report.check_usable(tally, listing, args.root)
    copies = set(tally.copies()) if args.drop_duplicates else set()
    tally = tally.without(copies)
    names = list(dataset.class_names)
    found = {"dataset": args.dataset, "reader": args.reader, "recipe": args.recipe, "root": str(args.root)}
    found |= report.make_report(tally, listing, names)
    found["impossible"] = list(sniff.IMPOSSIBLE.get(args.reader, ()))
    if args.drop_duplicates:
        found["files"]["copies_dropped"] = len(copies)
    if not args.allow_missing_classes:
        report.check_classes(found)
    kept = (sequence for sequence in convert.join(job, work) if sequence.sample_id not in copies)
    storage.write_skeletons(args.output, kept, _attributes(args, job, names, tally), tally.columns())
    storage.write_json(args.report, found)
    shutil.rmtree(work)
    print(report.summary(found), file=sys.stderr)


def _attributes(args: argparse.Namespace, job, names: list[str], tally) -> dict:
    from zssar.provenance import git_commit, versions
    from zssar.skeleton import recipes

    provenance = {
        "reader": job.reader,
        "recipe": recipes.describe(job.recipe),
        "code": job.code(),
        "input": tally.digest(),
        "versions": versions(),
        "commit": git_commit(),
    }
    layout = job.dataset().layout
    return {
        "dataset": args.dataset,
        "layout": layout,
        "class_names": names,
        "recipe": args.recipe,
        "provenance": provenance,
    }


def _job(args: argparse.Namespace):
    import inspect

    from zssar import plugins
    from zssar.datasets import convert, splits
    from zssar.datasets.files import class_names
    from zssar.errors import UserError
    from zssar.skeleton import recipes

    try:
        params = json.loads(args.params)
    except json.JSONDecodeError as error:
        raise UserError(f"--params is not valid JSON ({error.msg}, column {error.colno}): {args.params}") from None
    if not isinstance(params, dict):
        raise UserError(f"--params must be a JSON object such as {{}}, not {args.params}")
    recipes.recipe(args.recipe)
    if args.workers < 1:
        raise UserError(f"--workers {args.workers}: at least 1")
    reader = plugins.load("datasets", args.reader)
    known = splits.table().get(args.dataset, {}).get("class_names")
    names = args.class_names or known
    if names and "class_names" in inspect.signature(reader).parameters:
        params = {"class_names": class_names(names), **params}
    return convert.Job(args.reader, params, args.recipe, getattr(reader, "persons", 2))
