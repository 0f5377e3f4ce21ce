"""Accuracies against hand-made cases and against brute force."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zssar.errors import UserError
from zssar.evaluation import metrics
from zssar.evaluation.calibration import duel


def test_top1_and_class_mean_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1])
    predicted = np.array([0, 0, 0, 1, 1, 0])
    assert metrics.top1(predicted, labels) == pytest.approx(4 / 6)
    assert metrics.per_class(predicted, labels, np.array([0, 1, 2]))[:2].tolist() == [0.75, 0.5]
    assert np.isnan(metrics.per_class(predicted, labels, np.array([2]))[0])
    assert metrics.per_class_mean(predicted, labels, np.array([0, 1, 2])) == pytest.approx(0.625)


def test_accuracy_is_over_samples_not_a_mean_of_batches():
    labels = np.zeros(33, int)
    predicted = np.r_[np.zeros(32, int), 1]  # in batches of 32 the mean of batch accuracies would be 0.5
    assert metrics.top1(predicted, labels) == pytest.approx(32 / 33)


def test_harmonic_mean():
    assert metrics.harmonic(0.5, 0.25) == pytest.approx(1 / 3)
    assert metrics.harmonic(0.0, 0.0) == 0.0
    np.testing.assert_allclose(metrics.harmonic([1.0, 0.0], [1.0, 1.0]), [1.0, 0.0])


def test_confusion_rows_are_the_truth_in_the_order_asked():
    counts = metrics.confusion(np.array([2, 2, 5]), np.array([2, 5, 5]), np.array([5, 2]))
    assert counts.tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_an_error_that_names_the_run(bad):
    scores = np.zeros((3, 2))
    scores[1, 1] = bad
    with pytest.raises(UserError, match=r"some/run.*1 of 6 scores.*sample 1, class 1"):
        metrics.check_scores(scores, 3, 2, "some/run")


def test_missing_scores_are_an_error():
    with pytest.raises(UserError, match="some/run"):
        metrics.check_scores(np.zeros((3, 2)), 4, 2, "some/run")


def test_curve_by_hand():
    """Two seen and two unseen samples, all right within their own group, margins 3, 1 (seen) and 2, 0 (unseen)."""
    curve = metrics.seen_unseen_curve(
        np.array([3.0, 1.0, 2.0, 0.0]),
        np.array([True, True, False, False]),
        np.array([False, False, True, True]),
        np.array([True, True, False, False]),
    )
    assert curve.breaks.tolist() == [0, 1, 2, 3]
    assert curve.seen.tolist() == [1, 1, 0.5, 0.5, 0]
    assert curve.unseen.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.area == pytest.approx(0.75)  # U from 0 to 0.5 at S = 1, from 0.5 to 1 at S = 0.5
    assert curve.at(1.0) == 1  # a margin equal to gamma is still seen
    assert curve.at(1.5) == 2


def test_area_of_perfect_scores_is_one_and_of_hopeless_ones_zero():
    labels = np.array([0, 0, 1, 1])
    seen = np.array([True, False])
    perfect = np.array([[2.0, 0], [3, 0], [0, 2], [0, 3]])
    fight = duel(perfect, seen)
    assert fight.curve(labels, seen[labels]).area == pytest.approx(1)
    assert duel(-perfect, seen).curve(labels, seen[labels]).area == pytest.approx(0)


def test_samples_that_flip_together_count_half_like_ties_in_a_roc_curve():
    fight = duel(np.zeros((4, 2)), np.array([True, False]))
    assert fight.curve(np.array([0, 0, 1, 1]), np.array([True, True, False, False])).area == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_curve_equals_brute_force(seed, rounded):
    """Every step of the curve against stacking done literally: subtract gamma from seen columns and take the argmax."""
    rng = np.random.default_rng(seed)
    classes, n = rng.integers(3, 6), rng.integers(4, 25)
    seen = np.arange(classes) < rng.integers(1, classes)
    scores = rng.standard_normal((n, classes))
    scores = np.round(scores, 0 if rounded else 9)
    labels = rng.permutation(np.r_[0, classes - 1, rng.integers(0, classes, n - 2)])
    fight = duel(scores, seen, "raw")
    curve = fight.curve(labels, seen[labels])
    edges = np.r_[curve.breaks[0] - 1, curve.breaks, curve.breaks[-1] + 1]
    for step, gamma in enumerate((edges[1:] + edges[:-1]) / 2):
        predicted = (scores - gamma * seen).argmax(axis=1)
        group = seen[labels]
        assert curve.seen[step] == pytest.approx((predicted == labels)[group].mean())
        assert curve.unseen[step] == pytest.approx((predicted == labels)[~group].mean())
        np.testing.assert_array_equal(fight.answers(gamma), predicted)
        assert curve.at(gamma) == step
    assert curve.area == pytest.approx(np.trapezoid(curve.seen, curve.unseen))


def test_weights_give_class_averaged_accuracies():
    scores = np.random.default_rng(0).standard_normal((60, 4))
    seen = np.array([True, True, False, False])
    labels = np.repeat([0, 1, 2, 3], [30, 10, 15, 5])
    fight = duel(scores, seen, "raw")
    weights = 1 / np.bincount(labels)[labels]
    curve = fight.curve(labels, seen[labels], weights)
    step = curve.at(0.3)
    answers = fight.answers(0.3)
    assert curve.seen[step] == pytest.approx(metrics.per_class_mean(answers, labels, np.array([0, 1])))
    assert curve.unseen[step] == pytest.approx(metrics.per_class_mean(answers, labels, np.array([2, 3])))


def test_a_full_ntu120_test_set_takes_less_than_a_second():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((16_000, 120))
    labels = rng.integers(0, 120, 16_000)
    seen = np.arange(120) < 96
    start = time.perf_counter()
    area = duel(scores, seen).curve(labels, seen[labels]).area
    assert time.perf_counter() - start < 1
    assert area < 0.01
