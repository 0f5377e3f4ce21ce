"""Every configuration under workflow/experiments runs on made-up data in the raw format of its data set.

Reading, preprocessing, one epoch of a tiny network and features for each; the whole workflow for one (slow).
"""

import copy
import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config
from test_import_features import write_synse

from zssar import cli, storage
from zssar import config as zssar_config
from zssar.datasets import fakes, splits

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENTS = sorted((ROOT / "workflow" / "experiments").glob("*.yaml"))
NETWORK = '{"widths": [[8, 1], [16, 2]], "kernel": 3}'


def load(path):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, copy.deepcopy(yaml.safe_load(path.read_text())))
    return zssar_config.check(config, ROOT / "workflow" / "schemas" / "config.schema.yaml", ROOT / "prompts")


def own(path):
    """(name, entry) of the data set that the experiment is about."""
    config = load(path)
    name = next(iter(yaml.safe_load(path.read_text())["datasets"]))
    return name, config["datasets"][name], config


def run(*words):
    assert cli.main([str(word) for word in words]) == 0


def test_every_data_set_of_the_field_has_an_experiment():
    assert {path.stem for path in EXPERIMENTS} >= set(fakes.FAKES)


@pytest.mark.parametrize("path", [p for p in EXPERIMENTS if p.stem in fakes.FAKES], ids=lambda p: p.stem)
def test_from_raw_files_to_features(path, tmp_path, monkeypatch):
    name, entry, config = own(path)
    monkeypatch.setenv("ZSSAR_DATA", str(tmp_path))
    root = Path(zssar_config.folder(entry, name))
    fakes.write(name, root, subjects=2 if "kinetics" in name else 4, frames=12)
    words = ["--reader", entry["reader"], "--root", root, "--dataset", name, "--recipe", entry["recipe"]]
    words += ["--class-names", zssar_config.class_names_file(entry["class_names"])]
    words += ["--params", json.dumps(entry.get("params", {}))]
    skeletons = tmp_path / "skeletons.h5"
    run("preprocess_skeletons", *words, "--output", skeletons, "--report", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["files"]["bad"] == 0
    assert min(report["per_class"].values()) > 0
    attrs, meta = storage.skeleton_meta(skeletons)
    table = next(t for t in config["tables"].values() if t["dataset"] == name)
    for protocol in (p for t in config["tables"].values() if t["dataset"] == name for p in t["splits"]):
        splits.rows(splits.resolve(name, protocol, meta, len(attrs["class_names"])), meta["label"])
    training = config["backbones"][table["backbone"]]["training"]
    training = {"epochs": 1, "frames": 8, "batch_size": 32, "normalise": training["normalise"]}
    words = ["--skeletons", skeletons, "--split", table["splits"][-1]]
    run("pretrain_backbone", *words, "--backbone", "st_gcn", "--params", NETWORK, "--training", json.dumps(training),
        "--stream", table["stream"], "--seed", 0, "--device", "cpu", "--output", tmp_path / "model.pt",
        "--record", tmp_path / "run.json", "--history", tmp_path / "history.jsonl",
        "--checkpoint", tmp_path / "checkpoint.pt")  # fmt: skip
    run("extract_features", *words, "--weights", tmp_path / "model.pt", "--device", "cpu", "--seen-train",
        tmp_path / "train.h5", "--test", tmp_path / "test.h5", "--test-labels", tmp_path / "labels.csv")  # fmt: skip
    with storage.open_features(tmp_path / "train.h5") as (features, labels, _):
        assert set(labels.tolist()) <= set(features.attrs["seen"])
    with open(tmp_path / "labels.csv") as file:
        assert {row["group"] for row in csv.DictReader(file)} == {"seen", "unseen"}


def checkout(folder):
    """What Snakemake needs, in a folder of its own, and an environment that finds the package and the data there."""
    for name in ("Snakefile", "config.yaml", "workflow", "profiles", "prompts"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "ZSSAR_DATA": str(folder / "data")}


PLANS = """
import contextlib, io, json, sys
from snakemake.cli import main
for name, words in json.load(sys.stdin).items():
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            main(words)
    except SystemExit as end:
        print(json.dumps([name, end.code, told.getvalue()]), flush=True)
"""


@pytest.mark.slow
def test_every_table_has_a_plan(tmp_path):
    """All rules, inputs and parameters of every table of every experiment are found before anything runs.

    One process plans them all: Snakemake and the digests of our modules are loaded once.
    """
    env = checkout(tmp_path)
    plans = {}
    for path in EXPERIMENTS:
        own = yaml.safe_load(path.read_text())
        tables = [f"results/{table}.csv" for table in own.get("tables", {})]
        tables += [f"results/{sweep}.summary.csv" for sweep in own.get("sweeps", {})]
        words = ["-n", "--quiet", "rules", "--cores", "1", *tables]
        plans[path.name] = [*words, "--configfile", f"workflow/experiments/{path.name}"]
    words = [sys.executable, "-c", PLANS]
    done = subprocess.run(words, input=json.dumps(plans), cwd=tmp_path, env=env, capture_output=True, text=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, _, _ in found] == list(plans), done.stderr[-3000:]
    for name, code, told in found:
        assert code == 0, (name, told[-5000:])
        assert "make_table" in told or "summarise_sweep" in told, (name, told[-5000:])


@pytest.mark.slow
def test_the_whole_workflow_of_one(tmp_path):
    env = checkout(tmp_path)
    fakes.write("nw_ucla", tmp_path / "data" / "nw_ucla", subjects=4, frames=20)
    tiny = {
        "backbones": {"st_gcn_small": {"training": {"epochs": 1, "frames": 8}}},
        "protocol": {"seeds": [0], "checkpoints": 1},
        "tables": {"nw_ucla/table1": {"methods": ["eszsl", "nearest_mean"], "splits": ["purls_8_2"]}},
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    words = [sys.executable, "-m", "snakemake", "--cores", "2", "results/nw_ucla/table1.csv"]
    words += ["--configfile", "workflow/experiments/nw_ucla.yaml", "tiny.yaml"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    with open(tmp_path / "results" / "nw_ucla" / "table1.runs.csv") as file:
        found = list(csv.DictReader(file))
    assert {(row["method"], row["dataset"], row["partition"]) for row in found} >= {
        ("eszsl", "nw_ucla", "xview"),
        ("nearest_mean", "nw_ucla", "xview"),
    }


@pytest.mark.slow
def test_the_workflow_with_imported_features(tmp_path):
    """A folder of features instead of a network: no recording, no pretraining."""
    env = checkout(tmp_path)
    write_synse(tmp_path / "features")
    change = {
        "backbones": {"synse": {"features": "features"}},
        "protocol": {"seeds": [0], "checkpoints": 1},
        "tables": {"t": {"dataset": "ntu60", "splits": ["synse_55_5"], "backbone": "synse", "source": "frozen",
                         "encoder": "minilm", "methods": ["eszsl", "nearest_mean"]}},
    }  # fmt: skip
    (tmp_path / "change.yaml").write_text(yaml.safe_dump(change))
    words = [sys.executable, "-m", "snakemake", "--cores", "2", "results/t.csv"]
    words += ["--configfile", "workflow/experiments/ntu60.yaml", "change.yaml"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    assert not (tmp_path / "results" / "skeletons").exists()
    assert json.loads(next((tmp_path / "results").rglob("import.json")).read_text())["recognised"]
    with open(tmp_path / "results" / "t.runs.csv") as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"eszsl", "nearest_mean"}
