"""The training loop that gradient methods share: seeds, resident batches, fused Adam, schedules, ``after_epoch``.

A method's ``fit`` builds its modules inside ``seeded``, hands a function ``batch_loss(rows) -> scalar`` to ``train``
and is done. Nothing in the loop waits for the device: no ``.item()``, one transfer of the shuffled order per epoch.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import nn

from zssar.alignment.optimisers import SGD, Adam
from zssar.errors import UserError
from zssar.interfaces import AfterEpoch, AlignmentMethod
from zssar.training import Progress


@contextlib.contextmanager
def seeded(seed: int, device: str | torch.device = "cpu") -> Iterator[torch.Generator]:
    """Seed torch for the block and put the caller's random state back afterwards.

    Yields a CPU generator for shuffling that nothing else draws from, so that the order of samples does not depend on
    what the layers draw. A fit is a function of its inputs and ``seed`` alone and leaves no trace in the caller's
    random stream.
    """
    device = torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def adam(parameters: Iterable, lr: float, weight_decay: float = 0.0) -> torch.optim.Optimizer:
    """Fused Adam: one kernel for all parameters. ``parameters`` may be groups with their own ``weight_decay``.

    Several published optimisers with the same learning rate are one optimiser with groups: Adam couples no parameters.
    """
    return Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True)


def sgd(parameters: Iterable, lr: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """Fused gradient descent with Nesterov momentum."""
    return SGD(parameters, lr=lr, momentum=momentum, nesterov=True, weight_decay=weight_decay, fused=True)


def batches(n: int, size: int, generator: torch.Generator, device) -> Iterator[torch.Tensor]:
    """Shuffled passes over n rows, without end; a last batch of one sample is left out (batch norm, in-batch losses).

    Raises UserError if that leaves nothing.
    """
    if size < min(2, n):
        raise UserError(f"batch_size={size}: with one sample a batch there is nothing to compare; give 2 or more")
    while True:
        for rows in torch.randperm(n, generator=generator).to(device).split(size):
            if len(rows) > 1 or n <= 1:
                yield rows


def epoch_steps(n: int, batch_size: int, epochs: int, min_steps: int) -> int:
    """Updates of an epoch: one pass over the n rows, or more, so that ``epochs`` epochs make at least ``min_steps``.

    Papers count epochs on tens of thousands of clips; on a few hundred the same epochs are a hundredth of the updates.
    Longer epochs, and not more of them, leave schedules, ``after_epoch`` and its checkpoints alone. An epoch that is
    longer than a pass ends within one, and the next goes on from there: no sample is seen more often than another.
    """
    full, rest = divmod(n, batch_size)
    return max(full + (rest > 1) or 1, math.ceil(min_steps / max(1, epochs)))


def train(
    method: AlignmentMethod,
    module: nn.Module,
    batch_loss: Callable[[torch.Tensor], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    n: int,
    epochs: int,
    batch_size: int,
    generator: torch.Generator,
    min_steps: int = 0,
    after_epoch: AfterEpoch | None = None,
    schedule: Callable[[int], float] | None = None,
    validate: Callable[[], float] | None = None,
) -> None:
    """Train ``module`` for ``epochs`` shuffled passes over rows 0..n-1 and leave it in evaluation mode.

    batch_loss: rows (B,), on the module's device, to a scalar. min_steps: makes epochs longer than one pass on small
    data, see ``epoch_steps``; 0: never. schedule: epoch (from 0) to a factor of each group's learning rate. validate:
    called in evaluation mode after an epoch (see ``Watch``); returns another factor, for the epochs to come; training
    always runs its full course. ``after_epoch(method, epoch)`` sees the module in evaluation mode, epochs from 1; what
    it draws from torch's global random stream does not reach the training.
    """
    device = next(module.parameters()).device
    base = [group["lr"] for group in optimizer.param_groups]
    progress = Progress(f"{type(method).__name__} seed {getattr(method, 'seed', '-')}", epochs, "epochs")
    factor, losses, steps = 1.0, [], epoch_steps(n, batch_size, epochs, min_steps)
    stream = batches(n, batch_size, generator, device)
    for epoch in range(epochs):
        module.train()
        for group, lr in zip(optimizer.param_groups, base):
            group["lr"] = lr * factor * (schedule(epoch) if schedule else 1.0)
        total = torch.zeros((), device=device)
        for rows in islice(stream, steps):
            loss = batch_loss(rows)
            step(optimizer, loss)
            total = total + loss.detach()
        losses.append(total / max(steps, 1))
        module.eval()
        if validate:
            with torch.no_grad():
                factor = validate()
        progress.step()
        report(method, epoch + 1, after_epoch, device)
    method.losses_ = torch.stack(losses).tolist() if losses else []  # read back once: no waiting for a GPU per step


def step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One update of the parameters."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def report(method: AlignmentMethod, epoch: int, after_epoch: AfterEpoch | None, device="cpu") -> None:
    """Call ``after_epoch`` behind a fence: the random state that training sees next is the one before the call."""
    if after_epoch is not None:
        device = torch.device(device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            after_epoch(method, epoch)


def holdout_rows(labels: np.ndarray, share: float, seed: int, device="cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """(training rows, held-out rows): ``share`` of each class's samples, none of a class that has only one.

    Raises UserError if the share is not in [0, 1) or leaves nothing to hold out.
    """
    if not 0 <= share < 1:
        raise UserError(f"holdout={share}: give the share of the training samples to keep aside, 0 <= holdout < 1")
    generator = np.random.default_rng(seed)
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels) if share > 0 else ():
        rows = generator.permutation(np.flatnonzero(labels == label))
        held[rows[: min(len(rows) - 1, max(1, round(share * len(rows))))]] = True
    if share > 0 and not held.any():
        raise UserError(
            f"holdout={share}: no class has two training samples to keep one aside; set `holdout: 0` (and "
            "`keep: last`, where the method has it)"
        )
    # Shuffled: a loss within batches must not depend on whether the file is sorted by class.
    rows = np.flatnonzero(~held), generator.permutation(np.flatnonzero(held))
    return torch.as_tensor(rows[0], device=device), torch.as_tensor(rows[1], device=device)


class Watch:
    """``validate`` of ``train``: lowers the learning rate when a criterion on held-out samples stalls.

    criterion: () -> float on seen-class samples kept out of training, never on unseen ones. The rule is that of
    ReduceLROnPlateau: factor 0.1 after ``patience`` epochs without improvement (relative 1e-4), then ``cooldown``
    epochs of rest. ``stale``: epochs since the last improvement.
    """

    def __init__(self, criterion: Callable[[], float], mode: str, patience: int, cooldown: int):
        self.criterion, self.sign = criterion, 1.0 if mode == "max" else -1.0
        self.holder = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.holder, mode=mode, factor=0.1, patience=patience, cooldown=cooldown
        )
        self.best, self.stale = -float("inf"), 0

    def __call__(self) -> float:
        value = float(self.criterion())
        improved = self.sign * value > self.best
        self.best = max(self.best, self.sign * value)
        self.stale = 0 if improved else self.stale + 1
        self.plateau.step(value)
        return self.holder.param_groups[0]["lr"]
