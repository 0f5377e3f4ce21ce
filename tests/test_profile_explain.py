"""Profile and text stacked on hidden classes, and explanations of a saved model."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from alignment_toy import QUANTITIES, toy
from profile_toy import fitted, named

from zssar import cli, plugins, storage
from zssar.alignment import certainty, explain, quantities
from zssar.errors import UserError
from zssar.interfaces import Features


@pytest.fixture(scope="module")
def problem():
    return toy()


# --- an explanation from a saved model -------------------------------------------------------------------------------


@pytest.mark.parametrize("compare", quantities.COMPARISONS)
def test_explanations_of_a_saved_model_add_up_exactly(problem, tmp_path, compare):
    method = fitted(problem, compare=compare)
    saved = {"method": "profile", "params": f'{{"compare": "{compare}"}}', "seeds": {"3": method.state()}}
    torch.save(saved, tmp_path / "model.pt")
    features, _ = problem.samples(problem.unseen)
    asked = problem.texts.select(problem.unseen)
    rows = explain.explain_scores(explain.load(tmp_path / "model.pt"), features, asked)
    scores = method.score(features, asked)
    assert len(rows) == len(features) * len(QUANTITIES)
    for i in range(len(features)):
        mine = [row for row in rows if row["row"] == i]
        first, second = np.sort(scores[i])[::-1][:2]
        assert mine[0]["predicted"] == asked.names[scores[i].argmax()]
        assert sum(row["for_predicted"] for row in mine) == pytest.approx(first, abs=1e-4)
        assert sum(row["for_runner_up"] for row in mine) == pytest.approx(second, abs=1e-4)
        assert sum(row["difference"] for row in mine) == pytest.approx(mine[0]["score"] - mine[0]["runner_up_score"])
        assert {row["quantity"] for row in mine} == set(QUANTITIES)
        gaps = [abs(row["difference"]) for row in mine]
        assert gaps == sorted(gaps, reverse=True)


def test_explanations_are_written_as_a_table(problem, tmp_path):
    features, _ = problem.samples(problem.unseen)
    rows = explain.explain_scores(fitted(problem), features.select([0, 1]), problem.texts.select(problem.unseen))
    explain.write(rows, ["first", "second"], tmp_path / "why.csv")
    with open(tmp_path / "why.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["sample_id"] for row in table] == ["first"] * len(QUANTITIES) + ["second"] * len(QUANTITIES)
    assert float(table[0]["difference"]) == pytest.approx(rows[0]["difference"], rel=1e-4)


def test_what_cannot_be_explained_is_said(problem, tmp_path):
    ridge = plugins.create("alignment", "ridge", {})
    with pytest.raises(UserError, match="cannot explain"):
        explain.explain_scores(ridge, problem.features, problem.texts)
    with pytest.raises(UserError, match="two classes"):
        explain.explain_scores(fitted(problem), problem.features, problem.texts.select(problem.unseen[:1]))
    torch.save({"method": "profile", "params": "{}", "seeds": {"3": {}}}, tmp_path / "model.pt")
    with pytest.raises(UserError, match="holds the seeds 3"):
        explain.load(tmp_path / "model.pt", seed=1)
    with pytest.raises(UserError, match="no such file"):
        explain.load(tmp_path / "nothing.pt")


# --- profile and text ------------------------------------------------------------------------------------------------


def without(problem, *spoiled):
    """The toy with some views or text kinds replaced by noise."""
    rng = np.random.default_rng(5)
    views = {
        k: rng.normal(size=v.shape).astype(v.dtype) if k in spoiled else v for k, v in problem.features.views.items()
    }
    return replace(problem, features=Features(views, problem.features.layout))


@pytest.mark.parametrize(("spoiled", "useless"), [("profile", 0), ("pooled", 1)])
def test_the_weight_of_what_knows_nothing_is_small(problem, spoiled, useless):
    changed = without(problem, spoiled)
    features, labels = changed.samples(problem.seen)
    method = plugins.create("alignment", "profile_text", {})
    method.fit(features, labels, problem.texts.select(problem.seen))
    some, truth = changed.samples(problem.unseen)
    asked = problem.texts.select(problem.unseen)
    spread = method._scores(method.members_, some, asked).std(1).mean(0) * method.weights_
    assert spread[useless] < 0.3 * spread[1 - useless]
    assert (method.score(some, asked).argmax(1) == truth).mean() > 0.7


def test_with_few_seen_classes_the_profile_speaks_alone(problem):
    names = problem.seen[:3]
    features, labels = problem.samples(names)
    method = plugins.create("alignment", "profile_text", {}).fit(features, labels, problem.texts.select(names))
    assert method.weights_.tolist() == [1, 0]


@pytest.mark.parametrize("partner", ["ridge", "eszsl"])
def test_the_partner_has_its_share_in_the_explanation(problem, tmp_path, partner):
    features, labels = problem.samples(problem.seen)
    params = {"partner": partner}
    method = plugins.create("alignment", "profile_text", params)
    method.fit(features, labels, problem.texts.select(problem.seen))
    torch.save(
        {"method": "profile_text", "params": json.dumps(params), "seeds": {"0": method.state()}}, tmp_path / "m.pt"
    )
    some, _ = problem.samples(problem.unseen)
    asked = problem.texts.select(problem.unseen)
    rows = explain.explain_scores(explain.load(tmp_path / "m.pt"), some, asked)
    scores = np.sort(method.score(some, asked), 1)
    for i in range(len(some)):
        mine = {row["quantity"]: row for row in rows if row["row"] == i}
        assert set(mine) == {*QUANTITIES, partner}
        assert sum(row["for_predicted"] for row in mine.values()) == pytest.approx(scores[i, -1], abs=1e-4)
        assert np.isnan(mine[partner]["measured"])
        assert np.isnan(mine[partner]["stated"])
    alone = method.members_[1].score(some, asked)
    terms = method.explain(some, asked)
    np.testing.assert_allclose(terms[..., -1], method.weights_[1] * alone, rtol=1e-5)
    assert np.isfinite(terms).all()


def test_a_partner_is_any_method(problem):
    features, labels = problem.samples(problem.seen)
    method = plugins.create(
        "alignment", "profile_text", {"partner": "eszsl", "profile_params": {"compare": "gaussian"}}
    )
    assert set(method.views) == {"profile", "pooled"}
    method.fit(features, labels, problem.texts.select(problem.seen))
    assert (method.weights_ > 0).all()
    with pytest.raises(UserError, match="at least one kind"):
        plugins.create("alignment", "profile_text", {"texts": ["profile"]})


def test_a_partner_that_trains_with_unseen_texts_is_refused(monkeypatch):
    from zssar.alignment.ridge import Ridge

    monkeypatch.setattr(Ridge, "uses_unseen_texts", True)
    with pytest.raises(UserError, match="unseen texts"):
        plugins.create("alignment", "profile_text", {})


def test_no_rehearsal_fits_on_what_it_hides():
    y = np.repeat(np.arange(11), 3)
    parts = list(certainty.rehearsals(y, 12))  # class 11 has no sample
    assert sorted(np.concatenate([part.hidden for part in parts])) == list(range(11))
    for part in parts:
        assert len(part.hidden) >= 2
        assert not set(y[part.fit]) & set(part.hidden)
        assert set(y[part.score]) == set(part.hidden)
        assert not set(part.kept) & set(part.hidden)
    assert not list(certainty.rehearsals(np.array([0, 1, 2]), 3))


def test_weights_are_those_of_the_likelihood():
    """Logits of a known scale: the weight found is that scale, and noise gets none."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(4000, 5)) * 2
    labels = np.array([rng.choice(5, p=np.exp(row) / np.exp(row).sum()) for row in truth])
    both = np.stack([truth / 10, rng.normal(size=truth.shape)], 2)
    found = certainty.weights([both[:2000], both[2000:]], [labels[:2000], labels[2000:]])
    assert found[0] == pytest.approx(10, rel=0.15)
    assert found[1] < 0.1


def test_the_command_explains_what_align_saved(tmp_path, capsys):
    names = ["speed", "jump", "turn", "travel"]
    features, labels, texts = named(names)
    seen, unseen = [0, 1, 2, 3], [4, 5]
    attrs = {"dataset": "toy", "split": "s", "partition": "xsub", "backbone": "none", "stream": "none"}
    attrs |= {
        "layout": "kinect25",
        "class_names": list(texts.names),
        "seen": seen,
        "unseen": unseen,
        "quantities": names,
    }
    train, test = np.flatnonzero(labels < 4), np.flatnonzero(labels >= 4)
    ids = [f"clip {i}" for i in range(len(labels))]
    view = features["profile"]
    storage.write_features(tmp_path / "train.h5", {"profile": view[train]}, ids[:20], attrs, labels[train])
    storage.write_features(tmp_path / "test.h5", {"profile": view[test]}, ids[20:], attrs)
    storage.write_texts(tmp_path / "profile.h5", texts.names, names, texts["profile"], {"kind": "profile"})
    common = ["--kinds", "profile", "--texts", str(tmp_path / "profile.h5"), "--test", str(tmp_path / "test.h5")]
    words = ["align", "--method", "profile", *common, "--seen-train", str(tmp_path / "train.h5"), "--device", "cpu"]
    for name in ("scores", "model", "record"):
        words += [f"--{name}", str(tmp_path / name)]
    assert cli.main(words) == 0
    words = ["explain_predictions", "--model", str(tmp_path / "model"), *common, "--output", str(tmp_path / "why.csv")]
    assert cli.main([*words, "--first", "3"]) == 0
    with open(tmp_path / "why.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 3 * len(names)
    assert {row["sample_id"] for row in table} == set(ids[20:23])
    for sample in ids[20:23]:
        mine = [row for row in table if row["sample_id"] == sample]
        assert mine[0]["predicted"] == "class 4"
        gap = float(mine[0]["score"]) - float(mine[0]["runner_up_score"])
        assert sum(float(row["difference"]) for row in mine) == pytest.approx(gap, abs=1e-4)
    assert cli.main([*words, "--seed", "7"]) == 2
    assert "holds the seeds 0" in capsys.readouterr().err
