"""What a form says of body parts, and the methods that compare part by part reading it."""

from pathlib import Path

import numpy as np
import pytest
from alignment_toy import PARAMS, QUICK, toy
from profile_toy import named

from zssar import plugins
from zssar.alignment import body_parts, runner, statements, vocabulary
from zssar.errors import UserError
from zssar.skeleton import kinematics
from zssar.skeleton.layouts import layout
from zssar.text.prompts import read_kind

PROMPTS = Path(__file__).parents[1] / "prompts"


def test_every_quantity_has_its_part_and_both_sides_have_the_same():
    placed = {name for names in body_parts.SIX.values() for name in names}
    assert placed | set(body_parts.WHOLE) == set(kinematics.names())
    assert not placed & set(body_parts.WHOLE)
    for names in body_parts.SIX.values():
        assert len(set(names)) == len(names)
        assert {n.replace("left", "right") for n in names} == {n for n in names if "left" not in n}


@pytest.mark.parametrize("grouping", ["parts_purls", "parts2", "parts4", "parts6"])
def test_parts_are_those_of_the_joints_and_of_the_sentences(grouping):
    """The order is what joins a part's vector to its joints, in every layout."""
    found = body_parts.masks(kinematics.names(), grouping)
    assert list(found) == list(layout("kinect25").parts(grouping)) == list(read_kind(PROMPTS / f"{grouping}.md").units)
    assert np.any(list(found.values()), 0).all()


def test_hands_speak_of_hands_and_what_is_of_no_part_of_all():
    names = ["right_hand_rise", "left_knee_bend", "speed", "my own", "pelvis_drop"]
    purls = {part: mask.tolist() for part, mask in body_parts.masks(names, "parts_purls").items()}
    assert purls["hands"] == [True, False, True, True, False]
    assert purls["legs"] == [False, True, True, True, True]
    assert purls["torso"] == [False, False, True, True, True]
    halves = body_parts.masks(names, "parts2")
    assert halves["upper"].tolist() == [True, False, True, True, False]
    assert halves["lower"].tolist() == [False, True, True, True, True]
    with pytest.raises(UserError, match="parts3"):
        body_parts.masks(names, "parts3")


def test_part_vectors_are_the_whole_vector_without_the_rest():
    names = list(vocabulary.GROUPS["posture"])
    *_, texts = named(names)
    found = statements.as_vectors(texts, texts.names[:4])
    for grouping in body_parts.GROUPINGS:
        kind = body_parts.kind("profile", grouping)
        for p, (part, mask) in enumerate(body_parts.masks(names, grouping).items()):
            assert found.units[kind][p] == part
            np.testing.assert_array_equal(found[kind][:, p, mask], found["profile"][:, 0, mask])
            assert (found[kind][:, p, ~mask] == 0).all()


@pytest.mark.parametrize(
    ("module", "params"),
    [("purls", {"phases": False}), ("purls", {"phases": False, "partition": "static"})]
    + [("star", {"form_parts": parts}) for parts in ("parts2", "parts4", "parts6")],
)
def test_methods_of_parts_learn_from_a_form(module, params):
    problem = toy()
    train, labels = problem.samples(problem.seen)
    test, _ = problem.samples(problem.unseen)
    kept = []
    classes = runner.Classes(problem.seen, problem.unseen, problem.texts.names)
    quick = {**PARAMS[module], "epochs": QUICK["epochs"], **params, "texts": ("profile",)}
    records = runner.run_seeds(
        module, quick, train, labels, test, problem.texts, classes, [0], 1, "cpu", lambda *found: kept.append(found[2])
    )
    assert kept[0].shape == (len(test), len(problem.texts))
    again = plugins.create("alignment", module, {**quick, "seed": 0, "device": "cpu"})
    again.restore(records[0]["state"])
    told = statements.as_vectors(problem.texts, problem.seen)
    np.testing.assert_allclose(again.score(test, told), kept[0], atol=1e-5)


def test_purls_says_that_a_form_has_no_phases():
    with pytest.raises(UserError, match="phases: false"):
        plugins.create("alignment", "purls", {"texts": ["profile"]})
