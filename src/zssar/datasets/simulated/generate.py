"""From class names, subjects and cameras to recordings."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

import numpy as np

from zssar.datasets.simulated.programs import people, perform, program
from zssar.datasets.simulated.recording import AZIMUTH, SETUPS, Recording, place, record
from zssar.errors import UserError


def sim_classes() -> tuple[str, ...]:
    """The classes of ``sim`` in their order."""
    text = resources.files("zssar.datasets").joinpath("class_names/sim.csv").read_text(encoding="utf-8")
    return tuple(row["name"] for row in csv.DictReader(text.splitlines()))


def performance(name: str, subject: int, seed: int = 0) -> np.ndarray:
    """Joints (M, T, 25, 3) of a subject (from 1) performing a class, as they are, before any sensor."""
    rng = np.random.default_rng([seed, 1, zlib.crc32(name.encode()), subject])
    return perform(name, people(name, subject, seed), rng)


def setup_of(name: str, subject: int, setups: int) -> int:
    """The setup (1 to ``setups``) in which a subject performs a class.

    Pairs of subjects take turns, beginning elsewhere for every class. Each setup then has every class, both
    replications and (over many classes) every subject, so that cross-setup, cross-subject and cross-view are three
    different questions.
    """
    return 1 + (zlib.crc32(name.encode()) + (subject - 1) // 2) % setups


def recordings(
    name: str, label: int, subject: int, cameras: int = 3, seed: int = 0, setups: int = 1
) -> list[Recording]:
    """The recordings of one performance by cameras 1 to ``cameras``, in one of ``setups`` setups (see ``setup_of``).

    Depends on its arguments alone, not on what else is simulated; ``label`` is only written down. Another number of
    setups changes where the cameras stand, and nothing about the performance.
    """
    key, setup = zlib.crc32(name.encode()), setup_of(name, subject, setups)
    replication = 1 + subject % 2
    stage = np.random.default_rng([seed, 4, key, subject])
    joints = place(performance(name, subject, seed), replication, stage)
    result = []
    for camera in range(1, cameras + 1):
        rng = np.random.default_rng([seed, 2, key, subject, camera])
        ident = f"S{setup:03d}C{camera:03d}P{subject:03d}R{replication:03d}A{label + 1:03d}"
        meta: dict[str, Any] = {"sample_id": ident, "label": label, "subject": subject, "replication": replication}
        result.append(record(joints, camera, rng, setup, **meta))
    return result


def simulate(
    class_names: Sequence[str] | None = None, subjects: int = 12, cameras: int = 3, seed: int = 0, setups: int = 1
) -> Iterator[Recording]:
    """Recordings of all classes, subjects and cameras, in that order. Labels are positions in ``class_names``.

    Raises UserError for a class without a motion program, or for a number that makes no sense.
    """
    names = tuple(class_names) if class_names is not None else sim_classes()
    check(names, subjects, cameras, setups)
    for label, name in enumerate(names):
        for subject in range(1, subjects + 1):
            yield from recordings(name, label, subject, cameras, seed, setups)


def check(names: Sequence[str], subjects: int, cameras: int, setups: int = 1) -> None:
    """Raise UserError where ``simulate`` could not go on."""
    if not 1 <= setups <= len(SETUPS):
        raise UserError(f"setups: {setups}; the simulated stage has 1 to {len(SETUPS)}")
    if 2 * setups > max(subjects, 2):
        raise UserError(
            f"setups: {setups} with {subjects} subjects; every setup takes two subjects of each class, so there are at "
            f"most {max(1, subjects // 2)}"
        )
    if not 1 <= cameras <= len(AZIMUTH):
        raise UserError(f"cameras: {cameras}; the simulated stage has 1 to {len(AZIMUTH)}")
    if not 1 <= subjects <= 999:
        raise UserError(f"subjects: {subjects}; choose 1 to 999 (NTU file names have three digits)")
    if not names:
        raise UserError("no class to simulate; give at least one class name")
    for name in names:
        program(name)
