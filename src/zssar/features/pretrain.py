"""From a skeleton file and a split to a trained backbone: which rows, which classes, which settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zssar import devices, plugins, provenance
from zssar.backbones.base import Backbone
from zssar.datasets import splits
from zssar.errors import UserError
from zssar.features import checkpoint, distributed, published, weights
from zssar.features.clips import Clips, stream_channels
from zssar.features.recipe import Training
from zssar.features.trainer import Trainer, heldout
from zssar.interfaces import Split
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons
from zssar.training import seed_everything

__all__ = ["Request", "Result", "Training", "pretrain"]


@dataclass(frozen=True)
class Request:
    """What to train. params and training: config values as they stand. skeletons_hash: digest of the skeleton file."""

    skeletons: Path
    skeletons_hash: str
    split: str
    module: str
    params: dict[str, Any]
    training: dict[str, Any]
    stream: str = "joint"
    seed: int = 0
    precision: str = "auto"


@dataclass(frozen=True)
class Result:
    """backbone: with the chosen weights, on its device. notes: what goes into run.json."""

    backbone: Backbone
    card: weights.Card
    history: list[dict[str, Any]]
    notes: dict[str, Any]


def pretrain(request: Request, device: str, checkpoint_file: Path) -> Result:
    """Train, or go on from the checkpoint. Raises UserError for leaks, unknown names and diverging training."""
    data = Skeletons(request.skeletons)
    split, rows = training_rows(data, request.split)
    of = layout(data.layout)
    plugin = plugins.load("backbones", request.module)
    if plugin.streams is not None and request.stream not in plugin.streams:
        raise UserError(
            f"{request.module} cannot read the stream {request.stream}; it reads {', '.join(plugin.streams)}"
        )
    training = Training.of(request.training, plugin.paper_recipe)
    dtype = devices.autocast_dtype(device, request.precision)
    seed_everything(request.seed + 1000 * distributed.rank())  # dropout differs between processes
    bodies = data.joints.shape[1]
    card = _card(request, data, split, training, bodies)
    torch.manual_seed(request.seed)  # one start for all processes
    backbone = card.build()
    given = _given_weights(backbone, training)
    labels = np.searchsorted(split.seen, data.label[rows])
    settings = checkpoint.settings_hash(
        request.skeletons_hash,
        asdict(card),
        given,
        str(dtype),
        distributed.size(),
        _code(request.module),
    )
    trainer = Trainer(
        backbone,
        Clips(data, rows, of, training.normalise, device),
        labels,
        heldout(labels, data.meta["subject"][rows], training.heldout),
        training,
        request.stream,
        request.seed,
        device,
        dtype,
        settings,
        lambda state: checkpoint.save(checkpoint_file, state),
    )
    _say(request, split, trainer)
    history = trainer.fit(checkpoint.load(checkpoint_file, settings))
    notes = {
        "device": device,
        "precision": str(dtype or torch.float32).removeprefix("torch."),
        "processes": distributed.size(),
        "training": asdict(training),
        "seen": list(split.seen),
        "train_clips": len(trainer.train_rows),
        "heldout_clips": 0 if trainer.held_rows is None else len(trainer.held_rows),
        "chosen_epoch": trainer.best.get("epoch", training.epochs),
        "given_weights": given,
        "parameters": sum(p.numel() for p in backbone.parameters()),
        "last": history[-1] if history else None,
    }
    return Result(backbone, card, history, notes)


def training_rows(data: Skeletons, name: str) -> tuple[Split, np.ndarray]:
    """The split and its training rows of seen classes, checked for leaks."""
    meta = {"sample_id": data.sample_id, **data.meta}
    split = splits.resolve(data.attrs["dataset"], name, meta, len(data.class_names))
    rows, _ = splits.rows(split, data.label)
    splits.check_no_leak(split, data.label, rows)
    missing = sorted(set(split.seen) - set(data.label[rows].tolist()))
    if missing:
        names = [data.class_names[c] for c in missing]
        raise UserError(f"split {name}: no training sample of the seen classes {names}; the network cannot learn them")
    return split, rows


def _given_weights(backbone: Backbone, training: Training) -> dict[str, Any]:
    """Load the user's checkpoint, if there is one; what goes into the record about it."""
    if not training.weights:
        return {}
    path = Path(os.path.expandvars(training.weights)).expanduser()
    with_head = published.load(backbone, path)
    if not with_head and training.epochs == 0:
        raise UserError(
            f"{path}: its head has other classes than the split sees, so its logits mean nothing here; "
            "train at least one epoch (config: backbones.<name>.training.epochs)"
        )
    if training.weights_classes == "all":
        print("the given weights were trained on all classes: unseen classes are not unseen to them", file=sys.stderr)
    return {"sha256": provenance.file_digest(path), "classes": training.weights_classes, "head": with_head}


def _card(request: Request, data: Skeletons, split: Split, training: Training, bodies: int) -> weights.Card:
    return weights.Card(
        module=request.module,
        params=request.params,
        layout=data.layout,
        in_channels=stream_channels(request.stream),
        bodies=bodies,
        stream=request.stream,
        frames=training.frames,
        test_crop=training.test_crop,
        normalise=list(training.normalise),
        recipe=str(data.attrs.get("recipe", "")),
        dataset=data.attrs["dataset"],
        split=split.name,
        seen=list(split.seen),
        class_names=list(data.class_names),
        training=asdict(training),
        seed=request.seed,
    )


def _code(module: str) -> str:
    plugin = module if "." in module else f"zssar.backbones.{module}"
    return provenance.code_digest("zssar.features.pretrain", plugin)


def _say(request: Request, split: Split, trainer: Trainer) -> None:
    if distributed.rank():
        return
    used, held = len(trainer.train_rows), 0 if trainer.held_rows is None else len(trainer.held_rows)
    count = sum(p.numel() for p in trainer.backbone.parameters())
    words: Sequence[str] = (
        f"{request.module} ({count:,} parameters), stream {request.stream}, {split.name} ({split.partition}):",
        f"{used} clips of {len(split.seen)} seen classes",
        f"and {held} of held-out training subjects," if held else "",
        f"{trainer.training.epochs} epochs, {trainer.dtype or torch.float32} on {trainer.device}",
    )
    print(" ".join(filter(None, words)), file=sys.stderr)
