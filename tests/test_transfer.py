"""Residuals carried over between like classes: the mirror, the regression, and what the method makes of both."""

from pathlib import Path

import numpy as np
import pytest
from profile_toy import named
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from zssar import plugins
from zssar.alignment import quantities, transfer
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features
from zssar.text.prompts import read_kind

NAMES = list(read_kind(Path(__file__).parents[1] / "prompts" / "profile.md").units)


def test_a_mirror_exchanges_the_sides_and_turns_what_has_a_sense():
    at, sign, there = transfer.mirror(NAMES)
    image = dict(zip(NAMES, (NAMES[q] for q in at)))
    assert image["right_hand_top"] == "left_hand_top"
    assert image["pelvis_drop"] == "pelvis_drop"
    assert there.all()
    turned = {name for name, s in zip(NAMES, sign) if s < 0}
    sides = [f"{side}_hand_{word}" for side in ("right", "left") for word in ("sweep", "rotation")]
    assert turned == {*sides, "trunk_twist"}
    np.testing.assert_array_equal(at[at], np.arange(len(NAMES)))
    assert transfer.mirror(["right_hand_top", "jump"])[2].tolist() == [False, True]


def test_the_skeleton_agrees_that_this_is_a_mirror():
    """Bodies mirrored as recordings measure what ``reflected`` makes of the numbers."""
    from known_movements import KNOWN
    from moving_bodies import recording

    from zssar.skeleton import kinematics
    from zssar.skeleton.layouts import layout

    def measured(body):
        return kinematics.measure_clips(recording([body]), np.array([0]), layout("kinect25"))

    for movement in ("swipe to the left", "circle clockwise", "kick", "twist to the left", "punches in turn"):
        body = KNOWN[movement][0]
        names = {role: role.replace("left", "*").replace("right", "left").replace("*", "right") for role in body}
        other = {role: body[names[role]] * np.array([-1, 1, 1]) for role in body}
        nothing = np.zeros((1, len(kinematics.names())))
        wanted = transfer.reflected(nothing, nothing, measured(body), kinematics.names())[2]
        np.testing.assert_allclose(measured(other), wanted, atol=0.02, err_msg=movement)


def test_the_regression_is_that_of_a_gaussian_process():
    """On points of their own, against scikit-learn's exponential kernel with the scale and noise that were chosen."""
    rng = np.random.default_rng(0)
    stated = rng.normal(size=(12, 1))
    residual = np.sin(2 * stated) + 0.05 * rng.normal(size=(12, 1))
    dual, scale = transfer.learn(stated, residual, np.ones(1), np.arange(12))
    new = rng.normal(size=(5, 1))
    mine = np.exp(-transfer.distances(new, stated, np.ones(1)) / scale) @ dual
    fits = []
    for noise in transfer.NOISES:
        other = GaussianProcessRegressor(Matern(scale, "fixed", nu=0.5), alpha=noise, optimizer=None)
        fits.append(np.abs(other.fit(stated, residual).predict(new).ravel() - mine.ravel()).max())
    assert min(fits) < 1e-9


def test_what_is_left_out_is_the_class_with_its_mirror_image():
    rng = np.random.default_rng(1)
    stated, residual = np.repeat(rng.normal(size=(20, 6)), 2, 0), np.repeat(rng.normal(size=(20, 30)), 2, 0)
    twins = np.repeat(np.arange(20), 2)  # equal pairs: left out alone, each would be told by the other
    dual, _ = transfer.learn(stated, residual, np.ones(6), twins)
    alone, _ = transfer.learn(stated, residual, np.ones(6), np.arange(40))
    assert (dual**2).sum() < 0.1 * (alone**2).sum()


def with_residuals(strength, seed=0, classes=24):
    """A toy in which what is measured depends on more than the statement, smoothly."""
    rng = np.random.default_rng(seed)
    features, labels, texts = named(NAMES, classes, seed=seed)
    value = texts["profile"][..., 0]
    main = rng.normal(size=(classes, 2))
    value = np.rint(np.clip(2 * main @ rng.normal(size=(2, len(NAMES))), -3, 3))
    more = np.sin(1.5 * main @ rng.normal(size=(2, len(NAMES)))) * strength
    found = 0.3 * value[labels] + more[labels] + 0.2 * rng.normal(size=(len(labels), len(NAMES)))
    form = np.stack([value, np.ones_like(value)], 2).astype(np.float32)
    return (
        Features({"profile": found}, "kinect25", features.attrs),
        labels,
        ClassTexts(texts.names, {"profile": form}, texts.units),
    )


@pytest.mark.parametrize("compare", quantities.COMPARISONS)
def test_like_classes_help_where_residuals_are_alike_and_terms_still_add_up(compare):
    features, labels, texts = with_residuals(1.0)
    seen, unseen = texts.names[:18], texts.names[18:]
    train, test = np.flatnonzero(labels < 18), np.flatnonzero(labels >= 18)
    told, asked, some = texts.select(seen), texts.select(unseen), features.select(test)
    margin = {}
    for carried in (False, True):
        params = {"transfer": carried, "compare": compare, "statistics": "seen"}
        method = plugins.create("alignment", "profile", params).fit(features.select(train), labels[train], told)
        scores = method.score(some, asked)
        np.testing.assert_allclose(method.explain(some, asked).sum(2), scores, atol=1e-4)
        judge = method.panel_.bridges[0].judge
        value, weight, _ = method.answers(asked)
        expected = judge.agreement * judge.standardise_statement(value)
        expected = expected + judge.beyond(judge.standardise_statement(value), weight)
        missed = judge.standardise(some["profile"].astype(float)) - expected[labels[test] - 18]
        margin[carried] = (missed**2).mean()
        again = plugins.create("alignment", "profile", params)
        again.restore(method.state())
        np.testing.assert_allclose(again.score(some, asked), scores, atol=1e-6)
    assert margin[True] < 0.9 * margin[False]


def test_transfer_needs_measured_quantities():
    for params in ({"evidence": "both"}, {"statistics": "published"}):
        with pytest.raises(UserError, match="transfer=True"):
            plugins.create("alignment", "profile", {"transfer": True, **params})
