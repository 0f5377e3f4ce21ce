"""``zssar write_fakes``: a small made-up data set in the raw format of a real one, to try its configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write a small made-up data set in the raw format of a real one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--dataset", required=True, help="ntu60, ntu120, pku_mmd, kinetics200, kinetics400, utd_mhad, nw_ucla, uwa3d2")
    add("--output", required=True, type=Path, help="new or empty folder")
    add("--subjects", type=int, default=4, help="at least 3 for NTU, whose subjects 1 and 2 both train")
    add("--frames", type=int, default=None, help="only the first so many frames of each recording")
    add("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> None:
    from zssar.datasets import fakes

    fakes.write(args.dataset, args.output, args.subjects, args.seed, args.frames)
