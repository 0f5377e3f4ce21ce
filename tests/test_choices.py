"""Parameters picked on validation splits, transductive answers, and how well validation predicted test."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest
from evaluation_fixtures import SEEN, UNSEEN, write_run

from zssar import config as zssar_config
from zssar.commands import choose_params, compare_validation, evaluate, evaluate_transductive
from zssar.errors import UserError
from zssar.evaluation import transductive
from zssar.evaluation.choice import combinations
from zssar.evaluation.trials import load_trial
from zssar.reporting import tables
from zssar.reporting.foresight import foresight
from zssar.reporting.runs import COLUMNS, read_runs
from zssar.storage import read_json, write_features

KEY = {"dataset": "sim", "split": "sim_5_3", "backbone": "b", "stream": "joint", "source": "s", "encoder": "e"}


def call(command, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(list(map(str, words))))


def candidate_runs(folder, qualities):
    runs = [
        write_run(folder / f"c{i}v{v}", {0: {1: q / 2, 2: q}}, seen=SEEN[:3], unseen=SEEN[3:], data_seed=v)
        for i, q in enumerate(qualities)
        for v in range(2)
    ]
    return [scores for scores, _ in runs], [runs[v][1] for v in range(2)]


def test_the_candidate_with_the_best_validation_accuracy_is_chosen(tmp_path):
    scores, labels = candidate_runs(tmp_path, [0.0, 4.0, 1.0])
    call(choose_params, "--choose", '{"lr": [0.1, 0.2, 0.3]}', "--scores", *scores, "--labels", *labels,
         "--output", tmp_path / "chosen.json")  # fmt: skip
    found = read_json(tmp_path / "chosen.json")
    assert found["params"] == {"lr": 0.2}
    trials = [load_trial(scores[2 + v], labels[v]) for v in range(2)]
    expected = max(np.mean([t.zsl_top1(0, e) for t in trials]) for e in (1, 2))
    assert found["validation_top1"] == pytest.approx(100 * expected)
    assert [c["params"]["lr"] for c in found["candidates"]] == [0.1, 0.2, 0.3]
    assert found["validation_splits"] == 2


def test_a_wrong_number_of_score_files_is_refused(tmp_path):
    scores, labels = candidate_runs(tmp_path, [0.0, 4.0])
    with pytest.raises(UserError, match="6 score files"):
        call(choose_params, "--choose", '{"lr": [0.1, 0.2, 0.3]}', "--scores", *scores, "--labels", *labels,
             "--output", tmp_path / "chosen.json")  # fmt: skip


def test_candidates_of_the_config_come_in_the_order_of_the_command():
    method = {"module": "dvta", "texts": ["label"], "params": {"epochs": 3},
              "choose": {"texts": [["label"], ["label", "context"]], "lr": [0.1, 0.2]}}  # fmt: skip
    found = zssar_config.candidates({"dvta": method, "ridge": {"module": "ridge", "texts": ["label"]}})
    assert list(found) == [f"dvta.choice{i}" for i in range(4)]
    asked = combinations(method["choose"])
    for entry, one in zip(found.values(), asked):
        assert entry["texts"] == one["texts"]
        assert entry["params"] == {"epochs": 3, "lr": one["lr"]}
    assert zssar_config.all_texts(method) == ["label", "context"]


def features_of(folder, labels_path, noise):
    """test.h5 with a pooled view in which classes are well apart."""
    rows = pd.read_csv(labels_path)
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((rows["label"].max() + 1, 8))
    pooled = centres[rows["label"]] + noise * rng.standard_normal((len(rows), 8))
    attrs = {"dataset": "sim", "layout": "kinect25"}
    write_features(folder / "test.h5", {"pooled": pooled.astype(np.float32)}, list(rows["sample_id"]), attrs)
    return folder / "test.h5"


def transduce(tmp_path, noise=0.1):
    epochs = {s: {1: 1.0, 2: 1.5} for s in range(2)}
    run = write_run(tmp_path / "test", epochs)
    held = write_run(tmp_path / "val", epochs, seen=SEEN[:2], unseen=SEEN[2:], data_seed=5)
    files = [features_of(tmp_path / name, labels, noise) for name, (_, labels) in (("test", run), ("val", held))]
    call(evaluate_transductive, "--scores", run[0], "--features", files[0], "--labels", run[1], "--val-scores", held[0],
         "--val-features", files[1], "--val-labels", held[1], "--key", json.dumps({**KEY, "method": "m", "run": "r"}),
         "--metrics", tmp_path / "t.json", "--runs", tmp_path / "t.csv")  # fmt: skip
    return read_json(tmp_path / "t.json"), read_runs([tmp_path / "t.csv"]), run, files[0]


def test_transductive_answers_gain_where_features_cluster_and_stand_alone(tmp_path):
    found, runs, _, _ = transduce(tmp_path)
    assert found["transductive"] is True
    assert set(runs["setting"]) == {"transductive", "zsl"}
    assert set(runs.loc[runs["setting"] == "zsl", "metric"]) == {"chance"}
    values = runs.groupby("metric")["value"].mean()
    assert values["top1"] > values["inductive_top1"] + 10
    for outcome in found["outcomes"]:
        tried = outcome["validation_top1_by_weight"]  # in percent, like every accuracy in a JSON file
        assert tried[str(outcome["weight"])] == max(tried.values()) > 1
    built = tables.build(runs, "t", tables.TableParams(setting="transductive"))
    assert built.ranks == [1.0]


def test_adapted_scores_are_those_of_the_card_written_out_in_loops():
    rng = np.random.default_rng(3)
    scores, x = rng.normal(size=(30, 4)), rng.normal(size=(30, 6))
    x /= np.linalg.norm(x, axis=1, keepdims=True)

    def z(row):
        return (row - row.mean()) / row.std()

    text = [z(row) for row in scores]
    now = [row.copy() for row in text]
    for _ in range(transductive.ROUNDS):
        answer = [int(row.argmax()) for row in now]
        similar = [[float("nan")] * 4 for _ in now]
        for k in set(answer):
            mine = [i for i in range(30) if answer[i] == k]
            mine.sort(key=lambda i: -(sorted(now[i])[-1] - sorted(now[i])[-2]))
            prototype = np.mean([x[i] for i in mine[: (len(mine) + 1) // 2]], axis=0)
            for i in range(30):
                similar[i][k] = x[i] @ prototype / np.linalg.norm(prototype)
        for i, row in enumerate(np.array(similar)):
            row[np.isnan(row)] = np.nanmean(row)
            now[i] = 0.25 * text[i] + 0.75 * z(row)
    np.testing.assert_allclose(transductive.adapt(scores, x, 0.75), now, atol=1e-9)


def test_weight_nought_is_the_inductive_answer_and_no_label_is_read(tmp_path):
    _, _, (scores, labels), features = transduce(tmp_path)
    trial = load_trial(scores, labels)
    x = transductive.read_pooled(features, trial)
    inductive = trial.unseen_scores(0, 2)[~trial.seen_sample]
    np.testing.assert_array_equal(transductive.adapt(inductive, x, 0.0).argmax(1), inductive.argmax(1))
    order = np.random.default_rng(0).permutation(len(x))
    moved = transductive.adapt(inductive[order], x[order], 0.5)
    np.testing.assert_allclose(moved, transductive.adapt(inductive, x, 0.5)[order], atol=1e-9)


def test_a_class_that_nobody_is_assigned_to_keeps_its_text_scores():
    scores = np.array([[1.0, 0.5, 0.0], [0.2, 1.0, 0.1]])
    found = transductive._similarities(scores, np.eye(2))
    np.testing.assert_allclose(found, [[1, 0, 0.5], [0, 1, 0.5]])


def line(method, split, metric, value, seed=0):
    base = dict.fromkeys(COLUMNS, "")
    base |= {**KEY, "table": "t", "partition": "xsub", "method": method, "split": split, "seed": seed, "n": 10}
    return base | {"setting": "zsl", "selection": "last", "metric": metric, "value": value, "run": f"{method}{split}"}


def test_foresight_by_method_and_by_split(tmp_path):
    lines = []
    for d, (held, test) in enumerate([(10, 20), (20, 30), (30, 35), (40, 60)]):
        name = f"random_5_0_{d}"
        lines += [line("good", name, "validation_top1", held), line("good", name, "top1", test)]
        lines += [line("bad", name, "validation_top1", 50 - held), line("bad", name, "top1", test - 5)]
    path = tmp_path / "runs.csv"
    pd.DataFrame(lines)[COLUMNS].to_csv(path, index=False)
    found = foresight(read_runs([path]))
    methods = found[found["of"] == "method"].set_index("name")
    assert methods.loc["good", "rank_correlation"] == pytest.approx(1)
    assert methods.loc["bad", "rank_correlation"] == pytest.approx(-1)
    assert methods.loc["good", "gap"] == pytest.approx(25 - 36.25)
    splits = found[found["of"] == "split"].set_index("name")
    assert splits.loc["sim/random_5_0_0", "picked"] == "bad"
    assert splits.loc["sim/random_5_0_0", "regret"] == pytest.approx(5)
    assert splits.loc["sim/random_5_0_3", "regret"] == pytest.approx(0)
    call(compare_validation, "--runs", path, "--csv", tmp_path / "v.csv", "--markdown", tmp_path / "v.md")
    text = (tmp_path / "v.md").read_text()
    assert "+1.00" in text
    assert "-1.00" in text
    assert "simulated" in text


def test_the_validation_accuracy_of_a_run_stands_in_its_runs_file(tmp_path):
    epochs = {0: {1: 0.5, 2: 2.0}}
    run = write_run(tmp_path / "test", epochs)
    held = write_run(tmp_path / "val", epochs, seen=SEEN[:3], unseen=SEEN[3:], data_seed=3)
    call(evaluate, "--scores", run[0], "--labels", run[1], "--val-scores", held[0], "--val-labels", held[1],
         "--key", json.dumps({**KEY, "method": "m", "run": "r"}), "--metrics", tmp_path / "m.json",
         "--runs", tmp_path / "r.csv")  # fmt: skip
    runs = read_runs([tmp_path / "r.csv"])
    mine = runs[runs["metric"] == "validation_top1"].set_index("selection")["value"]
    trial = load_trial(*held)
    assert mine["last"] == pytest.approx(100 * trial.zsl_top1(0, 2), abs=1e-3)
    assert mine["validated"] == pytest.approx(100 * max(trial.zsl_top1(0, e) for e in (1, 2)), abs=1e-3)
    assert "oracle" not in mine


@pytest.mark.parametrize("positive", [True, False])
def test_an_unsuited_ratio_gate_is_left_out_and_said_so(tmp_path, positive):
    epochs = {0: {1: 2.0}}
    runs = [write_run(tmp_path / n, epochs, seen=SEEN[:k], unseen=(SEEN + UNSEEN)[k:5 + 3 * (k == 5)],
                      bias=-9.0 if not positive else 2.0, data_seed=k) for n, k in (("t", 5), ("v", 3))]  # fmt: skip
    if not positive:
        for scores, _ in runs:
            import h5py

            with h5py.File(scores, "a") as file:
                file["seed0/epoch000001"][...] -= 20
    words = ["--scores", runs[0][0], "--labels", runs[0][1], "--val-scores", runs[1][0], "--val-labels", runs[1][1],
             "--params", '{"gates": ["ratio"], "skip_unsuited": true}', "--metrics", tmp_path / "m.json",
             "--runs", tmp_path / "r.csv"]  # fmt: skip
    call(evaluate, *words)
    settings = {o["setting"] for o in read_json(tmp_path / "m.json")["outcomes"]}
    assert ("gzsl_ratio" in settings) == (not positive)
    assert ("gates_left_out" in read_json(tmp_path / "m.json")) == positive
    if positive:
        words[words.index('{"gates": ["ratio"], "skip_unsuited": true}')] = '{"gates": ["ratio"]}'
        with pytest.raises(UserError, match="negative errors"):
            call(evaluate, *words)
