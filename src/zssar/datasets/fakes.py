"""Small made-up data sets in the raw format of a real one, so that its configuration runs before the data are there.

Motions come from the simulator (``zssar.datasets.simulated``): class i of the data set is played by simulated class
i modulo 52, so the numbers that come out mean nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from zssar.datasets.files import class_names
from zssar.datasets.simulated import sim_classes, to_layout
from zssar.datasets.simulated.generate import recordings
from zssar.datasets.writers import kinetics, ntu, nw_ucla, pku_mmd, utd_mhad, uwa3d2
from zssar.errors import UserError, unknown
from zssar.interfaces import SkeletonSequence

STEP = 0.01  # metres by which a second class of the same motion stands aside, so that no two files are equal


def people(
    layout: str,
    classes: int | Iterable[int],
    subjects: int,
    cameras: int = 1,
    seed: int = 0,
    persons: int = 2,
    frames: int | None = None,
) -> Iterator[SkeletonSequence]:
    """Clean recordings (no tracking failures) of the classes (a number, or labels) by all subjects and cameras.

    layout: of the joints. persons: at most so many people per recording. frames: only the first so many. Names are
    those of NTU RGB+D.
    """
    names = sim_classes()
    made: dict[tuple[int, int], list[SkeletonSequence]] = {}
    for label in range(classes) if isinstance(classes, int) else classes:
        for subject in range(1, subjects + 1):
            motion = label % len(names)
            if (motion, subject) not in made:
                found = recordings(names[motion], motion, subject, cameras, seed)
                made[motion, subject] = [r.actors for r in found]
            for actors in made[motion, subject]:
                s = _cut(actors, label, STEP * (label // len(names)), persons, frames)
                yield s if layout == "kinect25" else to_layout(s, layout)


def _cut(s: SkeletonSequence, label: int, aside: float, persons: int, frames: int | None) -> SkeletonSequence:
    joints = s.joints[:persons, :frames] + np.array([aside, 0, 0], np.float32)
    name = f"{s.sample_id[:16]}A{label + 1:03d}"
    return replace(s, sample_id=name, label=label, joints=joints, present=s.present[:persons, :frames])


def _ntu(folder: Path, classes: int, subjects: int, **more) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for s in people("kinect25", classes, subjects, 3, **more):
        ntu.write(folder, replace(s, setup=1 + s.subject % 2))


def _utd_mhad(folder: Path, classes: int, subjects: int, **more) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for s in people("utd20", classes, subjects, 3, persons=1, **more):
        utd_mhad.write(folder, replace(s, replication=s.camera))  # three views serve as trials


def _pku_mmd(folder: Path, classes: int, subjects: int, **more) -> None:
    videos: dict[str, list[SkeletonSequence]] = defaultdict(list)
    for s in people("kinect25", classes, subjects, 3, **more):
        videos[f"{s.subject + 1:04d}-{pku_mmd.VIEWS[s.camera - 1]}"].append(s)
    pku_mmd.write(folder, videos, [name for name in videos if int(name[:4]) % 2 == 0])


def _kinetics(folder: Path, classes: int, subjects: int, **more) -> None:
    clips = people("openpose18", classes, subjects, **more)
    kinetics.write(folder, (replace(s, setup=2 - s.subject % 2) for s in clips), class_names("kinetics400"))


def _nw_ucla(folder: Path, classes: int, subjects: int, **more) -> None:
    nw_ucla.write(folder, people("kinect20", classes, subjects, 3, persons=1, **more))


def _uwa3d2(folder: Path, classes: int, subjects: int, **more) -> None:
    uwa3d2.write(folder, people("uwa15", classes, subjects, 3, persons=1, **more))


FAKES: dict[str, tuple[Callable[..., None], int]] = {
    "ntu60": (_ntu, 60),
    "ntu120": (_ntu, 120),
    "pku_mmd": (_pku_mmd, 51),
    "kinetics200": (_kinetics, 200),
    "kinetics400": (_kinetics, 400),
    "utd_mhad": (_utd_mhad, 27),
    "nw_ucla": (_nw_ucla, 10),
    "uwa3d2": (_uwa3d2, 30),
}


def write(dataset: str, folder: Path, subjects: int = 4, seed: int = 0, frames: int | None = None) -> None:
    """All classes of a data set by a few subjects into a new or empty folder, as the raw files of that data set.

    Raises UserError for an unknown data set, a folder with something in it, or numbers that make no sense.
    """
    if dataset not in FAKES:
        raise unknown("data set", dataset, FAKES)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not an empty folder; made-up files are not mixed with others")
    if not 2 <= subjects <= 40 or (frames is not None and frames < 4):
        raise UserError(f"subjects {subjects}, frames {frames}: 2 to 40 subjects, at least 4 frames")
    writer, classes = FAKES[dataset]
    writer(folder, classes, subjects, seed=seed, frames=frames)
