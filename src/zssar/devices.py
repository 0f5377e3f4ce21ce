"""Which device a step runs on. Snakemake counts GPUs but hands out none: a lock file per GPU does that here."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from zssar.errors import UserError

CHOICES = ("auto", "cpu", "cuda")


@contextlib.contextmanager
def device(choice: str = "auto") -> Iterator[str]:
    """``cpu`` or ``cuda:i`` for the time of the block; on several GPUs each process gets one of its own.

    auto takes a GPU where there is one. A scheduler that already chose (one visible device) is obeyed, and how many
    processes share that one is up to who starts them. Each of several GPUs takes ZSSAR_JOBS_PER_GPU processes (default
    1), filled evenly; the next process waits. Raises UserError if ``cuda`` is asked for and there is none, or if that
    number is none.
    """
    import torch

    if choice not in CHOICES:
        raise UserError(f"device {choice!r}: choose one of {', '.join(CHOICES)}")
    count = torch.cuda.device_count() if choice != "cpu" else 0
    if count == 0:
        if choice == "cuda":
            raise UserError(
                "device: cuda was asked for, but PyTorch sees no GPU. Set `device: auto` in config.yaml, or install "
                "a CUDA build of torch (see README, GPU)."
            )
        yield "cpu"
    elif count == 1:
        yield "cuda:0"
    else:
        with _slot(count) as index:
            yield f"cuda:{index}"


@contextlib.contextmanager
def _slot(count: int) -> Iterator[int]:
    import fcntl  # POSIX; multi-GPU machines with Windows are not served

    folder = Path(os.environ.get("ZSSAR_LOCKS", tempfile.gettempdir()))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else [str(i) for i in range(count)]
    seats = [(seat, index, name.strip()) for seat in range(_jobs_per_gpu()) for index, name in enumerate(names[:count])]
    while True:
        for seat, index, name in seats:
            with open(folder / f"zssar-gpu-{os.getuid()}-{name}-{seat}.lock", "w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield index
                return
        time.sleep(1.0)


def _jobs_per_gpu() -> int:
    asked = os.environ.get("ZSSAR_JOBS_PER_GPU", "1")
    if not asked.isdecimal() or int(asked) < 1:
        raise UserError(f"ZSSAR_JOBS_PER_GPU={asked}: must be a whole number of processes from 1; unset it for one")
    return int(asked)


def autocast_dtype(device_name: str, precision: str = "auto"):
    """torch.bfloat16 where the hardware multiplies it fast (or is told to), else None for plain float32.

    precision: auto, fp32 or bf16. On CPUs auto asks for AMX tiles. It does not take AVX-512 bfloat16, although the
    small ST-GCN trains 174 instead of 89 clips/s with it: torch 2.13 can abort in the backward pass of a convolution.
    """
    import torch

    if precision not in ("auto", "fp32", "bf16"):
        raise UserError(f"precision {precision!r}: choose auto, fp32 or bf16")
    if precision == "fp32":
        return None
    if precision == "bf16":
        return torch.bfloat16
    if device_name.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    return torch.bfloat16 if _cpu_has_amx() else None


def speed_up_cpu(device_name: str) -> None:
    """What makes PyTorch faster on this process's CPU without touching a number; nothing if the step runs on a GPU."""
    if device_name == "cpu":
        keep_freed_memory()
        multiply_by_onednn()


def multiply_by_onednn() -> bool:
    """Let oneDNN multiply float32 matrices instead of MKL. Returns whether it does.

    MKL leaves half of the vector width of other vendors' CPUs unused: large products take half the time with oneDNN
    (benchmarks/README.md). PyTorch takes oneDNN only if it *may* compute in bfloat16, which oneDNN does on CPUs with
    matrix tiles and leaves alone on the others. So the permission is given and, unless products then still are exact
    to the last bit of float32, withdrawn.
    """
    import torch

    matmul = torch.backends.mkldnn.matmul
    if not hasattr(matmul, "fp32_precision"):  # torch before 2.9
        return False
    before, matmul.fp32_precision = matmul.fp32_precision, "bf16"
    if _cpu_has_amx() or not _products_are_exact():
        matmul.fp32_precision = before
        return False
    return True


def _products_are_exact() -> bool:
    """Whether float32 matrices survive a product with the identity; rounded to bfloat16 they do not."""
    import torch

    for shape in ((256, 256), (40, 256), (4, 100, 256)):
        x = torch.linspace(1, 2, math.prod(shape)).reshape(shape)
        if not torch.equal(x @ torch.eye(shape[-1]), x):
            return False
    return True


def keep_freed_memory() -> bool:
    """With glibc: keep freed memory in the process instead of handing it back. Returns whether it was done.

    A training step frees and fetches gigabytes; handed back to the system, each page costs a fault when it is fetched
    anew, a third of the time of a step (benchmarks/README.md). Numbers do not change; the process keeps its peak.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    trim_threshold, mmap_max = -1, -4  # malloc.h
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, -1))


def _cpu_has_amx() -> bool:
    try:
        return " amx_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
