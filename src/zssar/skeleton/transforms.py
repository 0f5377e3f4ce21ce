"""From ragged clips to fixed windows (N, C, T, V, M), and normalisations of windows that backbones may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from zssar.errors import UserError, unknown
from zssar.skeleton.layouts import Layout
from zssar.skeleton.rotations import about_vertical

CENTRE_CROP = 0.95  # the test view of CTR-GCN
SAMPLINGS = ("resize", "uniform")


class Ragged(Protocol):
    """What ``windows`` needs: frames of all clips one after another (``storage.Skeletons`` has them)."""

    joints: np.ndarray  # (F, M, V, C)
    present: np.ndarray  # (F, M)
    offsets: np.ndarray  # (n + 1,)


def windows(
    skeletons: Ragged,
    rows: Sequence[int] | np.ndarray,
    frames: int,
    crop: float = 1.0,
    rng: np.random.Generator | None = None,
    sampling: str = "resize",
) -> tuple[np.ndarray, np.ndarray]:
    """Clips brought to ``frames`` frames: x float32 (N, C, T, V, M), present bool (N, M).

    Without ``rng``: the centred share ``crop`` of each clip (1.0: the whole clip; 0.95: CTR-GCN's test view). With
    ``rng``: a share drawn uniformly from [crop, 1] at a random start (training view; CTR-GCN: crop 0.5).
    sampling ``resize``: time is resized linearly with half-pixel centres, as image resizing does it. A person who is
    absent in one of the two frames blended is taken from the other; absent in both: zero. ``uniform`` (pyskl, after
    TSN): as many equal segments as frames, of each its middle frame, with ``rng`` a random one; nothing is blended.
    pyskl repeats a clip that is shorter than that from its start, here frames are repeated in place; it averages ten
    draws in testing, here there is one.
    """
    if sampling not in SAMPLINGS:
        raise unknown("sampling", sampling, SAMPLINGS)
    rows = np.asarray(rows)
    start, length = _spans(np.asarray(skeletons.offsets), rows, crop, rng)
    at = (np.arange(frames) + 0.5) * (length[:, None] / frames) - 0.5  # (N, T) within the crop
    at = start[:, None] + np.clip(at, 0, length[:, None] - 1)
    if sampling == "uniform":
        inside = rng.uniform(0, 1, at.shape) if rng is not None else 0.5
        at = start[:, None] + np.floor((np.arange(frames) + inside) * (length[:, None] / frames))
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, (np.ceil(start + length) - 1).astype(np.int64)[:, None])
    share = (at - low).astype(np.float32)[:, :, None]  # (N, T, 1)
    weight_low = (1 - share) * skeletons.present[low]  # (N, T, M)
    weight_high = share * skeletons.present[high]
    total = weight_low + weight_high
    total[total == 0] = 1
    x = skeletons.joints[low] * (weight_low / total)[..., None, None]  # (N, T, M, V, C)
    x += skeletons.joints[high] * (weight_high / total)[..., None, None]
    present = np.zeros((len(rows), x.shape[2]), bool)
    if frames:
        present = (skeletons.present[low] | skeletons.present[high]).any(1)
    return np.ascontiguousarray(x.transpose(0, 4, 1, 3, 2), np.float32), present


def _spans(offsets, rows, crop: float, rng) -> tuple[np.ndarray, np.ndarray]:
    """Start (absolute) and length in frames, (N,) float each, of the part of each clip that is used."""
    if not 0 < crop <= 1:
        raise UserError(f"crop {crop}: the share of a clip must be above 0 and at most 1")
    first, full = offsets[rows].astype(float), (offsets[rows + 1] - offsets[rows]).astype(float)
    if rng is None:
        length = np.maximum(1, np.floor(full * crop))
        return first + np.floor((full - length) / 2), length
    length = np.maximum(1, np.floor(full * rng.uniform(crop, 1, len(rows))))
    return first + np.floor(rng.uniform(0, 1, len(rows)) * (full - length + 1)), length


def align_view(x: np.ndarray, layout: Layout) -> np.ndarray:
    """Rotate each clip (N, C, T, V, M) about the vertical so that the first person faces the sensor at the start.

    The mean of shoulder and hip line, left to right, over the first quarter of the window is brought to +x.
    Raises UserError unless layout and channels are three-dimensional.
    """
    _needs_three_dimensions(layout, x, "align_view")
    person = x[:, :, : max(1, x.shape[2] // 4), :, 0]  # (N, 3, t, V)
    at = layout.roles
    across = sum(person[..., at[f"right_{j}"]] - person[..., at[f"left_{j}"]] for j in ("shoulder", "hip"))
    matrix = about_vertical(across.mean(2)).astype(np.float32)  # (N, 3, 3)
    return np.einsum("nij,njtvm->nitvm", matrix, x).astype(np.float32)


def scale_torso(x: np.ndarray, layout: Layout) -> np.ndarray:
    """Divide each clip (N, C, T, V, M) by the first person's median distance from mid-hips to mid-shoulders.

    Clips without a first person are left as they are. The third channel of two-dimensional layouts is not scaled.
    """
    at, person = layout.roles, x[..., 0]  # (N, C, T, V)
    shoulders = (person[..., at["left_shoulder"]] + person[..., at["right_shoulder"]]) / 2
    hips = (person[..., at["left_hip"]] + person[..., at["right_hip"]]) / 2
    length = np.linalg.norm((shoulders - hips)[:, : layout.dimensions], axis=1)  # (N, T)
    length = np.where(length > 0, length, np.nan)
    known = np.isfinite(length).any(1)
    scale = np.ones(len(x), np.float32)
    if known.any():
        scale[known] = np.nanmedian(length[known], axis=1)
    result = x.astype(np.float32, copy=True)
    result[:, : layout.dimensions] /= scale[:, None, None, None, None]
    return result


NORMALISATIONS = {"align_view": align_view, "scale_torso": scale_torso}


def normalise(x: np.ndarray, names: Sequence[str], layout: Layout) -> np.ndarray:
    """The named normalisations one after another. Raises UserError for an unknown one."""
    for name in names:
        if name not in NORMALISATIONS:
            raise unknown("normalisation", name, NORMALISATIONS)
        x = NORMALISATIONS[name](x, layout)
    return x


def _needs_three_dimensions(layout: Layout, x: np.ndarray, what: str) -> None:
    if layout.dimensions != 3 or x.shape[1] != 3:
        raise UserError(f"{what} needs three dimensions; layout {layout.name} with {x.shape[1]} channels has not")
