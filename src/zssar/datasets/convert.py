"""Raw recordings through a recipe into one skeleton file, part by part: several processes, bounded memory, resumable.

The recordings are cut into parts. A process reads one part, streams its arrays into ``<output>.parts/`` and writes,
last, a small JSON that says the part is complete. In the end the parts are joined in order. A killed run leaves its
complete parts behind and the next one uses them, provided that nothing that matters has changed: ``plan.json`` holds a
digest of reader, parameters, recipe, code, and of name, size and time of every file.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from zssar import plugins, storage
from zssar.datasets.archives import SEPARATOR
from zssar.datasets.files import Listing
from zssar.errors import UserError
from zssar.interfaces import Problem, SkeletonSequence
from zssar.provenance import code_digest
from zssar.skeleton import recipes

PART = (100, 1000)  # least and most recordings; 1000 are about 50 MB of NTU skeletons
BLOCK = 64e6  # bytes kept before they are written
PARTS = 16  # wished for, so that several processes have something to do
COLUMNS = (*storage.META, "frames", "bodies")

Step = Callable[[int], None]


@dataclass(frozen=True)
class Job:
    """What to read and how; everything a worker process needs."""

    reader: str
    params: dict[str, Any]
    recipe: str
    persons: int

    def dataset(self) -> Any:
        """A fresh reader."""
        return plugins.create("datasets", self.reader, self.params)

    def code(self) -> str:
        """The digest of the reader's and the recipes' code."""
        module = self.reader if "." in self.reader else f"zssar.datasets.{self.reader}"
        return code_digest(module, "zssar.skeleton.recipes", "zssar.datasets.convert")


@dataclass
class Tally:
    """What became of some recordings, in order.

    samples: (sample id, digest of the raw joints); numbers: the COLUMNS of each. bad: recordings that gave a Problem
    and no sequence; the other problems concern parts of recordings that were used.
    """

    samples: list[list[str]] = field(default_factory=list)
    numbers: list[list[int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    bad: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values; rows as single strings, because JSON with hundred thousands of small items is slow."""
        rows = [f"{' '.join(map(str, n))} {digest} {name}" for (name, digest), n in zip(self.samples, self.numbers)]
        return {"rows": "\n".join(rows), "problems": [asdict(p) for p in self.problems], "bad": self.bad}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Tally:
        """From what ``as_json`` made of one."""
        tally = cls(problems=[Problem(**p) for p in value["problems"]], bad=value["bad"])
        for row in value["rows"].split("\n") if value["rows"] else ():
            *numbers, digest, name = row.split(" ", len(COLUMNS) + 1)
            tally.samples.append([name, digest])
            tally.numbers.append([int(n) for n in numbers])
        return tally

    def add(self, other: Tally) -> None:
        """Append another tally."""
        self.samples += other.samples
        self.numbers += other.numbers
        self.problems += other.problems
        self.bad += other.bad

    def copies(self) -> list[str]:
        """The samples whose raw joints equal those of an earlier one bit for bit."""
        first: dict[str, str] = {}
        for sample, digest in self.samples:
            first.setdefault(digest, sample)
        return [sample for sample, digest in self.samples if first[digest] != sample]

    def without(self, samples: Iterable[str]) -> Tally:
        """A tally that does not count these samples."""
        left = set(samples)
        kept = [i for i, (sample, _) in enumerate(self.samples) if sample not in left]
        return Tally([self.samples[i] for i in kept], [self.numbers[i] for i in kept], self.problems, self.bad)

    def column(self, name: str) -> np.ndarray:
        """One of COLUMNS, (n,)."""
        return np.array([row[COLUMNS.index(name)] for row in self.numbers], np.int64)

    def columns(self) -> dict[str, np.ndarray]:
        """For the skeleton file beside META, (n,) each: frames of the clip, ids and hash of the raw recording."""
        content = np.array([digest for _, digest in self.samples], "S32")
        return {"frames": self.column("frames"), "bodies": self.column("bodies"), "content": content}

    def digest(self) -> str:
        """One hash over the names and raw joints of all recordings that were used."""
        return hashlib.sha256("\n".join(" ".join(sample) for sample in sorted(self.samples)).encode()).hexdigest()


def list_units(dataset: Any, root: Path) -> Listing:
    """The units below ``root``; a reader that only offers ``sequences`` is one unit, read by one process."""
    return dataset.list_files(root) if hasattr(dataset, "list_files") else Listing([str(root)])


def convert(job: Job, listing: Listing, work: Path, workers: int, step: Step) -> Tally:
    """Process all units into parts below ``work``; ``join`` then yields the sequences.

    ``step(count)`` is called as units get done. Parts of an earlier run with the same plan are kept.
    """
    size = part_size(len(listing.units))
    parts = [listing.units[i : i + size] for i in range(0, len(listing.units), size)]
    _prepare(work, _plan(job, listing))
    todo = [i for i in range(len(parts)) if not _done(work, i).is_file()]
    kept = len(listing.units) - sum(len(parts[i]) for i in todo)
    if kept:
        print(f"resuming: {kept} of {len(listing.units)} files were done before", file=sys.stderr)
        step(kept)
    if workers > 1 and len(todo) > 1:
        _run_pool(job, parts, todo, work, min(workers, len(todo)), step)
    else:
        reader = job.dataset()
        for index in todo:
            convert_part(job, parts[index], work, index, step, reader)
    total = Tally()
    for index in range(len(parts)):
        total.add(Tally.from_json(storage.read_json(_done(work, index))))
    return total


def part_size(units: int) -> int:
    """How many units a part has: it depends on their number alone, so that other workers can resume."""
    return min(PART[1], max(PART[0], units // PARTS + 1))


def convert_part(
    job: Job, units: Sequence[str], work: Path, index: int, step: Step | None = None, reader: Any = None
) -> int:
    """Read one part and write it; returns the number of units."""
    tally = Tally()
    found = _apply(job, _results(reader or job.dataset(), units, step), tally)
    with _arrays(work, index, "wb") as (joints, present):
        shape = _stream(found, joints, present)
    storage.write_json(_done(work, index), {"shape": shape, **tally.as_json()})
    return len(units)


def _stream(sequences: Iterable[SkeletonSequence], joints, present) -> tuple[int, ...]:
    """Write joints (F, M, V, C) and present (F, M) of all sequences, block by block; returns (M, V, C)."""
    block: list[SkeletonSequence] = []
    size, shape = 0, (0, 0, 0)
    for sequence in sequences:
        bodies, _, *rest = sequence.joints.shape
        if shape not in ((0, 0, 0), (bodies, *rest)):
            raise UserError(
                f"{sequence.sample_id}: persons, joints, channels are {(bodies, *rest)}, but {shape} in the recordings "
                "before it; all recordings of a data set must be alike"
            )
        shape = (bodies, *rest)
        block.append(sequence)
        size += sequence.joints.nbytes
        if size > BLOCK:
            _flush(block, joints, present)
            size = 0
    _flush(block, joints, present)
    return shape


def _flush(block: list[SkeletonSequence], joints: BinaryIO, present: BinaryIO) -> None:
    if block:
        frames = sum(s.joints.shape[1] for s in block)
        bodies, _, *rest = block[0].joints.shape
        # Into arrays of our own: concatenate would keep the order in memory, persons first, which is slow to write.
        out = np.empty((frames, bodies, *rest), np.float32)
        joints.write(np.concatenate([s.joints.swapaxes(0, 1) for s in block], out=out).data)
        out = np.empty((frames, bodies), bool)
        present.write(np.concatenate([s.present.T for s in block], out=out).data)
        block.clear()


def join(job: Job, work: Path) -> Iterator[SkeletonSequence]:
    """The sequences of all parts below ``work``, in order; arrays stay on disk until they are used."""
    layout = job.dataset().layout
    for path in sorted(work.glob("[0-9]*.json")):
        content = storage.read_json(path)
        tally, (bodies, *rest) = Tally.from_json(content), content["shape"]
        if not tally.samples:
            continue
        with _arrays(work, int(path.stem), "rb") as (joints_file, present_file):
            joints = np.asarray(np.memmap(joints_file, np.float32, "r")).reshape(-1, bodies, *rest)
            present = np.asarray(np.memmap(present_file, bool, "r")).reshape(-1, bodies)
        end = 0
        for (sample_id, _), numbers in zip(tally.samples, tally.numbers):
            row = dict(zip(COLUMNS, numbers))
            start, end = end, end + row["frames"]
            meta = {name: row[name] for name in storage.META}
            yield SkeletonSequence(sample_id, joints[start:end].swapaxes(0, 1), present[start:end].T, layout, **meta)


def _results(dataset: Any, units: Sequence[str], step: Step | None) -> Iterator[tuple[str, list]]:
    """What the reader returned, recording by recording."""
    for unit in units:
        if hasattr(dataset, "read"):
            yield unit, dataset.read(unit)
        else:
            yield from ((getattr(item, "path", unit), [item]) for item in dataset.sequences(Path(unit)))
        if step is not None:
            step(1)


def _apply(job: Job, results: Iterable[tuple[str, list]], tally: Tally) -> Iterator[SkeletonSequence]:
    """Every sequence through the recipe, counted into ``tally``."""
    recipe = recipes.recipe(job.recipe)
    for unit, found in results:
        usable = False
        for item in found:
            if isinstance(item, Problem):
                tally.problems.append(item)
                continue
            try:
                sequence = recipe(item, job.persons)
            except recipes.NoBody as error:
                tally.problems.append(Problem(unit, str(error)))
                continue
            usable = True
            if "\n" in item.sample_id:
                raise UserError(f"{unit}: a sample id holds a line break: {item.sample_id!r}")
            digest = hashlib.sha256(np.ascontiguousarray(item.joints)).hexdigest()[:32]
            tally.samples.append([item.sample_id, digest])
            meta = [int(getattr(item, name)) for name in storage.META]
            tally.numbers.append([*meta, sequence.joints.shape[1], int(item.present.any(1).sum())])
            yield sequence
        tally.bad += not usable


@contextlib.contextmanager
def _arrays(work: Path, index: int, mode: str) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The two array files of a part; whole only if the part's JSON is there."""
    with (work / f"{index:05d}.joints").open(mode) as joints, (work / f"{index:05d}.present").open(mode) as present:
        yield joints, present


def _done(work: Path, index: int) -> Path:
    return work / f"{index:05d}.json"


def _plan(job: Job, listing: Listing) -> str:
    digest = hashlib.sha256(repr((job, PART, PARTS, job.code())).encode())
    for unit in listing.units:
        stat = os.stat(unit.split(SEPARATOR)[0])
        digest.update(f"{unit}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _prepare(work: Path, plan: str) -> None:
    """Make ``work`` ready for this plan; parts of another plan are removed."""
    file = work / "plan.json"
    if not file.is_file() or storage.read_json(file)["plan"] != plan:
        if work.exists():
            shutil.rmtree(work)
        storage.write_json(file, {"plan": plan})


def _run_pool(job: Job, parts, todo: list[int], work: Path, workers: int, step: Step) -> None:
    # Forked workers inherit what is compiled; elsewhere numba's disk cache serves.
    if hasattr(dataset := job.dataset(), "warm_up"):
        dataset.warm_up()
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting = [pool.submit(convert_part, job, parts[i], work, i) for i in todo]
        try:
            for done in as_completed(waiting):
                step(done.result())
        except BrokenProcessPool:
            raise UserError(
                "a worker process was ended from outside (out of memory?); start again, finished parts are kept"
            ) from None
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
