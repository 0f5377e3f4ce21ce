"""Kinect v2 sequences with the joints of another sensor, so that every raw format can be fed by the simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zssar.datasets.simulated.body import SIGN, unit
from zssar.errors import UserError
from zssar.interfaces import SkeletonSequence
from zssar.skeleton.layouts import KINECT25, layout

# Focal lengths of the Kinect's colour camera by the width and height of its image (1060 pixels; 1920 x 1080).
FOCAL_X, FOCAL_Y = 1060 / 1920, 1060 / 1080


def to_layout(sequence: SkeletonSequence, name: str) -> SkeletonSequence:
    """A kinect25 sequence with the joints of the layout ``name``: (M, T, 25, 3) -> (M, T, V, 3).

    Joints are taken by their name; what the Kinect does not know (face, heels, fingers) is placed on the bones it does
    know. In two-dimensional layouts the joints are projected: x to the right of the image, y up, both divided by the
    size of the image with 0 at its middle (so -0.5 to 0.5), third channel 0; a person facing the camera has the right
    hand on the left. Persons who are absent stay 0. Raises UserError for another input layout or an unknown name.
    """
    if sequence.layout != KINECT25.name:
        raise UserError(f"{sequence.sample_id}: to_layout converts from {KINECT25.name}, not from {sequence.layout}")
    target = layout(name)
    points = _points(sequence.joints.astype(np.float64))
    if "spine_shoulder" not in target.joints:  # such sensors call the middle of the shoulders neck
        points["neck"] = points["spine_shoulder"]
    joints = np.stack([points[joint] for joint in target.joints], axis=2)
    if target.dimensions == 2:
        depth = np.maximum(joints[..., 2], 0.1)
        flat = [-FOCAL_X * joints[..., 0] / depth, FOCAL_Y * joints[..., 1] / depth, np.zeros_like(depth)]
        joints = np.stack(flat, axis=-1)
    joints = np.where(sequence.present[:, :, None, None], joints, 0.0).astype(np.float32)
    return replace(sequence, joints=joints, layout=target.name)


def _points(joints: np.ndarray) -> dict[str, np.ndarray]:
    """Every joint name of every layout -> (M, T, 3). Distances on the face are shares of the bone from neck to head."""
    points = {name: joints[:, :, v] for name, v in KINECT25.roles.items()}
    up = points["head"] - points["neck"]
    size = np.linalg.norm(up, axis=-1, keepdims=True)
    up = unit(up)
    right = unit(points["right_shoulder"] - points["left_shoulder"])
    ahead = unit(np.cross(up, right)) * size
    up, right = up * size, right * size
    points["torso"] = points["spine_mid"]
    points["nose"] = points["head"] + 0.75 * ahead
    eyes = points["head"] + 0.6 * ahead + 0.25 * up
    for side, sign in SIGN.items():
        for part, out in (("inner", 0.12), ("", 0.22), ("outer", 0.32)):
            points[f"{side}_eye{'_' if part else ''}{part}"] = eyes + sign * out * right
        points[f"{side}_ear"] = points["head"] + sign * 0.5 * right
        points[f"{side}_mouth"] = points["head"] + 0.6 * ahead - 0.35 * up + sign * 0.15 * right
        palm, ankle = points[f"{side}_hand"], points[f"{side}_ankle"]
        fingers, thumb = points[f"{side}_tip"] - palm, points[f"{side}_thumb"] - palm
        points[f"{side}_index"] = palm + 0.7 * fingers + 0.25 * thumb
        points[f"{side}_pinky"] = palm + 0.7 * fingers - 0.25 * thumb
        points[f"{side}_heel"] = ankle - 0.3 * (points[f"{side}_foot"] - ankle) + 0.1 * (ankle - points[f"{side}_knee"])
    return points
