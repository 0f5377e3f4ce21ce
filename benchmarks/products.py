"""Float32 matrix products of MKL and of oneDNN, in one thread, at shapes that alignment methods use: their ratio.

What ``devices.multiply_by_onednn`` is worth on this machine; says so and stops where it leaves MKL alone.
"""

from __future__ import annotations

import time

import torch

from zssar import devices

SHAPES = ((1024, 256, 256), (36, 768, 512), (128, 768, 1024), (256, 32, 100), (64, 64, 64), (64, 50, 36))
ROUNDS = 15


def seconds(a: torch.Tensor, b: torch.Tensor, often: int) -> float:
    start = time.perf_counter()
    for _ in range(often):
        a @ b
    return (time.perf_counter() - start) / often


def fastest(n: int, k: int, m: int) -> list[float]:
    """Seconds per product with MKL and with oneDNN; rounds alternate."""
    a, b, matmul = torch.randn(n, k), torch.randn(k, m), torch.backends.mkldnn.matmul
    best = [float("inf")] * 2
    for turn in range(2 * ROUNDS):
        matmul.fp32_precision = ("none", "bf16")[turn % 2]
        best[turn % 2] = min(best[turn % 2], seconds(a, b, max(5, int(1e8 // (n * k * m)))))
    return best


def main() -> None:
    torch.set_num_threads(1)
    if not devices.multiply_by_onednn():
        print("oneDNN does not multiply float32 exactly here, or this PyTorch cannot be asked to: MKL it stays")
        return
    print("| n, k, m | MKL, GFLOP/s | oneDNN | ratio |\n|---|--:|--:|--:|")
    for n, k, m in SHAPES:
        mkl, onednn = fastest(n, k, m)
        work = 2e-9 * n * k * m
        print(f"| {n}, {k}, {m} | {work / mkl:.0f} | {work / onednn:.0f} | {mkl / onednn:.2f} |")


if __name__ == "__main__":
    main()
