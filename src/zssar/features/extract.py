"""Features of the seen training clips and of all test clips, written view by view as they are computed.

The view ``profile`` is measured on the skeleton file; with no other view asked for, no network is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zssar import devices, provenance, storage
from zssar.backbones.base import Backbone
from zssar.datasets import splits
from zssar.errors import UserError
from zssar.features import ensemble, masking, profiles, weights
from zssar.features import views as view_maker
from zssar.features.clips import Clips, micro_batch
from zssar.interfaces import Split
from zssar.skeleton import streams
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons
from zssar.training import Progress

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

    def _views(self, x: torch.Tensor, present: torch.Tensor) -> dict[str, torch.Tensor]:
        names = [name for name in self.views if name != view_maker.MASKED]
        with torch.inference_mode():
            found = view_maker.views(*self._maps(x, present), names, self.layout)
            if view_maker.MASKED in self.views:
                thinned = (masking.masked(x, draw) for draw in range(masking.DRAWS))
                found[view_maker.MASKED] = torch.stack([self._maps(y, present)[0].mean((2, 3)) for y in thinned], 1)
        return found

    def blocks(self, data: Skeletons, rows: np.ndarray, progress: Progress | None = None):
        """Yield dicts of numpy views, some clips at a time, in the order of ``rows``."""
        sampling = self.card.training.get("sampling", "resize")
        size = micro_batch(self.card.frames, self.device, self.card.bodies)
        for block in np.array_split(rows, max(1, -(-len(rows) // BLOCK))):
            clips = Clips(data, block, self.layout, self.card.normalise, self.device)
            for part in torch.arange(len(block)).split(size):
                x, present = clips.windows(part, self.card.frames, self.card.test_crop, None, sampling)
                found = self._views(x, present)
                yield {name: value.cpu().numpy() for name, value in found.items()}
                if progress is not None:
                    progress.step(len(part))


class Networks:
    """One extractor or several with one interface (``features.ensemble``)."""

    def __init__(self, members: Sequence[Extractor], fusion: str):
        ensemble.check([member.card for member in members], fusion)
        self.members, self.fusion = members, fusion
        self.device, self.views = members[0].device, members[0].views

    def blocks(self, data: Skeletons, rows: np.ndarray, progress: Progress | None = None):
        """As ``Extractor.blocks``."""
        found = [m.blocks(data, rows, None if i else progress) for i, m in enumerate(self.members)]
        if len(found) == 1:
            return found[0]
        return ensemble.fuse(found, [m.card.stream for m in self.members], self.fusion)


def extract(
    skeletons: Path,
    split_name: str,
    weights_files: Sequence[Path | str],
    views: Sequence[str],
    device: str,
    precision: str,
    fusion: str = "mean",
) -> tuple[Networks | None, Skeletons, Split, dict[str, Any]]:
    """Everything that the feature files need, checked: networks (None without weights), data, split, attributes."""
    data = Skeletons(skeletons)
    meta = {"sample_id": data.sample_id, **data.meta}
    of_network = [view for view in views if view != view_maker.PROFILE]
    if not weights_files and of_network:
        raise UserError(
            f"the views {', '.join(of_network)} need a network: give --weights. "
            f"Without one (config: backbones.<name>.module: none) the only view is {view_maker.PROFILE}."
        )
    loaded = [weights.load(path, device) for path in weights_files]
    for (_, card), path in zip(loaded, weights_files):
        _check(card, data, split_name, path)
    split = splits.resolve(data.attrs["dataset"], split_name, meta, len(data.class_names))
    attrs = {
        "dataset": data.attrs["dataset"],
        "split": split.name,
        "partition": split.partition,
        "layout": data.layout,
        "class_names": list(data.class_names),
        "seen": list(split.seen),
        "unseen": list(split.unseen),
        "recipe": str(data.attrs.get("recipe", "")),
    }
    if view_maker.PROFILE in views:
        attrs["quantities"] = list(profiles.names())
    if not loaded:
        return None, data, split, {**attrs, "backbone": "none", "stream": "joint"}
    notes = [_weights_attrs(card, split, path) for (_, card), path in zip(loaded, weights_files)]
    attrs |= notes[0]
    if len(notes) > 1:
        attrs |= {key: "+".join(note[key] for note in notes) for key in ("stream", "weights")} | {"fusion": fusion}
    dtype = devices.autocast_dtype(device, precision)
    members = [Extractor(backbone, card, split.seen, of_network, device, dtype) for backbone, card in loaded]
    return Networks(members, fusion), data, split, attrs


def _weights_attrs(card: weights.Card, split: Split, path: Path | str) -> dict[str, Any]:
    """What a feature file says about the network. Raises UserError if it was trained on other classes than the seen."""
    strangers = sorted(set(split.seen) - set(card.seen))
    if strangers or (card.split == split.name and card.seen != list(split.seen)):
        raise UserError(
            f"{path} was trained on classes {card.seen}, but split {split.name} sees {list(split.seen)}; "
            "the split was changed since. Delete the weights and run Snakemake again."
        )
    return {
        "backbone": card.module,
        "stream": card.stream,
        "weights": provenance.file_digest(path)[:16],
        "weights_split": card.split,
        "weights_classes": card.training.get("weights_classes") or "seen",
        "frames": card.frames,
    }


def _check(card: weights.Card, data: Skeletons, split_name: str, path: Path | str) -> None:
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
    extractor: Networks | None,
    data: Skeletons,
    split: Split,
    attrs: dict[str, Any],
    seen_train: Path,
    test: Path,
) -> np.ndarray:
    """Write ``seen_train`` (with labels) and ``test`` (without); returns the rows of the test samples."""
    train_rows, test_rows = splits.rows(split, data.label)
    splits.check_no_leak(split, data.label, train_rows)
    where = "the skeletons" if extractor is None else extractor.device
    progress = Progress(f"features on {where}", len(train_rows) + len(test_rows), "clips")
    for path, rows, label in ((seen_train, train_rows, data.label[train_rows]), (test, test_rows, None)):
        with storage.feature_writer(path, data.sample_id[rows], attrs, label) as writer:
            for found in _blocks(extractor, data, rows, "quantities" in attrs, progress):
                writer.add(found)
    return test_rows


def _blocks(extractor: Networks | None, data: Skeletons, rows: np.ndarray, profile: bool, progress: Progress):
    """Yield dicts of views of consecutive clips: the network's, the measured profile, or both side by side."""
    if extractor is None or not extractor.views:
        for block, measured in profiles.blocks(data, rows):
            yield {view_maker.PROFILE: measured}
            progress.step(len(block))
        return
    measured = np.concatenate([m for _, m in profiles.blocks(data, rows)]) if profile else None
    start = 0
    for found in extractor.blocks(data, rows, progress):
        end = start + len(next(iter(found.values())))
        yield found if measured is None else {**found, view_maker.PROFILE: measured[start:end]}
        start = end


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
