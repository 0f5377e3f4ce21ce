"""One recording out of whatever holds it: a raw file, a packaged array, or a skeleton file of this package."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zssar import plugins, storage
from zssar.datasets import convert, doctor
from zssar.errors import UserError
from zssar.interfaces import UNKNOWN, Problem, SkeletonSequence


def find(
    path: Path, sample: str = "", reader: str | None = None, names: Sequence[str] | None = None, params: Any = None
) -> tuple[SkeletonSequence, str, list[Problem]]:
    """(recording, class name, problems met) of a file or folder.

    sample: a sample id, or its number in the file or folder, from 0; default the first one that can be read. Raises
    UserError if there is none, or if nothing there is known.
    """
    if path.suffix == ".h5":
        return _from_skeletons(path, sample)
    if not path.exists():
        raise UserError(f"{path} does not exist")
    _, module, found = doctor.recognise(path, reader)
    found |= {"class_names": list(names)} if names is not None else {}
    if "class_names" not in found and module == "custom":
        from zssar.datasets.custom import classes_of

        found["class_names"] = classes_of(path if path.is_dir() else path.parent)
    dataset = plugins.create("datasets", module, {**found, **(params or {})})
    problems: list[Problem] = []
    count = 0
    for item in _items(dataset, path, sample):
        if isinstance(item, Problem):
            problems.append(item)
        elif sample in ("", item.sample_id) or (sample.isdigit() and count == int(sample)):
            return item, _class(dataset.class_names, item.label), problems
        else:
            count += 1
    told = "; ".join(map(str, problems[:3]))
    raise UserError(f"{path}: no recording {sample or 'that can be read'} (readable: {count}). {told}".rstrip())


def _items(dataset: Any, path: Path, sample: str) -> Iterator[SkeletonSequence | Problem]:
    """What a reader finds in ``path``; a file is read as part of its folder, since others may belong to it."""
    if not hasattr(dataset, "list_files"):
        yield from dataset.sequences(path)
        return
    places = [path] if path.is_dir() else [path, path.parent, path.parent.parent]
    for place in places:
        try:
            listing = convert.list_units(dataset, place)
            break
        except UserError:
            if place == places[-1]:
                raise
    units = [unit for unit in listing.units if path.is_dir() or unit.split("::")[0] == str(path)]
    yield from (p for p in listing.problems if path.is_dir() or p.path == str(path))
    if sample and not sample.isdigit():
        units = sorted(units, key=lambda unit: sample not in unit)  # those that carry the name first
    yield from itertools.chain.from_iterable(map(dataset.read, units))


def _from_skeletons(path: Path, sample: str) -> tuple[SkeletonSequence, str, list[Problem]]:
    clips = storage.Skeletons(path)
    ids = list(clips.sample_id)
    if sample in ids:
        at = ids.index(sample)
    elif sample == "" or (sample.isdigit() and int(sample) < len(ids)):
        at = int(sample or 0)
    else:
        raise UserError(f"{path} has no clip {sample!r} among its {len(ids)} (the first: {ids[0]})")
    one = clips.sequence(at)
    return one, _class(clips.class_names, one.label), []


def _class(names: Sequence[str], label: int) -> str:
    return names[label] if label != UNKNOWN else ""
