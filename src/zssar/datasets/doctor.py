"""Is this data set complete and sound? What ``zssar doctor`` finds out, within a given time.

Everything is listed; recordings are read in a spread-out order until the time is over. Where a format tells class,
subject and camera without reading (by name, label row or label file), they are counted for all recordings.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from zssar.datasets import archives, ntu_names, splits
from zssar.datasets.convert import BLOCK, Job, Tally, list_units
from zssar.datasets.files import Listing, class_names
from zssar.datasets.naming import ntu_numbers
from zssar.datasets.sniff import Found, sniff
from zssar.errors import UserError
from zssar.interfaces import UNKNOWN, Problem, SkeletonSequence
from zssar.skeleton.layouts import layout
from zssar.storage import META

OWN_NAMES = {"kinetics": "kinetics400"}  # reader -> data set, where they differ
NTU_READERS = ("ntu", "ctrgcn_npz", "pyskl", "stgcn_npy")
FACING = 0.5  # share of recordings below which axes are reported as suspicious


@cache
def totals() -> dict[str, Any]:
    """The content of ``totals.yaml``."""
    import yaml

    return yaml.safe_load(Path(__file__).with_name("totals.yaml").read_text(encoding="utf-8"))


@dataclass
class Checkup:
    """What was found. columns: META and sample_id, of every recording if ``counted``, else of those that were read."""

    root: Path
    dataset: str
    layout: str
    persons: int
    names: list[str]
    listing: Listing
    tally: Tally
    read: int
    seconds: float
    columns: dict[str, np.ndarray]
    counted: bool
    upright: list[bool] = field(default_factory=list)
    facing: list[bool] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every recording was read."""
        return self.read == len(self.listing.units)

    @property
    def frames(self) -> float:
        """Mean frames of a recording."""
        return float(self.tally.column("frames").mean()) if self.tally.numbers else 0.0


def recognise(
    root: Path, reader: str | None, found: list[Found] | None = None
) -> tuple[list[Found], str, dict[str, Any]]:
    """(what lies there, the reader to use, its parameters). Raises UserError if that is not one reader."""
    found = sniff(root) if found is None else found
    readers = {f.reader: f.params for f in found if f.reader not in ("features", "skeletons")}
    if reader is not None:
        return found, reader, dict(readers.get(reader, {}))
    if len(readers) == 1:
        name = next(iter(readers))
        return found, name, dict(readers[name])
    if readers:
        raise UserError(
            f"{root} holds several formats: {', '.join(readers)}. Choose one with --reader, or a sub-folder"
        )
    if found:
        raise UserError(f"{root} holds {found[0].reader}: {found[0].detail}, no raw recordings")
    raise UserError(f"{root}: no known format of recordings. If you know it, say --reader")


def examine(
    job: Job, root: Path, dataset: str | None, seconds: float, step: Callable[[int], None] = lambda n: None
) -> Checkup:
    """List everything and read for so many seconds. Raises UserError if there is no recording."""
    reader = job.dataset()
    listing = list_units(reader, root)
    columns, known = _facts(reader, listing)
    tally, upright, facing = Tally(), [], []
    start, read = time.monotonic(), 0
    for unit in _spread(listing.units):
        if read and time.monotonic() - start > seconds:
            break
        _read(reader, unit, tally, upright, facing)
        read += 1
        step(1)
    if not known:
        columns = {name: tally.column(name) for name in META}
        columns["sample_id"] = np.array([sample for sample, _ in tally.samples])
    name = dataset or OWN_NAMES.get(job.reader, job.reader)
    if job.reader in NTU_READERS and dataset is None:
        name = "ntu60" if columns["label"].max(initial=-1) < 60 else "ntu120"
    return Checkup(
        root=root,
        dataset=name,
        layout=reader.layout,
        persons=job.persons,
        names=list(reader.class_names),
        listing=listing,
        tally=tally,
        read=read,
        seconds=time.monotonic() - start,
        columns=columns,
        counted=known or read == len(listing.units),
        upright=upright,
        facing=facing,
    )


def _spread(units: list[str]) -> list[str]:
    """The units in an order whose every beginning is spread over all of them (golden ratio)."""
    keys = np.modf(np.arange(len(units)) * 0.6180339887498949)[0]
    return [units[i] for i in np.argsort(keys, kind="stable")]


def _facts(reader: Any, listing: Listing) -> tuple[dict[str, np.ndarray], bool]:
    """(META and sample_id of every unit, whether the format tells them without reading)."""
    if hasattr(reader, "facts"):
        rows = [reader.facts(unit) for unit in listing.units]
        ids = [unit.rsplit("::", 1)[-1] for unit in listing.units]
    else:
        ids = [archives.name_of(unit) for unit in listing.units]
        rows = [ntu_numbers(name) for name in ids]
        rows = [{**row, "label": int(name[17:20]) - 1} if row else row for row, name in zip(rows, ids)]
    if not rows or not all(rows):
        return {}, False
    columns = {key: np.array([row.get(key, UNKNOWN) for row in rows]) for key in META}
    return {**columns, "sample_id": np.array(ids)}, True


def _read(reader: Any, unit: str, tally: Tally, upright: list[bool], facing: list[bool]) -> None:
    found = reader.read(unit) if hasattr(reader, "read") else list(reader.sequences(Path(unit)))
    usable = False
    for item in found:
        if isinstance(item, Problem):
            tally.problems.append(item)
            continue
        if not item.present.any():
            tally.problems.append(Problem(unit, "no body in any frame"))
            continue
        usable = True
        tally.samples.append([item.sample_id, hashlib.sha256(np.ascontiguousarray(item.joints)).hexdigest()[:32]])
        meta = [int(getattr(item, name)) for name in META]
        tally.numbers.append([*meta, item.joints.shape[1], int(item.present.any(1).sum())])
        _orientation(item, upright, facing)
    tally.bad += not usable


def _orientation(item: SkeletonSequence, upright: list[bool], facing: list[bool]) -> None:
    """Whether the first pose stands on its feet, and has its right side where a person facing the sensor has it."""
    body, frame = (int(i[0]) for i in np.nonzero(item.present))
    pose, of = item.joints[body, frame], layout(item.layout)
    at = of.roles
    across = pose[at["right_shoulder"]] - pose[at["left_shoulder"]]
    across = across + pose[at["right_hip"]] - pose[at["left_hip"]]
    middle = pose[[at["left_hip"], at["right_hip"]]].mean(0)
    upright.append(bool(pose[at["head"]][1] > middle[1]))
    facing.append(bool(across[0] * (1 if of.dimensions == 3 else -1) > 0))


def missing_names(checkup: Checkup) -> list[str]:
    """Official NTU samples that are not there; empty for other data sets."""
    if checkup.dataset not in ntu_names.CLASSES or not len(checkup.columns.get("sample_id", ())):
        return []
    there = {str(name)[:20] for name in checkup.columns["sample_id"]}
    return [name for name in ntu_names.official(checkup.dataset) if name not in there]


def partitions(checkup: Checkup) -> dict[str, tuple[int, int] | str]:
    """partition -> (train, test) recordings, or why it cannot be made."""
    found: dict[str, tuple[int, int] | str] = {}
    entry = splits.table().get(checkup.dataset, {})
    for name in entry.get("partitions", {}):
        split = f"{next(iter(entry['protocols']))}@{name}"
        try:
            resolved = splits.resolve(checkup.dataset, split, checkup.columns)
            found[name] = (int(resolved.train.sum()), int(resolved.test.sum()))
        except UserError as error:
            if "test" not in entry["partitions"][name]:  # those are for arrays that come in two parts alone
                found[name] = str(error)
    return found


def needs(checkup: Checkup) -> dict[str, float]:
    """Bytes that the next steps will take: the skeleton file, disk while it is written, memory per process."""
    one = checkup.frames * checkup.persons * (len(layout(checkup.layout)) * 3 * 4 + 1)
    whole = one * len(checkup.listing.units)
    return {
        "skeleton file": whole,
        "disk while preprocessing": 2 * whole,
        "memory per process of preprocessing": 3e8 + 2 * min(BLOCK, whole),
        "memory of pretraining": 1e9 + 2 * whole,
    }


def same_content(checkup: Checkup) -> list[list[str]]:
    """Groups of recordings whose numbers are equal bit for bit, among those that were read."""
    groups: dict[str, list[str]] = {}
    for sample, digest in sorted(checkup.tally.samples):
        groups.setdefault(digest, []).append(sample)
    return [group for group in groups.values() if len(group) > 1]


def counts(values: np.ndarray) -> Counter:
    """How often each known value occurs."""
    return Counter(int(v) for v in values if v != UNKNOWN)


def default_classes(dataset: str | None, reader: str) -> list[str] | None:
    """The class list for a reader if the user gives none."""
    name = dataset or OWN_NAMES.get(reader, "ntu120" if reader in NTU_READERS else reader)
    known = splits.table().get(name, {}).get("class_names")
    return class_names(known) if known else None
