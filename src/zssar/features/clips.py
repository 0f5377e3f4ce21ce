"""Clips that live on the device as ragged frames; windows, augmentation and streams are made there, batch by batch.

NTU RGB+D 60 is 1.4 GB in this form, so an epoch needs neither a data loader nor a copy. ``Clips.windows`` does what
``zssar.skeleton.transforms.windows`` does with arrays, and tests hold the two together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch

from zssar.skeleton import streams, transforms
from zssar.skeleton.layouts import Layout
from zssar.storage import Skeletons


class Clips:
    """Some clips of a skeleton file on a device, in the order of ``rows``.

    normalise: names of ``zssar.skeleton.transforms.NORMALISATIONS``, applied once to the whole clips.
    """

    def __init__(
        self,
        skeletons: Skeletons,
        rows: np.ndarray,
        layout: Layout,
        normalise: Sequence[str] = (),
        device: str = "cpu",
    ):
        self.layout = layout
        first, last = skeletons.offsets[rows], skeletons.offsets[rows + 1]
        lengths = last - first
        frames = np.repeat(first, lengths) + np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
        joints, present = skeletons.joints[frames], skeletons.present[frames]
        offsets = np.concatenate([[0], lengths.cumsum()])
        if normalise:
            joints = _normalised(joints, offsets, normalise, layout)
        self.joints = torch.from_numpy(np.ascontiguousarray(joints, np.float32)).to(device)  # (F, M, V, C)
        self.present = torch.from_numpy(np.ascontiguousarray(present)).to(device)  # (F, M)
        self.offsets = torch.from_numpy(offsets).to(device)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def windows(
        self,
        rows: torch.Tensor,
        frames: int,
        crop: float = 1.0,
        generator: torch.Generator | None = None,
        sampling: str = "resize",
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x float32 (N, C, T, V, M), present bool (N, M): clips of ``frames`` frames.

        Without a generator the centred share ``crop`` of each clip; with one (on the CPU, so that all devices draw the
        same) a share from [crop, 1] at a random start. sampling: ``resize`` or ``uniform``, see ``transforms.windows``.
        """
        rows = sent(rows, self.offsets.device)
        start, length = self._spans(rows, crop, generator)
        at = (torch.arange(frames, device=rows.device) + 0.5) * (length[:, None] / frames) - 0.5
        at = start[:, None] + torch.minimum(at.clamp(min=0), length[:, None] - 1)
        if sampling == "uniform":
            inside = torch.full(at.shape, 0.5, dtype=torch.float64)
            if generator is not None:
                inside = torch.rand(at.shape, generator=generator, dtype=torch.float64)
            at = torch.arange(frames, device=rows.device) + sent(inside, rows.device)
            at = start[:, None] + (at * (length[:, None] / frames)).floor()
        low = at.floor().long()
        high = torch.minimum(low + 1, (start + length - 1).long()[:, None])
        share = (at - low).float()[..., None]  # (N, T, 1)
        weight_low, weight_high = (1 - share) * self.present[low], share * self.present[high]
        total = weight_low + weight_high
        total = torch.where(total == 0, 1.0, total)
        x = self.joints[low] * (weight_low / total)[..., None, None]  # (N, T, M, V, C)
        x += self.joints[high] * (weight_high / total)[..., None, None]
        return x.permute(0, 4, 1, 3, 2), (self.present[low] | self.present[high]).any(1)

    def _spans(self, rows, crop: float, generator) -> tuple[torch.Tensor, torch.Tensor]:
        first = self.offsets[rows].double()
        full = (self.offsets[rows + 1] - self.offsets[rows]).double()
        if generator is None:
            length = (full * crop).floor().clamp(min=1)
            return first + ((full - length) / 2).floor(), length
        draws = torch.rand(2, len(rows), generator=generator, dtype=torch.float64)
        draws = sent(draws, full.device)
        length = (full * (crop + (1 - crop) * draws[0])).floor().clamp(min=1)
        return first + (draws[1] * (full - length + 1)).floor(), length


def _normalised(joints: np.ndarray, offsets: np.ndarray, names: Sequence[str], layout: Layout) -> np.ndarray:
    result = np.empty_like(joints)
    for start, end in itertools.pairwise(offsets):
        clip = joints[start:end].transpose(3, 0, 2, 1)[None]  # (1, C, T, V, M)
        result[start:end] = transforms.normalise(clip, names, layout)[0].transpose(1, 3, 2, 0)
    return result


def sent(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """``values`` on the device. From pinned memory, because a plain copy to a GPU waits for all work queued there."""
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def rotations(angles: torch.Tensor) -> torch.Tensor:
    """(N, 3) angles in radians about x, y, z -> (N, 3, 3), applied in that order."""
    cosine, sine = angles.cos(), angles.sin()
    matrix = torch.eye(3).expand(len(angles), 3, 3)
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn = torch.eye(3).repeat(len(angles), 1, 1)
        turn[:, i, i] = turn[:, j, j] = cosine[:, axis]
        turn[:, i, j], turn[:, j, i] = -sine[:, axis], sine[:, axis]
        matrix = turn @ matrix
    return matrix


def augment(x: torch.Tensor, rotation: float, scale: float, generator: torch.Generator, planar: bool) -> torch.Tensor:
    """Turn and scale each clip (N, C, T, V, M), all its frames and persons alike.

    rotation: largest angle in radians, uniform per axis (CTR-GCN: 0.3); scale: factor from 1 - scale to 1 + scale.
    Two-dimensional layouts (``planar``) turn in the image plane only. The first three channels are the coordinates.
    """
    if not rotation and not scale:
        return x
    draws = 2 * torch.rand(len(x), 4, generator=generator) - 1
    angles = draws[:, :3] * rotation
    if planar:
        angles[:, :2] = 0
    matrix = rotations(angles) * (1 + scale * draws[:, 3])[:, None, None]
    if planar:
        matrix[:, 2, 2] = 1  # the third channel is no coordinate
    turned = torch.einsum("nij,njtvm->nitvm", sent(matrix, x.device), x[:, :3])
    return turned if x.shape[1] == 3 else torch.cat([turned, x[:, 3:]], 1)


def stream_channels(stream: str) -> int:
    """Channels of a stream of three-channel clips. Raises UserError for an unknown stream."""
    return streams.channels(stream, 3)


def micro_batch(frames: int, device: str, persons: int = 2, grain: int = 1024) -> int:
    """Clips per forward pass in evaluation.

    On a CPU big blocks are given back to the system and fetched anew (page faults), so that about a thousand body
    frames at a time is fastest; a GPU wants a few hundred clips.
    """
    if device.startswith("cuda"):
        return max(1, 256 * 64 // frames)
    return max(1, math.ceil(grain / (frames * persons)))
