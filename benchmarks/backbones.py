"""Clips per second of every network, trained and as a feature extractor: `python benchmarks/backbones.py`.

Ours in float32 and bfloat16 against the plain way to compute the same network (plain_backbones.py), with the same
weights, in alternating rounds in one process, so that a busy machine hits all of them; the median of the ratios counts.
On a CPU one thread and CPU seconds; on a GPU wall seconds. The last column is the largest difference of their
logits in float32, relative to the largest logit.
Clips: 3 x T x 25 x 2 random numbers with both bodies; `one body` repeats ours with 80 % one-person clips.
`--scale` times whole epochs over NTU-60-sized data (40,091 clips) with the trainer, augmentation included.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import statistics
import time

import torch
from plain_backbones import plain
from torch.nn import functional as F

from zssar import plugins
from zssar.features.clips import micro_batch
from zssar.skeleton.layouts import layout

NETWORKS = ("st_gcn", "shift_gcn", "ctr_gcn", "aa_gcn", "dg_stgcn", "posec3d")


def make(name: str, params: dict | None = None):
    torch.manual_seed(0)
    fixed = {"layout": layout("kinect25"), "in_channels": 3, "num_classes": 60}
    return plugins.create("backbones", name, fixed | (params or {}))


class Clock:
    """Seconds of a call: of the processor on a CPU, of the wall on a GPU."""

    def __init__(self, device: str):
        self.gpu = device.startswith("cuda")

    def __call__(self, job) -> float:
        if not self.gpu:
            start = time.process_time()
            job()
            return time.process_time() - start
        torch.cuda.synchronize()
        start = time.perf_counter()
        job()
        torch.cuda.synchronize()
        return time.perf_counter() - start


def cast(device: str, dtype):
    return torch.autocast(torch.device(device).type, dtype) if dtype else contextlib.nullcontext()


def training_step(network, x, present, target, dtype):
    def step():
        with cast(x.device.type, dtype):
            logits = network(x, present)
        F.cross_entropy(logits.float(), target).backward()
        for parameter in network.parameters():
            parameter.grad = None

    return step


def features(network, x, present, dtype, size: int):
    def run():
        with torch.inference_mode(), cast(x.device.type, dtype):
            for rows, there in zip(x.split(size), present.split(size)):
                network.pool(network.maps(rows, there), there)

    return run


def rounds(jobs: dict, clock: Clock, count: int, clips: int) -> dict:
    """Clips per second (best round) and the median ratio to the job named ``plain``."""
    for job in jobs.values():
        job()
    seconds = {name: [] for name in jobs}
    for _ in range(count):
        for name, job in jobs.items():
            seconds[name].append(clock(job))
    ratio = {n: statistics.median(p / s for p, s in zip(seconds["plain"], seconds[n])) for n in jobs}
    return {name: (clips / min(seconds[name]), ratio[name]) for name in jobs}


def difference(ours, reference, x, present) -> float:
    """The largest difference of the logits relative to the largest logit, in evaluation mode."""
    with torch.inference_mode():
        found, expected = (network.eval()(x, present) for network in (ours, reference))
    ours.train(), reference.train()
    return float((found - expected).abs().max() / expected.abs().max())


def measure(name: str, args, device: str) -> dict:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(args.batch, 3, args.frames, 25, 2, generator=generator).to(device)
    present = torch.ones(args.batch, 2, dtype=torch.bool, device=device)
    one = present.clone()
    one[: round(0.8 * args.batch), 1] = False
    target = torch.randint(0, 60, (args.batch,), generator=generator).to(device)
    ours = make(name).to(device)
    with torch.no_grad():
        for key, parameter in ours.named_parameters():
            if key.endswith(("alpha", "beta")):
                parameter.fill_(0.5)  # they start at zero, which would leave half of the network out of the comparison
    reference = plain(copy.deepcopy(ours))
    gap = difference(ours, reference, x, present)
    clock, bf16, size = Clock(device), torch.bfloat16, micro_batch(args.frames, device)
    train = rounds(
        {
            "plain": training_step(reference, x, present, target, None),
            "fp32": training_step(ours, x, present, target, None),
            "bf16": training_step(ours, x, present, target, bf16),
        },
        clock, args.rounds, args.batch,
    )  # fmt: skip
    ours.eval(), reference.eval()
    masked = x * one[:, None, None, None]
    extract = rounds(
        {
            "plain": features(reference, x, present, None, args.batch),
            "fp32": features(ours, x, present, None, size),
            "bf16": features(ours, x, present, bf16, size),
            "one body": features(ours, masked, one, None, size),
        },
        clock, args.rounds, args.batch,
    )  # fmt: skip
    return {"train": train, "features": extract, "difference": gap}


def table(found: dict[str, dict]) -> str:
    lines = [
        "| network | train plain | ours fp32 | bf16 | features plain | ours fp32 | bf16 | 80 % one body | difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in found.items():
        cells = [f"{result['train']['plain'][0]:.1f}"]
        cells += [f"{rate:.1f} (x{ratio:.2f})" for rate, ratio in (result["train"][k] for k in ("fp32", "bf16"))]
        cells += [f"{result['features']['plain'][0]:.1f}"]
        kinds = ("fp32", "bf16", "one body")
        cells += [f"{rate:.1f} (x{ratio:.2f})" for rate, ratio in (result["features"][k] for k in kinds)]
        lines.append(f"| {name} | {' | '.join(cells)} | {result['difference']:.0e} |")
    return "\n".join(lines)


def scale(name: str, args, device: str) -> str:
    """Seconds an epoch of the real training loop on as many clips as NTU-60 has, lengths 40 to 120 frames."""
    import numpy as np

    from zssar import devices
    from zssar.features.clips import Clips
    from zssar.features.recipe import Training
    from zssar.features.trainer import Trainer

    class Skeletons:
        pass

    random = np.random.default_rng(0)
    lengths = random.integers(40, 120, args.clips)
    data = Skeletons()
    data.offsets = np.concatenate([[0], lengths.cumsum()])
    data.joints = random.standard_normal((data.offsets[-1], 2, 25, 3), np.float32)
    data.present = np.ones(data.joints.shape[:2], bool)
    clips = Clips(data, np.arange(args.clips), layout("kinect25"), (), device)
    training = Training(epochs=args.epochs, frames=args.frames, batch_size=args.batch, compile=args.compile)
    trainer = Trainer(
        make(name), clips, random.integers(0, 60, args.clips), np.zeros(args.clips, bool), training, "joint", 0, device,
        devices.autocast_dtype(device, args.precision),
    )  # fmt: skip
    history = trainer.fit()
    best = min(line["seconds"] for line in history)
    return f"| {name} | {best:.2f} | {args.clips / best:.0f} | {80 * best / 60:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS[:-1], help="posec3d takes a minute a round on a CPU")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", action="store_true", help="whole epochs instead of single steps")
    parser.add_argument("--clips", type=int, default=40_091)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compile", action="store_true", help="torch.compile in the training loop")
    args = parser.parse_args()
    torch.set_num_threads(1 if args.device == "cpu" else torch.get_num_threads())
    if args.scale:
        print("| network | s/epoch | clips/s | minutes for 80 epochs |\n|---|---|---|---|")
        for name in args.networks:
            print(scale(name, args, args.device), flush=True)
        return
    found = {}
    for name in args.networks:
        found[name] = measure(name, args, args.device)
        print(table({name: found[name]}).splitlines()[-1], flush=True)
    print(f"\nN x 3 x {args.frames} x 25 x 2, batch {args.batch}, torch {torch.__version__}, {args.device}\n")
    print(table(found))


if __name__ == "__main__":
    main()
