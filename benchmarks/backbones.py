"""Clips per second of every network, trained and as a feature extractor: `python benchmarks/backbones.py`.

On a GPU, all that benchmarks/README.md lists, in one command: `python benchmarks/backbones.py --device cuda`.

Ours in float32 and bfloat16 against the plain way to compute the same network (plain_backbones.py), with the same
weights, in alternating rounds in one process, so that a busy machine hits all of them; the median of the ratios counts.
On a CPU one thread and CPU seconds; on a GPU wall seconds. The last column is the largest difference of their
logits in float32, relative to the largest logit.
Clips: 3 x T x 25 x 2 random numbers with both bodies; `one body` repeats ours with 80 % one-person clips.
Parts: `steps` (above; with microseconds per clip on a GPU), `epochs`: whole epochs over NTU-60-sized data (40,091
clips) with the trainer, augmentation included, and what 80 of them take; `extraction`: 56,578 clips through the
extractor into a feature file; `compile`: torch.compile against eager, after its seconds of compiling; `once`:
one step and one batch of features with their memory, for networks that are too slow for rounds. On a CPU
`steps` alone is the default, and --clips makes the others feasible. Freed memory is kept, as the commands do on CPUs
(--give-back: not, to see what it is worth).
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import statistics
import tempfile
import time

import numpy as np
import torch
from plain_backbones import plain
from torch.nn import functional as F

from zssar import devices, plugins, storage
from zssar.features.clips import micro_batch
from zssar.skeleton.layouts import layout

NETWORKS = ("st_gcn", "shift_gcn", "ctr_gcn", "aa_gcn", "dg_stgcn", "posec3d")

# Clips/s (train, features) of released code on one core in the same form: pyskl; Shift-GCN's by gathering.
PEERS = {"st_gcn": (3.5, 16.0), "shift_gcn": (3.6, 16.4), "ctr_gcn": (3.4, 10.6), "aa_gcn": (2.9, 10.2),
         "dg_stgcn": (3.6, 11.3)}  # fmt: skip
FLOORS = {"st_gcn": 73, "shift_gcn": 97, "ctr_gcn": 207}  # us per clip, forward and backward, T = 64


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


def microseconds(found: dict[str, dict]) -> str:
    """Forward and backward per clip beside the bf16 floors of eager PyTorch on an H200 (computed from bytes, FLOPs)."""
    lines = ["| network | fp32 us | bf16 us | floor bf16 us | ratio |", "|---|---|---|---|---|"]
    for name, result in found.items():
        fp32, bf16 = (1e6 / result["train"][kind][0] for kind in ("fp32", "bf16"))
        floor = FLOORS.get(name)
        tail = f"{floor} | {bf16 / floor:.2f}" if floor else "- | -"
        lines.append(f"| {name} | {fp32:.0f} | {bf16:.0f} | {tail} |")
    return "\n".join(lines)


def beside_peers(found: dict[str, dict]) -> str:
    """Clips/s in float32 beside the released implementations' (another machine's core: an orientation, no ratio)."""
    lines = ["| network | train | released code | features | released code |", "|---|---|---|---|---|"]
    for name, result in found.items():
        train, features = (result[kind]["fp32"][0] for kind in ("train", "features"))
        peer = PEERS.get(name, ("-", "-"))
        lines.append(f"| {name} | {train:.1f} | {peer[0]} | {features:.1f} | {peer[1]} |")
    return "\n".join(lines)


class Made:
    """Random clips of 40 to 120 frames in the form of ``storage.Skeletons``."""

    layout, class_names, attrs = "kinect25", [str(i) for i in range(60)], {"dataset": "made"}

    def __init__(self, clips: int):
        random = np.random.default_rng(0)
        self.offsets = np.concatenate([[0], random.integers(40, 120, clips).cumsum()])
        self.joints = random.standard_normal((self.offsets[-1], 2, 25, 3), np.float32)
        self.present = np.ones(self.joints.shape[:2], bool)
        self.label = random.integers(0, 60, clips)
        self.sample_id = np.array([f"s{i}" for i in range(clips)])


def epochs(name: str, args) -> str:
    """Seconds an epoch of the real training loop on as many clips as NTU-60 has."""
    from zssar.features.clips import Clips
    from zssar.features.recipe import Training
    from zssar.features.trainer import Trainer

    count = args.clips or 40_091
    data = Made(count)
    clips = Clips(data, np.arange(count), layout("kinect25"), (), args.device)
    training = Training(epochs=args.epochs, frames=args.frames, batch_size=args.batch, compile=args.compile)
    trainer = Trainer(
        make(name), clips, data.label, np.zeros(count, bool), training, "joint", 0, args.device,
        devices.autocast_dtype(args.device, args.precision),
    )  # fmt: skip
    best = min(line["seconds"] for line in trainer.fit())
    whole = best * 40_091 / count
    return f"| {name} | {count / best:.0f} | {whole:.1f} | {80 * whole / 60:.1f} |"


def extraction(name: str, args) -> str:
    """Seconds for the features of 56,578 clips, with and without the grid, from frames in memory to a feature file."""
    from zssar.features import extract, weights

    count = args.clips or 56_578
    data, seconds = Made(count), []
    card = weights.Card(
        name, {}, "kinect25", 3, 2, "joint", args.frames, 1.0, [], "", "made", "made", list(range(60)),
        data.class_names, {}, 0,
    )  # fmt: skip
    dtype = devices.autocast_dtype(args.device, args.precision)
    for views in (["pooled", "seen_logits"], ["pooled", "seen_logits", "grid"]):
        member = extract.Extractor(make(name).to(args.device).eval(), card, card.seen, views, args.device, dtype)
        begin = time.perf_counter()
        with (
            tempfile.TemporaryDirectory() as folder,
            storage.feature_writer(f"{folder}/f.h5", data.sample_id, {"layout": "kinect25"}) as writer,
        ):
            for found in member.blocks(data, np.arange(count)):
                writer.add(found)
        seconds.append((time.perf_counter() - begin) * 56_578 / count)
    return f"| {name} | {56_578 / seconds[0]:.0f} | {seconds[0]:.1f} | {seconds[1]:.1f} |"


def compiled(name: str, args) -> str:
    """Seconds of compiling and the median ratio eager / compiled of a training step and of a feature batch."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(args.batch, 3, args.frames, 25, 2, generator=generator).to(args.device)
    present = torch.ones(args.batch, 2, dtype=torch.bool, device=args.device)
    target = torch.randint(0, 60, (args.batch,), generator=generator).to(args.device)
    dtype, clock, cells = devices.autocast_dtype(args.device, args.precision), Clock(args.device), []
    for train in (True, False):
        jobs, first = {}, {}
        for kind in ("plain", "compiled"):  # "plain" here: ours, eager
            network = make(name).to(args.device).train(train)
            model = torch.compile(network) if kind == "compiled" else network
            job = training_step(model, x, present, target, dtype) if train else forward(model, x, present, dtype)
            begin = time.perf_counter()
            job()
            jobs[kind], first[kind] = job, time.perf_counter() - begin
        found = rounds(jobs, clock, args.rounds, args.batch)
        rates = [f"{found[kind][0]:.1f}" for kind in ("plain", "compiled")]
        cells += [f"{first['compiled'] - first['plain']:.0f}", *rates, f"{found['compiled'][1]:.2f}"]
    return f"| {name} | {' | '.join(cells)} |"


def forward(model, x, present, dtype):
    def run():
        with torch.no_grad(), cast(x.device.type, dtype):
            model(x, present)

    return run


def once(name: str, args) -> str:
    """One training step and one batch of features, both the first of their process, and the memory they need."""
    import resource

    x = torch.randn(args.batch, 3, args.frames, 25, 2).to(args.device)
    present = torch.ones(args.batch, 2, dtype=torch.bool, device=args.device)
    target = torch.zeros(args.batch, dtype=torch.long, device=args.device)
    network, clock = make(name).to(args.device), Clock(args.device)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = clock(features(network.eval(), x, present, None, args.batch))
    between = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step = clock(training_step(network.train(), x, present, target, None))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = f"{(between - before) / 2**20:.1f} | {(after - before) / 2**20:.1f}"
    return f"| {name} | {args.batch} | {read:.1f} | {step:.1f} | {memory} |"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", help="default: all; on a CPU without posec3d, a minute a round there")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--parts", nargs="+", choices=("steps", "epochs", "extraction", "compile", "once"))
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--batch", type=int, help="default: 16 on a CPU, 64 on a GPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clips", type=int, help="of epochs and extraction; default: as many as NTU RGB+D 60 has")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--give-back", action="store_true", help="let the C library give freed memory back")
    parser.add_argument("--compile", action="store_true", help="torch.compile in the training loop")
    args = parser.parse_args()
    gpu = args.device.startswith("cuda")
    args.networks = args.networks or (NETWORKS if gpu else NETWORKS[:-1])
    args.parts = args.parts or (("steps", "epochs", "extraction") if gpu else ("steps",))
    args.batch = args.batch or (64 if gpu else 16)
    return args


def main() -> None:
    args = arguments()
    gpu = args.device.startswith("cuda")
    torch.set_num_threads(torch.get_num_threads() if gpu else 1)
    where = torch.cuda.get_device_name() if gpu else "one CPU thread"
    print(f"N x 3 x {args.frames} x 25 x 2, batch {args.batch}, torch {torch.__version__}, {where}\n")
    if not args.give_back:
        devices.speed_up_cpu(args.device)
    if "steps" in args.parts:
        found = {}
        for name in args.networks:
            found[name] = measure(name, args, args.device)
            print(table({name: found[name]}).splitlines()[-1], flush=True)
        print(f"\n{table(found)}\n\n{microseconds(found) if gpu else beside_peers(found)}\n")
    if "epochs" in args.parts:
        print("| network | clips/s trained | s per epoch of 40,091 | min for 80 |\n|---|---|---|---|")
        for name in args.networks:
            print(epochs(name, args), flush=True)
    if "extraction" in args.parts:
        print("\n| network | clips/s extracted | s for 56,578: pooled, logits | with grid |\n|---|---|---|---|")
        for name in args.networks:
            print(extraction(name, args), flush=True)
    if "once" in args.parts:
        print("\n| network | clips | s of features | s of a training step | GiB of features | of both |")
        print("|---|---|---|---|---|---|")
        for name in args.networks:
            print(once(name, args), flush=True)
    if "compile" in args.parts:
        print("\n| network | train: s to compile | eager | compiled | ratio | forward: s | eager | compiled | ratio |")
        print("|---|---|---|---|---|---|---|---|---|")
        for name in args.networks:
            print(compiled(name, args), flush=True)


if __name__ == "__main__":
    main()
