"""Write the embedded data set ``sim`` as NTU ``.skeleton`` files."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from zssar.errors import UserError
from zssar.training import Progress

HELP = "simulate recordings of the embedded data set and write them as NTU .skeleton files"


def add_arguments(parser) -> None:
    """The options of this verb."""
    parser.add_argument("--output", type=Path, required=True, help="folder for the files; replaced as a whole")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--subjects", type=int, default=12)
    parser.add_argument("--cameras", type=int, default=3, help="1 to 3")
    parser.add_argument(
        "--setups", type=int, default=1, help="1 to 8: heights and distances of the cameras, S of the file names"
    )
    parser.add_argument("--classes", type=int, default=None, metavar="N", help="only the first N classes")
    parser.add_argument(
        "--class-names", type=Path, default=None, help="CSV with columns index,name (default: the classes of sim)"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes; the files do not depend on it")


def run(args) -> None:
    """Simulate and write; the folder appears when all files are there."""
    from zssar.datasets.simulated.generate import check

    names = _class_names(args.class_names)
    if args.classes is not None:
        if not 1 <= args.classes <= len(names):
            raise UserError(f"--classes {args.classes}: there are 1 to {len(names)} classes to choose from")
        names = names[: args.classes]
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: choose 0 or a positive number")
    check(names, args.subjects, args.cameras, args.setups)
    jobs = [(name, label, subject) for label, name in enumerate(names) for subject in range(1, args.subjects + 1)]
    progress = Progress("simulate recordings", len(jobs) * args.cameras, "files")
    with _folder(args.output) as draft:
        work = partial(_write, folder=draft, cameras=args.cameras, seed=args.seed, setups=args.setups)
        for written in _mapped(work, jobs, args.workers):
            progress.step(written)


def _write(job: tuple[str, int, int], folder: Path, cameras: int, seed: int, setups: int) -> int:
    from zssar.datasets.simulated.generate import recordings
    from zssar.datasets.writers import ntu

    name, label, subject = job
    recorded = recordings(name, label, subject, cameras, seed, setups)
    for recording in recorded:
        ntu.write(folder, recording.tracks, recording.body_ids, recording.states, recording.order)
    return len(recorded)


def _mapped(work, jobs, workers: int) -> Iterator[int]:
    if workers <= 1:
        yield from map(work, jobs)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, jobs, chunksize=max(1, len(jobs) // (8 * workers)))


def _class_names(path: Path | None) -> tuple[str, ...]:
    if path is None:
        from zssar.datasets.simulated.generate import sim_classes

        return sim_classes()
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except FileNotFoundError:
        raise UserError(f"--class-names {path}: no such file") from None
    if not rows or "name" not in rows[0]:
        raise UserError(f"{path}:1: no column 'name'; the file needs the columns index,name")
    return tuple(row["name"] for row in rows)


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A draft folder beside ``path`` that takes its place when the block ends well.

    An old folder is only replaced if it holds nothing but ``.skeleton`` files.
    """
    if path.exists() and (not path.is_dir() or any(not n.endswith(".skeleton") for n in os.listdir(path))):
        raise UserError(f"--output {path}: exists and holds other things than .skeleton files; choose another folder")
    draft = path.with_name(f".{path.name}.part")
    shutil.rmtree(draft, ignore_errors=True)  # left by a run that was killed
    draft.mkdir(parents=True)
    try:
        yield draft
        shutil.rmtree(path, ignore_errors=True)
        os.replace(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
