"""zssar evaluate_transductive: one run's answers adapted to the unlabelled test samples, for the transductive table."""

from __future__ import annotations

import argparse
import json

HELP = "a run adapted to the unlabelled test samples (another task: a table of its own)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--scores", required=True, metavar="H5", help="scores of the test partition, written by align")
    add("--features", required=True, metavar="H5", help="test.h5 of the same split, with the view pooled")
    add("--labels", required=True, metavar="CSV", help="test_labels.csv of the same split")
    add("--val-scores", nargs="+", required=True, metavar="H5", help="scores of validation splits")
    add("--val-features", nargs="+", required=True, metavar="H5", help="their test.h5, in the same order")
    add("--val-labels", nargs="+", required=True, metavar="CSV", help="their test_labels.csv, in the same order")
    add("--key", type=json.loads, default={}, metavar="JSON", help="columns of the runs file")
    add("--metrics", required=True, metavar="JSON", help="output: weights and accuracies")
    add("--runs", required=True, metavar="CSV", help="output: rows of the long runs file, setting transductive")


def run(args: argparse.Namespace) -> None:
    from zssar.commands.evaluate import _csv
    from zssar.errors import UserError
    from zssar.evaluation.protocols import RUN_COLUMNS, evaluate, rows
    from zssar.evaluation.transductive import read_pooled, transductive_outcomes
    from zssar.evaluation.trials import load_trial
    from zssar.provenance import RunRecord
    from zssar.storage import write_json, write_text

    lengths = {name: len(getattr(args, name)) for name in ("val_scores", "val_features", "val_labels")}
    if len(set(lengths.values())) != 1:
        raise UserError(f"the validation files do not match: {lengths}")
    inputs = {name: getattr(args, name) for name in ("scores", "features", "labels", *lengths)}
    record = RunRecord("evaluate_transductive", {}, inputs)
    trial = load_trial(args.scores, args.labels)
    held = [load_trial(s, labels) for s, labels in zip(args.val_scores, args.val_labels)]
    validations = [(t, read_pooled(path, t)) for t, path in zip(held, args.val_features)]
    inductive = evaluate(trial, held)
    outcomes = transductive_outcomes(trial, read_pooled(args.features, trial), validations, inductive)
    chance = [o for o in rows(inductive, args.key) if o["metric"] == "chance"]
    write_text(args.runs, _csv([*rows(outcomes, args.key), *chance], RUN_COLUMNS))
    details = [{"seed": o.seed, "epoch": o.epoch, "percent": {k: 100 * v for k, v in o.values.items()}, **o.details}
               for o in outcomes]  # fmt: skip
    write_json(
        args.metrics, {"key": args.key, "transductive": True, "outcomes": details, "evaluation": record.finish()}
    )
