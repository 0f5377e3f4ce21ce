"""How should the epoch be chosen? Rules that read validation splits, the last epoch and the oracle, as Markdown.

Per method, ZSL top-1 in percent, mean over splits and seeds, of: the last epoch; the epoch with the best validation
accuracy of the same seed (what tables call *validated*); one epoch for all seeds, best by the mean validation accuracy
over them (*pooled*); and the best epoch on the test samples of each seed (*oracle*). The later epoch wins a tie. Last
lines: the mean over methods, its difference from the last epoch, and its p over splits (Wilcoxon, two-sided).

One or more runs files of the same splits and methods, which may differ in their validation splits; the folders of
their runs must be there (curves are in ``metrics.json``), or the curves of an earlier call:

    python -m benchmarks.epoch_choice --runs one=results/utd_mhad/draws_22_5.runs.csv --save curves.csv
    python -m benchmarks.epoch_choice --curves results/reference/utd_mhad_validation3/curves.csv

``--harmonic`` shows GZSL H instead, from runs files alone: what a calibration factor of more validation splits is
worth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from zssar.errors import UserError
from zssar.reporting.runs import by_split, read_runs
from zssar.storage import read_json

KEYS = ["split", "method", "seed", "epoch"]


def curves(name: str, path: Path) -> pd.DataFrame:
    """Test and validation accuracy of every scored epoch of methods that have several; columns name, KEYS, both."""
    rows = []
    for (split, method, run), _ in read_runs([path]).groupby(["split", "method", "run"]):
        metrics = Path(run) / "metrics.json"
        if not metrics.is_file():
            raise UserError(f"{metrics} is not there; build {path} where you are, or give --curves")
        found: dict[tuple[int, int], dict[str, float]] = {}
        for outcome in read_json(metrics)["outcomes"]:
            for kind in ("test", "validation"):
                for epoch, percent in outcome.get(f"{kind}_top1_by_epoch", {}).items():
                    found.setdefault((outcome["seed"], int(epoch)), {})[kind] = percent
        if len({epoch for _, epoch in found}) > 1:
            rows += [(name, split, method, *at, of["test"], of["validation"]) for at, of in sorted(found.items())]
    return pd.DataFrame(rows, columns=["name", *KEYS, "test", "validation"])


def chosen(of: pd.DataFrame) -> dict[str, float]:
    """The rules on one split and method: accuracy at the epoch each picks, mean over seeds."""
    test, seen = (of.pivot(index="seed", columns="epoch", values=kind).to_numpy() for kind in ("test", "validation"))

    def at_best(by: np.ndarray) -> float:
        best = by.shape[1] - 1 - by[:, ::-1].argmax(axis=1)
        return float(test[np.arange(len(test)), best].mean())

    pooled = np.broadcast_to(seen.mean(axis=0).round(6), seen.shape)  # rounded: ties must stay ties
    return {"last": test[:, -1].mean(), "validated": at_best(seen), "pooled": at_best(pooled), "oracle": at_best(test)}


def top1(found: pd.DataFrame) -> pd.DataFrame:
    """The rules on curves: a line per split and method, a column per rule and file."""
    rules = pd.DataFrame(
        {key: chosen(of) for key, of in found.groupby(["name", "split", "method"], sort=False)}
    ).T.unstack(0)
    names = list(dict.fromkeys(found["name"]))
    several = [(rule, name) for name in names for rule in ("validated", "pooled")]
    table = rules[[("last", names[0]), *several, ("oracle", names[0])]]
    table.columns = ["last", *(f"{rule}, {name}" for rule, name in several), "oracle"]
    return table


def harmonic(files: dict[str, Path]) -> pd.DataFrame:
    """GZSL H with the factor that each file's validation splits gave, at the last epoch and at the validated one."""
    columns = {}
    for name, path in files.items():
        runs = read_runs([path])
        for title, selection in ((f"last, {name}", "last"), (f"validated, {name}", "main"), ("oracle", "oracle")):
            columns[title] = by_split(runs, "gzsl", "harmonic", selection).T.stack()
    columns["oracle"] = columns.pop("oracle")
    return pd.DataFrame(columns)


def show(table: pd.DataFrame) -> None:
    """Print it, with means over splits. Raises UserError if the files differ in splits or methods."""
    if table.isna().any(axis=None):
        raise UserError("the runs files differ in splits or methods; give files that differ in validation alone")
    print("| |" + "".join(f" {title} |" for title in table))
    print("|---|" + "--:|" * len(table.columns))
    for method, row in table.groupby(level=1, sort=False).mean().iterrows():
        print(f"| {method} |" + "".join(f" {value:.1f} |" for value in row))
    means = table.groupby(level=0).mean()
    gain = means.sub(means.iloc[:, 0], axis=0).round(6)
    print("| **mean** |" + "".join(f" {value:.1f} |" for value in means.mean()))
    print(
        f"| minus {table.columns[0]}, ± deviation over splits |"
        + "".join(f" {gain[c].mean():+.2f} ± {gain[c].std():.2f} |" for c in gain)
    )
    print("| p |" + "".join(f" {wilcoxon(gain[c]).pvalue:.3f} |" if gain[c].any() else " – |" for c in gain))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--runs", nargs="+", metavar="NAME=FILE", help="runs files, each with a name for its columns")
    source.add_argument("--curves", type=Path, help="what an earlier call kept by --save")
    source.add_argument("--harmonic", nargs="+", metavar="NAME=FILE", help="GZSL H of runs files; needs no folders")
    parser.add_argument("--splits", default="", help="only splits whose names begin so")
    parser.add_argument("--save", type=Path, help="keep the curves in this CSV file")
    args = parser.parse_args()
    named = {name: Path(path) for name, _, path in (run.partition("=") for run in args.runs or args.harmonic or ())}
    if args.harmonic:
        show(harmonic(named))
        return
    found = pd.read_csv(args.curves) if args.curves else pd.concat([curves(*item) for item in named.items()])
    if args.save:
        found.to_csv(args.save, index=False, float_format="%.8f")
    show(top1(found[found["split"].str.startswith(args.splits)]))


if __name__ == "__main__":
    main()
