"""Training in several processes (torchrun): who am I, and what do we have together. One process: no-ops."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch
from torch import distributed, nn


def launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def group(choice: str) -> Iterator[str]:
    """The device of this process, inside a process group: its own GPU with NCCL, or the CPU with gloo."""
    local = int(os.environ["LOCAL_RANK"])
    gpu = choice != "cpu" and torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(local)
    distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield f"cuda:{local}" if gpu else "cpu"
    finally:
        distributed.destroy_process_group()


def size() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def wrap(model: nn.Module, device: str) -> nn.Module:
    """The model with gradients averaged over processes; batch statistics are shared on GPUs, own on CPUs."""
    if size() == 1:
        return model
    if device.startswith("cuda"):
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return nn.parallel.DistributedDataParallel(model, device_ids=[torch.device(device).index])
    return nn.parallel.DistributedDataParallel(model)


def total(values: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over all processes."""
    if size() > 1:
        values = values.clone()
        distributed.all_reduce(values)
    return values
