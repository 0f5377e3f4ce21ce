"""Figures drawn from scores and recordings, and the commands that feed them."""

import argparse
import csv
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from evaluation_fixtures import SEEN, UNSEEN, write_run
from small_skeletons import CLASSES
from small_skeletons import write as write_skeletons

from zssar import plugins, storage
from zssar.commands import attend, measure_efficiency
from zssar.errors import UserError
from zssar.evaluation.protocols import evaluate
from zssar.evaluation.summary import summarise
from zssar.evaluation.trials import load_trial
from zssar.reporting import figures, gallery, scored, spaces
from zssar.reporting.runs import read_runs

UNITS = {"parts_purls": ("head", "hands", "torso", "legs"), "phases": ("start", "middle", "end"), "global": ("global",)}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def call(command, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(list(map(str, words))))


def texts(figure):
    return [t.get_text() for t in figure.findobj(plt.Text) if t.get_text()]


@pytest.fixture
def run(tmp_path):
    """(scores, labels, metrics.json) of a run with one validation split."""
    epochs = {s: {1: 0.5, 2: 2.0} for s in range(2)}
    scores, labels = write_run(tmp_path / "dvta", epochs)
    held = load_trial(*write_run(tmp_path / "val", epochs, seen=SEEN[:3], unseen=SEEN[3:]))
    trial = load_trial(scores, labels)
    key = {"dataset": "sim", "split": "sim_5_3", "method": "dvta"}
    params = {"align": {"params": {"attributes": 20}}}
    storage.write_json(tmp_path / "metrics.json", {"key": key, **params, **summarise(trial, evaluate(trial, [held]))})
    return scores, labels, tmp_path / "metrics.json"


def test_similarity_is_the_mean_standardised_score(run):
    scores, labels, metrics = run
    trial, found = load_trial(scores, labels), storage.read_json(metrics)
    epochs = scored.main_epochs(found)
    assert set(epochs) == {0, 1}
    matrix = scored.similarity_matrix(trial, epochs)
    expected = []
    for seed, epoch in epochs.items():
        s = trial.unseen_scores(seed, epoch)
        s = (s - s.mean(1, keepdims=True)) / s.std(1, keepdims=True)
        expected.append([s[trial.labels == c].mean(0) for c in trial.unseen])
    np.testing.assert_allclose(matrix, np.mean(expected, axis=0))
    assert np.diag(matrix).min() > matrix[~np.eye(3, dtype=bool)].max()
    figure = gallery.draw("similarity", {"scores": [scores], "labels": [labels], "metrics": [metrics]}, {})
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), matrix)
    assert any(f"{UNSEEN[0]} (" in t for t in texts(figure))


def test_calibration_curves_end_where_everything_is_unseen(run):
    scores, labels, metrics = run
    figure = gallery.draw("calibration", {"scores": [scores], "labels": [labels], "metrics": [metrics]}, {})
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    s, u, h = (lines[name].get_ydata() for name in ("S, seen", "U, unseen", "H"))
    assert s[0] > s[-1]
    assert u[0] < u[-1]
    assert (h <= np.maximum(s, u) + 1e-9).all()
    found = storage.read_json(metrics)
    gammas = [o["gamma"] for o in found["outcomes"] if o["setting"] == "gzsl" and o["selection"] == "validated"]
    assert lines["chosen on validation"].get_xdata()[0] == pytest.approx(np.mean(gammas))


def test_calibration_panels_share_an_axis_that_holds_all_curves(run, tmp_path):
    poor = write_run(tmp_path / "poor", {s: {1: 0.0} for s in range(2)})
    outcomes = summarise(load_trial(*poor), evaluate(load_trial(*poor), [load_trial(*poor)]))
    storage.write_json(tmp_path / "poor.json", {"key": {"dataset": "sim", "method": "poor"}, **outcomes})
    scores, labels, metrics = run
    files = {"scores": [poor[0], scores], "labels": [labels], "metrics": [tmp_path / "poor.json", metrics]}
    figure = gallery.draw("calibration", files, {"names": {"poor": "as printed"}})
    lines = [line for axes in figure.axes for line in axes.lines if line.get_label() in ("S, seen", "U, unseen", "H")]
    assert len(lines) == 6
    assert figure.axes[0].get_ylim()[1] >= max(line.get_ydata().max() for line in lines)
    assert figure.axes[0].get_title().startswith("as printed")


def test_missing_files_are_named(run):
    with pytest.raises(UserError, match="--labels has none"):
        gallery.draw("similarity", {"scores": [run[0]], "labels": [], "metrics": [run[2]]}, {})


def test_parameter_curve_reads_the_record_and_refuses_what_is_not_there(run):
    one = storage.read_json(run[2])
    two = json.loads(json.dumps(one))
    two["align"]["params"]["attributes"] = 50
    figure = figures.parameter([two, one], name="attributes")
    axes = figure.axes[0]
    assert list(axes.get_xticks()) == [20, 50]
    assert axes.get_xlabel() == "attributes"
    zsl, gzsl = (bars.lines[0].get_xdata() for bars in axes.containers)
    assert np.all(zsl < gzsl)
    assert np.allclose((zsl + gzsl) / 2, [20, 50])
    assert figures.parameter([two, one], "attributes", label="prompts").axes[0].get_xlabel() == "prompts"
    with pytest.raises(UserError, match="width"):
        figures.parameter([one], name="width")


def test_spaces_have_a_row_of_texts_with_seen_classes_in_grey(run, tmp_path):
    scores, labels, _ = run
    names = [*UNSEEN, *SEEN]
    array = np.random.default_rng(0).standard_normal((len(names), 2, 6)).astype(np.float32)
    storage.write_texts(tmp_path / "label.h5", names, ["a", "b"], array, {})
    before = spaces.space_of_texts([tmp_path / "label.h5"], scores, labels)
    after = spaces.space_of_columns(scores, labels)
    assert list(before.names) == [*[spaces.SEEN] * len(SEEN), *UNSEEN]
    assert before.points.shape == (8, 6)
    assert after.points.shape == (8, 160)
    files = {"features": [], "scores": [scores], "labels": [labels], "texts": [tmp_path / "label.h5"]}
    figure = gallery.draw("pca", files, {})
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible()]
    assert titles == ["after: scores of dvta, seed 0", "texts before: label", "texts after: dvta"]


def test_ranked_shows_right_and_wrong_answers_of_different_classes():
    values = np.array([[3, 1, 0], [2, 1, 0], [1, 0, 2], [0, 3, 1.0]])
    truth = np.array([0, 0, 0, 1])
    assert scored._examples(values, truth, ["b", "a", "c"], True, 3) == [3, 0]
    assert scored._examples(values, truth, ["b", "a", "c"], False, 3) == [2]


def test_losses_of_a_record_become_a_curve():
    record = {"params": {"method": "dvta"}, "seeds": [{"seed": 0, "losses": [3.0, 2.0]}, {"seed": 1, "losses": [4.0]}]}
    found = spaces.history_of_record(record)
    assert [(e["seed"], e["epoch"], e["training_loss"]) for e in found] == [(0, 1, 3.0), (0, 2, 2.0), (1, 1, 4.0)]
    with pytest.raises(UserError, match="recorded no losses"):
        spaces.history_of_record({"params": {"method": "ridge"}, "seeds": [{"seed": 0}]})


@pytest.fixture
def purls(tmp_path):
    """A trained PURLS with its files: features of recordings of utd20, texts, labels, model.pt."""
    rng = np.random.default_rng(0)
    skeletons = write_skeletons(tmp_path / "skeletons.h5", of="utd20")
    data = storage.Skeletons(skeletons)
    grid = rng.standard_normal((len(data), 6, 4, 20)).astype(np.float16)
    attrs = {"dataset": "own", "layout": "utd20", "class_names": list(CLASSES), "seen": [0, 1, 2, 3], "unseen": [4, 5]}
    storage.write_features(tmp_path / "test.h5", {"grid": grid}, list(data.sample_id), attrs)
    for kind, units in UNITS.items():
        array = rng.standard_normal((len(CLASSES), len(units), 8)).astype(np.float32)
        storage.write_texts(tmp_path / f"{kind}.h5", CLASSES, units, array, {})
    with open(tmp_path / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sample_id", "label", "name", "subject", "camera", "setup", "group"])
        for i, label in enumerate(data.label):
            group = "seen" if label < 4 else "unseen"
            writer.writerow([data.sample_id[i], label, CLASSES[label], 1, 1, -1, group])
    params = {"texts": list(UNITS), "epochs": 1, "hidden": 16, "head_width": 4}
    method = plugins.create("alignment", "purls", {**params, "seed": 0})
    loaded = storage.read_texts({kind: tmp_path / f"{kind}.h5" for kind in UNITS})
    with storage.open_features(tmp_path / "test.h5", ["grid"]) as (features, _, _):
        seen = np.flatnonzero(data.label < 4)
        method.fit(features.select(seen), data.label[seen], loaded.select(CLASSES[:4]))
    assert len(method.losses_) == 1
    torch.save({"method": "purls", "params": json.dumps(params), "seeds": {"0": method.state()}}, tmp_path / "model.pt")
    return tmp_path


def words(folder):
    return ["--model", folder / "model.pt", "--test", folder / "test.h5", "--kinds", *UNITS,
            "--texts", *(folder / f"{kind}.h5" for kind in UNITS)]  # fmt: skip


def test_attention_sums_to_one_and_is_drawn_on_the_body(purls):
    call(attend, *words(purls), "--labels", purls / "labels.csv", "--output", purls / "attention.npz")
    with np.load(purls / "attention.npz") as file:
        weights, units = file["attention"], list(file["units"])
    assert weights.shape == (2, 8, 3, 20)
    np.testing.assert_allclose(weights.sum((2, 3)), 1, atol=1e-4)
    assert units == [u for kind in UNITS.values() for u in kind]
    files = {"attention": [purls / "attention.npz"], "skeletons": [purls / "skeletons.h5"]}
    figure = gallery.draw("attention", files, {"classes": ["push"]})
    assert "hands" in texts(figure)
    assert any("push" in t for t in texts(figure))
    with pytest.raises(UserError, match="pull"):
        gallery.draw("attention", files, {"classes": ["pull"]})


def test_efficiency_counts_what_the_model_stores(purls):
    call(measure_efficiency, *words(purls), "--device", "cpu", "--key", json.dumps({"method": "purls"}),
         "--metrics", purls / "e.json", "--runs", purls / "e.csv")  # fmt: skip
    found = read_runs([purls / "e.csv"]).set_index("metric")["value"]
    state = torch.load(purls / "model.pt", weights_only=True)["seeds"]["0"]
    assert found["parameters_m"] == pytest.approx(
        sum(v.numel() for v in state.values() if hasattr(v, "numel")) / 1e6, abs=1e-4
    )
    assert found["mflops"] > 0
    assert found["samples_per_second"] > 0
