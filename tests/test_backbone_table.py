"""The table of networks counts seen test samples only, and config.yaml reaches ensembles and the table itself."""

import copy
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from snakemake.utils import update_config

from zssar import cli, storage
from zssar import config as zssar_config
from zssar.errors import UserError
from zssar.reporting import networks

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = ROOT / "workflow" / "experiments" / "backbones_utd_mhad.yaml"
SEEN = [0, 2, 5]  # the head's outputs stand for these classes, in this order


def write(folder: Path, seed: int, answers: list[int]) -> list[str]:
    """Files of one network that gives ``answers`` (classes) to five samples, the last of an unseen class."""
    folder.mkdir()
    labels = [0, 2, 5, 5, 1]
    logits = np.array([[float(c == answer) for c in SEEN] for answer in answers], np.float32)
    ids = [f"s{i}" for i in range(5)]
    storage.write_features(folder / "test.h5", {"seen_logits": logits}, ids, {"layout": "utd20", "seen": SEEN})
    lines = ["sample_id,label,name,subject,camera,setup,group"]
    lines += [f"s{i},{c},x,2,0,0,{'seen' if c in SEEN else 'unseen'}" for i, c in enumerate(labels)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    epochs = [{"epoch": 1, "accuracy": 0.5, "seconds": 3.0}, {"epoch": 2, "accuracy": 0.75, "seconds": 2.0 + seed}]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in epochs))
    record = {
        "params": {"backbone": "st_gcn", "params": {"dropout": 0.0}, "split": "x_3_3", "stream": "joint", "seed": seed},
        "parameters": 1234, "training": {"epochs": 2, "frames": 16}, "train_clips": 40, "device": "cpu",
        "precision": "float32",
    }  # fmt: skip
    storage.write_json(folder / "run.json", record)
    (folder / "timing.tsv").write_text(f"s\tcpu_time\n9.0\t{10 + 2 * seed}\n")
    return [str(folder / name) for name in ("run.json", "history.jsonl", "test.h5", "labels.csv", "timing.tsv")]


def command(files, out):
    options = ("--records", "--histories", "--features", "--labels", "--timings")
    words = [word for option, given in zip(options, zip(*files)) for word in (option, *given)]
    return ["make_backbone_table", *words, "--csv", f"{out}/t.csv", "--markdown", f"{out}/t.md", "--title", "Two seeds"]


def test_seen_samples_count_and_seeds_are_averaged(tmp_path):
    files = [write(tmp_path / "a", 0, [0, 2, 5, 0, 2]), write(tmp_path / "b", 1, [0, 0, 0, 0, 5])]
    assert cli.main(command(files, tmp_path)) == 0
    with open(tmp_path / "t.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in rows] == [75.0, 25.0]  # of four seen samples
    assert [(row["n"], row["seen_classes"], row["train_accuracy"]) for row in rows] == [("4", "3", "75.0000")] * 2
    assert [float(row["seconds_per_epoch"]) for row in rows] == [2.0, 3.0]
    assert [float(row["cpu_seconds_per_epoch"]) for row in rows] == [5.0, 6.0]
    text = (tmp_path / "t.md").read_text()
    assert "# Two seeds" in text
    assert '| st_gcn | `{"dropout": 0.0}` | 1,234 | 2 x 16 | 2 | 50.0 ± 35.4 | 75.0 | 5.5 |' in text


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    a, b = write(tmp_path / "a", 0, [0] * 5), write(tmp_path / "b", 1, [0] * 5)
    with pytest.raises(UserError, match="same networks"):
        networks.rows(a[:1], a[1:2], a[2:3], [a[3], b[3]])
    Path(b[3]).write_text(Path(b[3]).read_text().replace("s4,", "s9,"))
    with pytest.raises(UserError, match="other samples"):
        networks.accuracy(a[2], b[3])


def load(change):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, copy.deepcopy(yaml.safe_load(EXPERIMENT.read_text())))
    change(config)
    return zssar_config.check(config, ROOT / "workflow" / "schemas" / "config.schema.yaml", ROOT / "prompts")


def test_the_experiment_names_six_networks_three_seeds_each():
    config = load(lambda c: None)
    entry = config["backbone_tables"]["utd_mhad/backbones"]
    runs = [(config["backbones"][name]["module"], config["backbones"][name]["seed"]) for name in entry["backbones"]]
    modules = {"st_gcn", "shift_gcn", "ctr_gcn", "aa_gcn", "dg_stgcn", "posec3d"}
    assert sorted(runs) == sorted((module, seed) for module in modules for seed in range(3))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("backbones", ["st_gcn_narow"], "Did you mean"), ("split", "purls_14_31", "Did you mean"),
     ("dataset", "utd", "dataset"), ("backbones", ["kinematics"], "seen_logits")],
)  # fmt: skip
def test_messages_of_the_config(key, value, message):
    with pytest.raises(UserError, match=message):
        load(lambda c: c["backbone_tables"]["utd_mhad/backbones"].update({key: value}))


def test_the_stream_four_streams_asks_for_four_networks(tmp_path):
    change = {"tables": {"table1": {"stream": "four_streams", "methods": ["ridge"]}}, "protocol": {"validation": 0}}
    change["backbones"] = {"st_gcn_small": {"fusion": "concat"}}
    (tmp_path / "four.yaml").write_text(yaml.safe_dump(change))
    target = "results/features/sim/sim_36_16/st_gcn_small-four_streams/test.h5"
    words = [sys.executable, "-m", "snakemake", "-n", "-p", target, "--cores", "1"]
    words += ["--configfile", str(tmp_path / "four.yaml"), "--directory", str(tmp_path)]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    (tmp_path / "prompts").symlink_to(ROOT / "prompts")
    words += ["--snakefile", str(ROOT / "Snakefile")]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    places = [f"st_gcn_small-{s}/model.pt" for s in zssar_config.FOUR_STREAMS]
    line = next(line for line in done.stdout.splitlines() if "zssar extract_features" in line)
    asked = line.split("--weights ")[1].split(" --fusion ")[0].split()
    assert [path.split("sim_36_16/")[1] for path in asked] == places
    assert "--fusion concat" in line
