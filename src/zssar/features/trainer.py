"""Supervised training of a backbone on labelled clips, resumable, on one device or several.

Everything lives on the device: ragged clips, windows, streams, augmentation. Random numbers come from CPU generators,
so that a seed means the same on every device, and the whole state (weights, optimiser, generators, place within the
epoch) goes into a checkpoint from which a killed run goes on bit for bit.

Several GPUs: ``torchrun --nproc-per-node N -m zssar.cli pretrain_backbone ...``; each process takes its share of every
batch, and gradients are averaged (DistributedDataParallel).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from zssar.backbones.base import Backbone
from zssar.errors import UserError
from zssar.features import distributed
from zssar.features.clips import Clips, augment, micro_batch, sent
from zssar.features.recipe import Training
from zssar.skeleton import streams
from zssar.training import Progress

Save = Callable[[dict[str, Any]], None]


def heldout(labels: np.ndarray, subjects: np.ndarray, share: float) -> np.ndarray:
    """bool (n,): which training samples judge the epochs. Whole subjects where they are known.

    Subjects are taken in the order of their number, from the last one backwards, until ``share`` of them is held out;
    where subjects are unknown (or there is only one), the last ``share`` of every class's samples.
    """
    known = np.unique(subjects)
    if len(known) > 1 and known[0] >= 0:
        return np.isin(subjects, known[-max(1, round(share * len(known))) :])
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        held[rows[len(rows) - int(share * len(rows)) :]] = True
    return held


def predict(
    backbone: Backbone, clips: Clips, rows: torch.Tensor, stream: str, training: Training, dtype: torch.dtype | None
) -> torch.Tensor:
    """Logits (n, S) of the deterministic test view, in evaluation mode."""
    device = clips.joints.device.type
    backbone.eval()
    logits = []
    with torch.inference_mode(), torch.autocast(device, dtype, enabled=dtype is not None):
        for part in rows.split(micro_batch(training.frames, device, clips.joints.shape[1])):
            x, present = clips.windows(part, training.frames, training.test_crop, None, training.sampling)
            logits.append(backbone(streams.stream(x, stream, clips.layout), present).float())
    return torch.cat(logits)


@dataclass
class Trainer:
    """One training run. ``fit`` leaves the chosen weights in ``backbone`` and returns one dict per epoch.

    labels: (n,) positions in the head's outputs, for the clips in order. held: bool (n,), used with select: heldout.
    dtype: of autocast, or None. settings: a hash of all that must agree for a checkpoint to be continued.
    """

    backbone: Backbone
    clips: Clips
    labels: np.ndarray
    held: np.ndarray
    training: Training
    stream: str
    seed: int
    device: str
    dtype: torch.dtype | None
    settings: str = ""
    save: Save | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.backbone.to(self.device)
        self.target = torch.as_tensor(np.asarray(self.labels, np.int64), device=self.device)
        use_held = self.training.select == "heldout"
        self.train_rows = torch.from_numpy(np.flatnonzero(~self.held) if use_held else np.arange(len(self.labels)))
        self.held_rows = torch.from_numpy(np.flatnonzero(self.held)) if use_held else None
        self.steps = max(1, math.ceil(len(self.train_rows) / self.training.batch_size))
        self.generator = torch.Generator().manual_seed(self.seed)
        self.optimizer = self.training.optimizer(self.backbone)
        self.model: nn.Module = distributed.wrap(self.backbone, self.device)
        if self.training.compile:
            self.model = torch.compile(self.model)
        self.epoch = self.step = 0
        self.sums = torch.zeros(2, dtype=torch.float64, device=self.device)  # loss and hits of this epoch
        self.order_state = self.generator.get_state()
        self.best: dict[str, Any] = {"accuracy": -1.0}
        self.last_save = time.monotonic()

    # --- the loop --------------------------------------------------------------------------------------------------

    def fit(self, checkpoint: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Train, from the start or from a checkpoint of the same settings. Raises UserError when training diverges."""
        if checkpoint is not None:
            self.restore(checkpoint)
        left = (self.training.epochs - self.epoch) * len(self.train_rows)
        progress = Progress(f"train on {self.device}", left, "clips")
        while self.epoch < self.training.epochs:
            self._epoch(progress)
        if self.training.select == "heldout" and "state" in self.best:
            self.backbone.load_state_dict(self.best["state"])
        self.backbone.eval()
        return self.history

    def _epoch(self, progress: Progress) -> None:
        begun = time.perf_counter()
        now = self.generator.get_state()
        self.generator.set_state(self.order_state)
        order = self.train_rows[torch.randperm(len(self.train_rows), generator=self.generator)]
        batches = order.tensor_split(self.steps)  # nearly equal: no small last batch for the batch norm
        if self.step:
            self.generator.set_state(now)
        note = f"epoch {self.epoch + 1}/{self.training.epochs}"
        note += f", loss {self.history[-1]['loss']:.3f}" if self.history else ""
        self.backbone.train()
        while self.step < self.steps:
            rows = batches[self.step]
            self._update(rows)
            self.step += 1
            progress.step(len(rows), note)
            if self.step < self.steps and time.monotonic() - self.last_save >= self.training.checkpoint_seconds:
                self._save()
        self._close_epoch(time.perf_counter() - begun)

    def _update(self, rows: torch.Tensor) -> None:
        rate = self.training.rate(self.epoch * self.steps + self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        x, present, target = self._batch(rows)
        with torch.autocast(torch.device(self.device).type, self.dtype, enabled=self.dtype is not None):
            logits = self.model(x, present).float()
        loss = F.cross_entropy(logits, target, label_smoothing=self.training.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        # Processes hold shares of a batch that differ by one clip; their gradients are averaged with equal weight.
        (loss * (len(target) * distributed.size() / len(rows))).backward()
        if self.training.clip_norm:
            nn.utils.clip_grad_norm_(self.backbone.parameters(), self.training.clip_norm)
        self.optimizer.step()
        hits = (logits.argmax(1) == target).sum()
        self.sums += torch.stack([loss.detach() * len(target), hits]).double()

    def _batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """This process's share of an augmented batch: stream (N, C, T, V, M), present (N, M), targets (N,)."""
        settings, layout = self.training, self.clips.layout
        x, present = self.clips.windows(rows, settings.frames, settings.crop, self.generator, settings.sampling)
        x = augment(x, settings.rotation, settings.scale, self.generator, layout.dimensions == 2)
        share = slice(distributed.rank(), None, distributed.size())
        x = streams.stream(x[share], self.stream, layout)
        return x, present[share], self.target[sent(rows[share], self.target.device)]

    def _close_epoch(self, seconds: float) -> None:
        loss, hits = (distributed.total(self.sums) / len(self.train_rows)).tolist()
        rate = self.optimizer.param_groups[0]["lr"]
        self._check(loss, rate)
        line = {"epoch": self.epoch + 1, "loss": loss, "accuracy": hits, "lr": rate, "seconds": round(seconds, 3)}
        line["clips_per_second"] = round(len(self.train_rows) / max(seconds, 1e-9), 1)
        if self.held_rows is not None:
            logits = predict(self.backbone, self.clips, self.held_rows, self.stream, self.training, self.dtype)
            hit = logits.argmax(1) == self.target[self.held_rows.to(self.target.device)]
            line["heldout_accuracy"] = hit.float().mean().item()
            if line["heldout_accuracy"] > self.best["accuracy"]:
                state = {key: value.detach().cpu().clone() for key, value in self.backbone.state_dict().items()}
                self.best = {"accuracy": line["heldout_accuracy"], "epoch": self.epoch + 1, "state": state}
        self.history.append(line)
        self.epoch, self.step = self.epoch + 1, 0
        self.sums.zero_()
        self.order_state = self.generator.get_state()
        last = self.epoch == self.training.epochs
        if last or time.monotonic() - self.last_save >= self.training.checkpoint_seconds:
            self._save()

    def _check(self, loss: float, rate: float) -> None:
        chance = math.log(max(2, len(np.unique(self.labels))))
        if math.isfinite(loss) and loss < 10 * chance:
            return
        raise UserError(
            f"training diverged in epoch {self.epoch + 1} at learning rate {rate:.4g}: the mean loss is {loss:.4g} "
            f"(chance is {chance:.2f}). Try a third of the learning rate (config: backbones.<name>.training.lr), more "
            "`warmup` epochs, or `clip_norm: 1`; with precision bf16, try fp32 to rule out rounding."
        )

    # --- checkpoints -----------------------------------------------------------------------------------------------

    def _save(self) -> None:
        self.last_save = time.monotonic()
        if self.save is not None and distributed.rank() == 0:
            self.save(self.snapshot())

    def snapshot(self) -> dict[str, Any]:
        """All that decides how training goes on: tensors, numbers and strings only."""
        cuda = torch.cuda.get_rng_state(self.device) if self.device.startswith("cuda") else torch.empty(0)
        return {
            "settings": self.settings,
            "epoch": self.epoch,
            "step": self.step,
            "model": self.backbone.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "order": self.order_state,
            "random": torch.get_rng_state(),
            "random_cuda": cuda,
            "sums": self.sums,
            "history": self.history,
            "best": self.best,
        }

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Continue where ``snapshot`` was taken."""
        self.epoch, self.step = checkpoint["epoch"], checkpoint["step"]
        self.backbone.load_state_dict(checkpoint["model"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.generator.set_state(checkpoint["generator"])
        self.order_state = checkpoint["order"]
        torch.set_rng_state(checkpoint["random"])
        if len(checkpoint["random_cuda"]) and self.device.startswith("cuda"):
            torch.cuda.set_rng_state(checkpoint["random_cuda"], self.device)
        self.sums = checkpoint["sums"].to(self.device)
        self.history, self.best = list(checkpoint["history"]), checkpoint["best"]
