"""Speed and equality of preprocess_skeletons against plain_parser: `python benchmarks/preprocess.py [--files N]`.

Both read the same files in alternating rounds in one process, so that a busy machine hits both, and the fastest round
of each counts (CPU seconds, user and system). Ours is the whole route: text, recipe ctrgcn, hash of the joints, parts,
joined HDF5.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from ntu_files import make
from plain_parser import chain, whole

from zssar import storage
from zssar.datasets import convert
from zssar.datasets.files import class_names
from zssar.datasets.ntu import NTU
from zssar.skeleton import recipes


def ours(job: convert.Job, root: Path, output: Path, workers: int = 1) -> None:
    """What the command does, without its report."""
    listing = convert.list_units(job.dataset(), root)
    work = output.with_name(f"{output.name}.parts")
    convert.convert(job, listing, work, workers, lambda n: None)
    storage.write_skeletons(output, convert.join(job, work), {"dataset": "b", "layout": "kinect25", "class_names": []})
    for path in work.iterdir():
        path.unlink()
    work.rmdir()


def timed(function, *args) -> tuple[float, float]:
    """(CPU seconds of this process, wall seconds)."""
    cpu, wall = time.process_time(), time.perf_counter()
    function(*args)
    return time.process_time() - cpu, time.perf_counter() - wall


def largest_difference(paths: list[Path]) -> float:
    """Between our ctrgcn recipe and the plain chain; infinity if the shapes differ."""
    reader, worst = NTU(class_names=class_names("ntu60"), missing_list=False), 0.0
    for path in paths:
        clip = recipes.ctrgcn(reader.read(str(path))[-1]).joints.transpose(1, 0, 2, 3)
        expected = chain(path)
        if clip.shape != expected.shape:
            return float("inf")
        worst = max(worst, float(np.abs(clip - expected).max()))
    return worst


def parser_seconds(paths: list[Path]) -> float:
    """CPU seconds for the text alone."""
    reader = NTU()
    texts = [path.read_bytes() for path in paths]
    reader._parser.parse(texts[0])
    return timed(lambda: [reader._parser.parse(text) for text in texts])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, output = Path(folder, "raw"), Path(folder, "out.h5")
        make(root, args.files)
        paths = sorted(root.rglob("*.skeleton"))
        size = sum(p.stat().st_size for p in paths)
        params = {"class_names": class_names("ntu60"), "missing_list": False}
        job = convert.Job("ntu", params, "ctrgcn", 2)
        ours(job, root, output)  # compile, fill the page cache
        rounds = [
            (timed(ours, job, root, output), *(timed(whole, paths, Path(folder), grow) for grow in ("vstack", "list")))
            for _ in range(args.rounds)
        ]
        mine, peer, lists = (min(r[k][0] for r in rounds) for k in (0, 1, 2))
        result = {
            "files": args.files,
            "kB_per_file": round(size / args.files / 1e3, 1),
            "largest_difference": largest_difference(paths),
            "ours_files_per_cpu_second": round(args.files / mine),
            "ours_MB_per_cpu_second": round(size / mine / 1e6),
            "plain_files_per_cpu_second": round(args.files / peer, 1),
            "plain_with_lists_files_per_cpu_second": round(args.files / lists, 1),
            "ratio": round(peer / mine, 1),
            "ratio_with_lists": round(lists / mine, 1),
            "median_of_round_ratios": round(statistics.median(r[1][0] / r[0][0] for r in rounds), 1),
            "text_only_MB_per_cpu_second": round(size / min(parser_seconds(paths) for _ in range(5)) / 1e6),
            "wall_files_per_second": {
                w: round(args.files / timed(ours, job, root, output, w)[1]) for w in args.workers
            },
            "peak_memory_MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
            "load": os.getloadavg()[0],
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
