"""``zssar import_features``: somebody else's precomputed features instead of a backbone of ours."""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
from pathlib import Path

HELP = "turn a folder of precomputed features (SynSE, MSF, SA-DVAE, TDSM, SMIE, Flora) into ours"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--root", required=True, type=Path, help="a folder above the feature folders, one of them, or an .npz file")
    add("--dataset", required=True, help="name of the data set, e.g. ntu60")
    add("--split", required=True, help="e.g. synse_55_5 or synse_55_5-val0")
    add("--class-names", help="CSV with index,name, or the name of a known list; default: that of the data set")
    add("--seen-train", required=True, type=Path, help="output: features and labels of seen training rows")
    add("--test", required=True, type=Path, help="output: features of all test rows, without labels")
    add("--test-labels", required=True, type=Path, help="output: labels of the test rows, for evaluate alone")
    add("--report", type=Path, help="output: what was recognised, and what is impossible (.json)")


def run(args: argparse.Namespace) -> None:
    import numpy as np

    from zssar import storage
    from zssar.datasets import splits
    from zssar.datasets.files import class_names
    from zssar.errors import UserError
    from zssar.features import imported

    names = args.class_names or splits.table().get(args.dataset, {}).get("class_names")
    if names is None:
        raise UserError(f"data set {args.dataset} is not in splits.yaml: give its class list with --class-names")
    classes = class_names(names)
    chosen = imported.choose(args.root, args.dataset, args.split, classes)
    report = imported.report(chosen, classes)
    print(*(f"{key}: {value}" for key, value in report.items() if isinstance(value, str)), sep="\n")
    digest = hashlib.sha256(np.ascontiguousarray(chosen.train.values)).hexdigest()
    attrs = imported.attributes(chosen, args.dataset, classes, digest)
    for path, rows, at in (
        (args.seen_train, chosen.train, chosen.train_rows),
        (args.test, chosen.test, chosen.test_rows),
    ):
        every = imported.ids(rows)
        labels = rows.labels[at] if path == args.seen_train else None
        views = imported.views(rows, at, chosen.split.seen)
        storage.write_features(path, views, [every[i] for i in at], attrs, labels)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(imported.labels_csv(chosen, classes))
    storage.write_text(args.test_labels, text.getvalue())
    if args.report is not None:
        storage.write_json(args.report, report)
