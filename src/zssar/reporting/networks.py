"""The table of networks: what each answers on seen classes for test subjects, and what its training cost.

One line per trained network (``rows``), one line per network in Markdown (``markdown``): runs that differ in the seed
alone are averaged. Accuracy is top-1 of ``seen_logits`` over the test samples of seen classes, in percent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from zssar import storage
from zssar.errors import UserError

COLUMNS = [
    "network",
    "params",
    "parameters",
    "split",
    "stream",
    "epochs",
    "frames",
    "seed",
    "accuracy",
    "n",
    "seen_classes",
    "train_clips",
    "train_accuracy",
    "seconds_per_epoch",
    "cpu_seconds_per_epoch",
    "device",
    "precision",
]


def accuracy(features: Path | str, labels: Path | str) -> tuple[float, int, int]:
    """(percent, test samples of seen classes, seen classes) of one feature file and its labels.

    Raises UserError if the two files list other samples.
    """
    table = pd.read_csv(labels)
    with storage.open_features(features, ["seen_logits"]) as (found, _, sample_id):
        logits, seen = found["seen_logits"], np.asarray(found.attrs["seen"])
    if list(table["sample_id"].astype(str)) != list(map(str, sample_id)):
        raise UserError(f"{features} and {labels} list other samples; delete both and run extract_features again")
    of_seen = (table["group"] == "seen").to_numpy()
    if not of_seen.any():
        raise UserError(f"{labels}: no test sample of a seen class")
    hits = seen[logits.argmax(1)] == table["label"].to_numpy()
    return float(100 * hits[of_seen].mean()), int(of_seen.sum()), len(seen)


def rows(
    records: Sequence[Path | str],
    histories: Sequence[Path | str],
    features: Sequence[Path | str],
    labels: Sequence[Path | str],
    timings: Sequence[Path | str] = (),
) -> pd.DataFrame:
    """One line per network, in order.

    Seconds per epoch: of the wall, the fastest epoch of the run, as other jobs disturb it least; of the processor,
    those of the whole job (start and validation included, from ``timings``) over its epochs.
    """
    if len({len(files) for files in (records, histories, features, labels, *([timings] if timings else []))}) > 1:
        raise UserError(
            "--records, --histories, --timings, --features and --labels must list the same networks in the same order"
        )
    lines = []
    for i, (record_file, history_file, feature_file, label_file) in enumerate(
        zip(records, histories, features, labels)
    ):
        cpu = pd.read_csv(timings[i], sep="\t")["cpu_time"].mean() if timings else float("nan")
        record = storage.read_json(record_file)
        history = [json.loads(line) for line in Path(history_file).read_text(encoding="utf-8").splitlines()]
        percent, n, seen = accuracy(feature_file, label_file)
        asked = record["params"]
        last = history[-1] if history else {}
        lines.append(
            {
                "network": asked["backbone"],
                "params": json.dumps(asked["params"], sort_keys=True),
                "parameters": record["parameters"],
                "split": asked["split"],
                "stream": asked["stream"],
                "epochs": record["training"]["epochs"],
                "frames": record["training"]["frames"],
                "seed": asked["seed"],
                "accuracy": percent,
                "n": n,
                "seen_classes": seen,
                "train_clips": record["train_clips"],
                "train_accuracy": 100 * last.get("accuracy", float("nan")),
                "seconds_per_epoch": min((line["seconds"] for line in history), default=float("nan")),
                "cpu_seconds_per_epoch": cpu / max(1, len(history)),
                "device": record["device"],
                "precision": record["precision"],
            }
        )
    return pd.DataFrame(lines, columns=COLUMNS)


def markdown(table: pd.DataFrame, title: str) -> str:
    """Mean and standard deviation (n - 1) over seeds, for readers."""
    lines = [
        f"# {title}",
        "",
        "| network | what differs from its defaults | parameters | epochs x frames | seeds |"
        " seen classes, test subjects | training clips | CPU s per epoch |",
        "|---|---|---|---|---|---|---|---|",
    ]
    same = ["network", "params", "epochs", "frames"]
    for (network, params, epochs, frames), runs in table.groupby(same, sort=False):
        spread = f" ± {runs['accuracy'].std(ddof=1):.1f}" if len(runs) > 1 else ""
        lines.append(
            f"| {network} | `{params}` | {runs['parameters'].iloc[0]:,} | {epochs} x {frames} | {len(runs)} "
            f"| {runs['accuracy'].mean():.1f}{spread} | {runs['train_accuracy'].mean():.1f} "
            f"| {runs['cpu_seconds_per_epoch'].median():.1f} |"
        )
    first = table.iloc[0]
    lines += [
        "",
        f"Top-1 in percent, mean ± standard deviation over seeds; {first['n']} test samples of "
        f"{first['seen_classes']} seen classes, {first['train_clips']} training clips, {first['split']}, stream "
        f"{first['stream']}, {first['precision']} on {first['device']}. Training clips: augmented, in the last epoch. "
        "CPU s per epoch: of the whole job, median over seeds.",
        "",
    ]
    return "\n".join(lines)
