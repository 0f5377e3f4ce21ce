"""zssar texts report: similarities, separability, nearest pairs, files."""

import argparse
import re

import numpy as np
import pandas as pd
import pytest

from zssar import storage
from zssar.commands import texts as command
from zssar.errors import UserError
from zssar.reporting import texts as reporting


def make(embeddings, units=("a",), names=None):
    names = names or [f"class {i}" for i in range(len(embeddings))]
    return reporting.TextSet("t", tuple(names), tuple(units), np.asarray(embeddings, float))


def test_separability_at_its_ends():
    apart = make(np.eye(4)[:, None])
    scores = reporting.separability(apart.similarity())
    assert scores == pytest.approx({"mean_cosine": 0.0, "nearest_cosine": 0.0, "separability": 1.0})
    twins = make(np.repeat(np.eye(2), 2, axis=0)[:, None])
    assert reporting.separability(twins.similarity())["separability"] == pytest.approx(0.0)
    same = make(np.ones((3, 1, 2)))
    assert reporting.separability(same.similarity())["separability"] == 0.0


def test_separability_does_not_see_lengths_or_a_common_shift_of_cosines():
    rng = np.random.default_rng(0)
    texts = make(rng.normal(size=(6, 2, 5)), "ab")
    longer = make(texts.embeddings * rng.uniform(1, 9, size=(6, 2, 1)), "ab")
    assert np.allclose(texts.similarity(), longer.similarity())
    squeezed = 0.8 + 0.2 * texts.similarity()
    assert reporting.separability(squeezed)["separability"] == pytest.approx(
        reporting.separability(texts.similarity())["separability"]
    )
    assert np.allclose(texts.similarity(), (texts.similarity(0) + texts.similarity(1)) / 2)


def test_nearest_pairs_by_hand():
    angles = np.deg2rad([0, 10, 90, 130])
    texts = make(np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None])
    table = reporting.nearest_pairs(texts, 2)
    assert list(zip(table["class_a"], table["class_b"])) == [("class 0", "class 1"), ("class 2", "class 3")]
    assert table["cosine"].tolist() == pytest.approx(np.cos(np.deg2rad([10, 40])))


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(1)
    folder = tmp_path / "texts" / "sim" / "frozen" / "minilm"
    names = ["drink", "kick & <run>", "wave"]
    storage.write_texts(folder / "label.h5", names, ["label"], rng.normal(size=(3, 1, 4)), {"kind": "label"})
    storage.write_texts(folder / "phases.h5", names, ["s", "e"], rng.normal(size=(3, 2, 4)), {"kind": "phases"})
    units = ["s.0", "s.pooled", "e.0", "e.pooled"]
    storage.write_texts(folder / "tokens.h5", names, units, rng.normal(size=(3, 4, 4)), {"kind": "phases"})
    return [folder / f"{name}.h5" for name in ("label", "phases", "tokens")]


def run(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([str(word) for word in words]))


def test_the_report(files, tmp_path):
    out = tmp_path / "report"
    run("report", "--texts", *files, "--output", out, "--pairs", 2)
    scores = pd.read_csv(out / "separability.csv")
    assert scores["unit"].tolist() == ["all", "all", "s", "e", "all", "s", "e"]
    assert scores["texts"][0] == "sim frozen minilm label"
    assert len(pd.read_csv(out / "pairs.csv")) == 6
    page = (out / "texts.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "kick &amp; &lt;run&gt;" in page
    assert not re.search(r"<run>", page)
    for name in ("sim_frozen_minilm_label.png", "sim_frozen_minilm_phases.png"):
        assert (out / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_token_files_count_by_their_pooled_states(files):
    texts = reporting.read_text_set(files[2], "t")
    assert texts.units == ("s", "e")
    assert np.array_equal(texts.embeddings, storage.read_texts({"x": files[2]})["x"][:, [1, 3]])


def test_a_form_is_one_vector_of_its_numbers(tmp_path):
    """Values 0..4 of two quantities; the second is the same for all and unsure for one: it tells none apart."""
    statements = np.array([[[0, 1], [2, 1]], [[4, 1], [2, 1]], [[3, 1], [0, 0]]], float)
    attrs = {"kind": "profile", "lowest": [0, 0], "highest": [4, 4]}
    storage.write_texts(tmp_path / "profile.h5", ["a", "b", "c"], ["up", "down"], statements, attrs)
    found = reporting.read_text_set(tmp_path / "profile.h5", "x")
    assert found.units == ("form",)
    mean = (-1 + 1 + 0.5) / 3
    assert np.allclose(found.embeddings[:, 0], [[-1 - mean, 0], [1 - mean, 0], [0.5 - mean, 0]])
    assert list(reporting.summary([found])["unit"]) == ["all"]


def test_the_report_is_the_same_twice(files, tmp_path):
    for folder in ("a", "b"):
        run("report", "--texts", files[0], "--output", tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_titles_must_tell_the_files_apart(files, tmp_path):
    with pytest.raises(UserError, match="--titles"):
        run("report", "--texts", *files, "--titles", "a", "a", "b", "--output", tmp_path)
    storage.write_texts(tmp_path / "one.h5", ["x"], ["u"], np.ones((1, 1, 2)), {})
    with pytest.raises(UserError, match="two classes or more"):
        run("report", "--texts", tmp_path / "one.h5", "--output", tmp_path / "r")


def test_lint_and_stamp_by_command(tmp_path, capsys):
    prompts = tmp_path / "mood.md"
    prompts.write_text("---\ntitle: t\nunits: {mood: m}\nwords: [2, 4]\n---\nHow is {class_name}?\n")
    (tmp_path / "names.csv").write_text("index,name\n0,a\n")
    line = '{"index": 0, "name": "a", "answers": [{"mood": "%s"}], "template": ""}\n'
    (tmp_path / "mood.jsonl").write_text(line % "good")
    words = ("--kind", prompts, "--class-names", tmp_path / "names.csv", "--frozen", tmp_path)
    with pytest.raises(UserError, match=r"mood\.jsonl: a: unit 'mood' has 1 words"):
        run("lint", *words)
    (tmp_path / "mood.jsonl").write_text(line % "very good")
    run("lint", *words)
    assert "1 of 1 answers are not to the question" in capsys.readouterr().out
    run("stamp", *words)
    run("lint", *words)
    assert "not to the question" not in capsys.readouterr().out
    assert '"template": ""' not in (tmp_path / "mood.jsonl").read_text()
    with pytest.raises(UserError, match="is not a folder"):
        run("lint", *words[:-1], tmp_path / "nowhere")
