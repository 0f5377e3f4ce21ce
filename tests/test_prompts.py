"""Description kinds: reading templates, wrapping, checking answers."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zssar.errors import UserError
from zssar.provenance import text_digest
from zssar.text.prompts import label_text, read_kind

PROMPTS = Path(__file__).parents[1] / "prompts"
UNITS = {
    "label": ["label"],
    "description": ["description"],
    "context": ["context"],
    "action_definition": ["definition"],
    "motion_description": ["motion"],
    "global": ["global"],
    "parts_purls": ["head", "hands", "torso", "legs"],
    "parts2": ["upper", "lower"],
    "parts4": ["head", "hand_arm", "hip", "leg_foot"],
    "parts6": ["head", "hand", "arm", "hip", "leg", "foot"],
    "phases": ["start", "middle", "end"],
    "verb_noun": ["verb", "noun"],
}
TEMPLATE = """---
title: Speed
units: {fast: how fast, slow: how slow}
wrap: {fast: "quickly, {text}", slow: "{text}"}
words: [2, 5]
---
How fast is {class_name}? Say {this} too.
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "speed.md"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", UNITS)
def test_the_kinds_of_the_field_are_there(name):
    kind = read_kind(PROMPTS / f"{name}.md")
    assert list(kind.units) == UNITS[name]
    assert kind.asks == (name != "label")
    assert kind.template == text_digest(kind.body)
    assert "{" not in kind.question("kick")
    assert "kick" in kind.question("kick")
    schema = kind.schema.model_json_schema()
    assert schema["required"] == UNITS[name]
    assert schema["additionalProperties"] is False


def test_wrap_phrases_of_purls():
    hands = read_kind(PROMPTS / "parts_purls.md").wrapped("hands", "the hand\n  waves.")
    assert hands.startswith("a cropped video of people's hand motions ")
    assert hands.endswith(" the hand waves")
    assert read_kind(PROMPTS / "phases.md").wrapped("end", "x").startswith("a trimmed video of the motion ")
    assert read_kind(PROMPTS / "context.md").wrapped("context", "A full sentence.") == "A full sentence."


def test_a_new_kind_is_a_new_file(write):
    kind = read_kind(write(TEMPLATE))
    assert kind.name == "speed"
    assert kind.question("Eat meal/snack") == "How fast is eat meal or snack? Say {this} too."
    assert kind.wrapped("fast", "a run.") == "quickly, a run"
    assert kind.complaints({"fast": "one two", "slow": "one two three four five"}) == []
    wrong = kind.complaints({"fast": "one", "other": "x", "slow": "   "})
    assert wrong == [
        "unit 'other' is unknown",
        "unit 'fast' has 1 words, wanted are 2 to 5",
        "unit 'slow' is missing or empty",
    ]
    assert kind.complaints({"fast": "one", "slow": "x"}, lengths=False) == []


def test_the_hash_is_the_questions_and_not_the_front_matters(write):
    first = read_kind(write(TEMPLATE)).template
    assert read_kind(write(TEMPLATE.replace("[2, 5]", "[1, 9]"))).template == first
    assert read_kind(write(TEMPLATE.replace("How fast", "How slow"))).template != first


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("---\ntitle", "title", r"speed.md:1: a template begins with front matter"),
        ("{class_name}", "it", r"speed.md: the question must hold \{class_name\}"),
        ("words: [2, 5]", "words: [5, 2]", r"speed.md: words: .*least <= most"),
        ("words: [2, 5]", "wrods: [2, 5]", r"speed.md: wrods: .*Keys of a template: title"),
        ('slow: "{text}"', 'quick: "{text}"', r"wrap must have exactly the units"),
        ('"quickly, {text}"', '"quickly"', r"must hold \{text\} once"),
        ("fast: how fast", "fa st: how fast", r"plain name"),
        ("title: Speed", "title: [", r"speed.md:\d: front matter is not YAML"),
        ("title: Speed\n", "", r"speed.md: title: Field required"),
    ],
)
def test_broken_templates_are_named(write, old, new, message):
    assert old in TEMPLATE
    with pytest.raises(UserError, match=message):
        read_kind(write(TEMPLATE.replace(old, new)))


def test_a_missing_kind_names_the_ones_there(write):
    path = write(TEMPLATE)
    with pytest.raises(UserError, match="present are: speed"):
        read_kind(path.with_name("seed.md"))


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Swipe_left", "swipe left"),
        ("eat meal/snack", "eat meal or snack"),
        ("hopping (one foot jumping)", "hopping one foot jumping"),
        ("make a phone call/answer phone", "make a phone call or answer phone"),
        ("touch other person's pocket", "touch other person's pocket"),
        ("high-five", "high-five"),
    ],
)
def test_labels_in_plain_words(name, plain):
    assert label_text(name) == plain


@given(st.text(max_size=40))
def test_plain_words_are_plain(name):
    plain = label_text(name)
    assert label_text(plain) == plain
    assert not set("_()[]{}") & set(plain)
    assert plain == " ".join(plain.split())


def test_schema_survives_json(write):
    kind = read_kind(write(TEMPLATE))
    answer = kind.schema.model_validate_json(json.dumps({"fast": "a", "slow": "b"}))
    assert answer.model_dump() == {"fast": "a", "slow": "b"}
