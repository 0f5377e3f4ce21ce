"""Fit one alignment method on seen classes, all seeds, and score the test samples."""

from __future__ import annotations

import json

from zssar import starting

HELP = "Fit an alignment method on the seen classes and score all test samples."


def add_arguments(parser) -> None:
    parser.add_argument("--method", required=True, help="module of zssar.alignment, or a dotted name")
    parser.add_argument("--params", default="{}", help="keyword arguments as JSON")
    parser.add_argument("--chosen", help="chosen.json of choose_params; its parameters replace those of --params")
    parser.add_argument("--kinds", nargs="+", required=True, help="description kinds, in the order of --texts")
    parser.add_argument("--texts", nargs="+", required=True, help="one text embedding file per kind")
    parser.add_argument("--seen-train", required=True, help="features and labels of seen classes, training partition")
    parser.add_argument("--test", required=True, help="features of the test partition (no labels)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--checkpoints", type=int, default=8, help="epochs at which the test samples are scored")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--scores", required=True, help="output: scores of all seeds and checkpoints (HDF5)")
    parser.add_argument("--model", required=True, help="output: what was learned, per seed")
    parser.add_argument("--record", required=True, help="output: run.json")


def run(args) -> None:
    with starting.imports():
        import numpy as np
        import torch

        from zssar import devices, plugins, storage
        from zssar.alignment import runner
        from zssar.errors import UserError
        from zssar.provenance import RunRecord

    if len(args.kinds) != len(args.texts):
        raise UserError(f"--kinds names {len(args.kinds)} kinds, --texts {len(args.texts)} files; they must match")
    params = {"texts": tuple(args.kinds), **json.loads(args.params)}
    inputs = {"seen_train": args.seen_train, "test": args.test, "texts": list(args.texts)}
    if args.chosen:
        params |= storage.read_json(args.chosen)["params"]
        inputs["chosen"] = args.chosen
    record = RunRecord("align", {"method": args.method, "seeds": args.seeds, **params}, inputs)
    texts = storage.read_texts(dict(zip(args.kinds, args.texts)))
    views = plugins.create("alignment", args.method, params).views
    with (
        storage.open_features(args.seen_train, views) as (train, labels, _),
        storage.open_features(args.test, views) as (test, test_labels, sample_id),
        devices.device(args.device) as device,
    ):
        devices.speed_up_cpu(device)
        classes = runner.Classes.of(train.attrs)
        _check(args, labels, test_labels, train.attrs, UserError)
        position = {label: i for i, label in enumerate(sorted(train.attrs["seen"]))}
        rows = np.array([position[label] for label in labels.tolist()])
        attrs = {"classes": classes.both, "seen": classes.seen, "unseen": classes.unseen}
        attrs |= {key: train.attrs[key] for key in ("dataset", "split", "partition", "backbone", "stream")}
        with storage.score_writer(args.scores, sample_id, {**attrs, "method": args.method}) as writer:
            records = runner.run_seeds(
                args.method, params, train, rows, test, texts, classes,
                args.seeds, args.checkpoints, device, writer.add,
            )  # fmt: skip
    states = {str(r["seed"]): r.pop("state") for r in records}
    with storage.whole(args.model) as draft:
        torch.save({"method": args.method, "params": json.dumps(params), "seeds": states}, draft)
    storage.write_json(args.record, record.finish(device=device, seeds=records, train_samples=len(rows)))


def _check(args, labels, test_labels, attrs, error) -> None:
    """The two files must be what their names say: no unseen row in training, no label in test."""
    if labels is None:
        raise error(f"{args.seen_train} holds no labels; it is not the seen_train file of extract_features")
    if test_labels is not None:
        raise error(f"{args.test} holds labels; alignment must not be given test labels")
    strangers = sorted(set(labels.tolist()) - set(attrs["seen"]))
    if strangers:
        raise error(f"{args.seen_train} holds samples of classes that are not seen: {strangers}")
