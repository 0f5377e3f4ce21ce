"""Inference speed, parameters and products of every alignment method, and the training time of a whole grid of runs.

    python benchmarks/methods.py [--samples 256 --classes 12 --batch 64 --device cpu] [--only dvta purls]
    python benchmarks/methods.py --grid --device cuda     # methods x 4 NTU splits x 3 seeds at the papers' budgets
    python benchmarks/methods.py --grid --jobs 8          # the same, eight methods or splits at a time

Everything is made up at the sizes of the papers: 256 channels, grids of 16 x 25 positions in float16, texts of 768
numbers. Scope of the table: ``score`` on features in memory, from the method's own input to one score per class, behind
the backbone and behind the text encoder; for the variational methods behind the training of the classifier of the
classes asked, which happens once per question. Products (multiply-accumulates) are those of matrix products and
attention as PyTorch counts them, per sample; methods in NumPy are not counted (-). The motion profiles are left out:
they read measured quantities, and their costs are those of a few small matrices.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from zssar import devices, plugins
from zssar.interfaces import ClassTexts, Features

UNITS = {
    **{kind: (kind,) for kind in ("label", "description", "context", "global")},
    **{kind: (kind,) for kind in ("action_definition", "motion_description")},
    "parts_purls": ("head", "hands", "torso", "legs"),
    "parts6": ("head", "hand", "arm", "hip", "leg", "foot"),
    "phases": ("start", "middle", "end"),
    "verb_noun": ("verb", "noun"),
}
SPLITS = {"55/5": (60, 5, 37_000), "48/12": (60, 12, 32_000), "110/10": (120, 10, 58_000), "96/24": (120, 24, 50_000)}
NOT_LEARNED = ("running_mean", "running_var", "num_batches_tracked", "fixed")
SKIPPED = ("profile", "profile_text")
SHORT = {"epochs": 1, "cycles": 1, "steps_per_cycle": 17, "warmup": 1}  # enough to have something to score with


def texts_of(classes: int, dim: int) -> ClassTexts:
    """Random unit vectors for every kind."""
    rng = np.random.default_rng(0)
    arrays = {kind: rng.normal(size=(classes, len(units), dim)).astype(np.float32) for kind, units in UNITS.items()}
    arrays = {kind: a / np.linalg.norm(a, axis=2, keepdims=True) for kind, a in arrays.items()}
    return ClassTexts(tuple(f"class {i}" for i in range(classes)), arrays, UNITS)


def features_of(samples: int, views: tuple[str, ...]) -> Features:
    """Random non-negative features: pooled (n, 256), and grid (n, 256, 16, 25) float16 where a method reads it."""
    rng = np.random.default_rng(1)
    found = {"pooled": rng.random((samples, 256), np.float32)}
    if "grid" in views:
        block = rng.random((min(samples, 512), 256, 16, 25), np.float32).astype(np.float16)
        found["grid"] = np.resize(block, (samples, *block.shape[1:]))
    return Features({view: found[view] for view in views}, "kinect25")


def method_of(module: str, device: str, **more):
    """The method with the class's defaults, and ``more`` where its constructor has that argument."""
    known = vars(plugins.create("alignment", module, {}))
    kept = {key: value for key, value in more.items() if key in known}
    return plugins.create("alignment", module, {**kept, "device": device})


def parameters(method) -> int:
    """Learned numbers in the state, without running statistics."""
    tensors = {k: v for k, v in method.state().items() if torch.is_tensor(v) and v.is_floating_point()}
    return sum(v.numel() for k, v in tensors.items() if not k.endswith(NOT_LEARNED))


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def inference(module: str, args) -> tuple[str, str, str]:
    """Parameters, products per sample and samples per second of one method, as words."""
    more = {"keep": "last", "holdout": 0.0} if module == "purls" else {}
    method = method_of(module, args.device, **SHORT, **more)
    texts = texts_of(args.classes, args.dim)
    train, test = features_of(2 * args.classes, method.views), features_of(args.samples, method.views)
    with contextlib.redirect_stderr(io.StringIO()):
        method.fit(train, np.arange(2 * args.classes) % args.classes, texts)
    batches = [test.select(slice(i, i + args.batch)) for i in range(0, args.samples, args.batch)]
    for part in vars(method).values():
        if isinstance(part, torch.nn.Module):
            part.requires_grad_(False)  # or the counter looks for gradients of the prompts
    method.score(batches[0], texts)  # warm: classifiers trained, kernels chosen
    with FlopCounterMode(display=False) as counter:
        method.score(batches[0], texts)
    fastest = float("inf")
    for _ in range(args.rounds):
        wait(args.device)
        start = time.perf_counter()
        for batch in batches:
            batch.memo.clear()  # reading the input is part of what is measured
            method.score(batch, texts)
        wait(args.device)
        fastest = min(fastest, time.perf_counter() - start)
    products = counter.get_total_flops() / 2 / len(batches[0])
    return f"{parameters(method):,}", f"{products / 1e6:,.2f} M" if products else "-", f"{args.samples / fastest:,.0f}"


def grid(modules: list[str], args) -> None:
    """Train every method on every split with every seed; prints seconds per method, their sum and the wall clock.

    With several jobs each is a process of its own, as under Snakemake; they share the device.
    """
    start, spent = time.perf_counter(), dict.fromkeys(modules, 0.0)
    cells = [(module, *split, args) for module in modules for split in SPLITS.values()]
    with contextlib.ExitStack() as stack:
        run: Callable = map
        if args.jobs > 1:
            workers = ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn"))
            run = stack.enter_context(workers).map
        for n, (cell, seconds) in enumerate(zip(cells, run(cell_seconds, cells), strict=True), start=1):
            spent[cell[0]] += seconds
            if n % len(SPLITS) == 0:
                print(f"{cell[0]:14} {spent[cell[0]]:9.1f} s", flush=True)
    wall, total = time.perf_counter() - start, sum(spent.values())
    print(f"{'in all':14} {total:9.1f} s for {len(modules)} methods x 4 splits x 3 seeds, {args.jobs} at a time")
    print(f"{'wall clock':14} {wall:9.1f} s = {wall / 60:.1f} minutes")


def cell_seconds(cell: tuple) -> float:
    """Seconds of fitting one method on one split with three seeds, on features in memory."""
    module, classes, unseen, samples, args = cell
    seen, samples, spent = classes - unseen, min(samples, args.grid_samples), 0.0
    if args.jobs > 1:  # in a process of its own
        torch.set_num_threads(1)
        devices.speed_up_cpu(args.device)
    views = plugins.create("alignment", module, {}).views
    features, texts = features_of(samples, views), texts_of(seen, args.dim)
    labels = np.random.default_rng(2).integers(0, seen, samples)
    for seed in range(3):
        wait(args.device)
        start = time.perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):
            method_of(module, args.device, seed=seed).fit(features, labels, texts)
        wait(args.device)
        spent += time.perf_counter() - start
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--classes", type=int, default=12, help="candidate classes")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--dim", type=int, default=768, help="text dimensions")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest round counts")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--only", nargs="+", default=[], help="modules of zssar.alignment")
    parser.add_argument("--grid", action="store_true", help="time the training of the whole grid instead")
    parser.add_argument("--grid-samples", type=int, default=40_000, help="training samples per split, at most")
    parser.add_argument(
        "--jobs", type=int, default=1, help="processes that train at once; PURLS and STAR hold 8 GB each"
    )
    args = parser.parse_args()
    devices.speed_up_cpu(args.device)
    modules = args.only or [name for name in plugins.names("alignment") if name not in SKIPPED]
    if args.grid:
        grid(modules, args)
        return
    where = (
        torch.cuda.get_device_name() if args.device.startswith("cuda") else f"CPU, {torch.get_num_threads()} threads"
    )
    print(f"{where}; batch {args.batch}, {args.classes} classes, {args.samples} samples, texts of {args.dim} numbers\n")
    print("| method | parameters | products per sample | samples/s |\n|---|---|---|---|")
    for module in modules:
        print(f"| {module} | {' | '.join(inference(module, args))} |", flush=True)


if __name__ == "__main__":
    main()
