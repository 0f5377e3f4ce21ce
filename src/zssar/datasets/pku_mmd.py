"""PKU-MMD I and II: long Kinect v2 recordings with labelled intervals, cut into one clip per label row.

Liu, Hu, Li, Song, Liu, "PKU-MMD: A Large Scale Benchmark for Skeleton-Based Human Action Understanding", 2017.
Skeleton files ``0002-L.txt`` (part II ``A01N01-L.txt``): one line per frame, 150 numbers = 2 bodies x 25 joints x xyz,
metres, an absent body zeros. Label files of the same names: ``class,start,end,confidence`` per line, classes from 1,
frames from 1 and inclusive. Split files: a line ``Training videos:``, a list, ``Validataion videos:``, a list.

The three are told apart by their first line, so folders may be nested and named at will. Written from the official
description; not yet checked on a real file: whether frames count from 1 (``first_frame``), and that N of part II is
the performer.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from zssar.datasets import archives, files
from zssar.datasets.files import Listing
from zssar.datasets.naming import OTHER_CLASSES, Classes, OtherClass
from zssar.datasets.numbers import Unusable, broken_bodies, drop_broken
from zssar.errors import UserError
from zssar.interfaces import UNKNOWN, Problem, SkeletonDataset, SkeletonSequence

NAME = re.compile(r"(\d{4}|A\d\dN(\d\d))-([LMR])", re.ASCII)
EXPECTED = "PKU-MMD text files: skeletons <video>-<view>.txt with 150 numbers per line, labels of the same names"
BODIES, JOINTS = 2, 25
NUMBERS = BODIES * JOINTS * 3
UNLABELLED = "skeleton files without a label file"


@dataclass(frozen=True)
class Clip:
    """A label row and the video it cuts; ``str`` of it is the unit that ``read`` takes."""

    video: str  # unit of the skeleton file
    line: int  # of the label file, from 1
    label: int
    start: int  # 0-based, first frame
    stop: int  # 0-based, after the last frame
    setup: int  # 1 training, 2 validation list of the cross-subject split

    def __str__(self) -> str:
        return "::".join(map(str, (self.video, self.line, self.label, self.start, self.stop, self.setup)))

    @classmethod
    def of(cls, unit: str) -> Clip:
        video, *numbers = unit.rsplit("::", 5)
        return cls(video, *map(int, numbers))


class PKUMMD(SkeletonDataset):
    """Reader of a folder or zip archive with skeleton, label and split files.

    class_names: class of label 1, 2, ... (default: the 51 of the data set). first_frame: the number of a video's first
    frame in the label files. Views L, M, R are cameras 1, 2, 3; the list of the cross-subject split is the setup (1
    training, 2 validation, unknown without that file); the subject is known in part II only.
    """

    layout = "kinect25"
    persons = 2

    def __init__(self, class_names: Sequence[str] | None = None, first_frame: int = 1):
        self._classes = Classes(class_names, "pku_mmd")
        self.class_names = self._classes.names
        self.first_frame = first_frame

    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Every labelled interval below ``root``. Raises UserError if skeleton or label files are missing."""
        return files.read_all(self, root)

    def list_files(self, root: Path) -> Listing:
        """One unit per label row, by video and line. Raises UserError if skeletons or labels are missing."""
        units, problems = archives.find(Path(root), ".txt", EXPECTED)
        kinds: dict[str, dict[str, str]] = defaultdict(dict)  # kind -> name -> unit
        for unit in sorted(units, key=archives.in_archive):
            kind, name = _kind(unit), archives.name_of(unit)
            if kind == "split":
                kinds[kind][unit] = unit
            elif NAME.fullmatch(name) is None or not kind:
                what = f"the name is not <video>-<L, M or R>.txt ({kind} file)" if kind else "no PKU-MMD file"
                problems.append(Problem(unit, what))
            elif name not in kinds[kind]:
                kinds[kind][name] = unit
            elif not archives.in_archive(unit):
                problems.append(Problem(unit, f"second {kind} file of the name; {kinds[kind][name]} was used"))
        for kind in ("skeleton", "label"):
            if not kinds[kind]:
                raise UserError(f"no {kind} file below {root}. Expected there: {EXPECTED}")
        setups, bad = _setups(kinds["split"].values())
        clips, wrong, skipped = self._clips(kinds["skeleton"], kinds["label"], setups)
        return Listing([str(clip) for clip in clips], [*problems, *bad, *wrong], dict(skipped))

    def _clips(self, skeletons: dict, labels: dict, setups: dict) -> tuple[list[Clip], list[Problem], Counter]:
        clips, problems, skipped = [], [], Counter()
        for name in sorted(skeletons):
            if name not in labels:
                skipped[UNLABELLED] += 1
                continue
            for line, text in _lines(labels[name], problems):
                try:
                    label, start, stop = self._row(text)
                    clips.append(Clip(skeletons[name], line, label, start, stop, setups.get(name, UNKNOWN)))
                except OtherClass:
                    skipped[OTHER_CLASSES] += 1
                except ValueError as error:
                    problems.append(Problem(labels[name], str(error), line))
        for name in sorted(set(labels) - set(skeletons)):
            problems.append(Problem(labels[name], "no skeleton file of this name"))
        return clips, problems, skipped

    def _row(self, text: str) -> tuple[int, int, int]:
        """(label, start, stop) of a label row, 0-based and half-open."""
        words = text.replace(",", " ").split()
        if len(words) not in (3, 4) or not all(re.fullmatch(r"-?\d{1,9}", word, re.ASCII) for word in words):
            raise ValueError(f"not a label row class,start,end,confidence: {text[:40]!r}")
        action, start, end = map(int, words[:3])
        if end < start or start < self.first_frame:
            raise ValueError(f"the interval {start} to {end} is empty or starts before frame {self.first_frame}")
        label = self._classes.index(action - 1, f"label {action}")
        return label, start - self.first_frame, end + 1 - self.first_frame

    def facts(self, unit: str) -> dict[str, int]:
        """What is known without reading the video."""
        clip = Clip.of(unit)
        return {"label": clip.label, "setup": clip.setup, **_numbers(archives.name_of(clip.video))}

    def read(self, unit: str) -> list[SkeletonSequence | Problem]:
        """One clip, preceded by a Problem if bodies with NaN were left out; or a Problem alone, with its line."""
        clip = Clip.of(unit)
        try:
            joints, broken_lines = _video(clip.video, _stamp(clip.video))
            joints = _cut(joints, broken_lines, clip)
        except (archives.Unreadable, Unusable) as error:
            return [Problem(clip.video, str(error), getattr(error, "line", 0))]
        present = joints.any((2, 3))
        first = int(broken_bodies(joints, present).any(0).argmax())
        joints, present, broken = drop_broken(joints, present)
        problems = [Problem(clip.video, f"label row {clip.line}: {broken}", clip.start + first + 1)] if broken else []
        if not present.any():
            return problems or [
                Problem(clip.video, f"no body in frames {clip.start} to {clip.stop - 1} (label row {clip.line})")
            ]
        name = archives.name_of(clip.video)
        ident = f"{name}_{clip.line:03d}"
        sequence = SkeletonSequence(ident, joints, present, self.layout, clip.label, setup=clip.setup, **_numbers(name))
        return [*problems, sequence]


def _numbers(name: str) -> dict[str, int]:
    match = NAME.fullmatch(name)
    return {"subject": int(match[2]) if match[2] else UNKNOWN, "camera": "LMR".index(match[3]) + 1}


def _cut(joints: np.ndarray, broken_lines: dict[int, str], clip: Clip) -> np.ndarray:
    """The clip's frames (2, T, 25, 3). An interval may end after the file; it may not start there."""
    stop = min(clip.stop, joints.shape[1])
    if clip.start >= stop:
        raise Unusable(f"label row {clip.line} starts at frame {clip.start}, the file has {joints.shape[1]}")
    for line in range(clip.start, stop):
        if line in broken_lines:
            raise Unusable(f"{broken_lines[line]} (in the interval of label row {clip.line})", line + 1)
    return joints[:, clip.start : stop]


@lru_cache(maxsize=2)
def _video(unit: str, stamp: tuple) -> tuple[np.ndarray, dict[int, str]]:
    """(joints float32 (2, T, 25, 3), {0-based line: what is wrong with it}) of a skeleton file."""
    lines = archives.read(unit).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    values, broken = np.full((len(lines), NUMBERS), np.nan, np.float32), {}
    for i, line in enumerate(lines):
        words = line.split()
        if len(words) < NUMBERS:
            broken[i] = f"{len(words)} numbers where {NUMBERS} were expected"
            continue
        try:
            with np.errstate(over="ignore"):
                values[i] = np.array(words[:NUMBERS], np.float64)
        except ValueError:
            broken[i] = "a word that is not a number"
    return values.reshape(-1, BODIES, JOINTS, 3).swapaxes(0, 1), broken


def _stamp(unit: str) -> tuple:
    """Tells a changed file from the one in memory."""
    try:
        stat = Path(unit.split(archives.SEPARATOR)[0]).stat()
    except OSError:
        return ()
    return stat.st_mtime_ns, stat.st_size


def _kind(unit: str) -> str:
    """skeleton, label, split or nothing, by the first line that is not blank."""
    try:
        if archives.in_archive(unit):
            head = archives.read(unit)[:4096]
        else:
            with open(unit, "rb") as file:
                head = file.read(4096)
    except (OSError, archives.Unreadable):
        return ""
    first = next((line for line in head.splitlines() if line.strip()), b"")
    if first.lower().strip().startswith(b"training"):
        return "split"
    if re.fullmatch(rb"\s*\d+\s*[,\s]\s*-?\d+\s*[,\s]\s*-?\d+\s*([,\s]\s*\d+\s*)?", first):
        return "label"
    return "skeleton" if len(first.split()) >= 20 else ""


def _lines(unit: str, problems: list[Problem]) -> list[tuple[int, str]]:
    """(number from 1, text) of the lines that are not blank; a file that cannot be read is added to ``problems``."""
    try:
        text = archives.read(unit).decode("utf-8", "replace")
    except archives.Unreadable as error:
        problems.append(Problem(unit, str(error)))
        return []
    return [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]


def _setups(units) -> tuple[dict[str, int], list[Problem]]:
    """video -> 1 (training) or 2 (validation) of the cross-subject lists; the cross-view lists are only checked."""
    found: dict[str, int] = {}
    problems: list[Problem] = []
    for unit in units:
        lists = _split_lists(unit, problems)
        by_view = {name[-1] for name in lists[0]}.isdisjoint(name[-1] for name in lists[1])
        if not lists[0] or not lists[1]:
            problems.append(Problem(unit, "a split file needs a list of training and one of validation videos"))
        elif by_view:
            if not {name[-1] for name in lists[0]} <= {"M", "R"}:
                problems.append(Problem(unit, "its training views are not M and R, as partition xview assumes"))
        elif set(lists[0]) & set(lists[1]):
            problems.append(Problem(unit, "a video is in both lists"))
        else:
            found |= dict.fromkeys(lists[0], 1) | dict.fromkeys(lists[1], 2)
    return found, problems


def _split_lists(unit: str, problems: list[Problem]) -> tuple[list[str], list[str]]:
    lists: tuple[list[str], list[str]] = ([], [])
    at = -1
    for _, line in _lines(unit, problems):
        if ":" in line:
            at += 1
            line = line.split(":", 1)[1]
        if 0 <= at < 2:
            lists[at].extend(name for name in re.split(r"[,\s]+", line) if name)
    return lists
