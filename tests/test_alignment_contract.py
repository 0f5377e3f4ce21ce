"""The promises every alignment method keeps, run on every module found in ``zssar.alignment``."""

from __future__ import annotations

import inspect
import io

import alignment_toy
import numpy as np
import pytest
import torch

from zssar import plugins
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features

METHODS = plugins.names("alignment")
CLOSE = {"rtol": 1e-3, "atol": 2e-5}


@pytest.fixture(scope="module")
def toy():
    return alignment_toy.toy()


def make(name, **params):
    return plugins.create("alignment", name, {**alignment_toy.PARAMS.get(name, {}), **params})


def quick(name, **params):
    """A method that fits in a moment, for promises that do not ask it to be good."""
    fast = {key: value for key, value in alignment_toy.QUICK.items() if key in _taken(name)}
    return make(name, **{**fast, **params})


def _taken(name):
    return plugins.load("alignment", name).__init__.__kwdefaults__


def fit(method, toy, names=None, after_epoch=None):
    names = names or toy.seen
    features, labels = toy.samples(names)
    more = {"all_texts": toy.texts} if method.uses_unseen_texts else {}
    return method.fit(features, labels, toy.texts.select(names), after_epoch, **more)


def score(method, features, texts):
    result = method.score(features, texts)
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.float32
    assert result.shape == (len(features), len(texts))
    assert np.isfinite(result).all()
    return result


@pytest.fixture(scope="module", params=METHODS)
def good(request, toy):
    """(name, method fitted with the toy's parameters)."""
    return request.param, fit(make(request.param), toy)


@pytest.fixture(scope="module", params=METHODS)
def fast(request, toy):
    """(name, method fitted for a moment)."""
    return request.param, fit(quick(request.param), toy)


def test_at_least_the_closed_form_methods_are_found():
    assert {"devise", "eszsl", "global_"} <= set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_parameters_are_keyword_only_with_defaults_and_kept_under_their_names(name):
    cls = plugins.load("alignment", name)
    code = cls.__init__.__code__
    assert code.co_argcount == 1, "all parameters must be keyword-only"
    defaults = _taken(name)
    assert set(defaults) == set(code.co_varnames[1 : 1 + code.co_kwonlyargcount]), "every parameter needs a default"
    assert {"texts", "seed", "device"} <= set(defaults)
    method = cls()
    for key, value in defaults.items():
        kept = getattr(method, key)
        assert kept == value or kept == (value,), key


@pytest.mark.parametrize("name", METHODS)
def test_lists_from_json_are_taken_as_tuples(name):
    default = _taken(name)["texts"]
    assert plugins.create("alignment", name, {"texts": list(default)}).texts == tuple(default)


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_parameter_is_refused_by_name(name):
    with pytest.raises(UserError, match="learning_rate"):
        plugins.create("alignment", name, {"learning_rate": 1})


def test_transfers_to_unseen_classes(good, toy):
    _, method = good
    features, labels = toy.samples(toy.unseen)
    predicted = score(method, features, toy.texts.select(toy.unseen)).argmax(1)
    assert (predicted == labels).mean() > alignment_toy.CHANCE + 0.35


def test_columns_follow_the_class_order(good, toy):
    _, method = good
    features, _ = toy.samples(toy.unseen)
    names = list(toy.unseen)
    turned = [names[i] for i in (2, 0, 3, 1)]
    straight = score(method, features, toy.texts.select(names))
    np.testing.assert_allclose(score(method, features, toy.texts.select(turned)), straight[:, [2, 0, 3, 1]], **CLOSE)


def test_a_sample_scores_the_same_alone_and_in_any_order(good, toy):
    _, method = good
    features, _ = toy.samples(toy.unseen)
    texts = toy.texts.select(toy.unseen)
    whole = score(method, features, texts)
    for row in (0, len(features) - 1):
        np.testing.assert_allclose(score(method, features.select([row]), texts)[0], whole[row], **CLOSE)
    order = np.random.default_rng(1).permutation(len(features))
    np.testing.assert_allclose(score(method, features.select(order), texts), whole[order], **CLOSE)


def test_labels_beside_the_features_change_no_bit(fast, toy):
    _, method = fast
    features, labels = toy.samples(toy.unseen)
    texts = toy.texts.select(toy.unseen)

    def with_labels(values):
        attrs = {"label": values.tolist(), "seen": [0, 1]}
        return Features({**features.views, "label": values}, features.layout, attrs)

    truth, flipped = with_labels(labels), with_labels(labels.max() - labels)
    assert np.array_equal(score(method, truth, texts), score(method, flipped, texts))


def test_scores_of_a_class_ignore_the_other_classes(fast, toy):
    name, method = fast
    if not method.pairwise:
        pytest.skip(f"{name} trains a classifier for the classes asked (pairwise = False)")
    features, _ = toy.samples(toy.unseen)
    everything = score(method, features, toy.texts)
    few = score(method, features, toy.texts.select(toy.unseen))
    np.testing.assert_allclose(few, everything[:, -len(toy.unseen) :], **CLOSE)


def test_any_number_of_classes_can_be_asked(fast, toy):
    _, method = fast
    features, _ = toy.samples(toy.unseen)
    for names in (toy.unseen[:1], toy.unseen[:2], toy.texts.names):
        score(method, features, toy.texts.select(names))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", METHODS)
def test_fits_on_very_few_classes(name, count, toy):
    method = fit(quick(name), toy, toy.seen[:count])
    features, _ = toy.samples(toy.unseen)
    score(method, features, toy.texts.select(toy.unseen))


@pytest.mark.parametrize("name", METHODS)
def test_only_methods_that_declare_it_can_be_given_unseen_texts(name):
    """``fit`` gets the texts of seen classes; a method that wants more says so by ``uses_unseen_texts``."""
    parameters = list(inspect.signature(plugins.load("alignment", name).fit).parameters)
    assert parameters[:5] == ["self", "features", "labels", "texts", "after_epoch"]
    assert set(parameters[5:]) <= {"all_texts"}
    if quick(name).uses_unseen_texts:
        assert parameters[5:] == ["all_texts"]


def test_saved_and_loaded_scores_are_equal(fast, toy):
    name, method = fast
    file = io.BytesIO()
    torch.save(method.state(), file)
    file.seek(0)
    loaded = quick(name)
    loaded.restore(torch.load(file, weights_only=True))
    features, _ = toy.samples(toy.unseen)
    texts = toy.texts.select(toy.unseen)
    assert np.array_equal(score(loaded, features, texts), score(method, features, texts))


def test_state_is_flat_and_does_not_follow_later_training(fast, toy):
    name, method = fast
    before = method.state()
    assert all(isinstance(v, torch.Tensor | int | float | str | bool) for v in before.values())
    kept = {key: v.clone() if isinstance(v, torch.Tensor) else v for key, v in before.items()}
    again = quick(name, seed=5)
    again.restore(before)
    fit(again, toy)
    for key, value in before.items():
        assert torch.equal(value, kept[key]) if isinstance(value, torch.Tensor) else value == kept[key]


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_scores_other_seed_other_scores(name, toy):
    features, _ = toy.samples(toy.unseen)
    texts = toy.texts.select(toy.unseen)
    torch.manual_seed(123)
    first = score(fit(quick(name), toy), features, texts)
    torch.manual_seed(456)
    assert np.array_equal(first, score(fit(quick(name), toy), features, texts))
    other = score(fit(quick(name, seed=1), toy), features, texts)
    random = "epochs" in _taken(name) or "cycles" in _taken(name)
    assert np.array_equal(first, other) != random


@pytest.mark.parametrize("name", [name for name in METHODS if "min_steps" in _taken(name)])
def test_more_steps_are_longer_epochs_not_more_of_them(name, toy):
    features, _ = toy.samples(toy.unseen)
    texts = toy.texts.select(toy.unseen)
    looks, method = [], quick(name, min_steps=40)
    fit(method, toy, after_epoch=lambda _, epoch: looks.append(epoch))
    assert looks == list(range(1, method.epochs + 1))
    assert not np.array_equal(score(method, features, texts), score(fit(quick(name), toy), features, texts))


@pytest.mark.parametrize("name", METHODS)
def test_a_second_fit_forgets_the_first(name, toy):
    features, _ = toy.samples(toy.unseen)
    texts = toy.texts.select(toy.unseen)
    method = fit(quick(name), toy, toy.seen[:3])
    assert np.array_equal(score(fit(method, toy), features, texts), score(fit(quick(name), toy), features, texts))


@pytest.mark.parametrize("name", METHODS)
def test_scoring_after_every_epoch_changes_nothing(name, toy):
    features, _ = toy.samples(toy.unseen)
    texts = toy.texts.select(toy.unseen)
    quiet = score(fit(quick(name), toy), features, texts)
    looks = []

    def look(method, epoch):
        torch.rand(7)
        looks.append((epoch, score(method, features, texts)))

    watched = fit(quick(name), toy, after_epoch=look)
    assert [epoch for epoch, _ in looks] == list(range(1, watched.epochs + 1))
    final = score(watched, features, texts)
    assert np.array_equal(final, quiet)
    assert np.array_equal(final, looks[-1][1])
    if watched.epochs > 1:
        assert not np.array_equal(looks[0][1], final)


def test_scoring_leaves_model_and_random_state_alone(fast, toy):
    _, method = fast
    features, _ = toy.samples(toy.unseen)
    texts = toy.texts.select(toy.unseen)
    torch.manual_seed(7)
    np.random.seed(7)
    before, state = torch.get_rng_state(), np.random.get_state()[1].copy()
    weights = method.state()
    first = score(method, features, texts)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], state)
    for key, value in method.state().items():
        assert torch.equal(value, weights[key]) if isinstance(value, torch.Tensor) else value == weights[key]
    assert np.array_equal(score(method, features, texts), first)


@pytest.mark.parametrize("name", METHODS)
def test_fitting_leaves_the_callers_random_state_alone(name, toy):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    fit(quick(name), toy)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", METHODS)
def test_fit_returns_the_method(name, toy):
    method = quick(name)
    assert fit(method, toy) is method


@pytest.mark.parametrize("name", METHODS)
def test_a_missing_text_kind_is_named(name, toy):
    method = quick(name)
    for kind in method.texts:
        kept = {k: e for k, e in toy.texts.embeddings.items() if k != kind}
        poor = ClassTexts(toy.texts.names, kept, toy.texts.units)
        features, labels = toy.samples(toy.seen)
        more = {"all_texts": poor} if method.uses_unseen_texts else {}
        with pytest.raises(UserError, match=repr(kind)):
            method.fit(features, labels, poor.select(toy.seen), **more)


@pytest.mark.parametrize("name", METHODS)
def test_a_missing_view_is_named(name, toy):
    method = quick(name)
    features, labels = toy.samples(toy.seen)
    for view in method.views:
        poor = Features({k: v for k, v in features.views.items() if k != view}, features.layout)
        with pytest.raises(UserError, match=repr(view)):
            method.fit(poor, labels, toy.texts.select(toy.seen))


@pytest.mark.parametrize("name", METHODS)
def test_a_view_of_the_wrong_rank_is_named(name, toy):
    method = quick(name)
    features, labels = toy.samples(toy.seen)
    view = method.views[0]
    bad = Features({**features.views, view: np.zeros((len(features), 2, 2, 2, 2), np.float32)}, features.layout)
    with pytest.raises(UserError, match=repr(view)):
        method.fit(bad, labels, toy.texts.select(toy.seen))


@pytest.mark.parametrize("where", ["fit", "score"])
@pytest.mark.parametrize("name", METHODS)
def test_nan_features_are_named(name, where, toy):
    method = quick(name)
    features, labels = toy.samples(toy.seen)
    view = method.views[0]
    broken = features.views[view].copy()
    broken[3] = np.nan
    bad = Features({**features.views, view: broken}, features.layout)
    if where == "fit":
        with pytest.raises(UserError, match=f"{view!r}.*NaN"):
            method.fit(bad, labels, toy.texts.select(toy.seen))
    else:
        fit(method, toy)
        with pytest.raises(UserError, match=f"{view!r}.*NaN"):
            method.score(bad, toy.texts.select(toy.unseen))


def test_features_of_another_backbone_are_refused(fast, toy):
    _, method = fast
    wide = {v: np.repeat(a, 2, axis=1 if a.ndim in (2, 4) else 2) for v, a in toy.features.views.items()}
    with pytest.raises(UserError, match=r"fitted on"):
        method.score(Features(wide, toy.features.layout), toy.texts.select(toy.unseen))


def test_texts_of_another_encoder_are_refused(fast, toy):
    _, method = fast
    wide = {kind: np.repeat(e, 2, axis=2) for kind, e in toy.texts.embeddings.items()}
    with pytest.raises(UserError, match=r"fitted on"):
        method.score(toy.features, ClassTexts(toy.texts.names, wide, toy.texts.units))


@pytest.mark.parametrize("name", METHODS)
def test_nan_texts_are_named(name, toy):
    method = quick(name)
    kind = method.texts[0]
    broken = toy.texts[kind].copy()
    broken[1] = np.nan
    bad = ClassTexts(toy.texts.names, {**toy.texts.embeddings, kind: broken}, toy.texts.units)
    features, labels = toy.samples(toy.seen)
    more = {"all_texts": bad} if method.uses_unseen_texts else {}
    with pytest.raises(UserError, match=f"{kind!r}.*action 01"):
        method.fit(features, labels, bad.select(toy.seen), **more)


@pytest.mark.parametrize("name", METHODS)
def test_bad_labels_are_named(name, toy):
    features, labels = toy.samples(toy.seen)
    texts = toy.texts.select(toy.seen)
    for bad, word in ((labels[:-1], "labels"), (labels + 1, r"\[20\]"), (labels.astype(float), "float")):
        with pytest.raises(UserError, match=word):
            quick(name).fit(features, bad, texts)
    with pytest.raises(UserError, match="no training sample"):
        quick(name).fit(features.select(np.zeros(0, int)), labels[:0], texts)


@pytest.mark.parametrize("name", METHODS)
def test_an_unfitted_method_says_so(name, toy):
    for ask in (lambda: quick(name).score(toy.features, toy.texts), lambda: quick(name).state()):
        with pytest.raises(UserError, match="learned nothing"):
            ask()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", METHODS)
def test_fits_and_scores_on_a_gpu(name, toy):
    features, labels = toy.samples(toy.unseen)
    texts = toy.texts.select(toy.unseen)
    method = fit(make(name, device="cuda:0"), toy)
    assert (score(method, features, texts).argmax(1) == labels).mean() > alignment_toy.CHANCE + 0.35
    back = make(name)
    back.restore(method.state())
    if method.pairwise:
        np.testing.assert_allclose(score(back, features, texts), score(method, features, texts), rtol=1e-2, atol=1e-3)
