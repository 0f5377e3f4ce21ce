"""Figures: drawn from metrics.json, written in every format, honest about what they show."""

import argparse

import matplotlib.pyplot as plt
import numpy as np
import pytest
from evaluation_fixtures import SEEN, UNSEEN, write_run

from zssar.commands import make_figure as command
from zssar.errors import UserError
from zssar.evaluation.protocols import evaluate
from zssar.evaluation.summary import summarise
from zssar.evaluation.trials import load_trial
from zssar.reporting import figures
from zssar.storage import write_json


@pytest.fixture
def metrics(tmp_path):
    epochs = {s: {1: 0.5, 2: 2.0} for s in range(3)}
    trial = load_trial(*write_run(tmp_path / "test", epochs))
    validation = load_trial(*write_run(tmp_path / "val", epochs, seen=SEEN[:3], unseen=SEEN[3:]))
    key = {"dataset": "sim", "split": "sim_5_3", "method": "dvta"}
    return {"key": key, **summarise(trial, evaluate(trial, [validation]))}


def call(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(list(map(str, words))))


def texts(figure):
    return [t.get_text() for t in figure.findobj(plt.Text) if t.get_text()]


def test_confusion_shows_class_names_and_row_percentages(metrics):
    figure = figures.confusion(metrics)
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(image.sum(axis=1), 100)
    counts = np.mean([np.array(s["confusion"]) / 20 for s in metrics["zsl"].values()], axis=0)
    np.testing.assert_allclose(image, 100 * counts)
    assert set(UNSEEN) <= set(texts(figure))
    assert "simulated data" in texts(figure)
    assert any("mean of 3 seeds" in t for t in texts(figure))
    plt.close(figure)


def test_the_command_writes_every_format_whole_and_the_same_twice(metrics, tmp_path):
    write_json(tmp_path / "metrics.json", metrics)
    outputs = [tmp_path / f"confusion.{suffix}" for suffix in ("png", "pdf", "svg")]
    starts = (b"\x89PNG", b"%PDF", b"<?xml")
    written = []
    for _ in range(2):
        call("--kind", "confusion", "--metrics", tmp_path / "metrics.json", "--output", *outputs)
        written.append([path.read_bytes() for path in outputs])
    assert all(data.startswith(start) for data, start in zip(written[0], starts))
    assert written[0] == written[1]


def test_errors_teach(metrics, tmp_path):
    write_json(tmp_path / "metrics.json", metrics)
    with pytest.raises(UserError, match="confusion"):
        call("--kind", "confusions", "--metrics", tmp_path / "metrics.json", "--output", tmp_path / "x.png")
    with pytest.raises(UserError, match=r"\.png"):
        call("--kind", "confusion", "--metrics", tmp_path / "metrics.json", "--output", tmp_path / "x.jpg")
    with pytest.raises(UserError, match="--metrics"):
        call("--kind", "confusion", "--output", tmp_path / "x.png")
