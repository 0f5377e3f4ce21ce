"""Kinds whose answer is a form: the motion profile's template, its committed answers, a language model's answers."""

import argparse
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from chat_server import Server

from zssar import encoders, storage
from zssar.commands import encode_texts
from zssar.errors import UserError
from zssar.text import chat, forms
from zssar.text.answers import Answered, in_class_order, read_answers, read_class_names, write_answers
from zssar.text.describe import describe
from zssar.text.encode import encode_file
from zssar.text.lint import complaints
from zssar.text.prompts import read_kind

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / "prompts" / "profile.md"
CLASS_NAMES = ROOT / "src" / "zssar" / "datasets" / "class_names"
DATASETS = ("sim", "utd_mhad", "ntu120", "pku_mmd", "nw_ucla", "uwa3d2")
TEMPLATE = """---
title: Speed
quantities:
  fast: [effort, 0, 3, "How fast?"]
  side: [direction, -3, 3, "Which way?"]
---
How does {class_name} go?
"""


@pytest.fixture
def kind(tmp_path):
    path = tmp_path / "speed.md"
    path.write_text(TEMPLATE)
    return read_kind(path)


def line(index, name, *answers):
    return Answered(index=index, name=name, answers=list(answers), author="us", date="2026-01-01")


def form(fast, side):
    return {"fast": fast, "side": side}


def test_the_profile_asks_what_kinematics_measures():
    from zssar.skeleton import kinematics

    asked = read_kind(PROFILE).units
    assert kinematics.names() == (*asked, *kinematics.MORE)


@pytest.mark.parametrize("dataset", DATASETS)
def test_committed_profiles_are_complete(dataset):
    kind, names = read_kind(PROFILE), read_class_names(CLASS_NAMES / f"{dataset}.csv")
    path = PROFILE.parent / "frozen" / dataset / "profile.jsonl"
    lines = in_class_order(path, read_answers(path), names)
    assert complaints(kind, lines, names) == []
    assert all(len(found.answers) == 2 for found in lines)
    assert describe(kind, names, "frozen", {}, path.parent, path) == lines


@pytest.mark.parametrize(("source", "answers"), [("second", 1), ("third", 1), ("fourth", 3), ("fifth", 1)])
@pytest.mark.parametrize("dataset", ["sim", "utd_mhad"])
def test_further_sources_of_profiles_are_complete_and_other_ones(dataset, source, answers):
    kind, names = read_kind(PROFILE), read_class_names(CLASS_NAMES / f"{dataset}.csv")
    folder = PROFILE.parent / "frozen" / dataset
    lines = describe(kind, names, source, {"answers": [source]}, folder, folder)
    assert complaints(kind, lines, names) == []
    assert all(len(found.answers) == answers and found.author for found in lines)
    first = read_answers(folder / "profile.jsonl")
    same = [a.answers[0][q][0] == b.answers[0][q][0] for a, b in zip(lines, first) for q in kind.units]
    assert 0.5 < np.mean(same) < 0.95


def test_what_the_numbers_become(kind):
    same = form((2, 3), (-3, 2))
    lines = [
        line(0, "a", same, same),
        line(1, "b", form((0, 3), (3, 3)), form((3, 3), (-3, 3))),
        line(2, "c", form((None, 3), (1, 1)), form((None, 1), (None, 3))),
    ]
    numbers = forms.statements(kind.front.quantities, [found.answers for found in lines])
    assert numbers.dtype == np.float32
    np.testing.assert_allclose(numbers[0], [[2, 1], [-3, 2 / 3]], rtol=1e-6)  # agreed: the confidence alone
    np.testing.assert_allclose(numbers[1], [[1.5, 0], [0, 0]], atol=1e-7)  # ends of the scale: cancelled
    np.testing.assert_allclose(numbers[2], [[0, 0], [1, 1 / 6]], rtol=1e-6)  # one of two draws, a guess


def test_a_form_needs_no_encoder(kind, tmp_path, monkeypatch):
    def refuse(*args):
        raise AssertionError("an encoder was loaded")

    monkeypatch.setattr(encoders, "create", refuse)
    answers, output = tmp_path / "speed.jsonl", tmp_path / "speed.h5"
    write_answers(answers, [line(0, "a", form((2, 3), (None, 1))), line(1, "b", form((0, 1), (-1, 3)))])
    assert read_answers(answers)[0].answers[0]["side"] == (None, 1)
    encode_texts.run(
        argparse.Namespace(
            descriptions=[answers], kind=[tmp_path / "speed.md"], output=[output],
            encoder="minilm", params="{}", device="cpu", tokens=0,
        )
    )  # fmt: skip
    texts = storage.read_texts({"speed": output})
    assert texts.units["speed"] == ("fast", "side")
    np.testing.assert_allclose(texts["speed"], [[[2, 1], [0, 0]], [[0, 1 / 3], [-1, 1]]], rtol=1e-6)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (form((1, 2), (-3, 3)), None),
        (form((4, 2), (-3, 3)), "'fast' is 4, its scale runs from 0 to 3"),
        (form((1, 2), (0, 0)), "'side' has the confidence 0"),
        ({"fast": (1, 2)}, "'side' is missing"),
        ({"fast": "1", "side": "2"}, "'fast' is missing"),
        ({**form((1, 2), (0, 1)), "size": (1, 1)}, "'size' is unknown"),
    ],
)
def test_wrong_forms_are_named(kind, answer, complaint, tmp_path):
    found = kind.complaints(answer)
    assert (found == []) if complaint is None else (len(found) and complaint in found[0])
    if complaint is not None:
        with pytest.raises(UserError, match=r"class 0 \(a\)"):
            encode_file(kind, [line(0, "a", answer)], None, "minilm", tmp_path / "x.h5")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[effort, 0, 3,", "[effort, 3, 3,", "lowest must be below highest"),
        ("[effort, 0, 3,", "[effort, 3,", r"\[group, lowest, highest, question\]"),
        ("title: Speed", "title: Speed\nunits: {a: b}", "either units .* or quantities"),
        ("title: Speed", "title: Speed\nwrap: 'x {text}'", "a form has none"),
        ("  fast:", "  fa st:", "plain name"),
    ],
)
def test_broken_forms_are_named(tmp_path, old, new, message):
    path = tmp_path / "speed.md"
    path.write_text(TEMPLATE.replace(old, new))
    with pytest.raises(UserError, match=f"speed.md: .*{message}"):
        read_kind(path)


def test_a_changed_question_is_another_question(kind, tmp_path):
    path = tmp_path / "speed.md"
    path.write_text(TEMPLATE.replace("Which way?", "Which side?"))
    assert read_kind(path).template != kind.template
    path.write_text(TEMPLATE.replace("title: Speed", "title: Pace"))
    assert read_kind(path).template == kind.template


def test_a_language_model_fills_in_the_form(kind, tmp_path):
    good = {"fast": {"value": 2, "confidence": 3}, "side": {"value": None, "confidence": 1}}
    bad = {**good, "fast": {"value": 7, "confidence": 3}}
    replies = iter([json.dumps(bad), json.dumps(good), json.dumps(good)])
    server = Server(answer=lambda body: next(replies))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    params = {"model": "m", "base_url": server.base_url, "concurrency": 1}
    lines = describe(kind, ["kick", "wave"], "m-1", params, tmp_path, tmp_path / "speed.jsonl")
    server.shutdown()
    assert [found.answers for found in lines] == [[{"fast": (2, 3), "side": (None, 1)}]] * 2
    assert len(server.requests) == 3  # the first answer was off the scale, and the model was told so
    assert "fast" in server.requests[1][1]["messages"][-1]["content"]
    asked = server.requests[0][1]
    assert "side (-3 to 3): Which way?" in asked["messages"][0]["content"]
    assert asked["response_format"]["json_schema"]["schema"]["required"] == ["fast", "side"]


def test_the_schema_is_within_strict_structured_output():
    """Every object closed, all keys required, no sibling of ``$ref``, fewer than 5000 properties."""
    schema = read_kind(PROFILE).schema.model_json_schema()
    objects = [schema, *schema["$defs"].values()]
    assert all(o["additionalProperties"] is False and set(o["required"]) == set(o["properties"]) for o in objects)
    assert all(set(entry) == {"$ref"} for entry in schema["properties"].values())
    assert len(schema["properties"]) == 48
    answer = {name: {"value": None, "confidence": 1} for name in schema["properties"]}
    found, complaint = chat.parse_answer(read_kind(PROFILE), json.dumps(answer))
    assert complaint == ""
    assert found["speed"] == (None, 1)
