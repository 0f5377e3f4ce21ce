"""zssar sweep_draws: many class draws and ablations of closed-form methods in one process."""

from __future__ import annotations

import argparse
import json
import os

FEATURE_FILES = ("seen_train.h5", "test.h5", "test_labels.csv")
HELP = "many class draws and ablations of closed-form methods in one process"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--runs", type=json.loads, required=True, metavar="JSON", help="list of runs (zssar.sweeps.running.Run)")
    add("--splits", nargs="+", required=True, help="split names, draws spelled out")
    add("--skeletons", required=True, metavar="H5", help="recordings, on which the profile is measured")
    add("--features", nargs="*", default=[], metavar="SPLIT=DIR", help="what extract_features wrote, for networks")
    add("--texts", nargs="+", required=True, metavar="SOURCE/KIND=H5", help="embeddings of encode_texts")
    add("--form", required=True, metavar="MD", help="prompts/profile.md, for the groups of quantities")
    add("--validation", type=int, default=0, help="validation splits that calibrate GZSL")
    add("--checkpoints", type=int, default=5, help="epochs at which trained methods are scored")
    add("--key", type=json.loads, default={}, metavar="JSON", help="columns of the runs file that all rows share")
    add("--output", required=True, metavar="CSV", help="output: rows of the long runs file, values in percent")
    add("--classes", required=True, metavar="CSV", help="output: right answers per unseen class")
    add("--record", required=True, help="output: run.json")


def run(args: argparse.Namespace) -> None:
    import csv
    import io

    import pydantic

    from zssar import storage
    from zssar.errors import UserError
    from zssar.evaluation.protocols import RUN_COLUMNS
    from zssar.provenance import RunRecord
    from zssar.sweeps import material, running
    from zssar.text.prompts import read_kind
    from zssar.training import Progress

    try:
        runs = [running.Run.model_validate(entry) for entry in args.runs]
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"--runs: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    paths = _pairs(args.texts, "--texts")
    folders = _pairs(args.features, "--features")
    inputs = {"skeletons": args.skeletons, "form": args.form, "texts": list(paths.values())}
    inputs["features"] = [os.path.join(f, name) for f in folders.values() for name in FEATURE_FILES]
    record = RunRecord("sweep_draws", {"runs": args.runs, "splits": args.splits, "validation": args.validation}, inputs)

    def texts_of(source, kinds):
        missing = [f"{source}/{kind}" for kind in kinds if f"{source}/{kind}" not in paths]
        if missing:
            raise UserError(f"--texts lacks {', '.join(missing)} (there are: {', '.join(paths)})")
        return storage.read_texts({kind: paths[f"{source}/{kind}"] for kind in kinds})

    material_of = material.of_skeletons(args.skeletons)
    if args.features:
        views = sorted(_views(runs))
        material_of = material.of_features(lambda split: _folder(folders, split), views, args.skeletons)
    quantities = read_kind(args.form).front.quantities
    progress = Progress("sweep", len(args.splits) * len(runs), "runs")
    table, classes = running.sweep(
        runs, args.splits, material_of, texts_of, {name: q.group for name, q in quantities.items()},
        args.key, args.validation, args.checkpoints, progress.step,
    )  # fmt: skip
    for path, lines, columns in ((args.output, table, RUN_COLUMNS), (args.classes, classes, running.CLASS_COLUMNS)):
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for line in lines:
            writer.writerow({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in line.items()})
        storage.write_text(path, text.getvalue())
    storage.write_json(args.record, record.finish(device="cpu", rows=len(table), texts=sorted(paths)))


def _pairs(words: list[str], option: str) -> dict[str, str]:
    from zssar.errors import UserError

    for word in words:
        if "=" not in word:
            raise UserError(f"{option}: {word!r} should read name=path")
    return dict(word.split("=", 1) for word in words)


def _folder(folders: dict[str, str], split: str) -> str:
    from zssar.errors import UserError

    if split not in folders:
        raise UserError(f"--features names no folder for split {split} (there are: {', '.join(folders)})")
    return folders[split]


def _views(runs) -> set[str]:
    """What the runs read."""
    from zssar import plugins

    found: set[str] = set()
    for run in runs:
        views = plugins.create("alignment", run.module, {"texts": tuple(run.texts), **run.params}).views
        found |= {"profile"} if run.quantities else set(views)
    return found
