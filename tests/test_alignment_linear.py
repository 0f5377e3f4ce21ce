"""ESZSL, ridge and nearest class mean against their formulas; the shared loop against its promises."""

from __future__ import annotations

import alignment_toy
import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import Ridge as SklearnRidge
from torch import nn

from zssar.alignment import layers, linear, loops
from zssar.alignment.eszsl import ESZSL
from zssar.alignment.nearest_mean import NearestMean
from zssar.alignment.ridge import Ridge
from zssar.errors import UserError
from zssar.interfaces import Features


@pytest.fixture(scope="module")
def toy():
    return alignment_toy.toy()


@pytest.fixture(scope="module")
def problem(toy):
    """(training features, labels, standardised x (n, D), unit seen texts (S, dim), unseen features, unseen texts)."""
    features, labels = toy.samples(toy.seen)
    x = features["pooled"].astype(np.float64)
    return (
        features,
        labels,
        (x - x.mean(0)) / x.std(0),
        layers.class_vectors(toy.texts.select(toy.seen), ("label",)).astype(np.float64),
        toy.samples(toy.unseen)[0],
        toy.texts.select(toy.unseen),
    )


def standardised(features, unseen):
    x = features["pooled"].astype(np.float64)
    return (unseen["pooled"].astype(np.float64) - x.mean(0)) / x.std(0)


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 1.0), (100.0, 0.1)])
def test_eszsl_equation_3_with_inverses_written_out(gamma, lam, toy, problem):
    features, labels, rows, s_rows, unseen, texts = problem
    x, s = rows.T, s_rows.T  # the paper's orientation: X (d, m), S (a, z)
    y = np.full((x.shape[1], s.shape[1]), -1.0)
    y[np.arange(len(labels)), labels] = 1.0
    v = np.linalg.inv(x @ x.T + gamma * np.eye(len(x))) @ x @ y @ s.T @ np.linalg.inv(s @ s.T + lam * np.eye(len(s)))
    expected = standardised(features, unseen) @ v @ layers.class_vectors(texts, ("label",)).T
    method = ESZSL(gamma=gamma, lam=lam).fit(features, labels, toy.texts.select(toy.seen))
    np.testing.assert_allclose(method.score(unseen, texts), expected, rtol=1e-4, atol=1e-5)


def test_ridge_map_equals_scikit_learn(toy, problem):
    features, labels, x, t, _, _ = problem
    method = Ridge(alpha=0.3).fit(features, labels, toy.texts.select(toy.seen))
    target = layers.unit(t - t.mean(0))[labels]
    reference = SklearnRidge(alpha=0.3 * len(x), fit_intercept=False).fit(x, target)
    np.testing.assert_allclose(method.map_, reference.coef_.T, rtol=1e-4, atol=1e-6)


def test_ridge_concat_averages_the_cosines_of_single_units(toy, problem):
    features, labels, _, _, unseen, texts = problem
    seen = toy.texts.select(toy.seen)

    def scores(**params):
        return Ridge(**params).fit(features, labels, seen).score(unseen, texts)

    apart = [scores(texts=(kind,)) for kind in ("label", "global")]
    together = scores(texts=("label", "global"), fusion="concat")
    np.testing.assert_allclose(together, np.mean(apart, 0), atol=1e-5)
    assert not np.allclose(together, scores(texts=("label", "global")), atol=1e-3)


def test_ridge_takes_parts_and_phases(toy, problem):
    features, labels, _, _, unseen, texts = problem
    method = Ridge(views=["pooled", "parts4", "phases"], texts=["label", "parts4", "phases"], fusion="concat")
    method.fit(features, labels, toy.texts.select(toy.seen))
    assert len(method.map_) == alignment_toy.CHANNELS * (1 + 4 + 3)
    assert (method.score(unseen, texts).argmax(1) == toy.samples(toy.unseen)[1]).mean() > 0.6


def test_nearest_mean_equation_3_of_conse_for_one_sample(toy, problem):
    features, labels, x, t, unseen, texts = problem
    method = NearestMean(top=3, temperature=0.5).fit(features, labels, toy.texts.select(toy.seen))
    sample = standardised(features, unseen)[0]
    means = np.stack([x[labels == c].mean(0) for c in range(len(t))])
    near = means @ sample / np.linalg.norm(means, axis=1) / np.linalg.norm(sample)
    best = np.argsort(-near)[:3]
    mixed = softmax(near[best] / 0.5) @ (t - t.mean(0))[best]
    candidates = layers.class_vectors(texts, ("label",)) - t.mean(0)
    expected = layers.unit(candidates) @ (mixed / np.linalg.norm(mixed))
    np.testing.assert_allclose(method.score(unseen, texts)[0], expected, atol=1e-5)


@pytest.mark.parametrize("method", [ESZSL(), Ridge(), NearestMean()], ids=lambda m: type(m).__name__)
def test_statistics_come_from_training_rows_and_seen_texts_only(method, toy, problem):
    features, labels, _, _, unseen, texts = problem
    state = method.fit(features, labels, toy.texts.select(toy.seen)).state()
    method.score(unseen, texts)
    for key, value in method.state().items():
        assert torch.equal(value, state[key])
    np.testing.assert_allclose(state["mean"], features["pooled"].mean(0), rtol=1e-5)


def test_a_constant_feature_column_changes_nothing(toy, problem):
    features, labels, _, _, unseen, texts = problem

    def padded(given):
        return Features({"pooled": np.pad(given["pooled"], ((0, 0), (0, 1)), constant_values=3.0)}, "kinect25")

    for cls in (ESZSL, Ridge, NearestMean):
        plain = cls().fit(features, labels, toy.texts.select(toy.seen)).score(unseen, texts)
        more = cls().fit(padded(features), labels, toy.texts.select(toy.seen)).score(padded(unseen), texts)
        np.testing.assert_allclose(more, plain, atol=1e-5)


def test_other_views_than_those_fitted_are_refused(toy):
    with pytest.raises(UserError, match=r"parts4.*fitted on 24"):
        linear.flat(toy.features, ("parts4",), 24)


# --- the loop --------------------------------------------------------------------------------------------------------


class Probe:
    seed = 0


def run(epochs=3, n=10, size=4, **more):
    """Trains one weight with gradient 1; returns (learning rates of all steps, batches, module)."""
    module, rates, seen = nn.Linear(1, 1, bias=False), [], []
    optimizer = loops.adam([{"params": list(module.parameters())}], lr=0.1)

    def loss(rows):
        assert module.training
        rates.append(optimizer.param_groups[0]["lr"])
        seen.append(rows.tolist())
        return module.weight.sum()

    generator = torch.Generator().manual_seed(0)
    loops.train(Probe(), module, loss, optimizer, n=n, epochs=epochs, batch_size=size, generator=generator, **more)
    return rates, seen, module


def test_every_epoch_passes_once_over_all_rows_in_a_new_order():
    _, seen, module = run()
    epochs = [[row for batch in seen[3 * e : 3 * e + 3] for row in batch] for e in range(3)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 3
    assert epochs[0] != epochs[1]
    assert not module.training


def test_a_last_batch_of_one_is_left_out_unless_it_is_all_there_is():
    assert [len(rows) for rows in run(epochs=1, n=9)[1]] == [4, 4]
    assert [len(rows) for rows in run(epochs=1, n=1)[1]] == [1]


def test_min_steps_lengthens_epochs_and_leaves_schedules_alone():
    rates, seen, _ = run(min_steps=20, schedule=lambda epoch: [0.0, 1.0, 0.5][epoch])  # 3 batches a pass, 3 epochs
    assert rates == [0.0] * 7 + [0.1] * 7 + [0.05] * 7  # 21 updates, the fewest above 20
    passes = [sorted(row for batch in seen[3 * p : 3 * p + 3] for row in batch) for p in range(7)]
    assert passes == [list(range(10))] * 7  # an epoch goes on where the last one ended within a pass
    assert seen[:3] != seen[3:6]


def test_min_steps_changes_nothing_where_there_are_enough():
    assert [run(min_steps=steps)[1] for steps in (0, 9)] == [run()[1]] * 2
    assert loops.epoch_steps(40_000, 128, 100, 5_000) == 313
    assert loops.epoch_steps(300, 128, 100, 5_000) == 50  # 3 batches a pass
    assert [loops.epoch_steps(n, 4, 1, 6) for n in (1, 9, 10)] == [6] * 3
    assert [loops.epoch_steps(n, 4, 1, 0) for n in (1, 9, 10)] == [1, 2, 3]  # a last batch of one does not count


def test_batches_of_one_are_refused_and_not_waited_for():
    with pytest.raises(UserError, match="batch_size=1: with one sample"):
        run(size=1)
    assert run(epochs=1, n=1, size=1)[1] == [[0]]


def test_schedule_multiplies_the_rate_of_each_epoch():
    rates, _, _ = run(schedule=lambda epoch: [0.0, 1.0, 0.5][epoch])
    assert rates == [0.0] * 3 + [0.1] * 3 + [0.05] * 3


def test_validation_sets_the_rate_of_the_epochs_to_come():
    answers = iter([1.0, 0.1, 0.01])
    rates, _, _ = run(validate=lambda: next(answers))
    assert rates == pytest.approx([0.1] * 6 + [0.01] * 3)


def test_watch_follows_reduce_on_plateau():
    values = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]
    feed = iter(values)
    watch = loops.Watch(lambda: next(feed), "min", patience=2, cooldown=1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=2, cooldown=1)
    stale = []
    for value in values:
        factor = watch()
        reference.step(value)
        assert factor == optimizer.param_groups[0]["lr"]
        stale.append(watch.stale)
    assert factor < 1.0
    assert stale == [0, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5]


def test_holdout_takes_the_share_of_every_class_and_never_its_last_sample():
    labels = np.repeat([0, 1, 2], [20, 10, 1])
    kept, held = (rows.numpy() for rows in loops.holdout_rows(labels, 0.2, 0))
    assert sorted([*kept, *held]) == list(range(31))
    assert np.bincount(labels[held], minlength=3).tolist() == [4, 2, 0]
    assert not np.array_equal(held, loops.holdout_rows(labels, 0.2, 1)[1].numpy())
    assert len(loops.holdout_rows(labels, 0.0, 0)[1]) == 0
    with pytest.raises(UserError, match="two training samples"):
        loops.holdout_rows(np.arange(3), 0.2, 0)


def test_groups_of_one_adam_equal_separate_optimisers():
    torch.manual_seed(0)
    one, two = nn.Linear(3, 2), nn.Linear(3, 2)
    one_, two_ = nn.Linear(3, 2), nn.Linear(3, 2)
    one_.load_state_dict(one.state_dict())
    two_.load_state_dict(two.state_dict())
    grouped = loops.adam(
        [{"params": list(one.parameters())}, {"params": list(two.parameters()), "weight_decay": 0.1}], 0.01
    )
    apart = [torch.optim.Adam(one_.parameters(), 0.01), torch.optim.Adam(two_.parameters(), 0.01, weight_decay=0.1)]
    x = torch.randn(4, 3)
    for _ in range(5):
        loops.step(grouped, (one(x) + two(x)).square().sum())
        for optimizer in apart:
            optimizer.zero_grad()
        (one_(x) + two_(x)).square().sum().backward()
        for optimizer in apart:
            optimizer.step()
    for a, b in zip([*one.parameters(), *two.parameters()], [*one_.parameters(), *two_.parameters()]):
        torch.testing.assert_close(a, b)
