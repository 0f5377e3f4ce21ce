"""From score files to rows: selections, matching of samples, errors, and the command as a whole."""

import argparse
import csv
import json

import h5py
import numpy as np
import pytest
from evaluation_fixtures import SEEN, UNSEEN, write_run

from zssar.commands import evaluate as command
from zssar.errors import UserError
from zssar.evaluation.protocols import RUN_COLUMNS, evaluate, match_epoch, reported, rows
from zssar.evaluation.trials import load_trial
from zssar.storage import read_json, score_writer

BEST_IN_THE_MIDDLE = {10: 0.2, 20: 2.5, 30: 1.0}


def trial_at(folder, quality, **more):
    return load_trial(*write_run(folder, quality, **more))


def validation_at(folder, quality, **more):
    return trial_at(folder, quality, seen=SEEN[:3], unseen=SEEN[3:], data_seed=9, **more)


def pick(outcomes, setting, selection, seed=0):
    (found,) = [o for o in outcomes if (o.setting, o.selection, o.seed) == (setting, selection, seed)]
    return found


def test_the_three_selections_of_zsl(tmp_path):
    trial = trial_at(tmp_path / "test", {0: {10: 0.2, 20: 1.0, 30: 2.5}})
    validation = validation_at(tmp_path / "val", {0: BEST_IN_THE_MIDDLE})
    outcomes = evaluate(trial, [validation])
    assert pick(outcomes, "zsl", "last").epoch == 30
    assert pick(outcomes, "zsl", "validated").epoch == 20  # where validation is best, although test is better later
    assert pick(outcomes, "zsl", "oracle").epoch == 30
    assert pick(outcomes, "gzsl", "validated").epoch == 20
    assert pick(outcomes, "zsl", "oracle").details["looks"] == 3
    values = pick(outcomes, "zsl", "validated").values
    answers = UNSEEN_COLUMNS[trial.scores.read(0, 20, unseen=True).argmax(axis=1)]
    right = (answers == trial.labels)[~trial.seen_sample]
    assert values["top1"] == pytest.approx(right.mean())
    assert pick(outcomes, "zsl", "last").values["chance"] == pytest.approx(1 / 3)


UNSEEN_COLUMNS = np.arange(len(SEEN), len(SEEN) + len(UNSEEN))


def test_oracle_is_never_below_the_others_on_the_numbers_it_picks(tmp_path):
    trial = trial_at(tmp_path / "test", dict.fromkeys(range(3), BEST_IN_THE_MIDDLE))
    validation = validation_at(tmp_path / "val", dict.fromkeys(range(3), BEST_IN_THE_MIDDLE))
    outcomes = evaluate(trial, [validation])
    for seed in range(3):
        for setting, metric in (("zsl", "top1"), ("gzsl", "harmonic"), ("gzsl", "ausuc")):
            best = pick(outcomes, setting, "oracle", seed).values[metric]
            for selection in ("last", "validated"):
                assert best >= pick(outcomes, setting, selection, seed).values[metric] - 1e-12


def test_choices_never_depend_on_test_labels(tmp_path):
    """Leak test: other labels for the test samples, same scores: epoch, factor and answers must stay as they are."""
    scores, labels = write_run(tmp_path / "test", {0: BEST_IN_THE_MIDDLE})
    validation = validation_at(tmp_path / "val", {0: BEST_IN_THE_MIDDLE})
    before = evaluate(load_trial(scores, labels), [validation])
    lines = list(csv.DictReader(labels.open()))
    others = {"seen": SEEN, "unseen": UNSEEN}
    for i, line in enumerate(lines):
        line["name"] = others[line["group"]][i % len(others[line["group"]])]
    with labels.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    after = evaluate(load_trial(scores, labels), [validation])
    for setting in ("zsl", "gzsl"):
        for selection in ("last", "validated"):
            a, b = pick(before, setting, selection), pick(after, setting, selection)
            assert a.epoch == b.epoch
            assert a.details.get("gamma") == b.details.get("gamma")
            np.testing.assert_array_equal(a.predicted, b.predicted)
            assert a.values != b.values  # the labels did change


def test_calibration_lifts_h_over_uncalibrated_scores(tmp_path):
    trial = trial_at(tmp_path / "test", {0: {1: 3.0}}, bias=3.0)
    validation = validation_at(tmp_path / "val", {0: {1: 3.0}}, bias=3.0, scale=20.0)
    outcome = pick(evaluate(trial, [validation]), "gzsl", "last")
    assert outcome.details["uncalibrated"]["harmonic"] < 0.4 < 0.7 < outcome.values["harmonic"]
    assert outcome.values["harmonic"] <= pick(evaluate(trial, [validation]), "gzsl", "oracle").values["harmonic"]


def test_a_method_with_one_epoch_has_nothing_to_validate(tmp_path):
    trial = trial_at(tmp_path / "test", {0: {1: 2.0}})
    outcomes = evaluate(trial, [validation_at(tmp_path / "val", {0: {1: 2.0}})])
    assert {(o.setting, o.selection) for o in outcomes} == {
        ("zsl", "last"),
        ("zsl", "oracle"),
        ("gzsl", "last"),
        ("gzsl", "oracle"),
    }
    assert [o.selection for o in reported(outcomes, "gzsl")] == ["last"]
    assert "harmonic" in reported(outcomes, "gzsl")[0].values


def test_without_validation_no_operating_point_is_reported(tmp_path):
    outcomes = evaluate(trial_at(tmp_path / "test", {0: BEST_IN_THE_MIDDLE}))
    assert set(pick(outcomes, "gzsl", "last").values) == {"ausuc"}
    assert set(pick(outcomes, "gzsl", "oracle").values) == {"seen", "unseen", "harmonic", "ausuc"}
    assert not [o for o in outcomes if o.selection == "validated"]


def test_epochs_match_by_index_or_by_fraction(tmp_path):
    trial = trial_at(tmp_path / "test", {0: {10: 1.0, 20: 1.0, 40: 1.0}})
    same = validation_at(tmp_path / "same", {0: {5: 1.0, 15: 1.0, 20: 1.0}})
    assert [match_epoch(same, trial, 0, e) for e in (10, 20, 40)] == [5, 15, 20]
    fewer = validation_at(tmp_path / "fewer", {0: {10: 1.0, 20: 1.0}})
    assert [match_epoch(fewer, trial, 0, e) for e in (10, 20, 40)] == [10, 10, 20]


def test_a_method_that_answers_zsl_differently_is_asked_for_its_own_scores(tmp_path):
    scores, labels = write_run(tmp_path / "test", {0: {1: 2.0}})
    before = load_trial(scores, labels)
    everything, attrs, ids = before.scores.read(0, 1), before.scores.attrs, before.scores.sample_id
    with score_writer(scores, ids, attrs) as writer:
        own = np.zeros((len(ids), len(UNSEEN)), np.float32)
        own[:, 1] = 1
        writer.add(0, 1, everything, own)
    outcomes = evaluate(load_trial(scores, labels))
    assert set(pick(outcomes, "zsl", "last").predicted) == {len(SEEN) + 1}


def test_rows_have_the_columns_of_the_runs_file_and_percent(tmp_path):
    trial = trial_at(tmp_path / "test", {0: {1: 9.0}, 1: {1: 9.0}})
    table = rows(evaluate(trial), {"method": "made_up", "run": "somewhere"})
    assert all(tuple(row) == RUN_COLUMNS for row in table)
    assert {row["seed"] for row in table} == {0, 1}
    (top,) = [r for r in table if (r["seed"], r["setting"], r["selection"], r["metric"]) == (0, "zsl", "last", "top1")]
    assert top["value"] == pytest.approx(100)
    assert top["n"] == 60
    assert top["run"] == "somewhere"


# --- errors that teach -----------------------------------------------------------------------------------------------


def test_broken_scores_name_file_seed_and_epoch(tmp_path):
    scores, labels = write_run(tmp_path / "test", {0: {1: 1.0, 2: 1.0}})
    with h5py.File(scores, "a") as file:
        file["seed0/epoch000002"][3, 1] = np.nan
    with pytest.raises(UserError, match=r"scores\.h5 \(seed 0, epoch 2\).*not finite"):
        evaluate(load_trial(scores, labels))


def test_samples_that_do_not_match_are_an_error(tmp_path):
    scores, labels = write_run(tmp_path / "test", {0: {1: 1.0}})
    text = labels.read_text().splitlines()
    labels.write_text("\n".join(text[:-1]) + "\n")
    with pytest.raises(UserError, match=r"1 samples of .*scores\.h5"):
        load_trial(scores, labels)
    labels.write_text("\n".join([*text, text[-1].replace("S0", "X0")]) + "\n")
    with pytest.raises(UserError, match=r"1 samples of .*test_labels\.csv"):
        load_trial(scores, labels)
    labels.write_text("\n".join([*text, text[-1]]) + "\n")
    with pytest.raises(UserError, match="repeat"):
        load_trial(scores, labels)
    labels.write_text("\n".join(line.replace("walk", "run") for line in text) + "\n")
    with pytest.raises(UserError, match=r"'run'.*does not know"):
        load_trial(scores, labels)
    labels.write_text("sample_id,name\n")
    with pytest.raises(UserError, match="no column 'label'"):
        load_trial(scores, labels)


def test_labels_of_another_split_are_an_error(tmp_path):
    scores, _ = write_run(tmp_path / "a", {0: {1: 1.0}})
    _, labels = write_run(tmp_path / "b", {0: {1: 1.0}}, seen=(*SEEN[1:], "kick"), unseen=("walk", *UNSEEN[1:]))
    with pytest.raises(UserError, match="different splits"):
        load_trial(scores, labels)


def test_validation_without_the_seed_is_an_error(tmp_path):
    trial = trial_at(tmp_path / "test", {0: {1: 1.0}, 1: {1: 1.0}})
    with pytest.raises(UserError, match="seed 1"):
        evaluate(trial, [validation_at(tmp_path / "val", {0: {1: 1.0}})])


# --- the command -----------------------------------------------------------------------------------------------------


def call(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(list(map(str, words))))


def test_the_command_writes_metrics_rows_and_predictions(tmp_path):
    test = write_run(tmp_path / "test", {0: BEST_IN_THE_MIDDLE, 1: BEST_IN_THE_MIDDLE})
    val = write_run(
        tmp_path / "val", {0: BEST_IN_THE_MIDDLE, 1: BEST_IN_THE_MIDDLE}, seen=SEEN[:3], unseen=SEEN[3:], data_seed=3
    )
    key = {"table": "t", "dataset": "sim", "split": "sim_5_3", "method": "made_up", "run": "here"}
    out = [tmp_path / n for n in ("metrics.json", "runs.csv", "predictions.csv")]
    call(
        *("--scores", test[0], "--labels", test[1], "--val-scores", val[0], "--val-labels", val[1]),
        *("--key", json.dumps(key), "--metrics", out[0], "--runs", out[1], "--predictions", out[2]),
    )
    metrics = read_json(out[0])
    lines = list(csv.DictReader(out[1].open()))
    predictions = list(csv.DictReader(out[2].open()))
    assert tuple(lines[0]) == RUN_COLUMNS
    assert lines[0]["split"] == "sim_5_3"
    for line in lines:
        if (line["setting"], line["selection"], line["metric"]) != ("zsl", "validated", "top1"):
            continue
        mine = [p for p in predictions if p["setting"] == "zsl" and p["seed"] == line["seed"]]
        accuracy = 100 * np.mean([p["name"] == p["predicted"] for p in mine])
        assert float(line["value"]) == pytest.approx(accuracy, abs=1e-3)
        assert int(line["n"]) == len(mine)
        confusion = np.array(metrics["zsl"][line["seed"]]["confusion"])
        assert float(line["value"]) == pytest.approx(100 * confusion.trace() / confusion.sum(), abs=1e-3)
    gammas = [o["gamma"] for o in metrics["outcomes"] if o["setting"] == "gzsl" and o["selection"] == "validated"]
    assert len(gammas) == 2
    assert metrics["validation_splits"] == 1
    assert metrics["evaluation"]["inputs"]["val_scores"]
    assert "validation_backbone" not in metrics
    options = ["--params", '{"validation_backbone": "shared"}']
    call("--scores", test[0], "--labels", test[1], *options, "--metrics", out[0], "--runs", out[1])
    assert read_json(out[0])["validation_backbone"] == "shared"


def test_the_command_refuses_unknown_keys(tmp_path):
    test = write_run(tmp_path / "test", {0: {1: 1.0}})
    words = ["--scores", test[0], "--labels", test[1], "--metrics", tmp_path / "m", "--runs", tmp_path / "r"]
    with pytest.raises(UserError, match="backbone"):
        call(*words, "--key", '{"backbones": "x"}')
    with pytest.raises(UserError, match="scale"):
        call(*words, "--params", '{"scal": "raw"}')
    assert not (tmp_path / "r").exists()
