"""Makes trees of NTU-sized `.skeleton` files for benchmarks: full lines, two-person clips, noise, empty frames.

python benchmarks/ntu_files.py DIR --files 20000        # 244 kB each: 4.9 GB
python benchmarks/ntu_files.py DIR --official ntu120    # all 114,480 names as hard links: 0.1 GB
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

LEAN = "0 1 1 1 1 0 0.02764709 0.05745083 2"
ID = 72057594037931101


def body(rng: np.random.Generator, frames: int, place: float, restless: float) -> np.ndarray:
    """float32 (T, 25, 3): taller than wide, in front of the sensor."""
    pose = np.stack([rng.uniform(-0.25, 0.25, 25), np.linspace(-0.9, 0.8, 25), rng.uniform(-0.1, 0.1, 25)], 1)
    walk = np.cumsum(rng.normal(0, restless, (frames, 25, 3)), 0)
    return (pose + walk + [place, 0.0, 3.0]).astype(np.float32)


def tracks(rng: np.random.Generator) -> tuple[int, list[tuple[int, int, np.ndarray]]]:
    """Frames, and per id (first frame, id, joints): the mixture of what real folders hold."""
    frames = int(np.clip(rng.gamma(6, 13), 20, 300))
    found = [(0, body(rng, frames, 0.0, 0.02))]
    if rng.random() < 0.18:  # a second person
        found.append((0, body(rng, frames, 1.0, 0.015)))
    if rng.random() < 0.07:  # a body for a few frames
        length = int(rng.integers(2, 11))
        found.append((int(rng.integers(0, frames - length)), body(rng, length, -1.0, 0.02)))
    if rng.random() < 0.04:  # furniture: wider than high
        found.append((0, body(rng, frames, 1.5, 0.001)[:, :, [1, 0, 2]]))
    if rng.random() < 0.03 and frames > 60:  # the person comes back under a new id
        first, cut = found[0][1], int(rng.integers(20, frames - 30))
        found = [(0, first[:cut]), (cut + 5, first[cut + 5 :]), *found[1:]]
    return frames, [(start, ID + 4 * i, joints) for i, (start, joints) in enumerate(found)]


def text(rng: np.random.Generator) -> str:
    """One file, as the sensor's software writes it."""
    frames, bodies = tracks(rng)
    empty = set(rng.integers(0, frames, 3).tolist()) if rng.random() < 0.04 else set()
    pixels, angles = rng.uniform(0, 1900, (frames, 25, 4)), rng.uniform(-1, 1, (frames, 25, 4))
    tail = np.concatenate([pixels, angles], 2).astype(np.float32)
    lines = [str(frames)]
    for t in range(frames):
        there = [] if t in empty else [(i, j[t - s]) for s, i, j in bodies if s <= t < s + len(j)]
        lines.append(str(len(there)))
        for identity, pose in there:
            lines += [f"{identity} {LEAN}", "25"]
            numbers = np.concatenate([pose, tail[t]], 1).tolist()
            lines += ["%.7g %.7g %.7g %.7g %.7g %.7g %.7g %.7g %.7g %.7g %.7g 2" % tuple(row) for row in numbers]  # noqa: UP031
    return "\r\n".join(lines).replace("e-0", "E-0") + "\r\n"


def make(root: Path, files: int, seed: int = 0, different: int = 400) -> None:
    """``files`` files below ``root``, 1,000 a folder; contents repeat after ``different``.

    Names run through actions 1..60, replications, cameras and performers.
    """
    contents = [text(np.random.default_rng([seed, i])).encode() for i in range(min(files, different))]
    for i in range(files):
        action, rest = i % 60 + 1, i // 60
        replication, rest = rest % 2 + 1, rest // 2
        camera, rest = rest % 3 + 1, rest // 3
        performer, setup = rest % 40 + 1, rest // 40 + 1
        folder = root / f"part{i // 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"S{setup:03d}C{camera:03d}P{performer:03d}R{replication:03d}A{action:03d}.skeleton"
        (folder / name).write_bytes(contents[i % len(contents)])


def make_official(root: Path, dataset: str, seed: int = 0, different: int = 400) -> int:
    """Every official name of ntu60 or ntu120, the incomplete ones too, as links to ``different`` files.

    One folder per setup. Returns the number of names. The disk then serves every file from memory, so that this
    measures the processor alone; ``make`` writes real files.
    """
    from zssar.datasets import ntu, ntu_names

    contents = root / "contents"
    contents.mkdir(parents=True)
    for i in range(different):
        (contents / f"{i:04d}.txt").write_text(text(np.random.default_rng([seed, i])), encoding="ascii", newline="")
    last = 60 if dataset == "ntu60" else 120
    incomplete = [name for name in ntu.missing_samples() if int(name[17:]) <= last]
    names = sorted([*ntu_names.official(dataset), *incomplete])
    for i, name in enumerate(names):
        folder = root / "raw" / name[:4]
        folder.mkdir(parents=True, exist_ok=True)
        os.link(contents / f"{i % different:04d}.txt", folder / f"{name}.skeleton")
    return len(names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--official", choices=("ntu60", "ntu120"), help="all names of this data set, as hard links")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.official:
        print(make_official(args.root, args.official, args.seed), "names")
    else:
        make(args.root, args.files, args.seed)


if __name__ == "__main__":
    main()
