"""Simulated motion in the layouts of other data sets."""

import numpy as np
import pytest

from zssar.datasets.simulated import to_layout
from zssar.datasets.simulated.generate import recordings
from zssar.errors import UserError
from zssar.interfaces import SkeletonSequence
from zssar.skeleton.layouts import KINECT25, LAYOUTS


def first(sequence: SkeletonSequence) -> dict[str, np.ndarray]:
    """Joint name -> (3,) of the first person in the first frame."""
    return dict(zip(LAYOUTS[sequence.layout].joints, sequence.joints[0, 0]))


@pytest.mark.parametrize("name", LAYOUTS)
def test_other_layouts_keep_the_motion(name):
    source = recordings("hug another person", 45, 2)[1].actors
    sequence = to_layout(source, name)
    assert sequence.layout == name
    assert sequence.joints.shape == (*source.joints.shape[:2], len(LAYOUTS[name]), 3)
    assert np.isfinite(sequence.joints).all()
    assert (sequence.sample_id, sequence.label) == (source.sample_id, source.label)
    gone = SkeletonSequence("gone", source.joints, np.zeros_like(source.present), "kinect25")
    assert (to_layout(gone, name).joints == 0).all()
    at = first(sequence)
    assert min(at["left_shoulder"][1], at["right_shoulder"][1]) > max(at["left_hip"][1], at["right_hip"][1])
    if LAYOUTS[name].dimensions == 2:
        assert np.abs(sequence.joints[..., :2]).max() < 1
        assert (sequence.joints[..., 2] == 0).all()
    else:
        np.testing.assert_array_equal(at["left_elbow"], source.joints[0, 0, KINECT25.roles["left_elbow"]])


def test_face_looks_ahead_and_images_are_not_mirrored():
    actor = recordings("bow", 40, 2)[1].actors  # facing camera 2
    face = first(to_layout(actor, "mediapipe33"))
    assert face["nose"][2] < face["left_ear"][2] - 0.03, "the nose is nearer to the camera"
    assert face["nose"][1] > face["left_mouth"][1]
    flat = first(to_layout(actor, "coco17"))
    assert flat["right_shoulder"][0] < flat["left_shoulder"][0], "facing us, the right shoulder is on the left"


def test_to_layout_refuses_other_inputs():
    actor = recordings("bow", 40, 2, cameras=1)[0].actors
    with pytest.raises(UserError, match="utd20"):
        to_layout(to_layout(actor, "utd20"), "coco17")
    with pytest.raises(UserError, match="unknown joint layout"):
        to_layout(actor, "kinnect20")
