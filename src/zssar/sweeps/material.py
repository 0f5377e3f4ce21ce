"""What one split gives to a run: features of seen training clips and of test clips, and the truth for evaluation."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zssar import storage
from zssar.alignment.runner import Classes
from zssar.datasets import splits
from zssar.errors import UserError
from zssar.features import profiles
from zssar.interfaces import Features

PROFILE, POOLED = "profile", "pooled"


@dataclass(frozen=True)
class Material:
    """One split. labels (n,): positions in ``classes.seen`` of the training clips. truth: class name per test clip."""

    split: str
    partition: str
    classes: Classes
    train: Features
    labels: np.ndarray
    test: Features
    sample_id: np.ndarray
    truth: np.ndarray
    subject: np.ndarray


def of_skeletons(path: Path | str) -> Callable[[str], Material]:
    """Splits of recordings without a network: the profile is measured once, every split takes its rows of it."""
    data = storage.Skeletons(path)
    everything = np.concatenate([m for _, m in profiles.blocks(data, np.arange(len(data)))])
    names, meta = np.array(data.class_names), {"sample_id": data.sample_id, **data.meta}

    def material(name: str) -> Material:
        split = splits.resolve(data.attrs["dataset"], name, meta, len(names))
        train, test = splits.rows(split, data.label)
        splits.check_no_leak(split, data.label, train)
        attrs = {"class_names": names.tolist(), "seen": list(split.seen), "unseen": list(split.unseen)}
        attrs |= {"quantities": list(profiles.names()), "split": split.name}
        of = lambda rows: Features({PROFILE: everything[rows]}, data.layout, attrs)  # noqa: E731
        place = {c: i for i, c in enumerate(sorted(split.seen))}
        return Material(
            split.name,
            split.partition,
            Classes.of(attrs),
            of(train),
            np.array([place[c] for c in data.label[train].tolist()]),
            of(test),
            data.sample_id[test],
            names[data.label[test]],
            np.asarray(data.meta["subject"])[test],
        )

    return material


def of_features(
    folder: Callable[[str], str], views: Sequence[str], skeletons: Path | str | None = None
) -> Callable[[str], Material]:
    """Splits whose features extract_features has written: ``folder(split)`` holds its three files.

    skeletons: measure the profile anew on these recordings instead of reading the view.
    """
    read = [view for view in views if skeletons is None or view != PROFILE] or [POOLED]
    fresh: dict[str, np.ndarray] = {}
    if skeletons is not None and PROFILE in views:
        data = storage.Skeletons(skeletons)
        found = np.concatenate([m for _, m in profiles.blocks(data, np.arange(len(data)))])
        fresh = dict(zip(map(str, data.sample_id), found))

    def of(features: Features, sample_id) -> Features:
        views = {name: features[name] for name in features.views}
        attrs = dict(features.attrs)
        if fresh:
            views[PROFILE] = np.stack([fresh[str(i)] for i in sample_id])
            attrs["quantities"] = list(profiles.names())
        return Features(views, features.layout, attrs)

    def material(name: str) -> Material:
        where = Path(folder(name))
        with (
            storage.open_features(where / "seen_train.h5", read) as (train, labels, train_id),
            storage.open_features(where / "test.h5", read) as (test, _, sample_id),
        ):
            train, test = of(train, train_id), of(test, sample_id)
        with open(where / "test_labels.csv", newline="", encoding="utf-8") as file:
            truth = {row["sample_id"]: row for row in csv.DictReader(file)}
        if labels is None:
            raise UserError(f"{where / 'seen_train.h5'} holds no labels; run extract_features again")
        rows = [truth[i] for i in sample_id]
        place = {c: i for i, c in enumerate(sorted(train.attrs["seen"]))}
        return Material(
            name,
            train.attrs["partition"],
            Classes.of(train.attrs),
            train,
            np.array([place[c] for c in labels.tolist()]),
            test,
            np.asarray(sample_id),
            np.array([row["name"] for row in rows]),
            np.array([int(row["subject"]) for row in rows]),
        )

    return material


def quantities_as_features(material: Material) -> Material:
    """The measured quantities in the place of a network's features, for methods that read ``pooled``.

    Unknown becomes the mean of the seen training clips; a quantity unknown in all of them is left out.
    """
    train = material.train[PROFILE].astype(np.float64)
    usable = np.isfinite(train).any(0)
    mean = np.nanmean(train[:, usable], 0)
    spread = np.nanstd(train[:, usable], 0)

    def of(features: Features) -> Features:
        found = features[PROFILE][:, usable].astype(np.float64)
        scaled = np.nan_to_num((found - mean) / np.where(spread > 1e-9, spread, 1.0), nan=0.0)
        views = {POOLED: scaled.astype(np.float32), PROFILE: features[PROFILE]}
        return Features(views, features.layout, features.attrs)

    return replace(material, train=of(material.train), test=of(material.test))


def fewer_seen(material: Material, count: int, rng: np.random.Generator) -> Material:
    """Only ``count`` of the seen classes, drawn by ``rng``: the others do not exist for the alignment stage.

    A network keeps what it has learned from all of them. Test clips of the classes left out go too.
    """
    classes = material.classes
    if not 2 <= count <= len(classes.seen):
        raise UserError(f"split {material.split} has {len(classes.seen)} seen classes; {count} cannot be drawn")
    kept = np.sort(rng.permutation(len(classes.seen))[:count])
    rows = np.flatnonzero(np.isin(material.labels, kept))
    names = [classes.seen[i] for i in kept]
    both = tuple(n for n in classes.both if n in names or n in classes.unseen)
    test = np.flatnonzero(np.isin(material.truth, both))
    return replace(
        material,
        classes=Classes(tuple(names), classes.unseen, both),
        train=material.train.select(rows),
        labels=np.searchsorted(kept, material.labels[rows]),
        test=material.test.select(test),
        sample_id=material.sample_id[test],
        truth=material.truth[test],
        subject=material.subject[test],
    )
