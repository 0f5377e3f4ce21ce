"""How alignment settings transfer to pseudo-unseen classes, without touching an unseen class (see docs/methods.md).

`python benchmarks/transfer.py --features results/features/utd_mhad/purls_22_5/st_gcn_small-joint_bone_motion \
  --texts results/texts/utd_mhad/frozen/minilm --kinds label context --method dvta --leave 5 --draws 4 \
  --params '{"epochs": 15}' '{"epochs": 15, "da": false}'`

With --leave, that many of the split's seen classes are drawn and left out of the alignment's training, anew per draw
(the network has seen them); their samples in the test partition are classified among themselves, and the unseen classes
of the split are never asked. Without it the folder must be that of a validation split (its name ends in -val and a
number): its pseudo-unseen classes are asked, and a draw is a seed. A line per --params: accuracy on seen classes and on
those left out (mean, its standard error over draws), share of the answers that the most frequent class gets, last
training loss, processor time.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import re
import sys
import time
from pathlib import Path

import numpy as np

from zssar import plugins, storage
from zssar.interfaces import ClassTexts, Features


def read(folder: Path, view: str) -> tuple[tuple[Features, np.ndarray], tuple[Features, np.ndarray]]:
    """(training features, labels), (test features, labels); labels are class indices."""
    with storage.open_features(folder / "seen_train.h5", [view]) as (found, labels, _):
        train = found.select(np.arange(len(found))), labels
    with storage.open_features(folder / "test.h5", [view]) as (found, _, _):
        test = found.select(np.arange(len(found)))
    with (folder / "test_labels.csv").open(encoding="utf-8", newline="") as file:
        return train, (test, np.array([int(row["label"]) for row in csv.DictReader(file)]))


def among(samples: tuple[Features, np.ndarray], classes: list[int]) -> tuple[Features, np.ndarray]:
    """The samples of these classes, labels as positions in ``classes``."""
    rows = np.flatnonzero(np.isin(samples[1], classes))
    return samples[0].select(rows), np.array([classes.index(label) for label in samples[1][rows]])


def measure(method, train, test, texts: ClassTexts, seen: list[int], left: list[int]) -> list[float]:
    """Percent right on the seen and on the left-out classes, share of the top answer, last loss, CPU seconds."""
    told = {part: texts.select([texts.names[c] for c in classes]) for part, classes in (("seen", seen), ("left", left))}
    start = time.process_time()
    with contextlib.redirect_stderr(io.StringIO()):
        method.fit(*among(train, seen), told["seen"])
    spent, right, top = time.process_time() - start, [], 0.0
    for part, classes in (("seen", seen), ("left", left)):
        features, labels = among(test, classes)
        answers = method.score(features, told[part]).argmax(1)
        right.append(100 * np.mean(answers == labels))
        top = 100 * np.bincount(answers).max() / len(answers)
    return [*right, top, getattr(method, "losses_", [float("nan")])[-1], spent]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True, help="folder with seen_train.h5 and test.h5")
    parser.add_argument("--texts", type=Path, required=True, help="folder with one embedding file per kind")
    parser.add_argument("--kinds", nargs="+", default=["label"])
    parser.add_argument("--method", default="devise")
    parser.add_argument("--params", nargs="+", default=["{}"], help="keyword arguments as JSON, one line each")
    parser.add_argument("--leave", type=int, default=0, help="seen classes to leave out; 0: a validation split's")
    parser.add_argument("--draws", type=int, default=4)
    args = parser.parse_args()
    if not args.leave and not re.search(r"-val\d+$", args.features.parent.name):
        parser.error("without --leave, --features must be a validation split's folder: unseen classes are not asked")
    view = plugins.create("alignment", args.method, {}).views[0]
    train, test = read(args.features, view)
    texts = storage.read_texts({kind: args.texts / f"{kind}.h5" for kind in args.kinds})
    texts = texts.select(train[0].attrs["class_names"])
    known, unseen = sorted(train[0].attrs["seen"]), sorted(train[0].attrs["unseen"])
    for given in args.params:
        rows = []
        for draw in range(args.draws):
            left = unseen
            if args.leave:
                left = sorted(np.random.default_rng(draw).choice(known, args.leave, replace=False).tolist())
            params = {"texts": tuple(args.kinds), "seed": draw, **json.loads(given)}
            seen = [c for c in known if c not in left]
            rows.append(measure(plugins.create("alignment", args.method, params), train, test, texts, seen, left))
        seen_right, right, top, loss, spent = np.mean(rows, 0)
        error = np.std([row[1] for row in rows], ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else float("nan")
        print(
            f"{args.method} {given}: seen {seen_right:.1f}, left out {right:.1f} ± {error:.1f}, "
            f"top answer {top:.0f} %, last loss {loss:.4f}, {spent:.1f} CPU s"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
