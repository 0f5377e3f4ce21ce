"""What a training budget does to a method on a validation split: loss, seen accuracy, pseudo-unseen accuracy.

    python -m benchmarks.budgets relation_net --texts label --dataset utd_mhad --split purls_22_5-val0 \
        --params '{"epochs": 80, "batch_size": 32, "lr": 1.5e-3}' '{"min_steps": 2000, "epochs": 80, ...}'

Reads features and text embeddings that Snakemake wrote below --results. Only validation splits are taken: unseen test
classes must not judge budgets. Held-out seen: clips of training subjects that the split keeps from training.
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
from zssar.alignment import runner
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
    args = parser.parse_args()
    if "-val" not in args.split:
        parser.error(f"--split {args.split} is no validation split (<split>-val<k>)")
    return args


class Material:
    """Features and labels of one split in memory; labels are positions in ``classes.seen`` or ``classes.unseen``."""

    def __init__(self, folder: Path, views: tuple[str, ...]):
        with (
            storage.open_features(folder / "seen_train.h5", views) as (train, label, _),
            storage.open_features(folder / "test.h5", views) as (test, _, _),
        ):
            self.classes, attrs = runner.Classes.of(train.attrs), train.attrs
            with open(folder / "test_labels.csv", encoding="utf-8") as file:
                told = np.array([int(row["label"]) for row in csv.DictReader(file)])
            seen, unseen = sorted(attrs["seen"]), sorted(attrs["unseen"])
            self.train = train.select(slice(None)), np.searchsorted(seen, label)
            self.held = self._part(test, told, seen)
            self.pseudo = self._part(test, told, unseen)

    @staticmethod
    def _part(test: Features, told: np.ndarray, members: list[int]) -> tuple[Features, np.ndarray]:
        rows = np.flatnonzero(np.isin(told, members))
        return test.select(rows), np.searchsorted(members, told[rows])


def run(method, material: Material, texts: ClassTexts) -> list[float]:
    """First and last loss, percent right on training, held-out seen and pseudo-unseen clips, CPU seconds of the fit."""
    start = time.process_time()
    method.fit(*material.train, texts.select(material.classes.seen))
    seconds = time.process_time() - start
    parts = [(material.train, "seen"), (material.held, "seen"), (material.pseudo, "unseen")]
    right = []
    for (features, labels), group in parts:
        asked = texts.select(getattr(material.classes, group))
        right.append(100 * float((method.score(features, asked).argmax(1) == labels).mean()))
    return [method.losses_[0], method.losses_[-1], *right, seconds]


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    folder = next((args.results / "features" / args.dataset / args.split).glob(args.backbone))
    stored = args.results / "texts" / args.dataset / args.source / args.encoder
    texts = storage.read_texts({kind: stored / f"{kind}.h5" for kind in args.texts})
    print("| parameters | loss, first to last epoch | training | held-out seen | pseudo-unseen | CPU s |")
    print("|---|---|---|---|---|---|")
    for params in args.params:
        rows = []
        for seed in args.seeds:
            method = plugins.create("alignment", args.method, {"texts": tuple(args.texts), **params, "seed": seed})
            rows.append(run(method, Material(folder, method.views), texts))
        first, last, *percent, seconds = np.mean(rows, 0)
        words = " | ".join(f"{value:.1f}" for value in percent)
        print(f"| {json.dumps(params)} | {first:.4f} to {last:.4f} | {words} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
