"""The table of classes: written from metrics.json, its means are the cells of the table."""

import numpy as np
import pandas as pd
import pytest
import report_fixtures as fixture

from zssar.errors import UserError
from zssar.reporting import classes
from zssar.storage import read_json


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield fixture.build(folder)


def test_class_accuracies_are_those_of_the_answers_and_their_mean_is_the_table_cell(results, tmp_path):
    files = [f"{fixture.run_folder(m)}/metrics.json" for m in fixture.METHODS]
    words = ["--names", '{"dvta": "two-stage"}', "--csv", tmp_path / "c.csv", "--markdown", tmp_path / "c.md"]
    fixture.call("make_class_table", "--metrics", *files, *words)
    found = pd.read_csv(tmp_path / "c.csv")
    assert list(found.columns) == classes.COLUMNS
    runs = pd.read_csv("results/table1.runs.csv")
    for method, printed in (("dvta", "two-stage"), ("eszsl", "eszsl")):
        mine = found[(found["row"] == printed) & (found["setting"] == "zsl")]
        assert set(mine["class"]) == set(fixture.UNSEEN)
        cell = runs[(runs["method"] == method) & (runs["metric"] == "per_class")]
        cell = cell[cell["selection"] == mine["selection"].iloc[0]]["value"].mean()
        assert mine["mean"].mean() == pytest.approx(cell, abs=1e-3)
        everything = found[(found["row"] == printed) & (found["setting"] == "gzsl")]
        assert len(everything) == 8
        assert set(everything.loc[everything["group"] == "unseen", "class"]) == set(fixture.UNSEEN)
    metrics = read_json(files[0])
    for name in fixture.UNSEEN:  # from the confusion, a second way
        rates = []
        for entry in metrics["zsl"].values():
            row = entry["confusion"][metrics["unseen"].index(name)]
            rates.append(100 * row[metrics["unseen"].index(name)] / sum(row))
        line = found[(found["row"] == "two-stage") & (found["setting"] == "zsl") & (found["class"] == name)].iloc[0]
        assert (line["mean"], line["sd"]) == pytest.approx((np.mean(rates), np.std(rates, ddof=1)), abs=1e-3)
        assert line["samples"] == sum(row)
    text = (tmp_path / "c.md").read_text()
    assert "| two-stage | eszsl |" in " ".join(text.split())
    assert f"{mine['mean'].mean():.1f}" in next(line for line in text.splitlines() if "mean of classes" in line)


def test_classes_without_samples_are_left_out_and_empty_metrics_refused():
    entry = {"selection": "last", "per_class": {"kick": 50.0, "bow": None}}
    key = {"dataset": "own", "split": "s", "method": "m"}
    one = {"key": key, "unseen": ["kick", "bow"], "samples_per_class": {"kick": 4, "bow": 0}}
    found = classes.rows([{**one, "zsl": {"0": entry}, "gzsl": {}}])
    assert found[["class", "mean", "seeds"]].to_numpy().tolist() == [["kick", 50.0, 1]]
    with pytest.raises(UserError, match="run evaluate again"):
        classes.rows([{**one, "zsl": {}, "gzsl": {}}])
