"""Setups of the simulated stage: where the cameras stand, and who performs what in front of them."""

import itertools
from collections import Counter

import numpy as np
import pytest

from zssar.datasets.simulated import performance, sim_classes
from zssar.datasets.simulated.generate import recordings, setup_of
from zssar.datasets.simulated.recording import SETUPS, view

CLASSES = sim_classes()


def test_setups_move_the_cameras_and_nothing_else():
    for name, subject in (("bow", 4), ("hug another person", 7)):
        setup = setup_of(name, subject, 4)
        plain, moved = recordings(name, 40, subject), recordings(name, 40, subject, setups=4)
        for before, after in zip(plain, moved):
            one, other = before.actors, after.actors
            assert (one.setup, other.setup) == (1, setup)
            assert other.sample_id == one.sample_id.replace("S001", f"S{setup:03d}")
            assert other.joints.shape == one.joints.shape
            assert (one.subject, one.camera, one.replication) == (other.subject, other.camera, other.replication)
    joints = performance("bow", 4)
    for setup, (_, further) in SETUPS.items():
        seen = view(joints, 1, 3.1 + further, setup)
        lengths = np.linalg.norm(seen[..., 3, :] - seen[..., 15, :], axis=-1)
        np.testing.assert_allclose(lengths, np.linalg.norm(joints[..., 3, :] - joints[..., 15, :], axis=-1), atol=1e-9)
        assert abs(seen[0, :, 0, 1].mean()) < 0.3, "the body stays in the middle of the image"
        assert seen[0, :, 0, 2].mean() == pytest.approx(3.1 + further, abs=0.35)


def test_setups_share_out_classes_subjects_and_replications():
    """Else a cross-setup split would also be a cross-subject or a cross-view one."""
    for setups in (2, 4, 6):
        found = Counter((n, setup_of(n, p, setups), p % 2) for n in CLASSES for p in range(1, 13))
        assert set(found) == set(itertools.product(CLASSES, range(1, setups + 1), (0, 1)))
        subjects = {(p, setup_of(n, p, setups)) for n in CLASSES for p in range(1, 13)}
        assert len(subjects) == 12 * setups
