"""Which recipe fits a network: accuracy on training subjects that were left out, seen classes only.

Each chosen training subject is left out in turn; the network learns from the others (last epoch, nothing is selected
within a run) and is judged on the one left out. Test subjects and unseen classes are never read. One line per run goes
to --output, so that several calls make one table:

    python -m benchmarks.heldout_subjects --skeletons results/skeletons/utd_mhad.h5 --split purls_14_13 \\
        --module shift_gcn --params '{"widths": [[32, 1], [64, 2], [128, 2], [256, 1]]}' \\
        --training '{"epochs": 40, "frames": 32}' --subjects 1 7 --output candidates.csv
    python -m benchmarks.heldout_subjects --show candidates.csv
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from zssar import devices, plugins
from zssar.features.clips import Clips, stream_channels
from zssar.features.pretrain import training_rows
from zssar.features.recipe import Training
from zssar.features.trainer import Trainer, predict
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons
from zssar.training import seed_everything

COLUMNS = "module,params,training,stream,subject,seed,clips,heldout_clips,heldout_correct,train_accuracy,loss,seconds"


def one_run(data: Skeletons, args: argparse.Namespace, subject: int) -> dict[str, object]:
    """Train without ``subject`` and count its clips that are recognised."""
    split, rows = training_rows(data, args.split)
    plugin, of = plugins.load("backbones", args.module), layout(data.layout)
    given = json.loads(args.training)
    training = Training.of({**given, "select": "last"}, plugin.paper_recipe)
    held = data.meta["subject"][rows] == subject
    labels = np.searchsorted(split.seen, data.label[rows])
    seed_everything(args.seed)
    channels = stream_channels(args.stream)
    backbone = plugin(of, channels, len(split.seen), data.joints.shape[1], **json.loads(args.params))
    clips = Clips(data, rows[~held], of, training.normalise, args.device)
    judged = Clips(data, rows[held], of, training.normalise, args.device)
    if args.flat:
        clips.joints[..., 2] = judged.joints[..., 2] = 0
    out = np.zeros((~held).sum(), bool)
    trainer = Trainer(backbone, clips, labels[~held], out, training, args.stream, args.seed, args.device, None)
    begun = time.process_time()
    last = trainer.fit()[-1]
    seconds = time.process_time() - begun
    logits = predict(backbone, judged, torch.arange(len(judged)), args.stream, training, None)
    correct = int((logits.argmax(1).cpu().numpy() == labels[held]).sum())
    return {
        "module": args.module,
        "params": args.params,
        "training": args.training,
        "stream": args.stream + " (flat)" * args.flat,
        "subject": subject,
        "seed": args.seed,
        "clips": len(clips),
        "heldout_clips": len(judged),
        "heldout_correct": correct,
        "train_accuracy": round(100 * last["accuracy"], 1),
        "loss": round(last["loss"], 3),
        "seconds": round(seconds, 1),
    }


def show(path: Path) -> None:
    """One line per candidate: held-out accuracy over all subjects and seeds, accuracy on training clips, CPU s."""
    runs = defaultdict(list)
    for row in csv.DictReader(path.open()):
        runs[row["module"], row["params"], row["training"], row["stream"]].append(row)
    for (module, params, training, stream), rows in sorted(runs.items()):
        right = sum(int(row["heldout_correct"]) for row in rows)
        of = sum(int(row["heldout_clips"]) for row in rows)
        each = " ".join(
            f"{row['subject']}:{100 * int(row['heldout_correct']) / int(row['heldout_clips']):.0f}" for row in rows
        )
        train, cpu = (np.mean([float(row[key]) for row in rows]) for key in ("train_accuracy", "seconds"))
        print(f"{100 * right / of:5.1f} of {of} ({each}) train {train:5.1f} {cpu:5.0f} s |", end=" ")
        print(module, stream, params, training)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--show", type=Path, help="print what --output has collected, and stop")
    what.add_argument("--skeletons", type=Path)
    parser.add_argument("--split")
    parser.add_argument("--module")
    parser.add_argument("--params", default="{}")
    parser.add_argument("--training", default="{}")
    parser.add_argument("--stream", default="joint")
    parser.add_argument("--subjects", type=int, nargs="+", default=[])
    parser.add_argument("--flat", action="store_true", help="set the depth of all joints to zero, before augmentation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    if args.show:
        return show(args.show)
    devices.speed_up_cpu(args.device)
    data = Skeletons(args.skeletons)
    for subject in args.subjects:
        line = one_run(data, args, subject)
        fresh = not args.output.exists()
        with args.output.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS.split(","))
            if fresh:
                writer.writeheader()
            writer.writerow(line)
        print({key: line[key] for key in ("subject", "heldout_correct", "heldout_clips", "train_accuracy", "seconds")})
    return None


if __name__ == "__main__":
    main()
