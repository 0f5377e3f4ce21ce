"""The official sample names of NTU RGB+D, and the names of rows in files that have lost them."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from zssar.datasets.splits import table

HERE = Path(__file__).parent
SETUPS_60 = 17  # the first 17 setups are NTU RGB+D 60
CLASSES = {"ntu60": 60, "ntu120": 120}
COLUMNS = {"setup": 1, "camera": 5, "subject": 9}  # where the digits of a name begin


@cache
def official(dataset: str) -> tuple[str, ...]:
    """All usable sample names of ntu60 or ntu120 in alphabetical order: 56,578 or 113,945."""
    import yaml

    performers = yaml.safe_load((HERE / "ntu_performers.yaml").read_text(encoding="utf-8"))
    lines = (HERE / "ntu_missing_skeletons.txt").read_text(encoding="ascii").splitlines()
    missing = {line for line in lines if not line.startswith("#")}
    names = []
    for setup, people in performers.items():
        if dataset == "ntu60" and setup > SETUPS_60:
            continue
        actions = range(1, 61) if setup <= SETUPS_60 else range(61, 121)
        for camera, person, replication, action in product((1, 2, 3), people, (1, 2), actions):
            names.append(f"S{setup:03d}C{camera:03d}P{person:03d}R{replication:03d}A{action:03d}")
    return tuple(sorted(set(names) - missing))


def ctrgcn_order(labels: np.ndarray) -> tuple[str, str, list[str]] | None:
    """(data set, partition and part, names of the rows) of an array written by CTR-GCN's scripts; None if it is none.

    labels (n,): class of each row, from 0. The scripts go through the ids of the training, or test, subjects (cameras,
    setups) and take the samples of each in alphabetical order. The names of that order are returned only if they
    reproduce every single label, and only if no other partition does so as well.
    """
    found = []
    for dataset, classes in CLASSES.items():
        if labels.max(initial=-1) >= classes:
            continue
        for partition, rule in table()[dataset]["partitions"].items():
            if "test" in rule:
                continue
            for part, rows in orders(dataset, partition).items():
                if len(rows) == len(labels) and [int(name[-3:]) - 1 for name in rows] == labels.tolist():
                    found.append((dataset, f"{partition} {part}", list(rows)))
    return found[0] if len(found) == 1 else None


@cache
def orders(dataset: str, partition: str) -> dict[str, tuple[str, ...]]:
    """train and test names of an official partition in the order of CTR-GCN's scripts; cameras train as 3, 2."""
    rule = table()[dataset]["partitions"][partition]
    at = COLUMNS[rule["column"]]
    groups: dict[int, list[str]] = {}
    for name in official(dataset):
        groups.setdefault(int(name[at : at + 3]), []).append(name)
    train = rule["train"]
    if isinstance(train, str):
        inside = [g for g in sorted(groups) if g % 2 == {"odd": 1, "even": 0}[train]]
    else:
        inside = sorted(train, reverse=rule["column"] == "camera")
    ids = {"train": inside, "test": [g for g in sorted(groups) if g not in inside]}
    return {part: tuple(name for g in members for name in groups[g]) for part, members in ids.items()}
