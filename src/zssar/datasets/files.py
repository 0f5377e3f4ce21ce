"""What readers of one-recording-per-file formats share: the listing of a root, and class lists.

A reader that can read its files one by one offers, besides ``sequences``, two methods that preprocessing uses to run
several processes and to resume: ``list_files(root) -> Listing`` and ``read(unit) -> list``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from zssar.errors import UserError, unknown
from zssar.interfaces import Problem, SkeletonSequence

CLASS_NAMES = Path(__file__).with_name("class_names")


@dataclass(frozen=True)
class Listing:
    """What lies below a root.

    units: what ``read`` takes, in a fixed order (paths, or ``archive.zip::member``). problems: files that cannot be
    used by their name alone. skipped: reason -> number of files that were left out on purpose.
    """

    units: list[str]
    problems: list[Problem] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)


class FileReader(Protocol):
    """The two methods of a reader whose recordings can be read one by one, in any process."""

    def list_files(self, root: Path) -> Listing: ...

    def read(self, unit: str) -> list[SkeletonSequence | Problem]: ...


def read_all(reader: FileReader, root: Path) -> Iterator[SkeletonSequence | Problem]:
    """``SkeletonDataset.sequences`` of a FileReader: problems of the listing first, then unit by unit."""
    listing = reader.list_files(root)
    yield from listing.problems
    for unit in listing.units:
        yield from reader.read(unit)


def class_names(name: str | Path) -> list[str]:
    """The class names of a known data set (``ntu60``, ``sim`` ...) or of a CSV file with the columns index,name.

    Raises UserError for an unknown data set, a missing file, an index out of order or a name that occurs twice.
    """
    path = CLASS_NAMES / f"{name}.csv"
    if not path.is_file():
        path = Path(name)
        if path.suffix != ".csv":
            raise unknown("class list", str(name), [p.stem for p in CLASS_NAMES.glob("*.csv")])
    return _read_class_csv(path)


def _read_class_csv(path: Path) -> list[str]:
    if not path.is_file():
        raise UserError(f"the class list {path} does not exist")
    names: list[str] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if not {"index", "name"} <= set(reader.fieldnames or []):
            raise UserError(f"{path}:1: the first line must name the columns index,name")
        for row in reader:
            if row["index"] != str(len(names)) or not row["name"]:
                raise UserError(
                    f"{path}:{reader.line_num}: expected index {len(names)} and a name, got {list(row.values())}"
                )
            if row["name"] in names:
                raise UserError(f"{path}:{reader.line_num}: the class name {row['name']!r} occurs twice")
            names.append(row["name"])
    if not names:
        raise UserError(f"{path} lists no class")
    return names
