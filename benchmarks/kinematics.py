"""Speed of the measured motion profile: `python benchmarks/kinematics.py [--clips N] [--workers 2]`.

Made clips as long as those of NTU RGB+D (mean 85 frames, 25 joints; a fifth with a second person), measured in
blocks as extract_features does it. Prints CPU seconds per 50 000 clips, and wall seconds with several processes.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace

import numpy as np

from zssar.skeleton import kinematics
from zssar.skeleton.layouts import layout

BLOCK = 1024


def made(clips: int, seed: int = 0) -> SimpleNamespace:
    """Random walks around a random rest pose; what they show does not matter for the speed."""
    rng = np.random.default_rng(seed)
    length = np.clip(rng.gamma(6, 85 / 6, clips), 20, 300).astype(int)
    offsets = np.concatenate([[0], length.cumsum()])
    joints = rng.normal(0, 0.4, (1, 2, 25, 3)) + 0.02 * rng.normal(size=(offsets[-1], 2, 25, 3))
    present = np.ones((offsets[-1], 2), bool)
    present[:, 1] = np.repeat(rng.random(clips) < 0.2, length)
    return SimpleNamespace(joints=joints.astype(np.float32), present=present, offsets=offsets)


def run(clips: int, seed: int) -> float:
    """CPU seconds of measuring."""
    data = made(clips, seed)
    start = time.process_time()
    for block in np.array_split(np.arange(clips), max(1, clips // BLOCK)):
        kinematics.measure_clips(data, block, layout("kinect25"))
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=4096, help="per process")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    start = time.perf_counter()
    with ProcessPoolExecutor(args.workers) as pool:
        seconds = list(pool.map(run, [args.clips] * args.workers, range(args.workers)))
    wall = time.perf_counter() - start
    every = sum(seconds) * 50_000 / (args.clips * args.workers)
    print(f"{args.clips * args.workers} clips: {sum(seconds):.1f} CPU s, {wall:.1f} s with making the clips")
    print(f"50 000 clips: {every:.0f} CPU s, {every / args.workers:.0f} s on {args.workers} cores")


if __name__ == "__main__":
    main()
