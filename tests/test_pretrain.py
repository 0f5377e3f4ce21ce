"""Pretraining learns, goes on bit for bit after a kill, never sees what it must not, and says why it fails."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_skeletons
import torch

from zssar import cli, devices
from zssar.datasets import splits
from zssar.errors import UserError
from zssar.features import checkpoint, pretrain, trainer, weights
from zssar.features.recipe import Training
from zssar.storage import Skeletons

SPLIT = "random_2_0_0"
NETWORK = {"widths": [[8, 1], [16, 2]], "persons": "present", "dropout": 0.1}
QUICK = {"epochs": 4, "frames": 16, "batch_size": 8, "lr": 0.02, "checkpoint_seconds": 0.0}


@pytest.fixture(scope="module")
def skeletons(tmp_path_factory):
    return small_skeletons.write(tmp_path_factory.mktemp("pretrain") / "skeletons.h5", repeats=4)


def request_of(skeletons, training=None, **more):
    values = {"module": "st_gcn", "params": NETWORK, "training": QUICK | (training or {}), "precision": "fp32"} | more
    return pretrain.Request(skeletons, "hash", SPLIT, **values)


def run(skeletons, tmp_path, training=None, **more):
    return pretrain.pretrain(request_of(skeletons, training, **more), "cpu", tmp_path / "checkpoint.pt")


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_it_learns_the_seen_classes_and_transfers_to_other_subjects(skeletons, tmp_path):
    result = run(skeletons, tmp_path, {"epochs": 8, "rotation": 0.1})
    assert len(result.history) == 8
    assert result.history[-1]["loss"] < 0.7 * result.history[0]["loss"]
    assert result.history[-1]["accuracy"] > 0.8
    data = Skeletons(skeletons)
    split, rows = pretrain.training_rows(data, SPLIT)
    _, test = splits.rows(split, data.label)
    test = test[np.isin(data.label[test], split.seen)]
    clips = trainer.Clips(data, test, trainer_layout(data))
    logits = trainer.predict(result.backbone, clips, torch.arange(len(test)), "joint", Training(**QUICK), None)
    assert (np.array(split.seen)[logits.argmax(1)] == data.label[test]).mean() > 0.75
    assert set(data.meta["subject"][rows].tolist()).isdisjoint(data.meta["subject"][test].tolist())
    assert result.card.seen == list(split.seen)


def trainer_layout(data):
    from zssar.skeleton.layouts import layout

    return layout(data.layout)


def test_a_seed_gives_one_network(skeletons, tmp_path):
    one, again, other = (run(skeletons, tmp_path, {"epochs": 1}, seed=seed).backbone for seed in (3, 3, 4))
    assert same(one, again)
    assert not same(one, other)


class Killed(Exception):
    pass


@pytest.mark.parametrize("kill_at", [1, 4, 6, 9])
@pytest.mark.parametrize("select", ["last", "heldout"])
def test_a_killed_run_goes_on_bit_for_bit(skeletons, tmp_path, monkeypatch, kill_at, select):
    training = {"epochs": 3, "select": select, "heldout": 0.5, "batch_size": 4 if select == "heldout" else 8}
    whole = run(skeletons, tmp_path / "whole", training)
    saves = iter(range(1, 100))
    save = checkpoint.save

    def save_then_die(path, state):
        save(path, state)
        if next(saves) == kill_at:
            raise Killed

    monkeypatch.setattr(checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        run(skeletons, tmp_path / "cut", training)
    monkeypatch.setattr(checkpoint, "save", save)
    torch.manual_seed(999)
    resumed = run(skeletons, tmp_path / "cut", training)
    assert same(whole.backbone, resumed.backbone)
    keys = ("epoch", "loss", "accuracy", "lr", "heldout_accuracy")
    assert [[line.get(k) for k in keys] for line in whole.history] == [
        [line.get(k) for k in keys] for line in resumed.history
    ]


def test_a_checkpoint_of_other_settings_is_ignored(skeletons, tmp_path, capsys):
    run(skeletons, tmp_path, {"epochs": 1})
    assert (tmp_path / "checkpoint.pt").exists()
    other = run(skeletons, tmp_path, {"epochs": 1, "lr": 0.01})
    assert "other settings" in capsys.readouterr().err
    assert len(other.history) == 1
    (tmp_path / "checkpoint.pt").write_bytes(b"half a file")
    run(skeletons, tmp_path, {"epochs": 1})
    assert "starts anew" in capsys.readouterr().err


def test_the_compile_switch_compiles_and_changes_nothing_else(skeletons, tmp_path, monkeypatch):
    """With the backend that only traces: the same weights under the same names. What inductor gains is measured."""
    plain = run(skeletons, tmp_path / "plain", {"epochs": 1})
    asked = []
    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: asked.append(model) or compile(model, backend="eager"))
    compiled = run(skeletons, tmp_path / "compiled", {"epochs": 1, "compile": True})
    assert asked == [compiled.backbone]
    assert same(plain.backbone, compiled.backbone)


def test_divergence_names_epoch_rate_and_remedy(skeletons, tmp_path):
    with pytest.raises(UserError, match=r"diverged in epoch \d+ at learning rate .*clip_norm"):
        run(skeletons, tmp_path, {"optimiser": "sgd", "lr": 900.0, "warmup": 0})


def test_training_reads_no_unseen_class_and_no_test_subject(skeletons, tmp_path):
    """Noise in place of every clip that training must not read leaves the network as it is."""
    before = run(skeletons, tmp_path, {"epochs": 2, "select": "heldout"}).backbone
    data = Skeletons(skeletons)
    _, rows = pretrain.training_rows(data, SPLIT)
    spoiled = np.ones(len(data.joints), bool)
    for row in rows:
        spoiled[data.offsets[row] : data.offsets[row + 1]] = False
    import h5py

    copy = tmp_path / "spoiled.h5"
    copy.write_bytes(Path(skeletons).read_bytes())
    with h5py.File(copy, "r+") as file:
        joints = file["joints"][...]
        joints[spoiled] = 7e3
        file["joints"][...] = joints
    assert spoiled.sum() > 100
    assert same(before, run(copy, tmp_path / "again", {"epochs": 2, "select": "heldout"}).backbone)


def test_heldout_samples_are_training_subjects_of_their_own(skeletons, tmp_path):
    labels, subjects = np.repeat([0, 1], 10), np.tile([1, 3, 5, 7, 9], 4)
    held = trainer.heldout(labels, subjects, 0.2)
    assert set(subjects[held].tolist()) == {9}
    unknown = trainer.heldout(labels, np.full(20, -1), 0.2)
    assert unknown.sum() == 4
    assert (labels[unknown] == [0, 0, 1, 1]).all()
    result = run(skeletons, tmp_path, {"select": "heldout", "heldout": 0.5})
    best = max(result.history, key=lambda line: line["heldout_accuracy"])
    assert result.notes["chosen_epoch"] == best["epoch"]
    assert result.notes["train_clips"] == result.notes["heldout_clips"] == 16


def test_schedules():
    cosine = Training(epochs=10, warmup=2, lr=1.0)
    rates = [cosine.rate(step, 5) for step in range(50)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.01
    step = Training(epochs=10, warmup=0, lr=1.0, schedule="step", milestones=(4, 8))
    assert [round(step.rate(5 * epoch, 5), 6) for epoch in (0, 3, 4, 7, 8, 9)] == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_recipes_and_messages():
    paper = Training.of({"recipe": "paper", "epochs": 3}, {"epochs": 80, "lr": 0.1, "optimiser": "sgd"})
    assert (paper.epochs, paper.lr, paper.optimiser) == (3, 0.1, "sgd")
    with pytest.raises(UserError, match="Did you mean 'epochs'"):
        Training.of({"epoch": 3}, {})
    with pytest.raises(UserError, match="adamw, sgd"):
        Training.of({"optimiser": "adam"}, {})
    with pytest.raises(UserError, match=r"training\.crop"):
        Training.of({"crop": 0}, {})


def test_decay_spares_biases_with_adamw_and_obeys_the_parameters():
    from torch import nn

    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model[0].weight.decay = 10.0
    groups = Training(weight_decay=0.1).optimizer(model).param_groups
    assert {round(g["weight_decay"], 9): len(g["params"]) for g in groups} == {1.0: 1, 0.0: 3}
    assert all(group["fused"] for group in groups)
    groups = Training(weight_decay=0.1, optimiser="sgd").optimizer(model).param_groups
    assert {round(g["weight_decay"], 9): len(g["params"]) for g in groups} == {1.0: 1, 0.1: 3}


@pytest.mark.skipif(devices.autocast_dtype("cpu") is None, reason="this processor has no AMX bfloat16")
def test_bfloat16_learns_too(skeletons, tmp_path):
    result = run(skeletons, tmp_path, {"epochs": 10, "rotation": 0.1}, precision="bf16")
    assert result.history[-1]["accuracy"] > 0.8
    assert all(p.dtype == torch.float32 for p in result.backbone.parameters())
    assert devices.autocast_dtype("cpu", "bf16") is torch.bfloat16


def arguments(skeletons, folder, training=None):
    return [
        "pretrain_backbone", "--skeletons", str(skeletons), "--split", SPLIT, "--backbone", "st_gcn",
        "--params", json.dumps({"widths": [[8, 1], [16, 2]], "dropout": 0.0}),
        "--training", json.dumps(QUICK | {"epochs": 2} | (training or {})),
        "--stream", "joint", "--seed", "1", "--device", "cpu", "--precision", "fp32",
        "--output", f"{folder}/model.pt", "--record", f"{folder}/run.json",
        "--history", f"{folder}/history.jsonl", "--checkpoint", f"{folder}/checkpoint.pt",
    ]  # fmt: skip


def test_the_command_writes_weights_record_and_history(skeletons, tmp_path, capsys):
    assert cli.main(arguments(skeletons, tmp_path)) == 0
    assert re.search(r"train on cpu: 64/64 clips, \d+\.\d clips/s, 0 s left; epoch 2/2, loss ", capsys.readouterr().err)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["history.jsonl", "model.pt", "run.json"]
    record = json.loads((tmp_path / "run.json").read_text())
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert record["train_clips"] == 32
    assert record["last"] == history[-1]
    assert {"epoch", "loss", "accuracy", "lr", "seconds", "clips_per_second"} <= history[0].keys()
    network, card = weights.load(tmp_path / "model.pt")
    assert card.class_names == list(small_skeletons.CLASSES)
    assert not network.training


@pytest.mark.slow
def test_two_processes_train_one_network(skeletons, tmp_path):
    """torchrun with gloo: the gradients of both halves of each batch are averaged."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "zssar.cli",
    ]
    done = subprocess.run(
        [*command, *arguments(skeletons, tmp_path, {"epochs": 8})],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["processes"] == 2
    assert record["last"]["accuracy"] > 0.6
    assert weights.load(tmp_path / "model.pt")[1].seed == 1
