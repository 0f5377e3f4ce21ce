"""Small score files with known answers, written as align writes them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from zssar.storage import score_writer

SEEN = ("walk", "sit down", "wave", "jump", "bow")
UNSEEN = ("kick", "clap hands", "throw a ball")


def write_run(
    folder: Path,
    seed_quality: dict[int, dict[int, float]],
    seen=SEEN,
    unseen=UNSEEN,
    per_class: int = 20,
    bias: float = 2.0,
    data_seed: int = 0,
    scale: float = 1.0,
) -> tuple[Path, Path]:
    """(scores.h5, test_labels.csv). seed_quality: seed -> epoch -> signal on the true class (0 = chance).

    Scores are unit noise + signal on the true class + ``bias`` on seen classes, all times ``scale``.
    The labels file is in another order than the scores.
    """
    rng = np.random.default_rng(data_seed)
    classes = [*seen, *unseen]
    labels = np.repeat(np.arange(len(classes)), per_class)
    ids = [f"S{i:04d}" for i in rng.permutation(len(labels))]
    folder.mkdir(parents=True, exist_ok=True)
    attrs = {"classes": classes, "seen": list(seen), "unseen": list(unseen), "method": "made_up"}
    with score_writer(folder / "scores.h5", ids, attrs) as writer:
        for seed, epochs in seed_quality.items():
            for epoch, quality in epochs.items():
                noise = np.random.default_rng([data_seed, seed, epoch]).standard_normal((len(labels), len(classes)))
                scores = noise + quality * (labels[:, None] == np.arange(len(classes)))
                scores[:, : len(seen)] += bias
                writer.add(seed, epoch, scale * scores)
    write_labels(folder / "test_labels.csv", ids, labels, classes, seen, rng.permutation(len(labels)))
    return folder / "scores.h5", folder / "test_labels.csv"


def write_labels(path: Path, ids, labels, classes, seen, order) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sample_id", "label", "name", "subject", "camera", "setup", "group"])
        for i in order:
            name = classes[labels[i]]
            group = "seen" if name in seen else "unseen"
            writer.writerow([ids[i], labels[i], name, 1 + i % 4, 1, -1, group])
