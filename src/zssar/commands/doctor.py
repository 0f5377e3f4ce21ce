"""``zssar doctor``: what lies in a folder, whether it is complete and sound, and what the next step will need."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zssar.errors import UserError

if TYPE_CHECKING:
    from zssar.datasets.doctor import Checkup

HELP = "check a folder of recordings: format, completeness, bad files, duplicates, what the next step needs"
SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--root", required=True, type=Path, help="folder, archive or file")
    add("--reader", help="module of zssar.datasets; default: recognised by content")
    add("--dataset", help="name of the data set, e.g. ntu60: decides the class list and the official numbers")
    add("--class-names", help="CSV with index,name, or the name of a known list")
    add("--params", default="{}", help="JSON with further parameters of the reader")
    add("--seconds", type=float, default=20, help="read recordings for so long; what is listed is always complete")
    add("--all", action="store_true", help="read every recording, however long it takes")
    add("--output", type=Path, help="write everything found as JSON")


def run(args: argparse.Namespace) -> None:
    from zssar import plugins, storage
    from zssar.datasets import convert, doctor, sniff
    from zssar.datasets.files import class_names

    found = sniff.sniff(args.root)
    if args.reader is None and {one.reader for one in found} == {"features"}:
        print(sniff.describe(found, args.root))
        print("\n".join(_features(args)))
        return
    found, reader, params = doctor.recognise(args.root, args.reader, found)
    print(sniff.describe(found, args.root))
    names = class_names(args.class_names) if args.class_names else doctor.default_classes(args.dataset, reader)
    cls = plugins.load("datasets", reader)
    if names is None and reader == "custom":
        from zssar.datasets.custom import classes_of

        names = classes_of(args.root)
        print("class list: the classes that recordings.csv names, sorted; training needs one of yours (index,name)")
    if names is not None:
        params["class_names"] = names
    params |= _params(args.params)
    job = convert.Job(reader, params, "zssar", getattr(cls, "persons", 2))
    checkup = doctor.examine(job, args.root, args.dataset, float("inf") if args.all else args.seconds)
    print("\n".join(report(checkup)))
    print(_entry(args, checkup, reader, params))
    if args.output is not None:
        storage.write_json(args.output, as_json(checkup, reader))


def _features(args: argparse.Namespace) -> list[str]:
    """Rows and classes of folders of precomputed features, the published splits that they fit, and how to use them."""
    from zssar.features import imported

    lines, fitting = [], []
    for bundle in imported.bundles(args.root):
        fits = imported.fitting(bundle)
        fitting += [f for f in fits if args.dataset in (None, f[0]) and "-val" not in f[1]]
        lines.append(f"{bundle}")
        lines.append(f"  fits: {', '.join(' '.join(f) for f in fits) or 'no published split (by its classes)'}")
    if not fitting:
        return lines
    splits = ", ".join(dict.fromkeys(split for dataset, split in fitting if dataset == fitting[0][0]))
    return [
        *lines,
        f"config.yaml:\n  backbones:\n    imported: {{features: {args.root}}}",
        f"  and in a table: dataset: {fitting[0][0]}, splits: [{splits}], backbone: imported",
    ]


def _params(text: str) -> dict[str, Any]:
    try:
        params = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--params is not valid JSON ({error.msg}, column {error.colno}): {text}") from None
    if not isinstance(params, dict):
        raise UserError(f"--params must be a JSON object such as {{}}, not {text}")
    return params


def report(checkup: Checkup) -> list[str]:
    """The lines of the report."""
    from zssar.datasets import doctor

    listing, tally, official = checkup.listing, checkup.tally, doctor.totals().get(checkup.dataset, {})
    part = "" if checkup.complete else f" (of {len(listing.units):,}; --all reads every one)"
    lines = [
        f"data set: {checkup.dataset}, {len(checkup.names)} classes, layout {checkup.layout}",
        f"recordings: {len(listing.units):,} listed; {checkup.read:,} read{part} in {checkup.seconds:.1f} s",
        *(f"left out: {count:,} {reason}" for reason, count in listing.skipped.items()),
        *_completeness(checkup, official),
        *_problems([*listing.problems, *tally.problems], tally.bad),
        *_counted(checkup, official),
        *_partitions(checkup, official),
        *_shape(checkup),
        *_duplicates(checkup, official),
        *_next_step(checkup),
    ]
    return lines


def _completeness(checkup: Checkup, official: dict[str, Any]) -> list[str]:
    from zssar.datasets import doctor

    have = len(checkup.listing.units)
    if "recordings" in official:
        lines = [f"official: {have:,} of {official['recordings']:,} recordings ({official['source']})"]
    elif "about" in official:
        lines = [f"official: about {official['about']:,} recordings, here {have:,} ({official['source']})"]
    else:
        return []
    missing = doctor.missing_names(checkup)
    if missing:
        lines.append(
            f"missing: {len(missing):,} official samples: {', '.join(missing[:3])}{', ...' * (len(missing) > 3)}"
        )
    return lines


def _problems(problems: list, bad: int) -> list[str]:
    if not problems:
        return ["problems: none"]
    more = [f"  ... and {len(problems) - SHOWN:,} more (--output writes all)"] * (len(problems) > SHOWN)
    return [f"problems: {len(problems):,} ({bad:,} recordings unusable)", *(f"  {p}" for p in problems[:SHOWN]), *more]


def _counted(checkup: Checkup, official: dict[str, Any]) -> list[str]:
    from zssar.datasets import doctor

    lines = [] if checkup.counted else ["counts below: of the recordings that were read"]
    per_class = doctor.counts(checkup.columns["label"])
    empty = checkup.counted and [name for i, name in enumerate(checkup.names) if not per_class[i]]
    if per_class:
        few = min(per_class.values())
        lines.append(f"per class: {few:,} to {max(per_class.values()):,}")
    if empty:
        lines.append(
            f"classes without a recording: {len(empty)}: {', '.join(empty[:SHOWN])}{', ...' * (len(empty) > SHOWN)}"
        )
    for key in ("subject", "camera", "setup"):
        found = doctor.counts(checkup.columns[key])
        known = f" of {official[key]}" if key in official else ""
        if not found:
            lines.append(f"{key}s: not told by this format")
            continue
        which = ", ".join(f"{value}: {count:,}" for value, count in sorted(found.items())[:12])
        lines.append(f"{key}s: {len(found)}{known} ({which}{', ...' * (len(found) > 12)})")
    return lines


def _partitions(checkup: Checkup, official: dict[str, Any]) -> list[str]:
    from zssar.datasets import doctor

    lines = []
    for name, numbers in doctor.partitions(checkup).items():
        if isinstance(numbers, str):
            lines.append(f"partition {name}: not possible: {numbers}")
            continue
        wanted = checkup.counted and official.get("partitions", {}).get(name)
        compared = f", official {wanted[0]:,} / {wanted[1]:,}" if wanted else ""
        lines.append(f"partition {name}: {numbers[0]:,} train / {numbers[1]:,} test{compared}")
    return lines


def _shape(checkup: Checkup) -> list[str]:
    import numpy as np

    from zssar.datasets.doctor import FACING
    from zssar.datasets.report import _frames_histogram

    if not checkup.tally.numbers:
        return []
    frames, bodies = checkup.tally.column("frames"), checkup.tally.column("bodies")
    lines = [f"frames: {frames.min()} to {frames.max()}, median {np.median(frames):.0f}"]
    histogram = [(name, count) for name, count in _frames_histogram(frames) if count]
    widest = max(count for _, count in histogram)
    lines += [f"  {name:>8} {'#' * max(1, round(40 * count / widest))} {count:,}" for name, count in histogram]
    per = ", ".join(f"{n}: {(bodies == n).sum():,}" for n in np.unique(bodies))
    lines.append(f"bodies per recording: {per}")
    up, facing = np.mean(checkup.upright), np.mean(checkup.facing)
    lines.append(f"axes: head above hips in {up:.0%} of the first poses, facing the sensor in {facing:.0%}")
    if up < FACING:
        lines.append("  suspicious: is y up? (reader custom: axes)")
    if facing < FACING:
        lines.append("  suspicious: does x run the right way, or are left and right swapped?")
    return lines


def _duplicates(checkup: Checkup, official: dict[str, Any]) -> list[str]:
    from zssar.datasets import doctor

    groups = doctor.same_content(checkup)
    if not groups:
        return ["duplicates: none among the recordings that were read"]
    extra = sum(len(g) - 1 for g in groups)
    lines = [f"duplicates: {extra:,} recordings equal another one, e.g. {' = '.join(groups[0][:3])}"]
    lines.append("  drop_duplicates: true (--drop-duplicates of preprocess_skeletons) keeps the first of each")
    return lines + ([f"  {official['note']}"] if "note" in official else [])


def _next_step(checkup: Checkup) -> list[str]:
    from zssar.datasets import doctor

    free = {"disk": shutil.disk_usage(".").free, "memory": _free_memory()}
    lines = []
    for what, size in doctor.needs(checkup).items():
        have = next((value for key, value in free.items() if what.startswith(key)), 0)
        compared = f" (free: {have / 1e9:,.1f} GB{'' if size < have else ', NOT ENOUGH'})" if have else ""
        lines.append(f"needed, {what}: about {size / 1e9:,.2f} GB{compared}")
    return lines


def _free_memory() -> float:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return 0


def _entry(args: argparse.Namespace, checkup: Checkup, reader: str, params: dict[str, Any]) -> str:
    """A config entry to copy."""
    names = args.class_names or (checkup.dataset if args.dataset or reader != "custom" else "")
    more = {k: v for k, v in params.items() if k != "class_names"}
    recipe = "zssar" if reader in ("ntu", "utd_mhad", "nw_ucla", "uwa3d2", "pku_mmd") else "as_is"
    entry = f"reader: {reader}, root: {args.root}, class_names: {names}, recipe: {recipe}"
    entry += f", params: {json.dumps(more)}" if more else ""
    return f"config.yaml:\n  datasets:\n    {checkup.dataset}: {{{entry}}}"


def as_json(checkup: Checkup, reader: str) -> dict[str, Any]:
    """Everything found, as plain values."""
    from zssar.datasets import doctor

    return {
        "root": str(checkup.root),
        "reader": reader,
        "dataset": checkup.dataset,
        "listed": len(checkup.listing.units),
        "read": checkup.read,
        "skipped": checkup.listing.skipped,
        "problems": [str(p) for p in [*checkup.listing.problems, *checkup.tally.problems]],
        "per_class": {n: doctor.counts(checkup.columns["label"])[i] for i, n in enumerate(checkup.names)},
        **{f"per_{k}": dict(doctor.counts(checkup.columns[k])) for k in ("subject", "camera", "setup")},
        "partitions": doctor.partitions(checkup),
        "missing": doctor.missing_names(checkup),
        "same_content": doctor.same_content(checkup),
        "needs_bytes": doctor.needs(checkup),
    }
