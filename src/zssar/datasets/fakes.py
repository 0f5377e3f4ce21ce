"""Small made-up data sets in the raw format of a real one, so that its configuration runs before the data are there.

Motions come from the simulator (``zssar.datasets.simulated``): class i of the data set is played by simulated class
i modulo 52, so the numbers that come out mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from zssar.datasets.simulated import sim_classes, to_layout
from zssar.datasets.simulated.generate import recordings
from zssar.interfaces import SkeletonSequence


def people(
    layout: str, classes: int | Iterable[int], subjects: int, cameras: int = 1, seed: int = 0, persons: int = 2
) -> Iterator[SkeletonSequence]:
    """Clean recordings (no tracking failures) of the classes (a number, or labels) by all subjects and cameras.

    layout: of the joints. persons: at most so many people per recording. Names are those of NTU RGB+D.
    """
    names = sim_classes()
    for label in range(classes) if isinstance(classes, int) else classes:
        for subject in range(1, subjects + 1):
            found = recordings(names[label % len(names)], label, subject, cameras, seed + label // len(names))
            for recording in found:
                actors = recording.actors
                actors = replace(actors, joints=actors.joints[:persons], present=actors.present[:persons])
                yield actors if layout == "kinect25" else to_layout(actors, layout)
