"""Features of the seen training clips and of all test clips, written view by view as they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zssar import devices, provenance, storage
from zssar.backbones.base import Backbone
from zssar.datasets import splits
from zssar.errors import UserError, unknown
from zssar.features import views as view_maker
from zssar.features import weights
from zssar.features.clips import Clips, micro_batch
from zssar.interfaces import Split
from zssar.skeleton import streams
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons
from zssar.training import Progress

FUSIONS = ("mean", "concat")
BLOCK = 2048  # clips brought to the device at a time


class Extractor:
    """A trained backbone and how its input is made. ``blocks`` yields the views of consecutive clips.

    A clip's features do not depend on the others (evaluation mode, one deterministic window), up to rounding.
    """

    def __init__(
        self, backbone: Backbone, card: weights.Card, seen: Sequence[int], views: Sequence[str], device: str, dtype
    ):
        self.backbone, self.card, self.views, self.device, self.dtype = backbone, card, tuple(views), device, dtype
        self.layout = layout(card.layout)
        self.columns = [card.seen.index(c) for c in seen]  # a validation split may borrow its parent's network
        probe = torch.zeros(1, 3, card.frames, len(self.layout), card.bodies, device=device)
        shape = self._maps(probe, torch.ones(1, card.bodies, dtype=torch.bool, device=device))[0].shape
        view_maker.check(self.views, self.layout, shape[3])

    def _maps(self, x: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        kind = torch.device(self.device).type
        with torch.inference_mode(), torch.autocast(kind, self.dtype, enabled=self.dtype is not None):
            x = streams.stream(x, self.card.stream, self.layout)
            pooled = self.backbone.pool(self.backbone.maps(x, present), present).float()
            return pooled, self.backbone.classify(pooled.mean((2, 3))).float()[:, self.columns]

    def blocks(self, data: Skeletons, rows: np.ndarray, progress: Progress | None = None):
        """Yield dicts of numpy views, some clips at a time, in the order of ``rows``."""
        size = micro_batch(self.card.frames, self.device, self.card.bodies)
        for block in np.array_split(rows, max(1, -(-len(rows) // BLOCK))):
            clips = Clips(data, block, self.layout, self.card.normalise, self.device)
            for part in torch.arange(len(block)).split(size):
                x, present = clips.windows(part, self.card.frames, self.card.test_crop)
                with torch.inference_mode():
                    found = view_maker.views(*self._maps(x, present), self.views, self.layout)
                yield {name: value.cpu().numpy() for name, value in found.items()}
                if progress is not None:
                    progress.step(len(part))


class Ensemble:
    """Several networks, one per stream, as one: ``blocks`` yields their views averaged, or side by side in depth.

    mean: every view is the average with the weights of Shift-GCN's four streams (0.6 joint and bone, 0.4 their
    motions, scaled to sum 1), so that features keep their dimension, as the 256-d vectors used by SynSE and MSF.
    concat: features side by side; the logits are averaged as above.
    """

    def __init__(self, members: Sequence[Extractor], fusion: str):
        if fusion not in FUSIONS:
            raise unknown("fusion", fusion, FUSIONS)
        shapes = {(m.card.module, m.card.frames, m.card.bodies) for m in members}
        if len(shapes) > 1:
            raise UserError(f"networks of an ensemble must agree in module, frames and person slots: {sorted(shapes)}")
        self.members, self.fusion, self.device = members, fusion, members[0].device
        share = np.array([0.4 if m.card.stream in ("joint_motion", "bone_motion") else 0.6 for m in members])
        self.share = share / share.sum()

    def blocks(self, data: Skeletons, rows: np.ndarray, progress: Progress | None = None):
        """As ``Extractor.blocks``."""
        first, *rest = self.members
        for found in zip(first.blocks(data, rows, progress), *(m.blocks(data, rows) for m in rest), strict=True):
            yield {name: self._fuse(name, [views[name] for views in found]) for name in found[0]}

    def _fuse(self, name: str, arrays: list[np.ndarray]) -> np.ndarray:
        if self.fusion == "mean" or name == "seen_logits":
            return sum(share * array.astype(np.float32) for share, array in zip(self.share, arrays)).astype(np.float32)
        return np.concatenate(arrays, 1 if name in ("pooled", "grid") else 2)


def extract(
    skeletons: Path,
    split_name: str,
    weights_files: Sequence[Path],
    views: Sequence[str],
    device: str,
    precision: str,
    fusion: str = "mean",
) -> tuple[Extractor | Ensemble, Skeletons, Split, dict[str, Any]]:
    """Everything that the feature files need, checked: extractor, data, split and attributes."""
    data = Skeletons(skeletons)
    dtype = devices.autocast_dtype(device, precision)
    members, attrs = [], []
    for path in weights_files:
        backbone, card = weights.load(path, device)
        split = _split_of(card, data, split_name, path)
        members.append(Extractor(backbone, card, split.seen, views, device, dtype))
        attrs.append(_attrs(card, data, split, path))
    if len(members) == 1:
        return members[0], data, split, attrs[0]
    joined = {key: "+".join(str(a[key]) for a in attrs) for key in ("stream", "weights")}
    return Ensemble(members, fusion), data, split, {**attrs[0], **joined, "fusion": fusion}


def _split_of(card: weights.Card, data: Skeletons, split_name: str, weights_file: Path) -> Split:
    """The split, after all checks that these weights may be used for it."""
    _check(card, data, split_name, weights_file)
    meta = {"sample_id": data.sample_id, **data.meta}
    split = splits.resolve(data.attrs["dataset"], split_name, meta, len(data.class_names))
    strangers = sorted(set(split.seen) - set(card.seen))
    if strangers or (card.split == split.name and card.seen != list(split.seen)):
        raise UserError(
            f"{weights_file} was trained on classes {card.seen}, but split {split.name} sees {list(split.seen)}; "
            "the split was changed since. Delete the weights and run Snakemake again."
        )
    return split


def _attrs(card: weights.Card, data: Skeletons, split: Split, weights_file: Path) -> dict[str, Any]:
    return {
        "dataset": data.attrs["dataset"],
        "split": split.name,
        "partition": split.partition,
        "backbone": card.module,
        "stream": card.stream,
        "layout": card.layout,
        "class_names": list(data.class_names),
        "seen": list(split.seen),
        "unseen": list(split.unseen),
        "weights": provenance.file_digest(weights_file)[:16],
        "weights_split": card.split,
        "weights_classes": card.training.get("weights_classes") or "seen",
        "frames": card.frames,
        "recipe": card.recipe,
    }


def _check(card: weights.Card, data: Skeletons, split_name: str, path: Path) -> None:
    for what, of_card, of_data in (
        ("data set", card.dataset, data.attrs["dataset"]),
        ("layout", card.layout, data.layout),
        ("class list", card.class_names, list(data.class_names)),
        ("recipe", card.recipe, str(data.attrs.get("recipe", ""))),
        ("person slots", card.bodies, data.joints.shape[1]),
    ):
        if of_card != of_data:
            raise UserError(f"{path} was trained on another {what} than the skeleton file has: {of_card} / {of_data}")
    if card.split not in (split_name, split_name.split("-val")[0]):
        raise UserError(f"{path} was trained for split {card.split}; it may not be used for {split_name}")


def write(
    extractor: Extractor | Ensemble, data: Skeletons, split: Split, attrs: dict[str, Any], seen_train: Path, test: Path
) -> np.ndarray:
    """Write ``seen_train`` (with labels) and ``test`` (without); returns the rows of the test samples."""
    train_rows, test_rows = splits.rows(split, data.label)
    splits.check_no_leak(split, data.label, train_rows)
    progress = Progress(f"features on {extractor.device}", len(train_rows) + len(test_rows), "clips")
    for path, rows, label in ((seen_train, train_rows, data.label[train_rows]), (test, test_rows, None)):
        with storage.feature_writer(path, data.sample_id[rows], attrs, label) as writer:
            for found in extractor.blocks(data, rows, progress):
                writer.add(found)
    return test_rows


def labels_csv(data: Skeletons, split: Split, rows: np.ndarray) -> str:
    """The CSV that ``evaluate`` alone reads: sample_id,label,name,subject,camera,setup,group."""
    import csv
    import io

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["sample_id", "label", "name", "subject", "camera", "setup", "group"])
    for row in rows:
        label = int(data.label[row])
        table.writerow(
            [data.sample_id[row], label, data.class_names[label]]
            + [int(data.meta[key][row]) for key in ("subject", "camera", "setup")]
            + ["unseen" if label in split.unseen else "seen"]
        )
    return text.getvalue()
