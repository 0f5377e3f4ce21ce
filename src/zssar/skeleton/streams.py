"""Streams computed on the fly from windows (N, C, T, V, M): numpy arrays and torch tensors alike.

Only operators and indexing are used, so that this floor does not import torch. Joint, bone and their motions: Shi et
al., "Two-stream adaptive graph convolutional networks" (CVPR 2019) and "Skeleton-based action recognition with
multi-stream adaptive graph convolutional networks" (TIP 2020). An absent person, or frame of a person (all zero), stays
zero in every stream.
"""

from __future__ import annotations

from zssar.errors import unknown
from zssar.skeleton.layouts import Layout


def joint(x, layout: Layout):
    """The coordinates as they are."""
    return x


def bone(x, layout: Layout):
    """Joint minus parent; the root is zero."""
    return x - x[:, :, :, list(layout.parents)]


def joint_motion(x, layout: Layout):
    """Forward difference in time per frame of the window; the last frame is zero."""
    return _motion(x, x)


def bone_motion(x, layout: Layout):
    """Forward difference of the bones; the last frame is zero."""
    return _motion(bone(x, layout), x)


def joint_bone_motion(x, layout: Layout):
    """Joint, bone and joint motion as 3 C channels."""
    channels = x.shape[1]
    stacked = x[:, [c % channels for c in range(3 * channels)]]  # indexing by a list copies
    stacked[:, channels : 2 * channels] = bone(x, layout)
    stacked[:, 2 * channels :] = joint_motion(x, layout)
    return stacked


STREAMS = {f.__name__: f for f in (joint, bone, joint_motion, bone_motion, joint_bone_motion)}


def channels(name: str, in_channels: int = 3) -> int:
    """The number of channels that a stream has. Raises UserError for an unknown stream."""
    _known(name)
    return in_channels * (3 if name == "joint_bone_motion" else 1)


def stream(x, name: str, layout: Layout):
    """The named stream of windows (N, C, T, V, M). Raises UserError for an unknown stream."""
    return _known(name)(x, layout)


def _known(name: str):
    if name not in STREAMS:
        raise unknown("stream", name, STREAMS)
    return STREAMS[name]


def _motion(values, joints):
    """Differences of ``values`` where ``joints`` has the person in both frames, else zero."""
    there = abs(joints).sum((1, 3)) > 0  # (N, T, M)
    both = (there[:, 1:] & there[:, :-1])[:, None, :, None]  # (N, 1, T - 1, 1, M)
    motion = values * 0
    motion[:, :, :-1] = (values[:, :, 1:] - values[:, :, :-1]) * both
    return motion
