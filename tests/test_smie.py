"""SMIE against the paper's estimate, its parameter count and the released scoring path."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from zssar.alignment.pairs import PairNetwork
from zssar.alignment.smie import SMIE, jensen_shannon, norm
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features
from zssar.training import warmup_cosine

D, DIM, CLASSES, SAMPLES = 12, 16, 5, 60


def problem(seed=0):
    rng = np.random.default_rng(seed)
    texts = ClassTexts(
        tuple(f"class {c}" for c in range(CLASSES)),
        {"description": rng.standard_normal((CLASSES, 1, DIM)).astype(np.float32)},
    )
    labels = rng.integers(0, CLASSES, SAMPLES)
    pooled = texts["description"][labels, 0] @ rng.standard_normal((DIM, D)) + 0.3 * rng.standard_normal((SAMPLES, D))
    masked = pooled + rng.standard_normal((SAMPLES, D))
    views = {"pooled": pooled.astype(np.float32), "pooled_masked": masked.astype(np.float32)}
    return Features(views, "kinect25"), labels, texts


def small(**changes):
    return SMIE(**{"epochs": 3, "batch_size": 16, "lr": 1e-3, "warmup": 1, "hidden": (24, 20), **changes})


def with_critic(**changes):
    torch.manual_seed(0)
    method = small(**changes)
    method.critic_ = PairNetwork(D, DIM, method.hidden)
    return method


def test_parameter_count_at_256_and_768():
    assert sum(p.numel() for p in PairNetwork(256, 768, SMIE().hidden).parameters()) == 1_574_913


def test_learning_rate_multipliers_of_the_released_schedule():
    got = [warmup_cosine(epoch, SMIE().epochs, SMIE().warmup) for epoch in (0, 1, 14, 15, 57, 99)]
    assert got == pytest.approx([0, 1 / 15, 14 / 15, 1, 0.51, 0.0003], abs=0.005)


def test_jensen_shannon_estimate_by_hand():
    """JS mutual information: E[-sp(-D)] over matching minus E[sp(D)] over shuffled pairs."""
    matching, shuffled = torch.tensor([0.0, math.log(3)]), torch.tensor([0.0, -math.log(3)])
    expected = -(math.log(2) + math.log(4 / 3)) / 2 - (math.log(2) + math.log(4 / 3)) / 2
    assert jensen_shannon(matching, shuffled).item() == pytest.approx(expected)
    assert jensen_shannon(torch.tensor([30.0]), torch.tensor([-30.0])).item() == pytest.approx(0, abs=1e-6)  # the top


def test_vector_track_loss_is_minus_the_estimate_with_the_batch_moved_by_one():
    method = with_critic()
    x, t = torch.randn(3, D), torch.randn(3, DIM)
    f = F.layer_norm(x, (D,))
    matching = torch.stack([method.critic_(f[i], t[i]) for i in range(3)])
    shuffled = torch.stack([method.critic_(f[(i + 1) % 3], t[i]) for i in range(3)])
    assert method.batch_loss(x, t).item() == pytest.approx(-jensen_shannon(matching, shuffled).item(), rel=1e-5)


@pytest.mark.parametrize("margin", [0.1, -1.0])
def test_temporal_track_adds_the_hinge_on_masked_information(margin):
    method = with_critic(temporal=True, margin=margin)
    x, masked, t = torch.randn(4, D), torch.randn(4, D), torch.randn(4, DIM)
    shuffled = method.critic_(norm(x).roll(-1, 0), t)
    full = jensen_shannon(method.critic_(norm(x), t), shuffled)
    less = jensen_shannon(method.critic_(norm(masked), t), shuffled)  # negatives stay unmasked
    expected = -full + 0.5 * max(0.0, margin - (full - less).item())
    assert method.batch_loss(x, t, masked).item() == pytest.approx(expected.item(), rel=1e-5)


def test_temporal_track_without_masked_features_says_what_to_do():
    features, labels, texts = problem()
    plain = Features({"pooled": features["pooled"]}, "kinect25")
    with pytest.raises(UserError, match=r"pooled_masked.*temporal"):
        small(temporal=True).fit(plain, labels, texts)


def test_every_batch_takes_one_draw_of_the_masked_features(monkeypatch):
    features, labels, texts = problem()
    several = np.stack([features["pooled_masked"] + 100.0 * draw for draw in range(4)], 1)
    seen = []
    monkeypatch.setattr(SMIE, "batch_loss", lambda self, x, t, m: seen.append(m) or self.critic_(x, t).mean())
    method = small(temporal=True, epochs=10)
    method.fit(Features({"pooled": features["pooled"], "pooled_masked": several}, "kinect25"), labels, texts)
    drawn = [sorted({round(row.mean().item() / 100) for row in masked}) for masked in seen]
    assert all(len(draws) == 1 for draws in drawn)  # positions are common to the batch
    assert {draws[0] for draws in drawn} == {0, 1, 2, 3}


def test_a_single_draw_may_come_without_its_axis():
    features, labels, texts = problem()
    single = Features({"pooled": features["pooled"], "pooled_masked": features["pooled_masked"][:, None]}, "kinect25")
    one, other = (small(temporal=True).fit(f, labels, texts).score(f, texts) for f in (features, single))
    assert np.array_equal(one, other)


def test_temporal_track_learns_and_differs():
    features, labels, texts = problem()
    settings = {"epochs": 40, "lr": 3e-3}
    plain = small(**settings).fit(features, labels, texts).score(features, texts)
    method = small(**settings, temporal=True)
    assert method.views == ("pooled", "pooled_masked")
    scores = method.fit(features, labels, texts).score(features, texts)
    assert (scores.argmax(1) == labels).mean() > 0.8
    assert not np.allclose(scores, plain)


def test_factorised_scores_equal_the_plain_critic_and_order_as_the_released_rule():
    features, labels, texts = problem()
    method = small().fit(features, labels, texts)
    scores = method.score(features, texts)
    f = norm(torch.as_tensor(features["pooled"]))
    t = F.normalize(torch.as_tensor(texts["description"][:, 0]), dim=1)
    with torch.no_grad():
        plain = torch.stack([method.critic_(f, c.expand(len(f), -1)) for c in t], 1)
    np.testing.assert_allclose(scores, plain, rtol=1e-4, atol=1e-5)
    released = -np.logaddexp(0, -scores.astype(float))
    assert (released.argmax(1) == scores.argmax(1)).all()


def test_scale_of_a_skeleton_does_not_matter_unless_the_released_scoring_is_asked():
    features, labels, texts = problem()
    larger = Features({name: 5 * array for name, array in features.views.items()}, "kinect25")
    for norm_in_scoring in (True, False):
        method = small(norm_in_scoring=norm_in_scoring).fit(features, labels, texts)
        same = np.allclose(method.score(larger, texts), method.score(features, texts), rtol=1e-3, atol=1e-4)
        assert same == norm_in_scoring
