"""What validation splits are worth: rules for the epoch against the last one and the oracle, and the factor of GZSL.

Two tables in percent, means over splits and seeds. **ZSL top-1** of methods trained in epochs: at the last epoch; at
the epoch with the best validation accuracy of the same seed (what tables call *validated*); at one epoch for all seeds,
best by their mean validation accuracy (*pooled*); at the best epoch on the test samples of each seed (*oracle*). The
later epoch wins a tie. **GZSL H** of all methods, with the calibration factor that the validation splits gave. Last
lines: the mean over methods, its difference from the first column, and its p over splits (Wilcoxon, two-sided).

One or more runs files of the same splits and methods, which may differ in their validation splits. The folders of their
runs must be there, because curves are in ``metrics.json``; ``--save`` keeps what was read, to be shown without them:

    python -m benchmarks.epoch_choice --runs one=results/utd_mhad/draws_22_5.runs.csv --save FOLDER
    python -m benchmarks.epoch_choice --read results/reference/utd_mhad/epochs --splits random_5
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
            raise UserError(f"{metrics} is not there; build the table here, or give --read")
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

    pooled = np.broadcast_to(seen.mean(axis=0).round(4), seen.shape)  # rounded: ties must stay ties
    return {"last": test[:, -1].mean(), "validated": at_best(seen), "pooled": at_best(pooled), "oracle": at_best(test)}


def factors(name: str, path: Path) -> pd.DataFrame:
    """GZSL H of every method and split, seeds averaged, at the last epoch, the main one and the oracle."""
    runs = read_runs([path])
    columns = {
        title: by_split(runs, "gzsl", "harmonic", selection).T.stack()
        for title, selection in (("last", "last"), ("validated", "main"), ("oracle", "oracle"))
    }
    found = pd.DataFrame(columns).rename_axis(["split", "method"]).reset_index()
    found["split"] = found["split"].str.partition("/")[2]
    return found.assign(name=name)


def top1(found: pd.DataFrame) -> pd.DataFrame:
    """The rules on curves: a line per split and method, a column per rule and name."""
    rules = pd.DataFrame(
        {key: chosen(of) for key, of in found.groupby(["name", "split", "method"], sort=False)}
    ).T.unstack(0)
    names = list(dict.fromkeys(found["name"]))
    several = {f"{rule}, {name}": rules[rule, name] for name in names for rule in ("validated", "pooled")}
    return pd.DataFrame({"last": rules["last", names[0]], **several, "oracle": rules["oracle", names[0]]})


def harmonic(found: pd.DataFrame) -> pd.DataFrame:
    """H: a line per split and method, a column per selection and name."""
    table = found.pivot(index=["split", "method"], columns="name", values=["last", "validated", "oracle"])
    names = list(dict.fromkeys(found["name"]))
    several = {f"{rule}, {name}": table[rule, name] for name in names for rule in ("last", "validated")}
    return pd.DataFrame({**several, "oracle": table["oracle", names[0]]})


def show(title: str, table: pd.DataFrame) -> None:
    """Print it, with means over splits. Raises UserError if the files differ in splits or methods."""
    if table.isna().any(axis=None):
        raise UserError("the runs files differ in splits or methods; give files that differ in validation alone")
    print(f"\n| {title} |" + "".join(f" {column} |" for column in table))
    print("|---|" + "--:|" * len(table.columns))
    for method, row in table.groupby(level=1, sort=False).mean().iterrows():
        print(f"| {method} |" + "".join(f" {value:.1f} |" for value in row))
    means = table.groupby(level=0).mean()
    print("| **mean** |" + "".join(f" {value:.1f} |" for value in means.mean()))
    if len(means) == 1:  # no deviation and no test over one split
        return
    gain = means.sub(means.iloc[:, 0], axis=0).round(6)
    print(
        f"| minus {table.columns[0]}, ± deviation over {len(means)} splits |"
        + "".join(f" {gain[c].mean():+.2f} ± {gain[c].std():.2f} |" for c in gain)
    )
    print("| p |" + "".join(f" {wilcoxon(gain[c]).pvalue:.3f} |" if gain[c].any() else " – |" for c in gain))


def keep(found: pd.DataFrame, path: Path) -> None:
    """Write the lines, in place of those of the same names and splits that ``path`` has."""
    if path.is_file():
        old, key = pd.read_csv(path), ["name", "split"]
        same = pd.MultiIndex.from_frame(old[key]).isin(pd.MultiIndex.from_frame(found[key]))
        names = list(dict.fromkeys([*old["name"], *found["name"]]))
        found = pd.concat([old[~same], found]).sort_values("name", key=lambda c: c.map(names.index), kind="stable")
    path.parent.mkdir(parents=True, exist_ok=True)
    found.to_csv(path, index=False, float_format="%.8g")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--runs", nargs="+", metavar="NAME=FILE", help="runs files, each with a name for its columns")
    source.add_argument("--read", type=Path, metavar="FOLDER", help="what earlier calls kept by --save")
    parser.add_argument("--splits", default="", metavar="PREFIX", help="only splits whose names begin so")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep what was read, in place of the same splits")
    args = parser.parse_args()
    both = {}
    for kind, of in (("curves", curves), ("factors", factors)):
        if args.read:
            if not (path := args.read / f"{kind}.csv").is_file():
                raise UserError(f"{path} is not there; --save {args.read} makes it")
            found = pd.read_csv(path)
        else:
            found = pd.concat([of(name, Path(path)) for name, _, path in (run.partition("=") for run in args.runs)])
        if args.save:
            keep(found, args.save / f"{kind}.csv")
        both[kind] = found[found["split"].str.startswith(args.splits)]
        if both[kind].empty:
            raise UserError(f"no split begins with {args.splits!r}; there are {', '.join(sorted(set(found['split'])))}")
    show("ZSL top-1", top1(both["curves"]))
    show("GZSL H", harmonic(both["factors"]))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
