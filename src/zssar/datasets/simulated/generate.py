"""From class names, subjects and cameras to recordings."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Sequence
from importlib import resources

import numpy as np

from zssar.datasets.simulated.programs import people, perform, program
from zssar.datasets.simulated.recording import AZIMUTH, Recording, place, record
from zssar.errors import UserError

SETUP = 1


def sim_classes() -> tuple[str, ...]:
    """The classes of ``sim`` in their order."""
    text = resources.files("zssar.datasets").joinpath("class_names/sim.csv").read_text(encoding="utf-8")
    return tuple(row["name"] for row in csv.DictReader(text.splitlines()))


def performance(name: str, subject: int, seed: int = 0) -> np.ndarray:
    """Joints (M, T, 25, 3) of a subject (from 1) performing a class, as they are, before any sensor."""
    rng = np.random.default_rng([seed, 1, zlib.crc32(name.encode()), subject])
    return perform(name, people(name, subject, seed), rng)


def recordings(name: str, label: int, subject: int, cameras: int = 3, seed: int = 0) -> list[Recording]:
    """The recordings of one performance by cameras 1 to ``cameras``.

    Depends on its arguments alone, not on what else is simulated; ``label`` is only written down.
    """
    key = zlib.crc32(name.encode())
    replication = 1 + subject % 2
    stage = np.random.default_rng([seed, 4, key, subject])
    joints = place(performance(name, subject, seed), replication, stage)
    result = []
    for camera in range(1, cameras + 1):
        rng = np.random.default_rng([seed, 2, key, subject, camera])
        ident = f"S{SETUP:03d}C{camera:03d}P{subject:03d}R{replication:03d}A{label + 1:03d}"
        meta = {"sample_id": ident, "label": label, "subject": subject, "setup": SETUP, "replication": replication}
        result.append(record(joints, camera, rng, **meta))
    return result


def simulate(
    class_names: Sequence[str] | None = None, subjects: int = 12, cameras: int = 3, seed: int = 0
) -> Iterator[Recording]:
    """Recordings of all classes, subjects and cameras, in that order. Labels are positions in ``class_names``.

    Raises UserError for a class without a motion program, or for a number that makes no sense.
    """
    names = tuple(class_names) if class_names is not None else sim_classes()
    check(names, subjects, cameras)
    for label, name in enumerate(names):
        for subject in range(1, subjects + 1):
            yield from recordings(name, label, subject, cameras, seed)


def check(names: Sequence[str], subjects: int, cameras: int) -> None:
    """Raise UserError where ``simulate`` could not go on."""
    if not 1 <= cameras <= len(AZIMUTH):
        raise UserError(f"cameras: {cameras}; the simulated stage has 1 to {len(AZIMUTH)}")
    if not 1 <= subjects <= 999:
        raise UserError(f"subjects: {subjects}; choose 1 to 999 (NTU file names have three digits)")
    if not names:
        raise UserError("no class to simulate; give at least one class name")
    for name in names:
        program(name)
