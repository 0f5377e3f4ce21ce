"""``zssar explain``: values, runs, records, inputs with their state, commands; errors that name the nearest word."""

import os
import re
import shlex

import pandas as pd
import pytest
import report_fixtures as fixture

from zssar import cli, storage
from zssar.errors import UserError
from zssar.reporting import records
from zssar.reporting.export import export
from zssar.reporting.trace import explain


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder, before = tmp_path_factory.mktemp("results"), os.getcwd()
    os.chdir(folder)
    try:
        yield fixture.build(folder)
    finally:
        os.chdir(before)


@pytest.mark.parametrize("split", [fixture.SPLIT, f"own/{fixture.SPLIT}"])
def test_a_cell_is_traced_to_its_run(results, capsys, split):
    assert cli.main(["explain", "results/table1.csv", "--method", "dvta", "--split", split]) == 0
    text = capsys.readouterr().out
    runs = pd.read_csv("results/table1.runs.csv")
    mine = runs[(runs["method"] == "dvta") & (runs["metric"] == "top1") & (runs["selection"] == "validated")]
    shown = next(line for line in text.splitlines() if "ZSL top-1" in line)
    assert f"{mine['value'].mean():.2f} ± {mine['value'].std():.2f} (validated" in shown
    for row in mine.itertuples():
        assert f"seed {row.seed}: {row.value:.2f}" in shown
    assert f"run {fixture.run_folder('dvta')}" in text
    assert "eszsl" not in text
    assert "0123456789ab+ (+: files had been changed" in text
    assert f"results/features/own/{fixture.SPLIT}/test_labels.csv (unchanged)" in text
    assert f"{fixture.run_folder('dvta', fixture.SPLIT + '-val0')}" in text
    assert re.search("snakemake --cores all results/table1.csv$", text, re.MULTILINE)


def test_a_borrowed_network_of_the_validation_splits_is_told(results):
    place = results / fixture.run_folder("dvta") / "metrics.json"
    before = place.read_text()
    try:
        metrics = storage.read_json(place)
        metrics["evaluation"]["params"]["validation_backbone"] = "shared"
        storage.write_json(place, metrics)
        assert "has seen the pseudo-unseen classes" in explain("results/table1.csv", "dvta")
    finally:
        place.write_text(before)
    assert "has seen the pseudo-unseen classes" not in explain("results/table1.csv", "dvta")


def test_recorded_commands_can_be_pasted(results):
    record = records.find(fixture.run_folder("dvta"), "results")
    assert list(record.steps) == ["align", "evaluate"]
    for step in record.steps.values():
        command = records.pasteable(step["command"])
        assert records.pasteable(command) == command or "'" in command
    words = shlex.split(records.pasteable(record.steps["align"]["command"]))
    assert words[words.index("--params") + 1] == '{"lr": 0.1}'


def test_a_changed_and_a_missing_input_are_told(results):
    labels = results / "results/features/own" / fixture.SPLIT / "test_labels.csv"
    before = labels.read_text()
    try:
        labels.write_text(before + "\n")
        assert "test_labels.csv (CHANGED since this run)" in explain("results/table1.csv", "dvta")
        labels.unlink()
        assert "test_labels.csv (not here now)" in explain("results/table1.csv", "dvta")
    finally:
        labels.write_text(before)


def test_records_beside_a_committed_table_are_found(results, tmp_path):
    for name in ("table1.runs.csv", "table1.csv"):
        (tmp_path / name).write_text((results / "results" / name).read_text())
    place = tmp_path / "records" / fixture.run_folder("dvta").removeprefix("results/")
    place.mkdir(parents=True)
    (place / "run.json").write_text((results / fixture.run_folder("dvta") / "run.json").read_text())
    text = explain(tmp_path / "table1.csv", root=tmp_path)
    assert f"record: {place}" in text
    assert "no run record here" in text  # of eszsl, whose record did not come along


def test_an_exported_table_is_traced_without_its_runs(results, tmp_path, capsys):
    folder = tmp_path / "reference"
    assert cli.main(["export_table", "results/table1.csv", "--output", str(folder)]) == 0
    assert "4 files of the table" in capsys.readouterr().out
    for name in ("table1.csv", "table1.md", "table1.tex", "table1.runs.csv"):
        assert (folder / name).read_bytes() == (results / "results" / name).read_bytes()
    kept = {path.relative_to(folder / "records").as_posix() for path in (folder / "records").rglob("*.json")}
    place = fixture.run_folder("dvta").removeprefix("results/")
    held = fixture.run_folder("dvta", f"{fixture.SPLIT}-val0").removeprefix("results/")
    assert {f"{place}/run.json", f"{place}/evaluate.json", f"{held}/run.json"} <= kept
    assert not any("metrics" in name for name in kept)
    text = explain(folder / "table1.csv", "dvta", root=tmp_path)  # nothing but the export is at hand here
    full = explain("results/table1.csv", "dvta")
    hashes = {line.split()[-1] for line in full.splitlines() if "sha256" in line}
    assert len(hashes) > 3
    assert hashes <= {line.split()[-1] for line in text.splitlines() if "sha256" in line}
    chosen = next(line for line in full.splitlines() if "epochs, seed by seed" in line)
    assert "last: epoch 20, 20; validated: epoch 20, 10" in chosen
    assert chosen in text.splitlines()
    assert f"chosen on              {fixture.run_folder('dvta', fixture.SPLIT + '-val0')}" in text
    fixture.call("make_report", "--tables", folder / "table1.csv", "--output", tmp_path / "report.html")


def test_an_export_that_would_lack_a_record_or_overwrite_the_table_is_refused(results, tmp_path):
    with pytest.raises(UserError, match="name another folder"):
        export("results/table1.csv", "results")
    runs = pd.read_csv("results/table1.runs.csv")
    runs["run"] = runs["run"].str.replace("eszsl", "gone")
    runs.to_csv(tmp_path / "table1.runs.csv", index=False)
    with pytest.raises(UserError, match=r"the record of .*/gone is not here"):
        export(tmp_path / "table1.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_network_behind_a_run_is_named_with_its_record(tmp_path):
    features = "results/features/own/own_5_3/st_gcn-joint/seen_train.h5"
    step = {"command": f"zssar align --seen-train {features}", "inputs": {"seen_train": "ab" * 32}}
    record = records.Record("results/runs/x", {"align": step}, {}, tmp_path)
    assert records.find_network(record, tmp_path, tmp_path)[1] == {}
    place = tmp_path / "records/backbones/own/own_5_3/st_gcn-joint"
    place.mkdir(parents=True)
    (place / "run.json").write_text('{"commit": "feed", "params": {"seed": 7}}')
    folder, network = records.find_network(record, tmp_path, tmp_path)
    assert folder == "results/backbones/own/own_5_3/st_gcn-joint"
    assert network["commit"] == "feed"


@pytest.mark.parametrize(
    ("words", "hints"),
    [
        (["--method", "dvtta"], ["unknown method 'dvtta'", "Did you mean 'dvta'", "eszsl"]),
        (["--split", "own_5_4"], ["unknown split 'own_5_4'", f"Did you mean '{fixture.SPLIT}'"]),
        (["--split", "own/own_5_4"], [f"Did you mean 'own/{fixture.SPLIT}'"]),
        (["--split", "owm/own_5_3"], ["unknown data set 'owm'", "Did you mean 'own'"]),
    ],
)
def test_unknown_words_name_the_nearest_known_one(results, capsys, words, hints):
    assert cli.main(["explain", "results/table1.csv", *words]) == 2
    message = capsys.readouterr().err
    assert "results/table1.runs.csv" in message
    for hint in hints:
        assert hint in message


def test_a_method_without_runs_on_that_split_and_a_missing_table(results, tmp_path):
    runs = pd.read_csv("results/table1.runs.csv")
    runs.loc[runs["method"] == "eszsl", "split"] = "random_3_0_1"
    runs.to_csv(tmp_path / "table1.runs.csv", index=False)
    with pytest.raises(UserError, match=r"'eszsl' has no run on 'own_5_3'; it has: random_3_0_1"):
        explain(tmp_path / "table1.csv", "eszsl", fixture.SPLIT)
    assert "eszsl, own/random_3_0" in explain(tmp_path / "table1.md", "eszsl", "random_3_0")
    with pytest.raises(UserError, match=r"unknown table 'table2\.csv'. Did you mean 'table1\.csv'"):
        explain(tmp_path / "table2.csv")
    (tmp_path / "backbones.csv").write_text("a,b\n")
    with pytest.raises(UserError, match=r"backbones\.csv is no table of runs.*: table1\.csv"):
        explain(tmp_path / "backbones.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"table2\.runs\.csv does not exist.*snakemake --cores all"):
        explain(tmp_path / "empty" / "table2.csv")


def test_the_configuration_that_defines_a_table_is_found(tmp_path):
    (tmp_path / "workflow/experiments").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text("datasets: {sim: {}}\ntables: {table1: {dataset: sim}}\n")
    (tmp_path / "workflow/experiments/b.yaml").write_text("datasets: {real: {}}\ntables: {real/a: {dataset: real}}\n")
    (tmp_path / "workflow/experiments/c.yaml").write_text("tables: {real/draws: {dataset: real}}\n")
    assert records.config_files("table1", tmp_path) == []
    assert records.config_files("real/a", tmp_path) == ["workflow/experiments/b.yaml"]
    both = ["workflow/experiments/b.yaml", "workflow/experiments/c.yaml"]
    assert records.config_files("real/draws", tmp_path) == both
    assert records.config_files("other", tmp_path) is None
    command = dict(records.rebuild_commands("real/draws", "results/runs/x", tmp_path))
    assert all(c.endswith(" --configfile " + " ".join(both)) for c in command.values())
