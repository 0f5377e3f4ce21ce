"""What preprocessing found: the report, and the rules that make bad input fatal."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from zssar.datasets.convert import Tally
from zssar.datasets.files import Listing
from zssar.errors import UserError
from zssar.interfaces import UNKNOWN

FRAME_EDGES = (1, 10, 25, 50, 75, 100, 150, 200, 300, 600)


def check_usable(tally: Tally, listing: Listing, root: Path) -> None:
    """Raise UserError if no recording can be used, or if more than half of those meant to be used cannot."""
    bad, used = tally.bad + len(listing.problems), len(tally.samples)
    first = "; ".join(str(p) for p in [*listing.problems, *tally.problems][:3])
    if not used:
        skipped = "; ".join(f"{count} files {reason}" for reason, count in listing.skipped.items())
        raise UserError(f"no recording below {root} can be used: {bad} are bad. {skipped} {first}".rstrip())
    if bad > used:
        raise UserError(f"{bad} of {bad + used} recordings below {root} are bad, more than half. The first: {first}")


def check_classes(report: dict[str, Any]) -> None:
    """Raise UserError if a class of the list has no recording."""
    counts = report["per_class"]
    empty = [name for name, count in counts.items() if not count]
    if empty:
        raise UserError(
            f"{len(empty)} of {len(counts)} classes have no recording: {', '.join(empty[:10])}"
            f"{' ...' if len(empty) > 10 else ''}. Complete the data, choose another class list (--class-names), or "
            "accept it with --allow-missing-classes"
        )


def make_report(tally: Tally, listing: Listing, class_names: Sequence[str]) -> dict[str, Any]:
    """Counts, histograms and problems as plain values for JSON."""
    label, frames = tally.column("label"), tally.column("frames")
    report: dict[str, Any] = {
        "files": {
            "found": len(listing.units) + len(listing.problems) + sum(listing.skipped.values()),
            "used": len(tally.samples),
            "bad": tally.bad + len(listing.problems),
            "skipped": listing.skipped,
        },
        "per_class": {name: int((label == i).sum()) for i, name in enumerate(class_names)},
        "frames": {
            "total": int(frames.sum()),
            "shortest": int(frames.min()),
            "median": float(np.median(frames)),
            "longest": int(frames.max()),
            "histogram": _frames_histogram(frames),
        },
        "bodies": _counts(tally.column("bodies")),
        "same_content": _same_content(tally),
        "problems": [asdict(p) for p in [*listing.problems, *tally.problems]],
        "input_digest": tally.digest(),
    }
    for name in ("subject", "camera", "setup", "replication"):
        report[f"per_{name}"] = _counts(tally.column(name))
    return report


def summary(report: dict[str, Any]) -> str:
    """The report in one line."""
    files, frames = report["files"], report["frames"]
    skipped = "".join(f"; {count} {reason}" for reason, count in files["skipped"].items())
    if files.get("copies_dropped"):
        skipped += f"; {files['copies_dropped']} copies of others dropped"
    same = (
        f"; {len(report['same_content'])} groups of recordings with the same content" if report["same_content"] else ""
    )
    impossible = "".join(f"\n  impossible with this format: {words}" for words in report.get("impossible", ()))
    return (
        f"{report['dataset']}: {files['found']} files, {files['used']} used, {files['bad']} bad{skipped}; "
        f"{len(report['per_class'])} classes, {len(report['per_subject'])} subjects, {frames['total']} frames, "
        f"median {frames['median']:.0f}{same}{impossible}"
    )


def _counts(values: np.ndarray) -> dict[str, int]:
    return {str(v): int((values == v).sum()) for v in np.unique(values) if v != UNKNOWN}


def _frames_histogram(frames: np.ndarray) -> list[tuple[str, int]]:
    counts = np.histogram(frames, [*FRAME_EDGES, np.inf])[0]
    names = [f"{low}-{high - 1}" for low, high in itertools.pairwise(FRAME_EDGES)] + [f"{FRAME_EDGES[-1]}-"]
    return [(name, int(count)) for name, count in zip(names, counts)]


def _same_content(tally: Tally) -> list[list[str]]:
    """Groups of samples whose raw joints are equal bit for bit."""
    groups = collections.defaultdict(list)
    for sample, digest in tally.samples:
        groups[digest].append(sample)
    return [group for group in groups.values() if len(group) > 1]
