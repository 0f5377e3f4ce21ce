"""What a training budget does to a method on a validation split: loss, seen accuracy, pseudo-unseen accuracy.

    python -m benchmarks.budgets relation_net --texts label --dataset utd_mhad --split purls_22_5-val0 \
        --params '{"epochs": 80, "batch_size": 32, "lr": 5e-4}' '{"min_steps": 2000, "epochs": 80, ...}'

Reads features and text embeddings that Snakemake wrote below --results. Unseen test classes must not judge budgets, so
the split is a validation split, or --leave says how many of its seen classes are drawn, anew for every seed, left out
of training and asked instead (the network has seen those; the split's unseen classes are not asked). Held-out seen:
clips of seen classes in the test partition; in a validation split those are training subjects that it keeps from
training. Means over seeds, the pseudo-unseen classes with a standard error; commonest: share of one answer there.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np
import torch

from zssar import plugins, storage
from zssar.interfaces import ClassTexts, Features


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method")
    parser.add_argument("--texts", nargs="+", required=True)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--split", required=True)
    parser.add_argument("--backbone", default="*", help="<backbone>-<stream>, if there are several")
    parser.add_argument("--source", default="frozen")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--params", nargs="+", type=json.loads, default=[{}])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--leave", type=int, default=0, help="seen classes to leave out and ask")
    args = parser.parse_args()
    if not args.leave and "-val" not in args.split:
        parser.error(f"--split {args.split} is no validation split (<split>-val<k>); give --leave to ask seen classes")
    return args


class Material:
    """Features and labels of one split in memory; labels are positions in the names ``seen`` or ``asked``."""

    def __init__(self, folder: Path, views: tuple[str, ...], leave: int = 0, draw: int = 0):
        with (
            storage.open_features(folder / "seen_train.h5", views) as (train, label, _),
            storage.open_features(folder / "test.h5", views) as (test, _, _),
        ):
            attrs = train.attrs
            with open(folder / "test_labels.csv", encoding="utf-8") as file:
                told = np.array([int(row["label"]) for row in csv.DictReader(file)])
            seen, asked = sorted(attrs["seen"]), sorted(attrs["unseen"])
            if leave:
                asked = sorted(np.random.default_rng(draw).choice(seen, leave, replace=False).tolist())
                seen = [label for label in seen if label not in asked]
            self.seen, self.asked = ([attrs["class_names"][i] for i in group] for group in (seen, asked))
            self.train = self._part(train, label, seen)
            self.held = self._part(test, told, seen)
            self.pseudo = self._part(test, told, asked)

    @staticmethod
    def _part(test: Features, told: np.ndarray, members: list[int]) -> tuple[Features, np.ndarray]:
        rows = np.flatnonzero(np.isin(told, members))
        return test.select(rows), np.searchsorted(members, told[rows])


def run(method, material: Material, texts: ClassTexts) -> list[float]:
    """First and last loss, percent right on training, held-out seen and pseudo-unseen clips, percent of the commonest
    answer on the latter, CPU seconds of the fit.
    """
    start = time.process_time()
    method.fit(*material.train, texts.select(material.seen))
    seconds = time.process_time() - start
    parts = [(material.train, material.seen), (material.held, material.seen), (material.pseudo, material.asked)]
    right, top = [], 0.0
    for (features, labels), names in parts:
        answers = method.score(features, texts.select(names)).argmax(1)
        right.append(100 * float((answers == labels).mean()))
        top = 100 * float(np.bincount(answers).max() / len(answers))
    losses = getattr(method, "losses_", None) or [float("nan")]  # closed forms have none
    return [losses[0], losses[-1], *right, top, seconds]


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    folder = next((args.results / "features" / args.dataset / args.split).glob(args.backbone))
    stored = args.results / "texts" / args.dataset / args.source / args.encoder
    texts = storage.read_texts({kind: stored / f"{kind}.h5" for kind in args.texts})
    print("| parameters | loss, first to last epoch | training | held-out seen | pseudo-unseen | commonest | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for params in args.params:
        rows = []
        for seed in args.seeds:
            method = plugins.create("alignment", args.method, {"texts": tuple(args.texts), **params, "seed": seed})
            rows.append(run(method, Material(folder, method.views, args.leave, seed), texts))
        first, last, trained, held, pseudo, top, seconds = np.mean(rows, 0)
        error = np.std([row[4] for row in rows], ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else float("nan")
        words = f"{trained:.1f} | {held:.1f} | {pseudo:.1f} ± {error:.1f} | {top:.0f}"
        print(f"| {json.dumps(params)} | {first:.4f} to {last:.4f} | {words} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
