"""Several authors of one form: what each deserves, and that unseen classes have no say in it."""

from pathlib import Path

import numpy as np
import pytest
from profile_toy import named

from zssar import plugins, storage
from zssar.alignment import panel
from zssar.errors import UserError
from zssar.interfaces import ClassTexts
from zssar.sweeps import alterations
from zssar.text.answers import Answered, read_answers, write_answers
from zssar.text.describe import describe
from zssar.text.encode import encode_form
from zssar.text.prompts import read_kind

ROOT = Path(__file__).parents[1]
NAMES = list(read_kind(ROOT / "prompts" / "profile.md").units)
SEEN, UNSEEN = 12, 5


def with_authors(wrong=(0.0, 0.0, 0.0), seed=0):
    """(features, labels, texts) of classes whose authors answer at random to these shares of the questions."""
    features, labels, texts = named(NAMES, classes=SEEN + UNSEEN, seed=seed)
    rng = np.random.default_rng([seed, 1])
    authors = []
    for share in wrong:
        value = texts["profile"][..., 0].copy()
        hit = rng.random(value.shape) < share
        other = np.take_along_axis(
            value, rng.permuted(np.tile(np.arange(len(value))[:, None], value.shape[1]), axis=0), 0
        )
        authors.append(np.stack([np.where(hit, other, value), np.ones_like(value)], 2))
    return features, labels, joined(texts, authors)


def joined(texts, authors):
    """Texts whose form is the mean of the authors', as ``forms.statements`` makes it of equally sure ones."""
    arrays = {"profile": np.mean(authors, 0), "profile.authors": np.concatenate(authors, 2)}
    return ClassTexts(
        texts.names, {k: a.astype(np.float32) for k, a in arrays.items()}, dict.fromkeys(arrays, texts.units["profile"])
    )


def fitted(problem, **params):
    features, labels, texts = problem
    rows = np.flatnonzero(labels < SEEN)
    method = plugins.create("alignment", "profile", params)
    return method.fit(features.select(rows), labels[rows], texts.select(texts.names[:SEEN]))


def asked(problem):
    """(recordings of unseen classes, texts of the unseen classes, labels among them)."""
    features, labels, texts = problem
    rows = np.flatnonzero(labels >= SEEN)
    return features.select(rows), texts.select(texts.names[SEEN:]), labels[rows] - SEEN


# --- weights ---------------------------------------------------------------------------------------------------------

SIGNS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], float)  # uncorrelated columns of variance 1


def test_weights_of_independent_errors_are_inverse_variances():
    errors = SIGNS * [1, 2]  # variances 1 and 4
    np.testing.assert_allclose(panel.combination(errors, 10**9), [0.8, 0.2], atol=1e-6)
    # Three classes against the three free numbers of E: variances half way to their mean.
    inverse = 1 / np.array([(1 + 2.5) / 2, (4 + 2.5) / 2])
    np.testing.assert_allclose(panel.combination(errors, 3), inverse / inverse.sum(), atol=1e-6)


def test_an_error_that_all_share_changes_no_weight():
    alone = np.concatenate([SIGNS * [1, 2]] * 2)
    shared = np.repeat([3.0, -3.0], 4)[:, None]  # uncorrelated with the errors of either
    np.testing.assert_allclose(panel.combination(alone + shared, 40), panel.combination(alone, 40), atol=1e-6)


def test_no_weight_is_negative_and_equal_authors_are_equal():
    same = SIGNS[:, :1]
    found = panel.combination(same * [1.0, 3.0], 10**9)  # the free optimum is 1.5, -0.5
    np.testing.assert_allclose(found, [1, 0], atol=1e-6)
    for errors in (same * [1.0, 1.0, 1.0], np.zeros((4, 3)), np.ones((0, 3))):
        np.testing.assert_allclose(panel.combination(errors, 20), np.full(3, 1 / 3), atol=1e-6)
    assert panel.combination(same, 20).tolist() == [1]


def test_few_classes_leave_the_weights_equal():
    errors = np.random.default_rng(0).normal(size=(500, 5)) * [1, 1, 2, 3, 4]
    found = [panel.combination(errors, n) for n in (0, 2, 14, 1000)]
    np.testing.assert_allclose(found[0], np.full(5, 0.2), atol=1e-6)
    distance = [np.abs(w - 0.2).sum() for w in found]
    assert distance == sorted(distance)
    assert (np.diff(found[-1][1:]) < 0).all()


# --- the method ------------------------------------------------------------------------------------------------------


def test_a_panel_of_equals_says_what_their_mean_says():
    problem = with_authors()
    some, texts, _ = asked(problem)
    together = fitted(problem).score(some, texts)
    for authors in ("apart", "weighed"):
        method = fitted(problem, authors=authors)
        np.testing.assert_allclose(method.panel_.trust, np.full(3, 1 / 3), atol=1e-6)
        np.testing.assert_allclose(method.score(some, texts), together, atol=1e-5)


def test_an_author_who_answers_at_random_is_not_listened_to():
    right = {name: [] for name in panel.PANELS}
    for seed in range(4):
        problem = with_authors((1.0, 0.1, 0.9), seed)
        some, texts, y = asked(problem)
        for authors in panel.PANELS:
            method = fitted(problem, authors=authors, groups=["rhythm", "travel"])
            right[authors].append((method.score(some, texts).argmax(1) == y).mean())
        assert method.panel_.trust.argmax() == 1
        assert method.panel_.trust[1] > 0.6
    assert np.mean(right["weighed"]) > np.mean(right["together"]) + 0.05


@pytest.mark.parametrize("compare", ["joint", "cosine", "gaussian"])
def test_what_is_said_of_an_unseen_class_moves_its_own_column_alone(compare):
    problem = with_authors((0.6, 0.1, 0.3))
    features, labels, texts = problem
    some, told, _ = asked(problem)
    before = fitted(problem, authors="weighed", compare=compare)
    authors = np.split(texts["profile.authors"].copy(), 3, 2)
    authors[1][SEEN + 2, :, 0] = -authors[1][SEEN + 2, ::-1, 0]
    changed = joined(texts, authors)
    after = fitted((features, labels, changed), authors="weighed", compare=compare)
    np.testing.assert_array_equal(after.panel_.trust, before.panel_.trust)
    one, other = before.score(some, told), after.score(some, changed.select(told.names))
    kept = np.arange(UNSEEN) != 2
    np.testing.assert_array_equal(one[:, kept], other[:, kept])
    assert not np.allclose(one[:, 2], other[:, 2])
    # Nor do other recordings of unseen classes have a say.
    few = some.select(np.arange(3))
    np.testing.assert_allclose(before.score(few, told), one[:3], atol=1e-6)


@pytest.mark.parametrize(
    "params", [{"authors": "apart"}, {"authors": "weighed"}, {"authors": "weighed", "transfer": True}]
)
def test_terms_add_up_and_a_model_comes_back(params):
    problem = with_authors((0.6, 0.1, 0.3))
    some, texts, _ = asked(problem)
    method = fitted(problem, **params)
    scores = method.score(some, texts)
    np.testing.assert_allclose(method.explain(some, texts).sum(2), scores, atol=1e-4)
    assert np.isfinite(method.probabilities(some, texts)).all()
    again = plugins.create("alignment", "profile", params)
    again.restore(method.state())
    np.testing.assert_allclose(again.score(some, texts), scores, atol=1e-6)


def test_groups_seen_limit_noise_and_published_statistics_work_with_authors():
    problem = with_authors((0.6, 0.1, 0.3))
    some, texts, y = asked(problem)
    for params in ({"groups": ["reach"]}, {"seen_limit": 3}, {"noise": 0.5}):
        method = fitted(problem, authors="weighed", **params)
        assert (method.score(some, texts).argmax(1) == y).mean() > 0.3
    assert method.panel_.trust.argmax() == 1
    published = fitted(problem, authors="apart", statistics="published")
    assert np.isfinite(published.score(some, texts)).all()


def test_what_cannot_be_weighed_is_said():
    for params in ({"statistics": "published"}, {"evidence": "both"}):
        with pytest.raises(UserError, match="authors='weighed'"):
            plugins.create("alignment", "profile", {"authors": "weighed", **params})
    with pytest.raises(UserError, match="together"):
        plugins.create("alignment", "profile", {"authors": "all"})
    features, labels, texts = with_authors()
    mean = ClassTexts(texts.names, {"profile": texts["profile"]}, {"profile": texts.units["profile"]})
    with pytest.raises(UserError, match="answers:"):
        fitted((features, labels, mean), authors="apart")


def test_an_altered_form_leaves_no_unaltered_authors():
    _, _, texts = with_authors()
    groups = dict.fromkeys(NAMES, "effort")
    rng = np.random.default_rng(0)
    for axis, value in (("noise", 1.0), ("wrong", 0.5), ("quantities", 4)):
        _, altered = alterations.alter(axis, value, None, texts, groups, rng)
        assert list(altered.embeddings) == ["profile"]


# --- from answers to texts -------------------------------------------------------------------------------------------


def test_a_source_of_several_authors_keeps_what_each_said(tmp_path):
    kind = read_kind(ROOT / "prompts" / "profile.md")
    classes = [line.name for line in read_answers(ROOT / "prompts" / "frozen" / "sim" / "profile.jsonl")]
    frozen, found = ROOT / "prompts" / "frozen" / "sim", {}
    for name, authors in {"all": ["", "second", "fourth"], "first": [""], "second": ["second"]}.items():
        lines = describe(kind, classes, name, {"answers": authors}, frozen, tmp_path / "unused.jsonl")
        write_answers(tmp_path / f"{name}.jsonl", lines)
        encode_form(kind, read_answers(tmp_path / f"{name}.jsonl"), tmp_path / f"{name}.h5")
        found[name] = storage.read_texts({"profile": tmp_path / f"{name}.h5"})
    assert list(found["first"].embeddings) == ["profile"]
    apart = found["all"]["profile.authors"]
    np.testing.assert_array_equal(apart[..., :2], found["first"]["profile"])
    np.testing.assert_array_equal(apart[..., 2:4], found["second"]["profile"])
    assert apart.shape == (len(classes), len(NAMES), 6)
    assert found["all"].units["profile.authors"] == tuple(NAMES)
    assert '"draws": [2, 1, 3]' in (tmp_path / "all.jsonl").read_text()
    assert '"draws"' not in (tmp_path / "first.jsonl").read_text()


def test_classes_with_answers_of_different_authors_are_refused(tmp_path):
    kind = read_kind(ROOT / "prompts" / "profile.md")
    lines = read_answers(ROOT / "prompts" / "frozen" / "sim" / "profile.jsonl")[:2]
    lines[0] = lines[0].model_copy(update={"draws": [1, 1]})
    with pytest.raises(UserError, match="1 authors, the first class of 2"):
        encode_form(kind, lines, tmp_path / "x.h5")
    with pytest.raises(ValueError, match="do not add up"):
        Answered(index=0, name="a", answers=[{"mood": "good"}], draws=[2])
