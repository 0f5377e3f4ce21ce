"""NTU RGB+D 60 and 120: raw ``.skeleton`` text files, and whatever else is written in that format (the simulator).

Shahroudy et al., "NTU RGB+D", CVPR 2016; Liu et al., "NTU RGB+D 120", TPAMI 2020. Grammar and oddities: docs/data.md.

Yields every body id of a file as one row of ``joints``; which of them are people is for the recipe to decide
(``zssar.skeleton.recipes``). Frames are never dropped or moved here: a body that vanishes and returns keeps its times.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from zssar.datasets import archives, files
from zssar.datasets.files import Listing
from zssar.interfaces import Problem, SkeletonDataset, SkeletonSequence

NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})", re.ASCII)
EXPECTED = "NTU files SsssCcccPpppRrrrAaaa.skeleton, in any sub-folder or zip archive"
MISSING = Path(__file__).with_name("ntu_missing_skeletons.txt")
OTHER_CLASSES = "of NTU RGB+D classes outside the class list"
INCOMPLETE = "on the official list of incomplete samples"


def missing_samples() -> frozenset[str]:
    """The 535 official names of samples without complete skeletons (302 of them in NTU RGB+D 60)."""
    return frozenset(line for line in MISSING.read_text().splitlines() if line and not line.startswith("#"))


class NTU(SkeletonDataset):
    """Reader of ``.skeleton`` folders and zip archives.

    class_names: class of action A001, A002, ... (default: the 120 official ones; 60 for NTU RGB+D 60).
    missing_list: skip the official incomplete samples by name; None: only if the class list is the official one.
    """

    layout = "kinect25"
    persons = 2

    def __init__(self, class_names: Sequence[str] | None = None, missing_list: bool | None = None):
        official = files.class_names("ntu120")
        self.class_names = list(class_names) if class_names is not None else official
        self.official = self.class_names == official[: len(self.class_names)]
        self.missing = missing_samples() if (self.official if missing_list is None else missing_list) else frozenset()

    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Every recording below ``root``. Raises UserError if there is no ``.skeleton`` file."""
        return files.read_all(self, root)

    def list_files(self, root: Path) -> Listing:
        """All ``.skeleton`` files of a folder or zip archive by sample name. Raises UserError if there is none."""
        units, problems = archives.find(Path(root), ".skeleton", EXPECTED)
        good, skipped, last = [], Counter(), ""
        for name, archived, unit in sorted((archives.name_of(u), archives.in_archive(u), u) for u in units):
            reason = self._bad_name(NAME.fullmatch(name))
            if name in self.missing:
                skipped[INCOMPLETE] += 1
            elif reason == OTHER_CLASSES:
                skipped[OTHER_CLASSES] += 1
            elif reason:
                problems.append(Problem(unit, reason))
            elif not last or name != archives.name_of(last):
                good.append(unit)
                last = unit
            elif archived and not archives.in_archive(last):
                skipped[archives.IN_ARCHIVE] += 1
            else:
                problems.append(Problem(unit, f"second recording of the name; {last} was used"))
        return Listing(good, problems, dict(skipped))

    def _bad_name(self, match: re.Match | None) -> str:
        if match is None:
            return "the name is not SsssCcccPpppRrrrAaaa with three digits each"
        action = int(match[5])
        if 1 <= action <= len(self.class_names):
            return ""
        if self.official and 1 <= action <= 120:
            return OTHER_CLASSES
        return f"action A{action:03d} is outside the list of {len(self.class_names)} classes"

    def read(self, unit: str) -> list[SkeletonSequence | Problem]:
        """One file: its sequence, preceded by a Problem if bodies with NaN or Inf were left out; or a Problem alone."""
        from zssar.datasets.ntu_text import TextError

        name = archives.name_of(unit)
        match = NAME.fullmatch(name)
        try:
            if archives.in_archive(unit):
                joints, present, broken = self._parser.parse(archives.read(unit))
            else:
                joints, present, broken = self._parser.parse_file(unit, archives.LARGEST)
        except OSError as error:
            return [Problem(unit, f"cannot be read ({error.strerror})")]
        except archives.Unreadable as error:
            return [Problem(unit, str(error))]
        except TextError as error:
            return [Problem(unit, error.reason, error.line)]
        problems = []
        if broken:
            reason = f"NaN or Inf in {len(broken)} bodies of single frames; they count as not tracked there"
            problems = [Problem(unit, reason, broken[0])]
            if not present.any():
                return [Problem(unit, "NaN or Inf in every body of every frame", broken[0])]
        setup, camera, subject, replication, action = (int(digits) for digits in match.groups())
        sequence = SkeletonSequence(name, joints, present, self.layout, action - 1, subject, camera, setup, replication)
        return [*problems, sequence]

    def warm_up(self) -> None:
        """Compile the scanner, so that forked processes need not."""
        from zssar.datasets.ntu_text import TextError

        with contextlib.suppress(TextError):
            self._parser.parse(b"")

    @cached_property
    def _parser(self):
        from zssar.datasets.ntu_text import Parser

        return Parser()
