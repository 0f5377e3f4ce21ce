"""Preprocessing a large NTU tree by the command itself: files/s, memory of the largest process, resuming after a kill.

Writes `--files` real files (244 kB each) below `--folder`, then runs `zssar preprocess_skeletons` on a quarter of them
and on all, with one worker and several, and once more with a SIGKILL on the way. Wall-clock times of a shared machine
say little: read processor seconds, and ratios of runs beside each other.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ntu_files import make

from zssar.datasets.convert import part_size


def command(root: Path, output: Path, workers: int) -> list[str]:
    words = [sys.executable, "-m", "zssar.cli", "preprocess_skeletons", "--reader", "ntu", "--root", str(root)]
    words += ["--dataset", "ntu120", "--output", str(output), "--report", f"{output}.json", "--workers", str(workers)]
    return [*words, "--params", '{"missing_list": false}', "--allow-missing-classes"]


def measured(root: Path, output: Path, workers: int) -> dict:
    """One run. largest_process_MB: peak resident memory of the largest of its processes, mapped files included."""
    start = time.perf_counter()
    log = output.with_suffix(".log").open("w")
    process = subprocess.Popen(command(root, output, workers), stderr=log, stdout=log)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(output.with_suffix(".log").read_text()[-2000:])
    files = json.loads(Path(f"{output}.json").read_text())["files"]["used"]
    cpu, wall = usage.ru_utime + usage.ru_stime, time.perf_counter() - start
    return {
        "files": files,
        "workers": workers,
        "files_per_cpu_second": round(files / cpu),
        "files_per_second": round(files / wall),
        "cpu_seconds": round(cpu, 1),
        "largest_process_MB": round(usage.ru_maxrss / 1e3),
        "output_MB": round(output.stat().st_size / 1e6),
    }


def killed(root: Path, output: Path, workers: int, share: float) -> dict:
    """A run killed when that share of its parts is there, and the run after it."""
    total = sum(1 for _ in root.rglob("*.skeleton"))
    process = subprocess.Popen(
        command(root, output, workers), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    work, size = output.with_name(f"{output.name}.parts"), part_size(total)
    while len(list(work.glob("[0-9]*.json"))) * size < share * total:
        if process.poll() is not None:
            raise SystemExit("the run ended before it was killed: more files are needed")
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = len(list(work.glob("[0-9]*.json")))
    after = measured(root, output, workers)
    told = [x for x in output.with_suffix(".log").read_text().splitlines() if x.startswith("resuming")]
    return {"parts_kept": kept, "said": told, **after}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--root", type=Path, help="a tree that is there (ntu_files.py) instead of a made one")
    parser.add_argument("--folder", type=Path, help="where to work; default: the temporary folder of the system")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=args.folder))
    try:
        if args.root is not None:
            for workers in args.workers:
                print(json.dumps(measured(args.root, folder / "out.h5", workers)), flush=True)
            return
        quarter, all_of_them = folder / "quarter", folder / "all"
        make(all_of_them, args.files)
        quarter.mkdir()
        for i, path in enumerate(sorted(all_of_them.rglob("*.skeleton"))):
            if i % 4 == 0:
                os.link(path, quarter / path.name)
        for root in (quarter, all_of_them):
            for workers in args.workers:
                print(json.dumps(measured(root, folder / "out.h5", workers)), flush=True)
        print(json.dumps(killed(all_of_them, folder / "again.h5", args.workers[-1], 0.5)), flush=True)
        same = filecmp.cmp(folder / "out.h5", folder / "again.h5", shallow=False)
        print(json.dumps({"equal_to_the_unbroken_run": same}))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
