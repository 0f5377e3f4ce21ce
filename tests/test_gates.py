"""Gates: fitted on validation only, one inequality, better than no gate where the evidence is there."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest
from evaluation_fixtures import SEEN, UNSEEN, write_run

from zssar.commands import evaluate as command
from zssar.errors import UserError
from zssar.evaluation import gates
from zssar.evaluation.metrics import harmonic
from zssar.evaluation.protocols import evaluate
from zssar.evaluation.trials import load_trial
from zssar.storage import read_json, score_writer, write_features


def write_logits(path, trial, seed=0, signal=6.0, shuffle=True):
    """Logits of a backbone that knows seen classes and is flat on the others; rows and columns in another order."""
    rng = np.random.default_rng(seed)
    names = [n for n, seen in zip(trial.classes, trial.seen) if seen]
    truth = np.array(trial.classes)[trial.labels]
    logits = rng.standard_normal((len(truth), len(names))) + signal * (truth[:, None] == np.array(names))
    order = rng.permutation(len(truth)) if shuffle else np.arange(len(truth))
    class_names = sorted(trial.classes)
    columns = sorted(range(len(names)), key=lambda j: class_names.index(names[j]))
    attrs = {"layout": "kinect25", "class_names": class_names, "seen": [class_names.index(names[j]) for j in columns]}
    write_features(path, {"seen_logits": logits[order][:, columns]}, trial.scores.sample_id[order], attrs)
    return logits


def setup(tmp_path, quality=3.0, epochs=(1,)):
    epochs = dict.fromkeys(epochs, quality)
    test = write_run(tmp_path / "test", {0: epochs}, bias=1.0)
    val = write_run(tmp_path / "val", {0: epochs}, seen=SEEN[:3], unseen=SEEN[3:], bias=1.0, scale=7.0, data_seed=3)
    trial, validation = load_trial(*test), load_trial(*val)
    own = write_logits(tmp_path / "test.h5", trial, 1)
    write_logits(tmp_path / "val.h5", validation, 2)
    return test, val, trial, validation, own


def test_logits_are_matched_by_sample_and_class(tmp_path):
    _, _, trial, _, own = setup(tmp_path)
    read = gates.read_logits(tmp_path / "test.h5", trial)
    np.testing.assert_allclose(read[:, trial.seen], own, rtol=1e-6)
    assert np.isneginf(read[:, ~trial.seen]).all()


def test_the_fitted_rule_is_the_applied_rule_for_every_threshold(tmp_path):
    _, _, _, validation, _ = setup(tmp_path)
    found = gates.evidence(validation, 0, 1, gates.read_logits(tmp_path / "val.h5", validation))
    gate = gates.fit_gate([found], [~validation.seen_sample], 2)
    probability = gate.model.predict_proba(found.features(gate.temperature, gate.k))[:, 1]
    for threshold in (*gates.THRESHOLDS, *probability):  # values that occur exactly, too
        moved = gates.Gate(gate.model, gate.temperature, threshold, gate.k, gate.quality)
        np.testing.assert_array_equal(moved.unseen(found), gates.decide(probability, threshold))
    assert not gates.decide(np.array([0.5]), 0.5)[0]


def test_the_gate_tells_groups_apart_and_its_choices_are_recorded(tmp_path):
    *_, trial, validation, _ = setup(tmp_path, epochs=(1, 2))
    logits = {str(trial.scores.path): gates.read_logits(tmp_path / "test.h5", trial)}
    logits[str(validation.scores.path)] = gates.read_logits(tmp_path / "val.h5", validation)
    stacked = evaluate(trial, [validation])
    found = gates.gate_outcomes(["classifier"], trial, [validation], stacked, logits)
    assert {(o.setting, o.selection) for o in found} == {("gzsl_gate", "last"), ("gzsl_gate", "validated")}
    last = next(o for o in found if o.selection == "last")
    assert last.values["harmonic"] > 0.8
    assert last.details["sent_to_unseen"]["unseen_samples"] > 0.9 > 0.1 > last.details["sent_to_unseen"]["seen_samples"]
    assert last.details["temperature"] in gates.TEMPERATURES
    assert last.details["threshold"] in gates.THRESHOLDS


def test_both_groups_weigh_the_same_whatever_their_size():
    rng = np.random.default_rng(0)
    unseen = np.r_[np.ones(20, bool), np.zeros(400, bool)]
    peak = np.where(unseen, 0.0, 1.0) + 0.9 * rng.standard_normal(420)
    logits = np.stack([peak, -peak, -peak], axis=1)
    found = gates.Evidence(
        np.tile([0.6, 0.4], (420, 1)), -np.sort(-logits, axis=1), np.zeros(420, int), np.ones(420, int)
    )
    gate = gates.fit_gate([found], [unseen], 2)
    sent = gate.unseen(found)
    assert min(sent[unseen].mean(), (~sent[~unseen]).mean()) > 0.5  # an unbalanced fit would send nearly all to seen
    assert 0.5 < gate.quality < 1


def test_gate_features_do_not_depend_on_the_order_of_classes_or_the_scale_of_scores(tmp_path):
    *_, trial, _, _ = setup(tmp_path)
    logits = gates.read_logits(tmp_path / "test.h5", trial)
    found = gates.evidence(trial, 0, 1, logits)
    ids, attrs, scores = trial.scores.sample_id, trial.scores.attrs, trial.scores.read(0, 1)
    order = np.random.default_rng(0).permutation(len(trial.classes))
    attrs = {**attrs, "classes": [trial.classes[j] for j in order]}
    with score_writer(tmp_path / "other.h5", ids, attrs) as writer:
        writer.add(0, 1, 100 * scores[:, order])
    other = load_trial(tmp_path / "other.h5", tmp_path / "test" / "test_labels.csv")
    again = gates.evidence(other, 0, 1, gates.read_logits(tmp_path / "test.h5", other))
    np.testing.assert_allclose(again.features(3, 3), found.features(3, 3), rtol=1e-4)


def test_ratio_gate_is_the_documented_inequality(tmp_path):
    rng = np.random.default_rng(0)
    test, _ = write_run(tmp_path / "test", {0: {1: 2.0}}, bias=1.0), None
    val = write_run(tmp_path / "val", {0: {1: 2.0}}, seen=SEEN[:3], unseen=SEEN[3:], bias=1.0, data_seed=5)
    trials = []
    for scores, labels in (test, val):
        before = load_trial(scores, labels)
        values, ids, attrs = before.scores.read(0, 1), before.scores.sample_id, before.scores.attrs
        with score_writer(scores, ids, attrs) as writer:
            writer.add(0, 1, -np.exp(-values / 2) - 0.01 * rng.random(values.shape))
        trials.append(load_trial(scores, labels))
    trial, validation = trials
    (found,) = gates.gate_outcomes(["ratio"], trial, [validation], evaluate(trial, [validation]))
    errors = -trial.scores.read(0, 1).astype(float)
    unseen = errors[:, trial.seen].min(1) / errors[:, ~trial.seen].min(1) > found.details["theta"]
    np.testing.assert_array_equal(~trial.seen[found.predicted], unseen)
    right, group = found.predicted == trial.labels, trial.seen_sample
    assert found.values["harmonic"] == pytest.approx(harmonic(right[group].mean(), right[~group].mean()))
    assert found.values["harmonic"] > 0.5


def test_errors_teach(tmp_path):
    *_, trial, validation, _ = setup(tmp_path)
    stacked = evaluate(trial, [validation])
    with pytest.raises(UserError, match="negative errors"):
        gates.gate_outcomes(["ratio"], trial, [validation], stacked)
    with pytest.raises(UserError, match="Did you mean 'classifier'"):
        gates.gate_outcomes(["clasifier"], trial, [validation], stacked)
    with pytest.raises(UserError, match="--val-logits"):
        gates.gate_outcomes(["classifier"], trial, [validation], stacked, {})
    with pytest.raises(UserError, match="validation splits"):
        gates.gate_outcomes(["ratio"], trial, [], stacked)
    with pytest.raises(UserError, match="other splits"):
        gates.read_logits(tmp_path / "test.h5", load_other_classes(tmp_path))


def load_other_classes(tmp_path):
    return load_trial(
        *write_run(tmp_path / "odd", {0: {1: 1.0}}, seen=(*SEEN[1:], "kick"), unseen=("walk", *UNSEEN[1:]))
    )


def test_the_command_adds_gate_rows_beside_calibrated_stacking(tmp_path):
    test, val, *_ = setup(tmp_path, epochs=(1,))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = ["--scores", test[0], "--labels", test[1], "--val-scores", val[0], "--val-labels", val[1]]
    words += ["--logits", tmp_path / "test.h5", "--val-logits", tmp_path / "val.h5"]
    words += ["--params", json.dumps({"gates": ["classifier"]})]
    words += ["--metrics", tmp_path / "m.json", "--runs", tmp_path / "r.csv"]
    command.run(parser.parse_args(list(map(str, words))))
    rows = pd.read_csv(tmp_path / "r.csv")
    assert set(rows["setting"]) == {"zsl", "gzsl", "gzsl_gate"}
    assert set(rows.loc[rows["setting"] == "gzsl_gate", "metric"]) == {"seen", "unseen", "harmonic"}
    assert any("temperature" in outcome for outcome in read_json(tmp_path / "m.json")["outcomes"])
