"""How a backbone is trained: one frozen set of values, the optimiser and the learning rate they stand for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from zssar.errors import UserError, unknown
from zssar.skeleton import transforms


@dataclass(frozen=True)
class Training:
    """Keyword arguments of ``training:`` in config.yaml. The values below are the recipe ``modern``.

    recipe: ``modern`` or ``paper`` (the backbone's own ``paper_recipe`` instead; other keys given still win).
    epochs: passes over the training clips; 0 uses given weights as they are. frames: length of a window.
    batch_size: clips. optimiser: adamw (no decay of biases and norms) or sgd (Nesterov momentum 0.9, all decayed).
    schedule: cosine (to 0, per batch) or step (times 0.1 at the ``milestones``, in epochs). warmup: epochs of linear
    growth. clip_norm: largest norm of the gradient, 0 for none.
    crop: smallest share of a clip in a training window; test_crop: the centred share in evaluation. sampling: resize
    or uniform, see ``zssar.skeleton.transforms.windows``. rotation: largest angle per axis in radians; scale: largest
    relative change of size. normalise: applied to whole clips, see ``zssar.skeleton.transforms``.
    weights: a published checkpoint to start from (``features.published``), or with ``epochs: 0`` to use as it is;
    weights_classes: what it was trained on, ``seen`` or ``all`` classes of the split, which goes into every record.
    select: ``last`` epoch, or best on ``heldout``: a share of the training subjects that is then not trained on.
    checkpoint_seconds: time between checkpoints. compile: torch.compile.
    """

    recipe: str = "modern"
    epochs: int = 30
    frames: int = 64
    batch_size: int = 16
    optimiser: str = "adamw"
    lr: float = 0.005
    weight_decay: float = 0.01
    schedule: str = "cosine"
    milestones: tuple[int, ...] = ()
    warmup: float = 1.0
    label_smoothing: float = 0.1
    clip_norm: float = 0.0
    crop: float = 0.8
    test_crop: float = 1.0
    sampling: str = "resize"
    rotation: float = 0.3
    scale: float = 0.1
    normalise: tuple[str, ...] = ()
    weights: str = ""
    weights_classes: str = ""
    select: str = "last"
    heldout: float = 0.2
    checkpoint_seconds: float = 60.0
    compile: bool = False

    def __post_init__(self) -> None:
        for key, known in (
            ("recipe", ("modern", "paper")),
            ("optimiser", ("adamw", "sgd")),
            ("schedule", ("cosine", "step")),
            ("select", ("last", "heldout")),
            ("sampling", transforms.SAMPLINGS),
            ("weights_classes", ("seen", "all") if self.weights else ("",)),
        ):
            if getattr(self, key) not in known:
                raise unknown(key, getattr(self, key), known, "config: backbones.<name>.training")
        for key, low, high in (
            ("epochs", 0, 10**6),
            ("frames", 1, 10**5),
            ("batch_size", 2, 10**6),
            ("lr", 0, 1e3),
            ("crop", 1e-6, 1),
            ("test_crop", 1e-6, 1),
            ("heldout", 1e-6, 0.9),
        ):
            value = getattr(self, key)
            if not isinstance(value, int | float) or not low <= value <= high:
                raise UserError(f"config: backbones.<name>.training.{key}: {value!r} is not between {low} and {high}")

    @classmethod
    def of(cls, given: Mapping[str, Any], paper: Mapping[str, Any]) -> Training:
        """From config values; ``paper`` is what ``recipe: paper`` stands for. Raises UserError for unknown keys."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key in given:
            if key not in known:
                raise unknown("key", key, known, "config: backbones.<name>.training")
        values = {**(paper if given.get("recipe") == "paper" else {}), **given}
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Fused. A parameter's attribute ``decay`` multiplies the weight decay (Shift-GCN's channel mixing: 10)."""
        groups: dict[float, list[nn.Parameter]] = {}
        for parameter in model.parameters():
            factor = getattr(parameter, "decay", 1.0)
            if self.optimiser == "adamw" and parameter.ndim < 2:
                factor = 0.0
            groups.setdefault(factor, []).append(parameter)
        rows = [{"params": p, "weight_decay": self.weight_decay * f} for f, p in groups.items()]
        if self.optimiser == "adamw":
            return torch.optim.AdamW(rows, self.lr, fused=True)
        return torch.optim.SGD(rows, self.lr, momentum=0.9, nesterov=True, fused=True)

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate at a step (from 0): warm-up, then cosine or steps."""
        epoch = step / steps_per_epoch
        if epoch < self.warmup:
            return self.lr * (step + 1) / max(1.0, self.warmup * steps_per_epoch)
        if self.schedule == "step":
            return self.lr * 0.1 ** sum(math.floor(epoch) >= m for m in self.milestones)
        return self.lr * 0.5 * (1 + math.cos(math.pi * (epoch - self.warmup) / max(1e-9, self.epochs - self.warmup)))
