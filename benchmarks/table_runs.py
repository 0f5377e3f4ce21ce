"""Processor seconds of every run behind a table: method x CPU seconds x steps x microseconds per step.

    python benchmarks/table_runs.py [--table results/table1.csv] [--only star purls] [--keep FOLDER]

Asks Snakemake which ``zssar align`` and ``zssar evaluate`` calls the table wants and makes them one after another, each
in a process of its own as the workflow does, into a folder aside; features and texts must be there already. Steps are
updates by any optimiser, those of the latent classifiers included. Processor seconds are those of whole processes, user
and system.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

COUNTED = """
import atexit, functools, json, sys
from zssar import cli
steps = 0
def counted(step):
    @functools.wraps(step)
    def count(*args, **more):
        global steps
        steps += 1
        return step(*args, **more)
    return count
class Hook:  # before the first method is imported
    def find_spec(self, name, path=None, target=None):
        if name == "zssar.alignment.runner":
            from zssar.alignment import optimisers
            for kind in (optimisers.Adam, optimisers.SGD):
                kind.step = counted(kind.step)
sys.meta_path.insert(0, Hook())
def write():
    with open(sys.argv[-1], "w") as file:
        json.dump(steps, file)
atexit.register(write)
sys.exit(cli.main(sys.argv[1:-1]))
"""


def commands(table: str, rules: list[str]) -> list[list[str]]:
    """The calls that Snakemake would make for the table, as words without redirection."""
    words = [sys.executable, "-m", "snakemake", table, "-n", "-p", "--cores", "1", "--forcerun", "align"]
    done = subprocess.run([*words, "--rerun-triggers", "mtime"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    lines = re.findall(rf"^Shell command: zssar ((?:{'|'.join(rules)}) .*?) >", done.stdout, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def aside(words: list[str], folder: Path) -> list[str]:
    """The same call with every path below results/runs moved into the folder."""
    inside = [word.startswith("results/runs/") for word in words]
    moved = [str(folder / word[len("results/") :]) if there else word for word, there in zip(words, inside)]
    for word in moved:
        if word.startswith(str(folder)):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
    return moved


def measure(words: list[str], folder: Path) -> tuple[float, int]:
    """CPU seconds and optimiser steps of one call."""
    counter = folder / "steps.json"
    counter.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", COUNTED, *words, str(counter)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    errors = process.stderr.read() if process.stderr else b""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"zssar {' '.join(words)}\n{errors.decode()[-3000:]}")
    return used.ru_utime + used.ru_stime, json.loads(counter.read_text()) if counter.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", default="results/table1.csv")
    parser.add_argument("--only", nargs="+", default=[], help="methods by their key in config.yaml")
    parser.add_argument("--rules", nargs="+", default=["align", "evaluate"])
    parser.add_argument("--keep", help="folder for what the runs write; default: a temporary one")
    args = parser.parse_args()
    spent: dict[tuple[str, str], float] = defaultdict(float)
    steps: dict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(commands(args.table, args.rules), key=lambda words: words[0])  # align before evaluate
        for words in found:
            name = next(Path(word).parent.name for word in words if word.endswith("run.json"))
            if args.only and name not in args.only:
                continue
            seconds, count = measure(aside(words, folder), folder)
            spent[name, words[0]] += seconds
            steps[name] += count
            print(f"{words[0]} {name} {seconds:.2f}", file=sys.stderr, flush=True)
    print("| method | align, s | steps | us per step | evaluate, s |\n|---|--:|--:|--:|--:|")
    for name in steps:
        align = spent[name, "align"]
        rate = f"{1e6 * align / steps[name]:,.0f}" if steps[name] else "-"
        print(f"| {name} | {align:.1f} | {steps[name]:,} | {rate} | {spent[name, 'evaluate']:.1f} |")
    sums = [sum(v for (_, rule), v in spent.items() if rule == wanted) for wanted in ("align", "evaluate")]
    print(f"| all | {sums[0]:.1f} | {sum(steps.values()):,} | | {sums[1]:.1f} |")


if __name__ == "__main__":
    main()
