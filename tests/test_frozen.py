"""The committed answers: complete, within bounds, all different, free of other classes' names; and the lint itself."""

from pathlib import Path

import pytest

from zssar.text.answers import Answered, in_class_order, read_answers, read_class_names
from zssar.text.lint import complaints, stamp
from zssar.text.prompts import read_kind

ROOT = Path(__file__).parents[1]
CLASS_NAMES = ROOT / "src" / "zssar" / "datasets" / "class_names"
PROFILE = "profile"  # numbers, not texts: checked by its own tests


def kind_of(path: Path) -> str:
    """phases.jsonl and phases.second.jsonl, another author's, answer the kind phases."""
    return path.stem.split(".")[0]


KINDS = {path.stem: read_kind(path) for path in sorted((ROOT / "prompts").glob("*.md")) if path.stem != PROFILE}
FILES = [path for path in sorted((ROOT / "prompts" / "frozen").glob("*/*.jsonl")) if kind_of(path) != PROFILE]


def names_of(dataset: str) -> list[str]:
    """The class list of a folder of committed answers; NTU-60 has no folder, it is the beginning of NTU-120."""
    return read_class_names(CLASS_NAMES / f"{dataset}.csv")


@pytest.mark.parametrize("dataset", sorted({path.parent.name for path in FILES}))
def test_every_kind_of_the_field_is_committed(dataset):
    committed = {path.stem for path in FILES if path.parent.name == dataset}
    assert committed >= {name for name, kind in KINDS.items() if kind.asks}


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_committed_answers(path):
    kind, names = KINDS[kind_of(path)], names_of(path.parent.name)
    lines = in_class_order(path, read_answers(path), names)
    assert [line.name for line in read_answers(path)] == names
    assert complaints(kind, lines, names) == []
    assert all(line.author and line.date for line in lines)
    assert all(len(line.template) == 16 for line in lines), "say: zssar texts stamp"


# --- does the lint see anything? ---


NAMES = ["sit down", "bow", "sit down on the floor"]


def lines(*texts: dict) -> list[Answered]:
    return [Answered(index=i, name=n, answers=[t]) for i, (n, t) in enumerate(zip(NAMES, texts, strict=True))]


def context(first, second="the person is bowing to the public after a play on stage"):
    third = "the floor is where everybody rests, and this person joins in without a chair"
    return lines({"context": first}, {"context": second}, {"context": third})


GOOD = "a tired person lowers the hips on a chair and stays there"


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        (context(GOOD), None),
        (context("too short"), "sit down: unit 'context' has 2 words"),
        (context(" "), "sit down: unit 'context' is missing or empty"),
        (context(GOOD, GOOD.upper() + "."), "bow: the same context as 'sit down'"),
        (context(GOOD, f"to sit down, {GOOD}"), "bow: context holds the name of another class, 'sit down'"),
        (context(f"to sit down, {GOOD}"), None),  # its own name
        (context(f"to bow, {GOOD}"), None),  # one word is a word of the language
    ],
)
def test_the_lint_finds(answers, complaint):
    found = complaints(KINDS["context"], answers, NAMES)
    assert found == ([] if complaint is None else found[:1])
    assert complaint is None or found[0].startswith(complaint)


def test_a_name_within_the_own_name_may_appear():
    answers = context(GOOD)
    answers[2].answers[0]["context"] += ", to sit down on the floor"
    assert complaints(KINDS["context"], answers, NAMES) == []


def test_units_may_repeat_where_the_kind_says_so_but_not_whole_answers():
    kind = KINDS["parts2"]
    still = {"upper": "the arms hang beside the hips", "lower": "the legs stand straight and still"}
    other = {**still, "upper": "the right arm rises over the head"}
    third = {**still, "upper": "the left arm rises over the head"}
    assert complaints(kind, lines(still, other, third), NAMES) == []
    assert complaints(kind, lines(still, other, still), NAMES) == [
        "sit down on the floor: the same upper and lower as 'sit down'"
    ]


def test_labels_must_be_the_names():
    assert complaints(KINDS["label"], lines(*({"label": n} for n in NAMES)), NAMES) == []
    found = complaints(KINDS["label"], lines({"label": "sitting"}, {"label": "bow"}, {"label": NAMES[2]}), NAMES)
    assert len(found) == 1
    assert "'sitting' is not the class name" in found[0]


def test_stamp_fills_what_is_empty_and_more_only_when_told(tmp_path):
    from zssar.text.answers import write_answers

    kind, path = KINDS["context"], tmp_path / "context.jsonl"
    old = context(GOOD)
    old[1] = old[1].model_copy(update={"template": "0" * 16})
    write_answers(path, old)
    assert stamp(kind, path, NAMES) == 2
    assert [line.template for line in read_answers(path)] == [kind.template, "0" * 16, kind.template]
    assert stamp(kind, path, NAMES) == 0
    assert stamp(kind, path, NAMES, everything=True) == 1
    assert [line.answers for line in read_answers(path)] == [line.answers for line in old]
