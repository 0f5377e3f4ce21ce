"""What names and label numbers say: one-recording-per-file listings, classes outside a list, names of NTU samples."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from zssar.datasets import archives, files
from zssar.datasets.files import Listing
from zssar.interfaces import Problem

OTHER_CLASSES = "of classes outside the class list"
NTU_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})", re.ASCII)


class OtherClass(Exception):
    """A recording of a class of the data set that the class list in use leaves out on purpose."""


class Classes:
    """The class list in use beside the official one of the data set (None: it has none).

    A list that is the beginning of the official one (the first 200 of Kinetics-400) leaves the other classes out;
    with any other list a number or name that it lacks is a mistake in the data.
    """

    def __init__(self, given: Sequence[str] | None, official: str | None):
        whole = files.class_names(official) if official is not None else list(given or ())
        self.names = list(given) if given is not None else whole
        self.total = len(whole) if self.names == whole[: len(self.names)] else len(self.names)
        self._at = {
            name: i for i, name in enumerate(whole[: self.total] if self.total > len(self.names) else self.names)
        }

    def index(self, position: int, what: str) -> int:
        """``position`` (from 0) if it is in the list. Raises OtherClass or ValueError; ``what`` words the message."""
        if 0 <= position < len(self.names):
            return position
        if 0 <= position < self.total:
            raise OtherClass
        raise ValueError(f"{what} is outside the list of {len(self.names)} classes")

    def find(self, name: str) -> int:
        """The index of a class name. Raises OtherClass or ValueError."""
        if name not in self._at:
            raise ValueError(f"label {name!r} is outside the list of {len(self.names)} classes")
        return self.index(self._at[name], f"label {name!r}")


def by_name(root: Path, suffix: str, expected: str, parse: Callable[[str], Hashable]) -> Listing:
    """The files of a folder or archive whose names are ``parse``d to sortable keys, in the order of the keys.

    parse: file name without suffix -> key; raises ValueError(reason) for a bad name and OtherClass for one to skip.
    A second file of the same key is a Problem, or skipped if it lies in an archive beside the unpacked file. Raises
    UserError if there is no file with that suffix.
    """
    units, problems = archives.find(Path(root), suffix, expected)
    found: dict = {}
    skipped: Counter[str] = Counter()
    for unit in sorted(units, key=archives.in_archive):
        try:
            key = parse(archives.name_of(unit))
        except OtherClass:
            skipped[OTHER_CLASSES] += 1
            continue
        except ValueError as error:
            problems.append(Problem(unit, str(error)))
            continue
        if key not in found:
            found[key] = unit
        elif archives.in_archive(unit) and not archives.in_archive(found[key]):
            skipped[archives.IN_ARCHIVE] += 1
        else:
            problems.append(Problem(unit, f"second recording of the name; {found[key]} was used"))
    return Listing([found[key] for key in sorted(found)], problems, dict(skipped))


def ntu_numbers(name: str) -> dict[str, int]:
    """setup, camera, subject and replication of a sample named SsssCcccPpppRrrrAaaa; empty for other names."""
    match = NTU_NAME.match(name)
    if match is None:
        return {}
    keys = ("setup", "camera", "subject", "replication")
    return {key: int(digits) for key, digits in zip(keys, match.groups())}
