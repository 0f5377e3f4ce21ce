"""Features that somebody else computed, as an entry point that skips the backbone.

Recognised by their keys and shapes, never by the path: folders of ``.npy`` pairs as SynSE made them (also MSF, SA-DVAE,
TDSM, FS-VAE) and as SMIE has them, and Flora's ``.npz`` files. Which of the folders below a root belongs to a split is
told by the labels: training rows of exactly the seen classes, test rows of the unseen ones.

What such files do not say: names, subjects, cameras, and which partition (cross-subject, cross-view) they were cut by;
that is believed from the name of the split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zssar.datasets import archives, arrays, splits
from zssar.errors import UserError
from zssar.interfaces import UNKNOWN, Split

# (role, features, labels, logits of the backbone's classifier or nothing)
FOLDER_KEYS = (
    ("train", "train", "train_label", "train_out"),
    ("ztest", "ztest", "z_label", "ztest_out"),
    ("gtest", "gtest", "g_label", "gtest_out"),
    ("val", "val", "val_label", "val_out"),
    ("test", "test", "test_label", "test_out"),
    ("train", "seen_train_data", "seen_train_label", ""),
    ("gtest", "seen_test_data", "seen_test_label", ""),
    ("ztest", "unseen_data", "unseen_label", ""),
)
ARCHIVE_KEYS = (("train", "x_train", "y_train"), ("test", "x_test", "y_test"))
MISSING = "names, subjects, cameras, setups; body parts, phases and maps of the network"


@dataclass(frozen=True)
class Rows:
    """Features float32 (n, D), labels int64 (n,), and full-width logits (n, C) where they are there."""

    role: str
    path: str
    values: np.ndarray
    labels: np.ndarray
    logits: np.ndarray | None = None

    @property
    def classes(self) -> set[int]:
        return set(self.labels.tolist())


@dataclass(frozen=True)
class Bundle:
    """The rows of one folder, or of one archive: ``train`` and everything that is not."""

    path: Path
    train: Rows
    others: tuple[Rows, ...]

    @property
    def tested(self) -> set[int]:
        return set().union(*(rows.classes for rows in self.others))

    def __str__(self) -> str:
        parts = ", ".join(
            f"{r.role} {len(r.labels):,} rows of {len(r.classes)} classes" for r in (self.train, *self.others)
        )
        return f"{self.path}: {self.train.values.shape[1]} dimensions; {parts}"


@dataclass(frozen=True)
class Chosen:
    """The rows for one split: training rows of seen classes, test rows of all its classes, and how they were found."""

    split: Split
    bundle: Bundle
    train: Rows
    test: Rows
    train_rows: np.ndarray
    test_rows: np.ndarray
    how: str


def bundles(root: Path) -> list[Bundle]:
    """Every bundle below a folder, or in one ``.npz`` file. Raises UserError if there is none or one is damaged."""
    if not root.exists():
        raise UserError(
            f"{root} does not exist. Expected there: feature folders of SynSE's or SMIE's kind, or .npz files"
        )
    paths = [root] if root.is_file() else list(archives.walk(root))
    found = [b for b in map(_archive, (p for p in paths if p.suffix == ".npz")) if b is not None]
    folders = sorted({p.parent for p in paths if p.suffix == ".npy"})
    found += [b for b in map(_folder, folders) if b is not None]
    if not found:
        raise UserError(
            f"{root}: no precomputed features. Expected: a folder with train.npy, train_label.npy and ztest.npy, "
            "z_label.npy or gtest.npy, g_label.npy (SynSE); test.npy, test_label.npy (SMIE); or an .npz file with "
            "x_train, y_train, x_test, y_test (Flora)"
        )
    return found


def _folder(folder: Path) -> Bundle | None:
    found: dict[str, Rows] = {}
    for role, values, labels, logits in FOLDER_KEYS:
        files = [folder / f"{name}.npy" for name in (values, labels, logits)]
        if files[0].is_file() and files[1].is_file():
            x, y = arrays.Rows(files[0]), arrays.Rows(files[1])
            if len(x.shape) != 2 or x.dtype.kind != "f":
                continue  # SMIE keeps skeletons under the same names
            out = arrays.Rows(files[2])[:] if logits and files[2].is_file() else None
            found[role] = _rows(role, str(files[0]), x[:], y[:], out)
    return _bundle(folder, found)


def _archive(path: Path) -> Bundle | None:
    shapes = arrays.members(path)
    found = {}
    for role, values, labels in ARCHIVE_KEYS:
        if values in shapes and labels in shapes and len(shapes[values][0]) == 2:
            x, y = arrays.Rows(path, values)[:], arrays.Rows(path, labels)[:]
            found[role] = _rows(role, f"{path}: {values}", x, y, None)
    return _bundle(path, found)


def _bundle(path: Path, found: dict[str, Rows]) -> Bundle | None:
    if "train" not in found or len(found) < 2:
        return None
    widths = {rows.role: rows.values.shape[1] for rows in found.values()}
    if len(set(widths.values())) != 1:
        raise UserError(f"{path}: features differ in their width: {widths}")
    return Bundle(path, found["train"], tuple(rows for role, rows in found.items() if role != "train"))


def _rows(role: str, where: str, values: np.ndarray, labels: np.ndarray, logits: np.ndarray | None) -> Rows:
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels.argmax(1)  # one-hot
    labels = labels.reshape(-1)
    if len(labels) != len(values) or not len(labels):
        raise UserError(f"{where}: {len(values)} rows of features, {len(labels)} labels")
    if labels.dtype.kind not in "iu" and not np.array_equal(labels, np.round(labels)):
        raise UserError(f"{where}: its labels are no class numbers ({labels[:3]} ...)")
    values = values.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(values).all(1))
    if len(bad):
        raise UserError(f"{where}: {len(bad)} rows with NaN or Inf, the first is row {bad[0]}")
    if logits is not None and (logits.ndim != 2 or len(logits) != len(values)):
        logits = None
    return Rows(role, where, values, labels.astype(np.int64), logits)


def choose(root: Path, dataset: str, name: str, class_names: list[str]) -> Chosen:
    """The rows of a split. Raises UserError, saying what every bundle has, unless exactly one fits.

    A validation split uses features that were made for it (SynSE's ``val`` folders, whose backbone has not seen the
    pseudo-unseen classes) if there are any; else it is cut out of the training rows of its parent, whose backbone has.
    """
    found = bundles(root)
    for bundle in found:
        _check_labels(bundle, len(class_names))
    split = _classes_only(dataset, name, len(class_names))
    fitting = [b for b in found if b.train.classes == set(split.seen) and set(split.unseen) <= b.tested]
    if len(fitting) == 1:
        return _whole(fitting[0], split)
    if len(fitting) > 1:
        raise UserError(_listed(f"{len(fitting)} bundles fit split {name}; name the folder or file of one", fitting))
    if "-val" in name:
        parent = _classes_only(dataset, name.split("-val")[0], len(class_names))
        fitting = [b for b in found if b.train.classes == set(parent.seen)]
        if len(fitting) == 1:
            return _cut(fitting[0], dataset, name, len(class_names))
    wanted = f"no features below {root} fit split {name}: training rows of exactly its {len(split.seen)} seen classes"
    raise UserError(_listed(f"{wanted}, test rows of {', '.join(map(str, split.unseen))}", found, set(split.seen)))


def fitting(bundle: Bundle) -> list[tuple[str, str]]:
    """(data set, protocol) of every published class split whose seen classes are those of the training rows.

    SynSE's folders for validation appear with ``-val0``: their unseen classes are the published pseudo-unseen ones.
    """
    found = []
    for dataset, entry in splits.table().items():
        everything = set(range(entry["classes"]))
        for name, protocol in entry["protocols"].items():
            unseen, pseudo = set(protocol["unseen"]), set(protocol.get("validation", ()))
            for split, seen, asked in (
                (name, everything - unseen, unseen),
                (f"{name}-val0", everything - unseen - pseudo, pseudo),
            ):
                if asked and bundle.train.classes == seen and asked <= bundle.tested:
                    found.append((dataset, split))
    return found


def _listed(message: str, found: list[Bundle], seen: set[int] | None = None) -> str:
    lines = [message]
    for bundle in found[:10]:
        lines.append(f"  {bundle}")
        if seen is not None:
            extra, lacking = sorted(bundle.train.classes - seen), sorted(seen - bundle.train.classes)
            lines.append(f"    training rows: not seen: {extra[:12] or 'none'}; lacking: {lacking[:12] or 'none'}")
    return "\n".join(lines)


def _check_labels(bundle: Bundle, count: int) -> None:
    for rows in (bundle.train, *bundle.others):
        low, high = rows.labels.min(), rows.labels.max()
        if low < 0 or high >= count:
            hint = " They seem to count from 1; subtract 1." if low >= 1 and high == count else ""
            raise UserError(
                f"{rows.path}: labels {low} to {high}, but there are {count} classes (0 to {count - 1}).{hint}"
            )


def _classes_only(dataset: str, name: str, count: int) -> Split:
    """A split's classes, without samples."""
    empty = {key: np.zeros(0, int) for key in ("label", "subject", "camera", "setup")}
    nothing = np.zeros(0, bool)
    return splits.resolve(dataset, name, {**empty, "sample_id": np.zeros(0, str)}, count, parts=(nothing, nothing))


def _whole(bundle: Bundle, split: Split) -> Chosen:
    test = _joined(bundle.others, set(split.unseen))
    rows = np.flatnonzero(np.isin(test.labels, split.classes))
    how = f"features made for this split; tested on {test.role}"
    if len(rows) < len(test.labels):
        how += f"; {len(test.labels) - len(rows)} rows of other classes left out"
    if not np.isin(test.labels[rows], split.seen).any():
        how += "; no test row of a seen class: generalised zero-shot is impossible"
    return Chosen(split, bundle, bundle.train, test, np.arange(len(bundle.train.labels)), rows, how)


def _joined(others: tuple[Rows, ...], unseen: set[int]) -> Rows:
    """The test rows: one part that has them all (SynSE's gtest), else all parts together."""
    most = max(others, key=lambda rows: len(rows.classes))
    if unseen <= most.classes:
        return most
    logits = None
    if all(rows.logits is not None for rows in others):
        logits = np.concatenate([rows.logits for rows in others])
    values, labels = (np.concatenate([getattr(rows, key) for rows in others]) for key in ("values", "labels"))
    return Rows("+".join(rows.role for rows in others), others[0].path, values, labels, logits)


def _cut(bundle: Bundle, dataset: str, name: str, count: int) -> Chosen:
    """A validation split out of the training rows of its parent."""
    train = bundle.train
    unknown = np.full(len(train.labels), UNKNOWN)
    meta = {"sample_id": np.array(ids(train)), "label": train.labels}
    meta |= {"subject": unknown, "camera": unknown, "setup": unknown}
    everything = np.ones(len(train.labels), bool)
    split = splits.resolve(dataset, name, meta, count, parts=(everything, ~everything))
    train_rows, test_rows = splits.rows(split, train.labels)
    splits.check_no_leak(split, train.labels, train_rows)
    how = "cut out of the training rows: their backbone has seen the pseudo-unseen classes"
    return Chosen(split, bundle, train, train, train_rows, test_rows, how)


def ids(rows: Rows) -> list[str]:
    """Made-up sample ids: the part and the number of the row."""
    return [f"{rows.role}_{i:06d}" for i in range(len(rows.labels))]


def attributes(chosen: Chosen, dataset: str, class_names: list[str], digest: str) -> dict[str, Any]:
    """Attributes of the two feature files."""
    split = chosen.split
    return {
        "dataset": dataset,
        "split": split.name,
        "partition": split.partition,
        "backbone": "imported",
        "stream": "unknown",
        "layout": "unknown",
        "class_names": list(class_names),
        "seen": list(split.seen),
        "unseen": list(split.unseen),
        "weights": digest[:16],
        "weights_split": split.name.split("-val")[0] if "cut out" in chosen.how else split.name,
        "imported": f"{chosen.bundle}; {chosen.how}",
    }


def views(rows: Rows, at: np.ndarray, seen: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The views that imported features have: pooled, and seen_logits where the folder holds the classifier's output."""
    found = {"pooled": rows.values[at]}
    if rows.logits is not None and rows.logits.shape[1] > max(seen):
        found["seen_logits"] = rows.logits[at][:, list(seen)].astype(np.float32)
    return found


def labels_csv(chosen: Chosen, class_names: list[str]) -> Iterator[list[Any]]:
    """Rows of test_labels.csv, the head first."""
    yield ["sample_id", "label", "name", "subject", "camera", "setup", "group"]
    names = ids(chosen.test)
    for row in chosen.test_rows:
        label = int(chosen.test.labels[row])
        group = "unseen" if label in chosen.split.unseen else "seen"
        yield [names[row], label, class_names[label], UNKNOWN, UNKNOWN, UNKNOWN, group]


def report(chosen: Chosen, class_names: list[str]) -> dict[str, Any]:
    """What was recognised and what is impossible, for printing and for JSON."""

    def histogram(labels: np.ndarray) -> dict[str, int]:
        return {class_names[c]: int((labels == c).sum()) for c in sorted(set(labels.tolist()))}

    return {
        "recognised": str(chosen.bundle),
        "split": chosen.split.name,
        "partition": f"{chosen.split.partition} (as the split's name says; the files do not tell)",
        "how": chosen.how,
        "classes": chosen.split.source.split("; partition as it came")[0],
        "not in the files": MISSING,
        "dimensions": int(chosen.train.values.shape[1]),
        "train": histogram(chosen.train.labels[chosen.train_rows]),
        "test": histogram(chosen.test.labels[chosen.test_rows]),
    }
