"""zssar evaluate: metrics of one run from its scores and the test labels."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys

from zssar import starting

HELP = "metrics of one run: ZSL and GZSL, last, validated and oracle side by side"
OPTIONS = ("scale", "gates", "skip_unsuited", "validation_backbone")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--scores", required=True, metavar="H5", help="scores of the test partition, written by align")
    add("--labels", required=True, metavar="CSV", help="test_labels.csv of the same split")
    add("--val-scores", nargs="*", default=[], metavar="H5", help="scores of validation splits, in the same order as")
    add("--val-labels", nargs="*", default=[], metavar="CSV", help="their test_labels.csv")
    add("--logits", metavar="H5", help="test.h5 with the view seen_logits; needed by the classifier gate only")
    add("--val-logits", nargs="*", default=[], metavar="H5", help="the same of the validation splits, in their order")
    add("--record", metavar="JSON", help="run.json of align; its digest and transductive flag go into metrics.json")
    add(
        "--key", type=json.loads, default={}, metavar="JSON", help="table, dataset, split, ... columns of the runs file"
    )
    add(
        "--params",
        type=json.loads,
        default={},
        metavar="JSON",
        help="options: scale (sample, spread or raw), gates (classifier, ratio), skip_unsuited (leave out, and say so, "
        "the ratio gate where scores are no negative errors; otherwise that is an error), validation_backbone (own or "
        "shared; recorded only)",
    )
    add("--metrics", required=True, metavar="JSON", help="output: everything known about this evaluation")
    add("--runs", required=True, metavar="CSV", help="output: rows of the long runs file, values in percent")
    add("--predictions", metavar="CSV", help="optional output: truth and answer of every sample")


def run(args: argparse.Namespace) -> None:
    with starting.imports():
        from zssar.errors import UserError, unknown
        from zssar.evaluation.gates import gate_outcomes, suits_ratio
        from zssar.evaluation.protocols import KEY, RUN_COLUMNS, evaluate, rows
        from zssar.evaluation.summary import predictions, summarise
        from zssar.evaluation.trials import load_trial
        from zssar.provenance import RunRecord
        from zssar.storage import read_json, write_json, write_text

    if len(args.val_scores) != len(args.val_labels):
        raise UserError(f"--val-scores has {len(args.val_scores)} files, --val-labels {len(args.val_labels)}")
    for name in args.key:
        if name not in (*KEY, "run"):
            raise unknown("column", name, (*KEY, "run"), "--key")
    for name in args.params:
        if name not in OPTIONS:
            raise unknown("option", name, OPTIONS, "--params")
    scale, gates = args.params.get("scale", "sample"), args.params.get("gates", [])
    trial = load_trial(args.scores, args.labels)
    inputs = {"scores": args.scores, "labels": args.labels}
    inputs |= {"val_scores": args.val_scores, "val_labels": args.val_labels}
    if args.logits:
        inputs |= {"logits": args.logits, "val_logits": args.val_logits}
    record = RunRecord("evaluate", args.params, inputs)
    validations = [load_trial(s, labels) for s, labels in zip(args.val_scores, args.val_labels)]
    outcomes = evaluate(trial, validations, scale)
    left_out = {}
    if "ratio" in gates and args.params.get("skip_unsuited") and not suits_ratio([trial, *validations]):
        left_out["ratio"] = "scores are not negative errors"
        gates = [gate for gate in gates if gate != "ratio"]
        print(f"{args.scores}: the ratio gate is left out, its scores are not negative errors", file=sys.stderr)
    if gates:
        outcomes += gate_outcomes(gates, trial, validations, outcomes, _logits(args, trial, validations))
    _warn(outcomes, args.scores)
    result = {"key": args.key, "validation_splits": len(validations), **summarise(trial, outcomes, scale)}
    if "validation_backbone" in args.params:
        result["validation_backbone"] = args.params["validation_backbone"]
    if left_out:
        result["gates_left_out"] = left_out
    if args.record:
        result["align"] = read_json(args.record)
    if args.predictions:
        table = predictions(trial, outcomes, args.key.get("run", ""))
        write_text(args.predictions, _csv(table, list(table[0])))
    write_text(args.runs, _csv(rows(outcomes, args.key), RUN_COLUMNS))
    write_json(args.metrics, {**result, "evaluation": record.finish()})


def _logits(args, trial, validations) -> dict:
    """Logits by score file, for the gates that need them; none if --logits was not given."""
    from zssar.errors import UserError
    from zssar.evaluation.gates import read_logits

    if not args.logits:
        return {}
    if len(args.val_logits) != len(validations):
        raise UserError(f"--val-logits has {len(args.val_logits)} files, --val-scores {len(validations)}")
    files = zip((trial, *validations), (args.logits, *args.val_logits))
    return {str(one.scores.path): read_logits(path, one) for one, path in files}


def _csv(table: list[dict], columns) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for row in table:
        writer.writerow({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()})
    return out.getvalue()


def _warn(outcomes, path: str) -> None:
    for outcome in outcomes:
        if outcome.details.get("informed") is False:
            print(
                f"warning: {path}, seed {outcome.seed}, {outcome.selection}: no calibration factor gave H > 0 on the "
                "validation splits; gamma stays 0 (metrics.json: informed = false)",
                file=sys.stderr,
            )
