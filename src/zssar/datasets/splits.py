"""Which classes are unseen and which samples test: published, random and validation splits, official partitions.

Names: ``<protocol>[@partition][-valK]``, for example ``purls_22_5``, ``synse_55_5@xview``, ``random_8_0_3-val0``.
protocol: an entry of ``splits.yaml``, or ``random_<unseen>_<seed>_<draw>``. partition: an entry of ``splits.yaml``, or
``samples`` (every other sample of a class, for recordings without subjects). ``-valK``: validation split K, cut out of
the seen classes and the training samples of its parent.

Draws rank names by SHA-256, so that they depend on nothing but the name of the split: not on numpy's version, not on
the order of files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from zssar.errors import UserError, unknown
from zssar.interfaces import UNKNOWN, Split

TABLE = Path(__file__).with_name("splits.yaml")
NAME = re.compile(r"(?P<protocol>[A-Za-z0-9_]+)(?:@(?P<partition>[a-z]+))?(?:-val(?P<val>\d+))?")
RANDOM = re.compile(r"random_(?P<unseen>\d+)_(?P<seed>\d+)_(?P<draw>\d+)")
DRAWS = re.compile(r"random:(?P<unseen>\d+):(?P<draws>\d+):(?P<seed>\d+)(?P<rest>@[a-z]+)?")
# Data sets that are not in splits.yaml: only these two, and random classes.
OWN_PARTITIONS: dict[str, dict[str, Any]] = {
    "xsub": {"column": "subject", "train": "odd", "source": "rule for own data sets: odd subjects train"}
}


@cache
def table() -> dict[str, Any]:
    """The content of ``splits.yaml``."""
    import yaml

    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


def protocols(dataset: str) -> list[str]:
    """The published protocols of a data set; empty for one that ``splits.yaml`` does not know."""
    return list(table().get(dataset, {}).get("protocols", {}))


def expand(name: str) -> list[str]:
    """``random:8:10:0`` (unseen : draws : seed) to ten split names; any other name to itself."""
    match = DRAWS.fullmatch(name)
    if match is None:
        return [name]
    start, rest = f"random_{match['unseen']}_{match['seed']}", match["rest"] or ""
    return [f"{start}_{draw}{rest}" for draw in range(int(match["draws"]))]


def resolve(
    dataset: str,
    name: str,
    meta: Mapping[str, np.ndarray],
    num_classes: int | None = None,
    parts: tuple[np.ndarray, np.ndarray] | None = None,
) -> Split:
    """The split of that name over the samples described by ``meta`` (columns of ``storage.skeleton_meta``).

    num_classes: length of the class list in use; needed for data sets that are not in ``splits.yaml``.
    parts: (train, test) of samples that come partitioned already; the name of the partition is then only noted.
    Raises UserError for unknown data sets, protocols, partitions, for lists that do not fit ``num_classes``, and for
    partitions that need a column which is unknown or leave no training or no test sample.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise UserError(f"split {name!r} is not of the form <protocol>[@partition][-valK], e.g. synse_55_5@xview-val0")
    unseen, source, validation = _classes(dataset, match["protocol"], num_classes)
    count = num_classes or table()[dataset]["classes"]
    partition = match["partition"] or table().get(dataset, {}).get("default_partition", "xsub")
    train, test, how = (*parts, "partition as it came") if parts else _partition(dataset, partition, meta)
    seen = tuple(c for c in range(count) if c not in unseen)
    parent = Split(name.split("-val")[0], seen, unseen, train, test, partition, f"{source}; {how}")
    if match["val"] is None:
        return parent
    return _validation(dataset, parent, int(match["val"]), meta, validation)


def rows(split: Split, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training samples of seen classes and of the test samples of all classes of the split.

    Raises UserError if one of the two is empty.
    """
    labels = np.asarray(labels)
    seen_train = np.flatnonzero(split.train & np.isin(labels, split.seen))
    test = np.flatnonzero(split.test & np.isin(labels, split.classes))
    for what, found in (("training sample of a seen class", seen_train), ("test sample", test)):
        if not len(found):
            raise UserError(f"split {split.name} ({split.partition}) has no {what}: are all recordings there?")
    return seen_train, test


def check_no_leak(split: Split, labels: np.ndarray, used: np.ndarray) -> None:
    """Raise UserError if a row handed to training is of an unseen class, or is not a training sample of the split."""
    labels, used = np.asarray(labels), np.asarray(used)
    for what, leaked in (
        ("of classes that are not seen", ~np.isin(labels[used], split.seen)),
        ("of the test partition", split.test[used] | ~split.train[used]),
    ):
        if leaked.any():
            raise UserError(
                f"leak: {leaked.sum()} of {len(used)} rows given to training are {what} in split {split.name}; "
                f"the first is row {used[leaked][0]} (class {labels[used[leaked][0]]})"
            )


def _classes(dataset: str, protocol: str, num_classes: int | None) -> tuple[tuple[int, ...], str, list[int] | None]:
    """Unseen classes, their source, and the published validation classes if there are any."""
    entry = table().get(dataset, {})
    random = RANDOM.fullmatch(protocol)
    if random is None:
        if protocol not in entry.get("protocols", {}):
            known = [*entry.get("protocols", {}), "random_<unseen>_<seed>_<draw>"]
            raise unknown(f"split of data set {dataset}", protocol, known)
        if num_classes not in (None, entry["classes"]):
            raise UserError(
                f"split {protocol} is made for the {entry['classes']} classes of {dataset}, but the class list has "
                f"{num_classes}; use random_<unseen>_<seed>_<draw> with a shortened list"
            )
        found = entry["protocols"][protocol]
        return tuple(sorted(found["unseen"])), found["source"], found.get("validation")
    count = num_classes or entry.get("classes")
    if count is None:
        raise UserError(f"data set {dataset} is not in splits.yaml: give the number of its classes")
    wanted = int(random["unseen"])
    if not 1 <= wanted <= count - 2:
        raise UserError(f"split {protocol}: of {count} classes at least one and at most {count - 2} can be unseen")
    drawn = _draw(range(count), wanted, dataset, protocol)
    return drawn, f"random draw {random['draw']} of seed {random['seed']} (SHA-256 ranks)", None


def _partition(dataset: str, name: str, meta: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, str]:
    """(train, test, source): bool (n,) each."""
    if name == "samples":
        rank = _ranks(meta["sample_id"], meta["label"], dataset)
        return rank % 2 == 0, rank % 2 == 1, "every other sample of a class trains (SHA-256 ranks)"
    rules = table().get(dataset, {}).get("partitions", OWN_PARTITIONS)
    if name not in rules:
        raise unknown(f"partition of data set {dataset}", name, [*rules, "samples"])
    rule = rules[name]
    values = np.asarray(meta[rule["column"]])
    if (values == UNKNOWN).any():
        raise UserError(
            f"partition {name} of {dataset} needs the {rule['column']} of every sample, but "
            f"{(values == UNKNOWN).sum()} of {len(values)} have none; recordings without it can use @samples"
        )
    if isinstance(rule["train"], str):
        train = values % 2 == {"odd": 1, "even": 0}[rule["train"]]
    else:
        train = np.isin(values, rule["train"])
    if "test" in rule and not np.isin(values[~train], rule["test"]).all():
        raise UserError(
            f"partition {name} of {dataset} is for files that come split in two (setup 1 or 2); these recordings have "
            f"{rule['column']}s {sorted(set(values.tolist()))[:20]}: use another partition"
        )
    if not train.any() or train.all():
        raise UserError(
            f"partition {name} of {dataset} leaves no {'test' if train.any() else 'training'} sample: "
            f"{rule['column']} is {sorted(set(values.tolist()))[:20]}, training is {rule['train']}"
        )
    return train, ~train, rule["source"]


def _validation(
    dataset: str, parent: Split, number: int, meta: Mapping[str, np.ndarray], published: list[int] | None
) -> Split:
    """Validation split ``number``: pseudo-unseen classes from the seen ones, held-out subjects from the training ones.

    Pseudo-unseen: min(U, max(2, S // 4)) of the S seen classes for U unseen ones, or the published list (number 0).
    Training: pseudo-seen classes of the other training subjects. Test: pseudo-unseen classes of all training subjects
    and pseudo-seen classes of the held-out ones. Where subjects are unknown or there is only one, a quarter of each
    class's samples is held out instead.
    """
    name = f"{parent.name}-val{number}"
    count = min(len(parent.unseen), max(2, len(parent.seen) // 4))
    pseudo, how = _draw(parent.seen, count, dataset, name), f"{count} pseudo-unseen classes drawn (SHA-256 ranks)"
    if published is not None and number == 0:
        pseudo, how = tuple(sorted(published)), "published validation classes of SynSE's gate"
    kept = tuple(c for c in parent.seen if c not in pseudo)
    labels, subjects = np.asarray(meta["label"]), np.asarray(meta["subject"])
    known = sorted(set(subjects[parent.train].tolist()))
    if UNKNOWN in known or len(known) < 2:
        held = np.zeros(len(labels), bool)
        inside = np.flatnonzero(parent.train)
        rank = _ranks(meta["sample_id"][inside], labels[inside], dataset, name)
        _, which, members = np.unique(labels[inside], return_inverse=True, return_counts=True)
        size = members[which]
        held[inside] = (rank % 4 == 3) | ((size < 4) & (size > 1) & (rank == size - 1))  # of two or three: one
        how += "; a quarter of the training samples of each class held out (subjects unknown)"
    else:
        out = _draw(known, max(1, len(known) // 4), dataset, name)
        held = np.isin(subjects, out)
        how += f"; training subjects held out: {', '.join(map(str, out))}"
    seen = np.isin(labels, kept)
    train = parent.train & ~held & seen
    test = parent.train & (np.isin(labels, pseudo) | (held & seen))
    return Split(name, kept, pseudo, train, test, parent.partition, f"{parent.source}; {how}")


def _digest(*words: object) -> bytes:
    return hashlib.sha256("\0".join(map(str, words)).encode()).digest()


def _draw(items: Iterable[int], count: int, *key: str) -> tuple[int, ...]:
    """``count`` of ``items``, sorted: those with the smallest digests under ``key``."""
    return tuple(sorted(sorted(items, key=lambda item: _digest(*key, item))[:count]))


def _ranks(sample_id: Sequence[str], labels: np.ndarray, *key: str) -> np.ndarray:
    """For each sample its rank (from 0) by digest among the samples of its class."""
    order = sorted(range(len(sample_id)), key=lambda i: _digest(*key, sample_id[i]))
    rank, count = np.zeros(len(sample_id), int), {}
    for i in order:
        label = int(labels[i])
        rank[i] = count.get(label, 0)
        count[label] = rank[i] + 1
    return rank
