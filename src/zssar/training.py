"""What every training loop shares: seeds, batches, schedules, progress. Methods may use it or keep their own loop."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator

import numpy as np


def seed_everything(seed: int):
    """Seed torch and numpy; returns a torch CPU generator for shuffling that nothing else draws from."""
    import torch

    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def minibatches(n: int, size: int, generator, keep_last: bool = True) -> Iterator:
    """Shuffled index tensors of ``size``; a last batch of one sample is dropped, for batch norm and in-batch losses."""
    import torch

    for rows in torch.randperm(n, generator=generator).split(size):
        if len(rows) == size or (keep_last and len(rows) > 1) or n == 1:
            yield rows


def warmup_cosine(epoch: int, epochs: int, warmup: int = 0) -> float:
    """Factor of the learning rate at ``epoch`` (from 0): linear from 0 over ``warmup``, then half a cosine to 0."""
    if epoch < warmup:
        return epoch / warmup
    return 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / max(1, epochs - warmup)))


class Progress:
    """One line that moves on a terminal, plain lines at most every ``every`` seconds elsewhere."""

    def __init__(self, what: str, total: int, unit: str, every: float = 10.0):
        self.what, self.total, self.unit, self.every = what, total, unit, every
        self.start = self.last = time.monotonic()
        self.done = 0
        self.terminal = sys.stderr.isatty()

    def step(self, count: int = 1, note: str = "") -> None:
        """Report ``count`` more units done."""
        self.done += count
        now = time.monotonic()
        if self.done < self.total and now - self.last < (0.2 if self.terminal else self.every):
            return
        self.last = now
        rate = self.done / max(now - self.start, 1e-9)
        left = (self.total - self.done) / max(rate, 1e-9)
        line = f"{self.what}: {self.done}/{self.total} {self.unit}, {rate:.1f} {self.unit}/s, {left:.0f} s left"
        end = "\r" if self.terminal and self.done < self.total else "\n"
        print(f"{line}{f'; {note}' if note else ''}".ljust(100 if self.terminal else 0), end=end, file=sys.stderr)
        sys.stderr.flush()
