"""A small finished results folder: two methods on one split with a validation split, records, skeletons, a history."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from evaluation_fixtures import SEEN, UNSEEN, write_run

from zssar import cli, storage
from zssar.interfaces import SkeletonSequence
from zssar.provenance import file_digest
from zssar.skeleton.layouts import layout
from zssar.storage import Scores

METHODS = {"dvta": {0: {10: 0.5, 20: 3.0}, 1: {10: 2.0, 20: 1.0}}, "eszsl": {0: {1: 1.0}, 1: {1: 1.0}}}
SPLIT = "own_5_3"


def run_folder(method: str, split: str = SPLIT) -> str:
    return f"results/runs/own/{split}/st_gcn-joint/frozen/minilm/{method}"


def build(folder: Path) -> Path:
    """Everything under ``folder``, which must be the working directory: recorded paths are relative to it."""
    for method, quality in METHODS.items():
        for split, seed in ((f"{SPLIT}-val0", 1), (SPLIT, 0)):
            place = folder / run_folder(method, split)
            write_run(place, quality, data_seed=seed)
            labels = Path(f"results/features/own/{split}/test_labels.csv")
            (folder / labels).parent.mkdir(parents=True, exist_ok=True)
            (place / "test_labels.csv").rename(folder / labels)
            _record(folder, method, split, labels)
        _evaluate(method)
    runs = [f"{run_folder(m)}/runs.csv" for m in METHODS]
    words = ["--csv", "results/table1.csv", "--markdown", "results/table1.md", "--latex", "results/table1.tex"]
    call("make_table", "--runs", *runs, "--table", "table1", *words, "--all-runs", "results/table1.runs.csv")
    _skeletons(folder)
    history = folder / f"results/backbones/own/{SPLIT}/st_gcn-joint/history.jsonl"
    history.parent.mkdir(parents=True)
    lines = [{"epoch": e, "loss": 3.0 / e, "accuracy": 1 - 0.5 / e, "lr": 0.1} for e in range(1, 6)]
    history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((8, 1, 16)).astype(np.float32)
    texts = folder / "results/texts/own/frozen/minilm/label.h5"
    texts.parent.mkdir(parents=True)
    storage.write_texts(texts, [*SEEN, *UNSEEN], ["label"], embeddings, {"kind": "label"})
    return folder


def call(*words: str) -> None:
    """A verb as a process of its own would run it: records take the command line from ``sys.argv``."""
    words, before = list(map(str, words)), sys.argv
    sys.argv = ["zssar", *words]
    try:
        assert cli.main(words) == 0, words
    finally:
        sys.argv = before


def _record(folder: Path, method: str, split: str, labels: Path) -> None:
    command = f'zssar align --method {method} --params {{"lr": 0.1}} --test {labels} --seeds 0 1'
    record = {
        "verb": "align",
        "command": command,
        "params": {"method": method, "seeds": [0, 1]},
        "inputs": {"test": file_digest(folder / labels)},
        "commit": "0123456789ab+",
        "finished": "2026-01-01T00:00:00+00:00",
        "seconds": 1.5,
        "peak_memory_mb": 100.0,
        "machine": {"processor": "<b>one & two</b>"},
        "versions": {"numpy": "2"},
    }
    storage.write_json(folder / run_folder(method, split) / "run.json", record)


def _evaluate(method: str) -> None:
    test, held = (run_folder(method, s) for s in (SPLIT, f"{SPLIT}-val0"))
    labels, held_labels = (f"results/features/own/{s}/test_labels.csv" for s in (SPLIT, f"{SPLIT}-val0"))
    key = {"dataset": "own", "split": SPLIT, "partition": "xsub", "backbone": "st_gcn", "stream": "joint"}
    key |= {"source": "frozen", "encoder": "minilm", "method": method, "run": test}
    words = ["--scores", f"{test}/scores.h5", "--labels", labels, "--val-scores", f"{held}/scores.h5"]
    words += ["--val-labels", held_labels, "--record", f"{test}/run.json", "--key", json.dumps(key)]
    call("evaluate", *words, "--metrics", f"{test}/metrics.json", "--runs", f"{test}/runs.csv")


def _skeletons(folder: Path) -> None:
    of = layout("kinect25")
    rng = np.random.default_rng(0)
    sequences = []
    for i, sample in enumerate(sorted(Scores(folder / run_folder("dvta") / "scores.h5").sample_id)):
        joints = np.zeros((2, 50, len(of), 3), np.float32)
        joints[0] = rng.normal(0, 0.4, (len(of), 3)) + 0.1 * np.sin(np.arange(50) / 5)[:, None, None]
        present = np.array([[True] * 50, [False] * 50])
        if i % 2:
            joints[1, 10:], present[1, 10:] = joints[0, 10:] + 1, True
        sequences.append(SkeletonSequence(str(sample), joints, present, of.name, 0, 1, 1, -1, 1))
    attrs = {"dataset": "own", "layout": of.name, "class_names": [*SEEN, *UNSEEN], "recipe": "zssar"}
    (folder / "results/skeletons").mkdir(parents=True)
    storage.write_skeletons(folder / "results/skeletons/own.h5", sequences, attrs)


def make_report(output: Path | str, *more: str) -> None:
    words = ["--skeletons", "results/skeletons/own.h5", "--texts", "results/texts/own/frozen/minilm/label.h5"]
    words += ["--histories", f"results/backbones/own/{SPLIT}/st_gcn-joint/history.jsonl", "--output", output, *more]
    call("make_report", "--tables", "results/table1.csv", *words)
