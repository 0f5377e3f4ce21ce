"""Figures: drawn from metrics.json, written in every format, honest about what they show."""

import argparse
import copy
import itertools
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from evaluation_fixtures import SEEN, UNSEEN, write_run

from zssar.commands import make_figure as command
from zssar.errors import UserError
from zssar.evaluation.protocols import evaluate
from zssar.evaluation.summary import summarise
from zssar.evaluation.trials import load_trial
from zssar.reporting import figures, overviews, spaces, style
from zssar.reporting.gallery import KINDS
from zssar.reporting.runs import COLUMNS
from zssar.storage import write_features, write_json


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


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


def test_confusion_of_a_closed_form_speaks_of_one_answer(metrics):
    closed, first = copy.deepcopy(metrics), copy.deepcopy(next(iter(metrics["zsl"].values())))
    closed["zsl"] = {seed: {**first, "selection": "last"} for seed in "012"}
    for outcome in closed["outcomes"]:
        outcome["epoch"] = 1
    assert "closed form: one answer for every seed" in " ".join(texts(figures.confusion(closed)))
    closed["zsl"] = {"0": closed["zsl"]["0"]}
    assert any(t.endswith("unseen classes, one seed") for t in texts(figures.confusion(closed)))


def test_a_long_legend_makes_the_figure_longer_and_not_the_axes_smaller(metrics):
    few = figures.curves([other(metrics, method=f"a_long_name_{i}") for i in range(2)])
    many = figures.curves([other(metrics, method=f"a_long_name_{i}") for i in range(8)])
    sizes = []
    for figure in (few, many):
        figure.draw_without_rendering()
        sizes.append(figure.axes[0].get_window_extent().height / figure.dpi)
    assert sizes[1] > 0.95 * sizes[0]


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


# --- the other kinds -------------------------------------------------------------------------------------------------


def other(metrics, shift=30.0, method="purls"):
    """The same run with other class accuracies under another method's name."""
    copy = json.loads(json.dumps(metrics))
    copy["key"]["method"] = method
    for entry in copy["zsl"].values():
        entry["per_class"] = {name: max(0.0, value - shift) for name, value in entry["per_class"].items()}
    return copy


def runs_frame(methods=("a", "b", "c"), draws=4):
    rows = []
    for i, method in enumerate(methods):
        for draw in range(draws):
            for unseen in (5, 10):
                key = ["t", "utd_mhad", f"random_{unseen}_0_{draw}", "xsub", "b", "s", "o", "e", method, 0]
                value = 60 - 10 * i - unseen + draw
                for selection, more in (("last", 0), ("validated", 1), ("oracle", 4)):
                    rows.append([*key, "zsl", selection, "top1", value + more, 50, f"{method}{draw}{unseen}"])
                rows.append([*key, "zsl", "last", "chance", 100 / unseen, 50, f"{method}{draw}{unseen}"])
    return pd.DataFrame(rows, columns=COLUMNS)


def widths(axes):
    return sorted(round(bar.get_width(), 6) for bar in axes.patches)


def test_per_class_bars_are_the_class_accuracies_with_intervals(metrics):
    figure = figures.per_class([metrics, other(metrics)])
    expected = []
    for m in (metrics, other(metrics)):
        expected += [np.mean([s["per_class"][name] for s in m["zsl"].values()]) for name in UNSEEN]
    assert widths(figure.axes[0]) == pytest.approx(sorted(expected))
    assert {"dvta", "purls", "chance 33.3"} <= set(texts(figure))


def test_class_change_is_after_minus_before(metrics):
    figure = figures.class_change([metrics, other(metrics)])
    assert max(widths(figure.axes[0])) <= 0
    assert any("mean -" in t for t in texts(figure))
    with pytest.raises(UserError, match="two metrics files"):
        figures.class_change([metrics])


def test_curves_show_area_and_validated_points(metrics):
    figure = figures.curves([metrics])
    area = np.mean([entry["ausuc"] for entry in metrics["gzsl"].values()])
    assert f"dvta: AUSUC {area:.1f}" in texts(figure)
    points = [line.get_xydata()[0] for line in figure.axes[0].lines if len(line.get_xydata()) == 1]
    wanted = [[e["point"]["unseen"], e["point"]["seen"]] for e in metrics["gzsl"].values()]
    np.testing.assert_allclose(sorted(map(list, points)), sorted(wanted))
    for entry in metrics["gzsl"].values():  # the thinned curve still runs over the operating point, within a step
        seen_at_point = np.interp(entry["point"]["unseen"], entry["curve"]["unseen"], entry["curve"]["seen"])
        assert abs(seen_at_point - entry["point"]["seen"]) < 12


def test_validation_pairs_same_seed_and_epoch(metrics):
    x, y = figures.validation_pairs(metrics)
    assert len(x) == len(y) == 6
    assert any("rank correlation" in t for t in texts(figures.validation([metrics])))
    without = {**metrics, "outcomes": [o for o in metrics["outcomes"] if o["selection"] != "validated"]}
    with pytest.raises(UserError, match="nothing was validated"):
        figures.validation([without])


def test_inflation_places_last_main_and_oracle():
    figure = overviews.inflation(runs_frame())
    shown = {round(float(line.get_xdata()[0]), 3) for line in figure.axes[0].lines if len(line.get_xdata()) == 1}
    for method in range(3):
        base = 60 - 10 * method - 10 + 1.5  # the first panel is ten unseen classes, mean over four draws
        assert {base, base + 1, base + 4} <= shown


def test_unseen_count_puts_the_number_of_classes_on_the_axis():
    figure = overviews.unseen_count(runs_frame())
    assert figure.axes[0].get_xticks().tolist() == [5, 10]
    assert {"a", "b", "c", "chance"} <= set(texts(figure))
    with pytest.raises(UserError, match="at most 8"):
        overviews.unseen_count(runs_frame("abcdefghi"))


def test_unseen_count_sets_methods_beside_each_other():
    figure = overviews.unseen_count(runs_frame())
    places = [bars.lines[0].get_xdata() for bars in figure.axes[0].containers]
    for x in places:
        assert np.round(x).tolist() == [5, 10]
    assert len({float(x[0]) for x in places}) == 3
    assert np.mean([x[0] for x in places]) == pytest.approx(5)


# Severe colour vision deficiencies on linear RGB: Machado, Oliveira and Fernandes, IEEE TVCG 2009.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)


def linear(colour):
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x = TO_XYZ @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883]
    x, y, z = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_are_told_apart_with_every_deficiency(deficiency):
    seen = [lab(np.array(DEFICIENCIES[deficiency]) @ linear(c)) for c in style.CATEGORIES]
    gaps = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(gaps) > 15


def test_every_colour_is_seen_on_white():
    luminance = np.array([linear(c) @ TO_XYZ[1] for c in style.CATEGORIES])
    assert (1.05 / (luminance + 0.05)).min() > 2


def test_unseen_count_names_methods_that_the_first_data_set_lacks():
    one, other_set = runs_frame(), runs_frame(("a", "d"))
    both = pd.concat([one, other_set.assign(dataset="zz")], ignore_index=True)
    figure = overviews.unseen_count(both)
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["a", "b", "c", "d", "chance"]


def test_critical_difference_shows_ranks():
    shown = texts(overviews.critical_difference(runs_frame()))
    assert {"a  1.00", "b  2.00", "3.00  c"} <= set(shown)
    assert any(t.startswith("average rank over 8 splits") for t in shown)


def test_spaces_from_features_scores_and_arrays(tmp_path):
    scores, labels = write_run(tmp_path, {0: {1: 3.0}})
    trial = load_trial(scores, labels)
    points = np.random.default_rng(0).standard_normal((len(trial.labels), 4, 3)) + trial.labels[:, None, None]
    attrs = {"layout": "kinect25", "dataset": "sim"}
    write_features(tmp_path / "test.h5", {"parts4": points}, trial.scores.sample_id, attrs)
    space = spaces.space_of_features(tmp_path / "test.h5", labels, "parts4")
    assert space.points.shape == (60, 3)
    assert set(space.names) == set(UNSEEN)
    arrays = {"points": space.points, "names": space.names, "anchors": space.points[:3], "anchor_names": list(UNSEEN)}
    np.savez(tmp_path / "after.npz", **arrays, title="after")
    words = ["--kind", "spaces", "--features", tmp_path / "test.h5", "--labels", labels, "--scores", scores]
    words += ["--arrays", tmp_path / "after.npz", "--params", '{"method": "pca", "views": ["parts4"]}']
    call(*words, "--output", tmp_path / "s.png")
    assert (tmp_path / "s.png").stat().st_size > 10_000
    figure = spaces.spaces([space, spaces.read_space(tmp_path / "after.npz")], "pca")
    assert [a.get_title() for a in figure.axes] == ["before: parts4 features", "after"]
    assert "simulated data" in texts(figure)
    plane, anchors = spaces.project(spaces.read_space(tmp_path / "after.npz"), "tsne")
    assert plane.shape == (60, 2)
    assert anchors.shape == (3, 2)


def test_losses_draw_every_history(tmp_path):
    for name in ("relu", "sigmoid"):
        (tmp_path / name).mkdir()
        lines = [json.dumps({"epoch": e, "loss": 1 / e, "accuracy": e}) for e in range(1, 5)]
        (tmp_path / name / "history.jsonl").write_text("\n".join(lines))
    paths = [tmp_path / name / "history.jsonl" for name in ("relu", "sigmoid")]
    call("--kind", "losses", "--histories", *paths, "--output", tmp_path / "l.svg")
    drawn = (tmp_path / "l.svg").read_text()
    assert ">relu<" in drawn
    assert ">sigmoid<" in drawn
    assert "accuracy" not in drawn
    with pytest.raises(UserError, match="Did you mean 'loss'"):
        call(
            "--kind", "losses", "--histories", *paths, "--params", '{"fields": ["los"]}', "--output", tmp_path / "x.svg"
        )
    paths[0].write_text('{"epoch": 1}\nbroken')
    with pytest.raises(UserError, match=r"history\.jsonl:2"):
        call("--kind", "losses", "--histories", *paths, "--output", tmp_path / "x.svg")


def test_every_kind_says_which_files_it_needs(tmp_path):
    for kind in KINDS:
        with pytest.raises(UserError, match=r"needs .* after --"):
            call("--kind", kind, "--output", tmp_path / "x.png")


def test_any_figure_can_be_told_that_its_data_are_simulated(metrics, tmp_path):
    metrics["key"]["dataset"] = "made"
    write_json(tmp_path / "m.json", metrics)
    words = ["--kind", "confusion", "--metrics", tmp_path / "m.json", "--output", tmp_path / "x.svg"]
    call(*words)
    assert "simulated data" not in (tmp_path / "x.svg").read_text()
    call(*words, "--params", '{"simulated": true}')
    assert (tmp_path / "x.svg").read_text().count(">simulated data<") == 1


def test_unknown_options_are_named(metrics, tmp_path):
    write_json(tmp_path / "metrics.json", metrics)
    with pytest.raises(UserError, match="option of confusion"):
        call("--kind", "confusion", "--metrics", tmp_path / "metrics.json", "--params", '{"a": 1}', "--output", "x.png")
