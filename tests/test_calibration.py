"""The calibration factor: fitted where H is highest, by the rule it is applied with, and scale-free."""

import numpy as np
import pytest

from zssar.errors import UserError
from zssar.evaluation.calibration import duel, fit_factor, units
from zssar.evaluation.metrics import Curve, harmonic


def biased(seed: int, scale: float = 1.0, n: int = 400, bias: float = 3.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 8, n)
    seen = np.arange(8) < 5
    scores = rng.standard_normal((n, 8)) + 3 * (labels[:, None] == np.arange(8)) + bias * seen
    return scale * scores, labels, seen


def test_the_fitted_factor_reaches_the_best_h_of_a_fine_grid():
    scores, labels, seen = biased(0)
    fight = duel(scores, seen)
    factor = fit_factor([fight.curve(labels, seen[labels])])

    def h_at(gamma: float) -> float:
        right, group = fight.answers(gamma) == labels, seen[labels]
        return harmonic(right[group].mean(), right[~group].mean())

    assert h_at(factor.gamma) == pytest.approx(factor.harmonic)
    assert factor.harmonic >= max(h_at(gamma) for gamma in np.linspace(-5, 10, 3001)) - 1e-12
    assert h_at(0) < 0.3 < 0.7 < factor.harmonic  # the bias towards seen classes is what the factor removes


def test_the_middle_of_the_widest_best_step_is_taken():
    curve = Curve(np.array([0.0, 1, 4, 5, 6]), np.array([1, 1, 0.5, 1, 0.5, 0]), np.array([0, 0.5, 1, 0.5, 1, 1]))
    assert fit_factor([curve]).gamma == 2.5  # H is 2/3 on all four steps; 1 to 4 is the widest
    tied = Curve(np.array([-3.0, -1, 1, 3]), np.array([1, 1, 0.5, 1, 0]), np.array([0, 0.5, 1, 0.5, 1]))
    assert fit_factor([tied]).gamma == 0.0  # equally wide: the smallest factor


def test_several_validation_splits_share_one_factor():
    curves = []
    for seed in (1, 2, 3):
        scores, labels, seen = biased(seed)
        curves.append(duel(scores, seen).curve(labels, seen[labels]))
    factor = fit_factor(curves)
    mean = [np.mean([c.harmonic[c.at(g)] for c in curves]) for g in np.linspace(-5, 10, 2001)]
    assert factor.harmonic >= max(mean) - 1e-12
    assert factor.harmonic == pytest.approx(np.mean([c.harmonic[c.at(factor.gamma)] for c in curves]))


@pytest.mark.parametrize(("scale", "survives"), [("sample", True), ("spread", True), ("raw", False)])
def test_a_factor_in_units_survives_a_change_of_scale_and_a_raw_one_does_not(scale, survives):
    scores, labels, seen = biased(4)
    other, other_labels, _ = biased(5, scale=100.0)
    factor = fit_factor([duel(scores, seen, scale).curve(labels, seen[labels])])
    answers = duel(other, seen, scale).answers(factor.gamma)
    right, group = answers == other_labels, seen[other_labels]
    h = harmonic(right[group].mean(), right[~group].mean())
    assert (h > 0.6) == survives


def test_by_default_answers_depend_on_no_other_sample_and_on_no_scale_of_a_sample():
    scores, _, seen = biased(6)
    answers = duel(scores, seen).answers(0.8)
    np.testing.assert_array_equal(duel(scores[:7], seen).answers(0.8), answers[:7])
    rng = np.random.default_rng(0)
    moved = scores * rng.uniform(0.1, 10, (len(scores), 1)) + rng.standard_normal((len(scores), 1))
    np.testing.assert_array_equal(duel(moved, seen).answers(0.8), answers)
    assert (duel(scores, seen, "raw").answers(0.8) != duel(moved, seen, "raw").answers(0.8)).any()


def test_units_look_at_seen_columns_only():
    scores, _, seen = biased(6)
    moved = scores.copy()
    moved[:, ~seen] *= 50
    for scale in ("sample", "spread"):
        np.testing.assert_allclose(units(moved, seen, scale), units(scores, seen, scale))
    np.testing.assert_allclose(units(scores, seen), scores[:, seen].std(axis=1))
    assert units(scores, seen, "spread")[3] == pytest.approx(scores[:, seen].std(axis=1).mean())
    assert units(np.ones((3, 4)), np.array([True, True, False, False])).tolist() == [1, 1, 1]


def test_no_factor_helps_if_no_unseen_sample_can_be_right():
    scores = np.array([[1.0, 0, -1], [0.5, 0, -1], [0, 1, -1]])
    curve = duel(scores, np.array([True, False, False])).curve(np.array([0, 2, 2]), np.array([True, False, False]))
    factor = fit_factor([curve])
    assert factor.gamma == 0
    assert not factor.informed


def test_ties_are_answered_with_the_seen_class():
    fight = duel(np.array([[1.0, 1.0]]), np.array([True, False]))
    assert fight.answers(0.0).tolist() == [0]
    assert fight.answers(1e-9).tolist() == [1]


def test_unknown_scale():
    with pytest.raises(UserError, match="spread"):
        duel(np.zeros((1, 2)), np.array([True, False]), "spreads")
