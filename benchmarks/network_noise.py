"""How much of a number is the network? The same table on networks of several seeds, side by side, as Markdown.

Per split and method: the main ZSL top-1 on each network (mean over the alignment's seeds), the standard deviation of
these means, and that of the seeds on one network (mean over networks), which is what a table prints. Below: rank
correlation (Spearman) of the methods between pairs of networks. One runs file per network, same splits and methods:

    python -m benchmarks.network_noise --runs results/reference/utd_mhad/{table1,network1,network2}.runs.csv
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import pandas as pd
from scipy.stats import spearmanr

from zssar.errors import UserError
from zssar.reporting.runs import cell, read_runs


def per_network(path: Path) -> pd.DataFrame:
    """Mean and deviation over the alignment's seeds, indexed by split and method."""
    rows = {}
    for (split, method), lines in read_runs([path]).groupby(["split", "method"]):
        found = cell(lines, "zsl", "top1", "main")
        if found is None:
            raise UserError(f"{path}: no ZSL top-1 of {method} on {split}")
        rows[split, method] = found.mean, found.spread
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "spread"])


def show(tables: list[pd.DataFrame]) -> None:
    """Print a table per split. Raises UserError if the files differ in splits or methods."""
    if any(set(t.index) != set(tables[0].index) for t in tables):
        raise UserError("the runs files differ in splits or methods; give tables that differ in the network alone")
    means = pd.concat([t["mean"] for t in tables], axis=1, keys=range(len(tables)))
    seeds = pd.concat([t["spread"] for t in tables], axis=1).mean(axis=1)
    for split in sorted({split for split, _ in means.index}):
        here = means.loc[[key for key in means.index if key[0] == split]]
        here.index = [method for _, method in here.index]
        between, within = here.std(axis=1, ddof=1), seeds[[(split, m) for m in here.index]].to_numpy()
        print(f"\n| {split} |" + "".join(f" network {i} |" for i in here) + " sd, networks | sd, seeds |")
        print("|---|" + "--:|" * (len(tables) + 2))
        for (method, row), networks, own in zip(here.iterrows(), between, within, strict=True):
            print(f"| {method} |" + "".join(f" {value:.1f} |" for value in row) + f" {networks:.1f} | {own:.1f} |")
        pairs = [f"{a}-{b}: {spearmanr(here[a], here[b]).statistic:.2f}" for a, b in combinations(here, 2)]
        print(f"\nMedian over methods: networks {between.median():.1f}, seeds {pd.Series(within).median():.1f}.")
        print(f"Rank correlation of the methods between networks: {', '.join(pairs)}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="runs files, one per network")
    show([per_network(path) for path in parser.parse_args().runs])


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
