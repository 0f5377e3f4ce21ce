"""Every cell of every committed table follows from its runs file, by the documented rule written a second time."""

import math
from pathlib import Path

import pandas as pd
import pytest

from zssar.reporting.runs import COLUMNS, FACTORS, RANDOM_DRAW
from zssar.storage import read_json

REFERENCE = Path(__file__).resolve().parents[1] / "results" / "reference"
RUNS_FILES = sorted(REFERENCE.rglob("*.runs.csv"))
PLACES = [str(p.relative_to(REFERENCE)) for p in RUNS_FILES]
ROUNDING = 1.01e-4  # both files keep four decimals


def family(split: str) -> str:
    draw = RANDOM_DRAW.match(split)
    return draw[1] + (draw[2] or "") if draw else split


def column(line: dict) -> str:
    return f"{line['dataset']}/{family(line['split'])}"


def recompute(lines: list[dict], setting: str, metric: str, selection: str) -> tuple[float, float] | None:
    """(mean, standard deviation) of a cell: docs/evaluation.md, in plain loops."""
    lines = [r for r in lines if r["setting"] == setting]
    if selection == "main":
        selection = "validated" if any(r["selection"] == "validated" for r in lines) else "last"
    draws: dict[str, list[float]] = {}
    for r in lines:
        if r["selection"] == selection and r["metric"] == metric:
            draws.setdefault(r["split"], []).append(r["value"])
    if not draws:
        return None
    means = [sum(v) / len(v) for v in draws.values()]
    sample = means if len(means) > 1 else next(iter(draws.values()))
    middle = sum(sample) / len(sample)
    spread = math.sqrt(sum((v - middle) ** 2 for v in sample) / (len(sample) - 1)) if len(sample) > 1 else math.nan
    return sum(means) / len(means), spread


def same(found: float, wanted: float) -> bool:
    return (math.isnan(found) and math.isnan(wanted)) or abs(found - wanted) <= ROUNDING


def check(table: pd.DataFrame, runs: list[dict]) -> int:
    """Asserts that every number of the table follows from the runs; returns how many were compared."""
    labels = [c for c in table.columns if c in ("method", *FACTORS)]
    checked = 0
    for _, row in table.iterrows():
        mine = [r for r in runs if all(r[c] == row[c] for c in labels)]
        assert mine, f"no line of the runs file belongs to the row {row[labels].to_dict()}"
        for name in table.columns:
            group, *words = name.split(" ")
            if words == ["zsl", "chance"]:
                levels = [r["value"] for r in runs if r["metric"] == "chance" and column(r) == group]
                assert same(row[name], sum(levels) / len(levels)), name
            elif len(words) == 4 and words[3] in ("mean", "sd"):
                found = recompute([r for r in mine if column(r) == group], *words[:3])
                wanted = math.nan if found is None else found[words[3] == "sd"]
                assert same(row[name], wanted), f"{row['method']}, {name}: {row[name]} in the table, {wanted} from runs"
            else:
                continue
            checked += 1
    return checked


def read(path: Path) -> tuple[pd.DataFrame, list[dict]]:
    runs = pd.read_csv(path, keep_default_na=False)
    assert list(runs.columns) == COLUMNS
    return pd.read_csv(str(path).replace(".runs.csv", ".csv")), runs.to_dict("records")


@pytest.mark.parametrize("place", PLACES)
def test_every_cell_of_a_committed_table_follows_from_its_runs(place):
    table, runs = read(REFERENCE / place)
    checked = check(table, runs)
    groups = {column(r) for r in runs}
    assert checked >= len(table) * len(groups) * 3  # at least chance, mean and deviation of one metric


@pytest.mark.parametrize("place", PLACES)
def test_a_wrong_cell_would_be_found(place):
    table, runs = read(REFERENCE / place)
    name = next(c for c in table.columns if c.endswith(" top1 main mean"))
    table[name] += 0.01
    with pytest.raises(AssertionError, match="in the table"):
        check(table, runs)


@pytest.mark.parametrize("place", PLACES)
def test_the_readable_table_shows_the_same_numbers(place):
    table, _ = read(REFERENCE / place)
    text = str(REFERENCE / place).replace(".runs.csv", ".md")
    shown = Path(text).read_text(encoding="utf-8").replace("*", "")
    for name in (c for c in table.columns if c.endswith(" mean")):
        for value in table[name].dropna():
            assert f"{value:.1f}" in shown, f"{name}: {value}"


@pytest.mark.parametrize("place", PLACES)
def test_every_run_behind_a_table_has_its_record(place):
    folder = (REFERENCE / place).parent / "records"
    runs = pd.read_csv(REFERENCE / place)
    for run, lines in runs.groupby("run"):
        path = folder / Path(run).relative_to("results") / "run.json"
        assert path.is_file(), f"{place} was committed without the record of {run}"
        record = read_json(path)
        assert record["params"]["method"]
        assert set(record["params"]["seeds"]) == set(lines["seed"]), run
        assert all(record["inputs"].values())


def test_there_is_something_to_recompute():
    assert RUNS_FILES
