"""Sweeps say what the pipeline says; every axis changes what it names and nothing else; the summary counts rightly."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_skeletons

from zssar import cli, storage
from zssar.errors import UserError
from zssar.interfaces import ClassTexts
from zssar.provenance import file_digest
from zssar.reporting import curves, gallery, style
from zssar.reporting.runs import read_runs
from zssar.skeleton import kinematics
from zssar.sweeps import alterations, material

FORM = str(Path(__file__).parents[1] / "prompts" / "profile.md")
SPLITS = ["random_2_0_0", "random_2_0_1"]
PROFILE = {"name": "profile", "module": "profile", "texts": ["profile"]}
KEY = {"table": "t", "dataset": "own", "backbone": "kinematics", "stream": "joint", "encoder": "none"}


def write_texts(path, seed):
    rng = np.random.default_rng(seed)
    form = np.stack([rng.integers(-3, 4, (6, 48)), rng.uniform(0.2, 1, (6, 48))], -1)
    storage.write_texts(path, small_skeletons.CLASSES, kinematics.FORM.split(), form, {})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    small_skeletons.write(folder / "skeletons.h5")
    for seed, source in enumerate(("frozen", "second")):
        write_texts(folder / f"{source}.h5", seed)
    label = np.random.default_rng(9).normal(size=(6, 1, 8))
    storage.write_texts(folder / "label.h5", small_skeletons.CLASSES, ["label"], label, {})
    return folder


def sweep(place, out, runs, validation=0, splits=SPLITS, more=()):
    texts = [f"{source}/profile={place / source}.h5" for source in ("frozen", "second")]
    words = ["sweep_draws", "--runs", json.dumps(runs), "--splits", *splits, "--form", FORM]
    words += ["--skeletons", str(place / "skeletons.h5"), "--texts", *texts, f"frozen/label={place / 'label.h5'}"]
    words += ["--validation", str(validation), "--key", json.dumps(KEY), *more]
    words += ["--output", str(out / "runs.csv"), "--classes", str(out / "classes.csv")]
    return cli.main([*words, "--record", str(out / "run.json")])


def pipeline(place, out, split):
    """The runs file of extract_features, align and evaluate."""
    for name in (split, f"{split}-val0"):
        here = out / name
        here.mkdir()
        files = ["--seen-train", str(here / "seen.h5"), "--test", str(here / "test.h5")]
        words = ["extract_features", "--skeletons", str(place / "skeletons.h5"), "--split", name, "--views", "profile"]
        assert cli.main([*words, "--device", "cpu", *files, "--test-labels", str(here / "labels.csv")]) == 0
        words = ["align", "--method", "profile", "--kinds", "profile", "--texts", str(place / "frozen.h5"), *files]
        words += ["--scores", str(here / "scores.h5"), "--model", str(here / "m.pt"), "--record", str(here / "r.json")]
        assert cli.main([*words, "--device", "cpu"]) == 0
    here, held = out / split, out / f"{split}-val0"
    words = ["evaluate", "--scores", str(here / "scores.h5"), "--labels", str(here / "labels.csv")]
    words += ["--val-scores", str(held / "scores.h5"), "--val-labels", str(held / "labels.csv")]
    words += [
        "--key",
        json.dumps({**KEY, "split": split, "partition": "xsub", "source": "frozen", "method": "profile"}),
    ]
    assert cli.main([*words, "--metrics", str(here / "metrics.json"), "--runs", str(here / "runs.csv")]) == 0
    return here / "runs.csv"


def test_a_sweep_and_the_pipeline_agree_line_by_line(place, tmp_path):
    assert sweep(place, tmp_path, [PROFILE], validation=1) == 0
    wanted = read_runs([pipeline(place, tmp_path, split) for split in SPLITS])
    pd.testing.assert_frame_equal(read_runs([tmp_path / "runs.csv"]), wanted)
    assert {"top1", "harmonic", "ausuc"} <= set(wanted["metric"])


def test_a_sweep_leaves_a_record_of_what_it_read(place, tmp_path):
    assert sweep(place, tmp_path, [{**PROFILE, "axis": "noise", "values": [0]}]) == 0
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["verb"] == "sweep_draws"
    assert record["params"]["splits"] == SPLITS
    assert record["params"]["runs"][0]["name"] == "profile"
    assert record["inputs"]["skeletons"] == file_digest(place / "skeletons.h5")
    assert file_digest(place / "second.h5") in record["inputs"]["texts"]
    assert record["texts"] == ["frozen/label", "frozen/profile", "second/profile"]
    assert record["rows"] == len(read_runs([tmp_path / "runs.csv"]))
    assert record["commit"]
    assert record["seconds"] > 0


def test_features_of_a_folder_are_the_same_as_those_measured(place, tmp_path):
    pipeline(place, tmp_path, SPLITS[0])
    folder = tmp_path / SPLITS[0]
    for old, new in (("seen.h5", "seen_train.h5"), ("labels.csv", "test_labels.csv")):
        (folder / old).rename(folder / new)
    direct = material.of_skeletons(place / "skeletons.h5")(SPLITS[0])
    stored = material.of_features(lambda split: str(folder), ["profile"])(SPLITS[0])
    assert stored.classes == direct.classes
    for one, other in ((stored.train, direct.train), (stored.test, direct.test)):
        np.testing.assert_array_equal(one["profile"], other["profile"])
    for name in ("labels", "truth", "subject", "sample_id"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(direct, name))


def test_every_axis_has_a_value_that_changes_nothing(place, tmp_path):
    neutral = {"noise": 0, "wrong": 0, "quantities": 48, "seen": 4}
    runs = [PROFILE, *({**PROFILE, "axis": axis, "values": [value]} for axis, value in neutral.items())]
    assert sweep(place, tmp_path, runs) == 0
    table = read_runs([tmp_path / "runs.csv"]).query("metric == 'top1' and selection == 'last'")
    assert len(table) == len(runs) * len(SPLITS)
    assert (table.groupby("split")["value"].nunique() == 1).all()


def texts():
    rng = np.random.default_rng(3)
    form = np.stack([rng.integers(-3, 4, (6, 5)), rng.uniform(0.2, 1, (6, 5))], -1).astype(np.float32)
    form[2, 1] = 0
    return ClassTexts(small_skeletons.CLASSES, {"profile": form}, {"profile": tuple("abcde")})


GROUPS = {"a": "reach", "b": "reach", "c": "effort", "d": "effort", "e": "travel"}


def altered(axis, value, seed=0):
    return alterations.alter(axis, value, None, texts(), GROUPS, np.random.default_rng(seed))[1]


def test_groups_and_counts_choose_columns_with_their_names():
    for axis, value, names in (("only", "reach", "ab"), ("without", "reach", "cde")):
        found = altered(axis, value)
        assert found.units["profile"] == tuple(names)
        at = ["abcde".index(n) for n in names]
        np.testing.assert_array_equal(found["profile"], texts()["profile"][:, at])
    found = altered("quantities", 2)
    assert found["profile"].shape == (6, 2, 2)
    at = ["abcde".index(n) for n in found.units["profile"]]
    np.testing.assert_array_equal(found["profile"], texts()["profile"][:, at])


def test_errors_of_the_answers_leave_weights_and_silence_alone():
    before = texts()["profile"]
    for axis, value in (("noise", 1.0), ("wrong", 1.0)):
        after = altered(axis, value)["profile"]
        np.testing.assert_array_equal(after[..., 1], before[..., 1])
        assert after[2, 1, 0] == 0
        assert (after[..., 0] != before[..., 0]).mean() > 0.4
        assert (after[..., 0] <= before[..., 0].max(0)).all()
    swapped = altered("wrong", 1.0)["profile"][..., 0]
    assert all(swapped[k, q] in before[:, q, 0] for k in range(6) for q in range(5))
    few = np.mean([(altered("wrong", 0.2, s)["profile"] != before).any(-1).mean() for s in range(40)])
    assert 0.1 < few < 0.2  # some draw the answer they had


def test_fewer_seen_classes_lose_their_clips_everywhere(place):
    whole = material.of_skeletons(place / "skeletons.h5")(SPLITS[0])
    part = material.fewer_seen(whole, 2, np.random.default_rng(0))
    assert len(part.classes.seen) == 2
    assert part.classes.unseen == whole.classes.unseen
    assert set(part.truth) == set(part.classes.both)
    names = np.array(whole.classes.seen)[whole.labels]
    kept = np.isin(names, part.classes.seen)
    np.testing.assert_array_equal(part.train["profile"], whole.train["profile"][kept])
    assert np.array(part.classes.seen)[part.labels].tolist() == names[kept].tolist()


def test_quantities_as_features_are_scaled_by_training_clips_and_finite(place):
    whole = material.of_skeletons(place / "skeletons.h5")(SPLITS[0])
    found = material.quantities_as_features(whole)
    pooled = found.train["pooled"]
    assert np.isfinite(pooled).all()
    assert np.isfinite(found.test["pooled"]).all()
    np.testing.assert_allclose(pooled.mean(0), 0, atol=1e-4)
    lost = ~np.isfinite(whole.train["profile"]).any(0)
    assert pooled.shape[1] == len(kinematics.names()) - lost.sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axis": "sleep"}, "sleep"),
        ({"axis": "only", "values": ["leisure"]}, "leisure"),
        ({"axis": "seen", "values": [9]}, "4 seen classes; 9 cannot"),
        ({"source": "third"}, "third/profile"),
        ({"axes": "seen"}, "axes"),
    ],
)
def test_mistakes_are_named(place, tmp_path, capsys, change, message):
    assert sweep(place, tmp_path, [{**PROFILE, **change}]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs.csv").exists()


@pytest.fixture(scope="module")
def summary(place, tmp_path_factory):
    out = tmp_path_factory.mktemp("summary")
    label = {"module": "ridge", "texts": ["label"], "quantities": True}
    on_axis = [{**PROFILE, "axis": "seen", "values": [2, 3, 4], "repeats": 2}, {**PROFILE, "axis": "without"}]
    on_axis[1]["values"] = ["reach", "effort"]
    runs = [PROFILE, {**PROFILE, "source": "second"}, {"name": "ridge", **label}, *on_axis]
    assert sweep(place, out, runs, validation=1) == 0
    words = ["summarise_sweep", "--runs", str(out / "runs.csv"), "--classes", str(out / "classes.csv")]
    words += ["--reference", "profile", "--csv", str(out / "s.csv"), "--markdown", str(out / "s.md")]
    assert cli.main(words) == 0
    return out


def test_the_summary_is_the_mean_over_draws(summary):
    table, runs = curves.read_summaries([summary / "s.csv"]), read_runs([summary / "runs.csv"])
    top1 = runs.query("metric == 'top1' and selection == 'last' and setting == 'zsl'")
    for row in table[table["axis"].isna()].itertuples():
        own = top1[(top1["method"] == row.method) & (top1["source"] == row.source)].groupby("split")["value"].mean()
        assert row.top1 == pytest.approx(own.mean(), abs=1e-3)
        assert row.sd == pytest.approx(own.std(ddof=1), abs=1e-3)
        assert row.draws == len(SPLITS)
        assert row.low <= row.top1 <= row.high
        assert np.isfinite(row.harmonic)
    assert len(table) == 3 + 3 + 2
    assert table.query("axis == 'seen'")["value"].tolist() == ["2", "3", "4"]
    text = (summary / "s.md").read_text()
    assert text.count("\n| ") == len(table) + 1  # every line, and the heading
    assert "reference better" in text


def test_classes_add_up_to_the_accuracy(summary):
    classes, runs = curves.read_classes([summary / "classes.csv"]), read_runs([summary / "runs.csv"])
    top1 = runs.query("metric == 'top1' and selection == 'last' and setting == 'zsl'")
    for (method, source, split), part in classes.groupby(["method", "source", "split"]):
        own = top1[(top1["method"] == method) & (top1["source"] == source) & (top1["split"] == split)]
        assert 100 * part["right"].sum() / part["count"].sum() == pytest.approx(own["value"].mean(), abs=1e-3)


@pytest.mark.parametrize(("axis", "lines"), [("seen", 1), ("without", 2)])
def test_ablation_figures(summary, tmp_path, axis, lines):
    figure = gallery.draw("ablation", {"summaries": [summary / "s.csv"]}, {"axis": axis})
    text = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert len(figure.axes) == 1
    if axis == "without":
        assert set(text) == {"reach", "effort"}
    else:
        x, y = figure.axes[0].lines[0].get_data()
        wanted = curves.read_summaries([summary / "s.csv"]).query("axis == 'seen'")
        assert list(x) == [2, 3, 4]
        np.testing.assert_allclose(y, wanted["top1"])
    style.save(figure, [tmp_path / "a.png", tmp_path / "a.pdf"])
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_figure_of_an_axis_nobody_varied_says_what_there_is(summary):
    with pytest.raises(UserError, match="varies 'noise'"):
        gallery.draw("ablation", {"summaries": [summary / "s.csv"]}, {"axis": "noise"})
