"""The profile method: its options, its explanations, forms as vectors for other methods."""

import csv
from pathlib import Path

import numpy as np
import pytest
from alignment_toy import QUANTITIES, toy
from profile_toy import fitted, named

from zssar import plugins
from zssar.alignment import published, quantities, runner, statements, vocabulary
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features
from zssar.skeleton import kinematics
from zssar.text.prompts import read_kind

PROMPT = Path(__file__).parents[1] / "prompts" / "profile.md"
CLASS_NAMES = PROMPT.parents[1] / "src" / "zssar" / "datasets" / "class_names"


@pytest.fixture(scope="module")
def problem():
    return toy()


def top1(method, problem):
    features, labels = problem.samples(problem.unseen)
    return (method.score(features, problem.texts.select(problem.unseen)).argmax(1) == labels).mean()


# --- the vocabulary --------------------------------------------------------------------------------------------------


def test_the_vocabulary_is_that_of_the_form():
    form = read_kind(PROMPT).front.quantities
    assert {name: q.group for name, q in form.items()} == {
        n: g for g, names in vocabulary.GROUPS.items() for n in names if n not in kinematics.MORE
    }
    assert [q.lowest for q in form.values()] == vocabulary.lowest(list(form)).tolist()
    assert {q.highest for q in form.values()} == {vocabulary.HIGHEST}


def test_published_statistics_cover_the_form_and_are_sound():
    found = published.statistics(list(read_kind(PROMPT).units))
    assert all(np.isfinite(column).all() for column in found.values())
    assert (found["spread"] > 0).all()
    assert (found["stated_spread"] > 0).all()
    assert (found["agreement"] >= 0).all()
    assert (found["agreement"] <= 1).all()


def test_groups_and_quantities_choose_what_counts():
    names = list(read_kind(PROMPT).units)
    features, labels, texts = named(names)
    method = plugins.create("alignment", "profile", {"groups": "travel", "quantities": ["jump"]})
    method.fit(features, labels, texts)
    assert method.names_ == ["jump", "travel", "turn", "trunk_twist"]
    other = Features({"profile": features["profile"].copy()}, "kinect25", features.attrs)
    other.views["profile"][:, names.index("speed")] += 5
    np.testing.assert_array_equal(method.score(features, texts), method.score(other, texts))
    other.views["profile"][:, names.index("turn")] += 5
    assert not np.array_equal(method.score(features, texts), method.score(other, texts))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"groups": ["postur"]}, "posture"),
        ({"quantities": ["jmp"]}, "lacks the quantities jmp"),
        ({"seen_limit": 1}, "at least 2"),
        ({"statistics": "published", "evidence": "both"}, "evidence='measured'"),
        ({"prior": "publisht"}, "published"),
        ({"calibration": "wavy"}, "monotone"),
    ],
)
def test_wrong_options_are_named(params, message):
    features, labels, texts = named(["speed", "jump", "turn"])
    with pytest.raises(UserError, match=message):
        plugins.create("alignment", "profile", params).fit(features, labels, texts)


# --- noise and fewer classes -----------------------------------------------------------------------------------------


def test_noise_is_whole_steps_on_the_scale_and_belongs_to_the_class():
    names = ["speed", "travel"] * 20
    value = np.tile([0.0, 1.5], (30, 20))
    classes = [f"class {k}" for k in range(30)]
    found = statements.perturbed(value, names, classes, noise=1.0, seed=3)
    steps = found - value
    assert (steps != 0).mean() > 0.3
    assert found.min() >= -3
    assert found.max() <= 3
    assert found[:, ::2].min() >= 0
    assert set(np.unique(steps[:, ::2])) <= {0, 1, 2, 3}
    back = statements.perturbed(value[::-1], names, classes[::-1], noise=1.0, seed=3)
    np.testing.assert_array_equal(back[::-1], found)
    assert not np.array_equal(statements.perturbed(value, names, classes, noise=1.0, seed=4), found)


def test_noise_on_the_answers_costs_accuracy(problem):
    clean = top1(fitted(problem), problem)
    noisy = np.mean([top1(fitted(problem, noise=6.0, seed=seed), problem) for seed in range(5)])
    assert clean > 0.8 > noisy + 0.1


def test_fewer_seen_classes_are_nested_draws_and_two_are_enough(problem):
    y = np.repeat(np.arange(6), 3)
    few, rows, labels = statements.limited(y, 6, 2, seed=0)
    more, _, _ = statements.limited(y, 6, 4, seed=0)
    assert set(few) < set(more)
    assert y[rows].tolist() == [few[k] for k in labels]
    assert statements.limited(y, 6, 99, seed=0)[0].tolist() == list(range(6))
    for evidence in ("measured", "regressed", "both"):
        for compare in quantities.COMPARISONS:
            method = fitted(problem, seen_limit=2, evidence=evidence, compare=compare, seed=1)
            features, _ = problem.samples(problem.unseen)
            assert np.isfinite(method.score(features, problem.texts.select(problem.unseen))).all()
    assert top1(fitted(problem, seen_limit=2), problem) > 1.5 / 4


def test_only_the_classes_kept_are_learned_from(problem):
    features, labels = problem.samples(problem.seen)
    texts = problem.texts.select(problem.seen)
    kept = statements.limited(labels, len(texts), 5, seed=2)[0]
    rows = np.isin(labels, kept)
    alone = plugins.create("alignment", "profile", {}).fit(
        features.select(np.flatnonzero(rows)),
        np.searchsorted(kept, labels[rows]),
        texts.select([texts.names[k] for k in kept]),
    )
    limited = fitted(problem, seen_limit=5, seed=2)
    some, _ = problem.samples(problem.unseen)
    asked = problem.texts.select(problem.unseen)
    np.testing.assert_allclose(limited.score(some, asked), alone.score(some, asked), atol=1e-6)


# --- without seen classes --------------------------------------------------------------------------------------------


def test_published_statistics_need_no_training_sample():
    names = list(read_kind(PROMPT).units)
    features, labels, texts = named(names)
    scores = []
    for rows in (np.arange(len(labels)), np.arange(3)):
        method = plugins.create("alignment", "profile", {"statistics": "published"})
        scores.append(method.fit(features.select(rows), labels[rows], texts).score(features, texts))
    np.testing.assert_array_equal(*scores)
    assert np.isnan(method.probabilities(features, texts)).all()


# --- few seen classes, and a belief to start from --------------------------------------------------------------------


def test_mixed_moments_are_those_of_both_sets_together():
    rng = np.random.default_rng(0)
    one, other = rng.normal(2, 1, (6, 3)), rng.normal(-1, 3, (10, 3))
    both = np.concatenate([one, other])
    sides = [(side.mean(0), side.std(0)) for side in (one, other)]
    found = statements.mixed(sides[0], np.full(3, 6), sides[1], 10.0)
    np.testing.assert_allclose(found, (both.mean(0), both.std(0)))
    unknown = (np.array([np.nan, 0, 0]), np.array([1.0, 1, np.nan]))
    found = statements.mixed(sides[0], np.full(3, 6), unknown, 10.0)
    np.testing.assert_array_equal([side[[0, 2]] for side in found], [side[[0, 2]] for side in sides[0]])
    nobody = statements.mixed((np.zeros(3), np.ones(3)), np.zeros(3), sides[1], 5.0)
    np.testing.assert_allclose(nobody, sides[1])  # a quantity that no seen class shows


def test_the_belief_never_speaks_on_the_classes_it_was_made_from():
    """Simulated classes under whatever name of the data set; one class of another set lets it speak."""
    features, labels, texts = named(list(read_kind(PROMPT).units))
    made_from = [row["name"] for row in csv.DictReader((CLASS_NAMES / "sim.csv").open(encoding="utf-8"))]
    assert published.CLASSES.read_text(encoding="utf-8").splitlines() == made_from
    scores = {}
    for where, names in {"sim": made_from[5:11], "another": ["a shrug", *made_from[5:10]]}.items():
        own = ClassTexts(tuple(names), texts.embeddings, texts.units)
        for statistics in ("shrunk", "seen"):
            method = plugins.create("alignment", "profile", {"statistics": statistics})
            scores[where, statistics] = method.fit(features, labels, own).score(features, own)
    np.testing.assert_array_equal(scores["sim", "shrunk"], scores["sim", "seen"])
    np.testing.assert_array_equal(scores["another", "seen"], scores["sim", "seen"])
    assert not np.allclose(scores["another", "shrunk"], scores["another", "seen"])


def test_the_belief_weighs_as_many_classes_as_told_and_nothing_for_other_forms(problem):
    names = list(read_kind(PROMPT).units)
    features, labels, texts = named(names)
    told = published.belief(names, texts.names)
    centre = {
        n: plugins.create("alignment", "profile", {"prior_classes": n})
        .fit(features, labels, texts)
        .panel_.bridges[0]
        .judge.centre
        for n in (0.0, 6.0, 1e9)
    }
    np.testing.assert_allclose(centre[1e9], told["centre"], atol=1e-6)
    np.testing.assert_allclose(centre[6.0], (centre[0.0] + told["centre"]) / 2)  # six seen classes
    assert np.isnan(published.belief(list(QUANTITIES), ["a shrug"])["centre"]).all()
    np.testing.assert_array_equal(
        *(fitted(problem, statistics=s).panel_.bridges[0].judge.centre for s in ("shrunk", "seen"))
    )


def test_regressed_quantities_have_no_published_unit():
    features, labels, texts = named(["speed", "jump", "turn", "travel"])
    pooled = np.random.default_rng(1).normal(size=(len(labels), 6)).astype(np.float32)
    both = Features({**features.views, "pooled": pooled}, "kinect25", features.attrs)
    for evidence, width in (("regressed", 4), ("both", 8)):
        centres = []
        for statistics in ("shrunk", "seen"):
            params = {"evidence": evidence, "statistics": statistics}
            method = plugins.create("alignment", "profile", params).fit(both, labels, texts)
            centres.append(method.panel_.bridges[0].judge.centre)
        assert len(centres[0]) == width
        np.testing.assert_array_equal(centres[0][-4:], centres[1][-4:])
        assert evidence == "regressed" or not np.allclose(centres[0][:4], centres[1][:4])


# --- calibration, correlation, constants -----------------------------------------------------------------------------


def test_monotone_calibration_learns_what_a_step_is_worth():
    """Measured is 0 up to step 2 and 1 at step 3: a straight line misplaces every step, a monotone one does not."""
    value = np.tile(np.arange(4.0), 10)[:, None]
    y = np.repeat(np.arange(40), 4)
    found = (value[y] > 2) + 0.01 * np.random.default_rng(0).normal(size=(160, 1))
    options = {"prior": 0.5, "strength": 1.0}
    fit = {
        c: quantities.Judge.fit(value, np.ones_like(value), found, y, calibration=c, **options)
        for c in ("linear", "monotone")
    }
    steps = {c: np.diff(judge.standardise_statement(np.arange(4.0)[:, None])[:, 0]) for c, judge in fit.items()}
    np.testing.assert_allclose(steps["linear"], steps["linear"][0])
    assert steps["monotone"][2] > 5 * steps["monotone"][:2].max()
    assert (steps["monotone"] >= 0).all()
    assert fit["monotone"].agreement[0] > fit["linear"].agreement[0] + 0.1


def test_a_quantity_constant_on_seen_classes_still_speaks_by_the_prior():
    value = np.zeros((4, 2))
    value[:, 0] = [0, 1, 2, 3]
    y = np.repeat(np.arange(4), 5)
    found = value[y] + 0.1 * np.random.default_rng(0).normal(size=(20, 2))
    judge = quantities.Judge.fit(value, np.ones_like(value), found, y, prior=0.5, strength=5.0)
    assert judge.agreement[1] == pytest.approx(0.5)
    asked = np.array([[1.5, 0.0], [1.5, 3.0]])
    assert judge.scores(asked, np.ones((2, 2)), np.array([[1.5, 3.0]]), "cosine").argmax() == 1


def test_what_does_not_matter_does_not_count():
    features, labels, texts = named(["speed", "jump", "turn"])
    form = texts["profile"].copy()
    form[2, 1] = 0
    method = plugins.create("alignment", "profile", {"compare": "cosine"}).fit(features, labels, texts)
    changed = features["profile"].copy()
    changed[:, 1] += 1
    asked = ClassTexts(texts.names, {"profile": form}, texts.units)
    before, after = (
        method.score(Features({"profile": x}, "kinect25", features.attrs), asked)
        for x in (features["profile"], changed)
    )
    np.testing.assert_allclose(before[:, 2], after[:, 2])
    assert not np.allclose(before[:, 1], after[:, 1])


@pytest.mark.parametrize("compare", quantities.COMPARISONS)
def test_a_class_that_states_nothing_scores_nothing(compare):
    features, labels, texts = named(["speed", "jump", "turn"])
    form = texts["profile"].copy()
    form[2] = 0
    method = plugins.create("alignment", "profile", {"compare": compare}).fit(features, labels, texts)
    found = method.score(features, ClassTexts(texts.names, {"profile": form}, texts.units))
    assert (found[:, 2] == 0).all()
    assert (found[labels == 1, 1] > 0).all()


@pytest.mark.parametrize("compare", quantities.COMPARISONS)
def test_an_unknown_measurement_speaks_for_no_class(compare):
    """A form of one quantity, and a recording in which it is unknown but another is not."""
    features, labels, texts = named(["speed", "jump"])
    method = plugins.create("alignment", "profile", {"compare": compare}).fit(features, labels, texts)
    form = texts["profile"].copy()
    form[:, 1, 1] = 0  # speed alone is stated, equally surely everywhere
    blind = features["profile"].copy()
    blind[:, 0] = np.nan
    found = method.score(
        Features({"profile": blind}, "kinect25", features.attrs),
        ClassTexts(texts.names, {"profile": form}, texts.units),
    )
    np.testing.assert_allclose(found, found[:, :1].repeat(len(texts), 1), atol=1e-6)


def test_correlated_quantities_do_not_vote_twice():
    """One quantity five times over, with one error, against another: by covariance both weigh alike."""
    rng = np.random.default_rng(0)
    value = rng.integers(-3, 4, (40, 2)).astype(float)
    y = np.repeat(np.arange(40), 6)
    found = value[y] + rng.normal(size=(len(y), 2))
    copies = [0] * 5 + [1]
    judge = quantities.Judge.fit(value[:, copies], np.ones((40, 6)), found[:, copies], y, prior=0.5, strength=5.0)
    clash = np.array([[2.0, -2.0]])[:, copies]  # measured
    asked = np.array([[2.0, 2.0], [-2.0, -2.0]])[
        :, copies
    ]  # the one agrees with the copies, the other with the single one
    weight = np.ones((2, 6))
    gap = {
        c: np.ptp(judge.scores(asked, weight, clash, c)) / np.abs(judge.terms(asked, weight, clash, c)).sum()
        for c in ("cosine", "gaussian")
    }
    assert gap["gaussian"] < 0.5 * gap["cosine"]


# --- how sure, and why -----------------------------------------------------------------------------------------------


def test_certainty_is_calibrated_roughly(problem):
    method = fitted(problem)
    features, labels = problem.samples(problem.unseen)
    found = method.probabilities(features, problem.texts.select(problem.unseen))
    np.testing.assert_allclose(found.sum(1), 1)
    assert abs(found.max(1).mean() - (found.argmax(1) == labels).mean()) < 0.25
    assert np.isnan(fitted(problem, seen_limit=3).temperature_)


@pytest.mark.parametrize("evidence", ["measured", "regressed", "both"])
@pytest.mark.parametrize("compare", quantities.COMPARISONS)
def test_terms_add_up_to_the_score(problem, evidence, compare):
    method = fitted(problem, evidence=evidence, compare=compare)
    features, _ = problem.samples(problem.unseen)
    asked = problem.texts.select(problem.unseen)
    terms = method.explain(features, asked)
    assert terms.shape == (len(features), len(asked), len(QUANTITIES))
    np.testing.assert_allclose(terms.sum(2), method.score(features, asked), atol=1e-4)


# --- forms for other methods -----------------------------------------------------------------------------------------


def test_forms_become_vectors_by_seen_statistics_alone(problem):
    found = statements.as_vectors(problem.texts, problem.seen)
    assert found["profile"].shape == (len(problem.texts), 1, len(QUANTITIES))
    assert found["label"] is problem.texts["label"]
    form = problem.texts["profile"].copy()
    form[-1] = 3
    changed = ClassTexts(problem.texts.names, {"profile": form}, problem.texts.units)
    np.testing.assert_array_equal(statements.as_vectors(changed, problem.seen)["profile"][:-1], found["profile"][:-1])
    assert (found["profile"][:, 0][problem.texts["profile"][:, :, 1] == 0] == 0).all()


@pytest.mark.parametrize("module", ["ridge", "eszsl", "dvta", "devise"])
def test_other_methods_take_a_profile(problem, module):
    from alignment_toy import PARAMS, QUICK

    quick = {key: QUICK[key] for key in ("epochs",) if module not in ("ridge", "eszsl")}
    params = {**PARAMS.get(module, {}), **quick, "texts": ("profile",)}
    train, labels = problem.samples(problem.seen)
    test, _ = problem.samples(problem.unseen)
    kept = []
    classes = runner.Classes(problem.seen, problem.unseen, problem.texts.names)
    runner.run_seeds(
        module, params, train, labels, test, problem.texts, classes, [0], 1, "cpu",
        lambda seed, epoch, scores, unseen: kept.append(scores),
    )  # fmt: skip
    assert kept[0].shape == (len(test), len(problem.texts))


def test_methods_of_parts_and_phases_say_what_they_need(problem):
    with pytest.raises(UserError, match="name body parts, phases and the global sentence"):
        plugins.create("alignment", "purls", {"texts": ["profile"]})
