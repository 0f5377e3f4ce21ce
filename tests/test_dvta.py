"""DVTA against the paper's equations, its parameter count and a plain form of the factorised network."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from zssar.alignment.dvta import DVTA, Network, leaky_sigmoid, log_probabilities, target_distribution
from zssar.alignment.pairs import PairNetwork
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features

D, DIM, CLASSES, SAMPLES = 12, 16, 5, 40


def problem(seed=0, samples=SAMPLES):
    rng = np.random.default_rng(seed)
    texts = ClassTexts(
        tuple(f"class {c}" for c in range(CLASSES)),
        {kind: rng.standard_normal((CLASSES, 1, DIM)).astype(np.float32) for kind in ("label", "context")},
    )
    labels = rng.integers(0, CLASSES, samples)
    mean = texts["label"][labels, 0] @ rng.standard_normal((DIM, D))
    pooled = (mean + 0.3 * rng.standard_normal((samples, D))).astype(np.float32)
    return Features({"pooled": pooled}, "kinect25"), labels, texts


def small(**changes):
    return DVTA(**{"epochs": 2, "batch_size": 16, "lr": 1e-3, "warmup": 1, "widths": (14, 15), **changes})


LEARN = {"epochs": 30, "lr": 3e-3}


@pytest.fixture(scope="module")
def reference():
    features, labels, texts = problem()
    return small(**LEARN).fit(features, labels, texts).score(features, texts)


def network(**changes):
    torch.manual_seed(1)
    return Network(D, DIM, small(**changes)).eval()


def plain_pair(net, v, texts):
    """Similarities of one skeleton (dim,) and one class's raw texts (U, dim), written down as in the paper."""
    keys = torch.stack([net.text(t) for t in texts]) if net.keys_projected else texts
    weights = torch.softmax((keys @ v) * net.scale, 0)
    mixed = weights @ keys if net.keys_projected else net.text(weights @ texts)
    direct = F.cosine_similarity(v, mixed, dim=0) / net.temperature[0]
    if net.metric is None:
        return direct
    return direct + net.activate(net.metric(v, mixed)) / net.temperature[1]


def test_parameter_count_at_256_and_768_is_the_papers_4_88_million():
    net = Network(256, 768, DVTA())
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in net.named_children()}
    assert count == {"visual": 755_584, "text": 590_592, "metric": 3_542_017}
    assert sum(p.numel() for p in net.parameters()) == 4_888_195


def test_eq_1_skeletons_and_texts_enter_with_unit_length():
    features, _, texts = problem()
    np.testing.assert_allclose(small()._skeletons(features).norm(dim=1), 1, rtol=1e-5)
    np.testing.assert_allclose(small()._classes(texts).norm(dim=2), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "changes", [{}, {"sde_scale": True}, {"sde_inputs": "projected"}, {"aa": False}, {"da": False}]
)
def test_eq_3_eq_4_and_eq_8_pair_scores_equal_the_plain_form(changes):
    net = network(**changes)
    v, texts = torch.randn(4, DIM), F.normalize(torch.randn(3, 2, DIM), dim=-1)
    expected = torch.stack([torch.stack([plain_pair(net, a, t) for t in texts]) for a in v])
    torch.testing.assert_close(sum(net.pair_terms(v, texts)), expected, rtol=1e-4, atol=1e-5)


def test_eq_3_training_columns_are_mixed_by_their_own_skeleton():
    net = network()
    v, texts, labels = torch.randn(4, DIM), F.normalize(torch.randn(3, 2, DIM), dim=-1), torch.tensor([0, 2, 2, 1])
    both = sum(net.column_terms(v, texts, labels))
    weights = torch.softmax(torch.einsum("bd,bud->bu", v, texts[labels]), -1)
    mixed = net.text(torch.einsum("bu,bud->bd", weights, texts[labels]))
    direct = F.cosine_similarity(v[:, None], mixed[None], dim=2) / net.temperature[0]
    judged = torch.stack([net.metric(a.expand(4, -1), mixed) for a in v])
    torch.testing.assert_close(both, direct + net.activate(judged) / net.temperature[1], rtol=1e-4, atol=1e-5)
    own = sum(net.pair_terms(v, texts))[torch.arange(4), labels]
    torch.testing.assert_close(both.diagonal(), own, rtol=1e-4, atol=1e-5)  # on the diagonal both mixings agree


def test_eq_4_by_hand():
    net = network(sde=False, aa=False, da=False)
    v, texts = torch.zeros(1, DIM), torch.zeros(2, 1, DIM)
    v[0, 0], texts[0, 0, 0], texts[1, 0, 1] = 3.0, 1.0, 1.0
    (term,) = net.pair_terms(v, texts)
    torch.testing.assert_close(term, torch.tensor([[10.0, 0.0]]))  # cosine 1 and 0 over temperature 0.1


def test_eq_6_detached_network_sends_no_gradient_to_the_projectors():
    for detach in (True, False):
        net = network(detach_aa=detach)
        x, texts = torch.randn(4, D), F.normalize(torch.randn(3, 2, DIM), dim=-1)
        net.pair_terms(net.visual(x), texts)[1].sum().backward()
        assert (net.visual.out.weight.grad is None) == detach
        assert net.metric.first.weight.grad.abs().sum() > 0


def test_eq_7_leaky_sigmoid_jumps_at_zero():
    got = leaky_sigmoid(torch.tensor([-1.0, -1e-9, 0.0, 1e-9, 1.0]))
    torch.testing.assert_close(got, torch.tensor([0.0099, 0.0100, 0.0100, 0.5, 0.7311]), rtol=0, atol=5e-5)
    x = torch.tensor([-2.0, 500.0], requires_grad=True)
    leaky_sigmoid(x, 0.1).sum().backward()
    assert x.grad[0] == pytest.approx(0.01 * math.exp(-0.2))
    assert torch.isfinite(x.grad).all()


def test_eq_9_probabilities_are_the_mean_of_two_softmaxes():
    a, b = torch.randn(3, 4), torch.randn(3, 4)
    got = log_probabilities([a, b], "probabilities", 1).exp()
    torch.testing.assert_close(got, (torch.softmax(a, 1) + torch.softmax(b, 1)) / 2)
    torch.testing.assert_close(log_probabilities([a, b], "logits", 0).exp(), torch.softmax(a + b, 0))


def test_eq_10_targets():
    labels = torch.tensor([0, 1, 0])
    torch.testing.assert_close(target_distribution(labels, "one_hot")[0], torch.tensor([0.5, 0, 0.5]))
    soft = target_distribution(labels)[0]
    assert soft[0] == pytest.approx(math.exp(10) / (2 * math.exp(10) + 1))
    assert soft.sum() == pytest.approx(1)


@pytest.mark.parametrize("combine", ["logits", "probabilities"])
@pytest.mark.parametrize("target", ["softmax", "one_hot"])
def test_eq_10_loss_is_half_the_sum_of_both_divergences(combine, target):
    method = small(combine=combine, target=target)
    method.network_ = network()
    x, texts, y = torch.randn(4, D), F.normalize(torch.randn(3, 2, DIM), dim=-1), torch.tensor([0, 2, 2, 1])
    terms = method.network_.column_terms(method.network_.visual(x), texts, y)
    p = target_distribution(y, target).numpy()

    def divergence(parts):  # rows are distributions
        soft = [torch.softmax(part, 1).detach().numpy() for part in parts]
        q = sum(soft) / 2 if combine == "probabilities" else torch.softmax(sum(parts), 1).detach().numpy()
        return np.sum(np.where(p > 0, p * (np.log(np.maximum(p, 1e-30)) - np.log(q)), 0)) / len(p)

    expected = (divergence(terms) + divergence([term.T for term in terms])) / 2
    assert method.batch_loss(x, texts, y).item() == pytest.approx(expected, rel=1e-4)


def test_table_8_other_losses():
    x, texts, y = torch.randn(4, D), F.normalize(torch.randn(3, 2, DIM), dim=-1), torch.tensor([0, 2, 2, 1])
    method = small(loss="softmax")
    method.network_ = network()
    scores = sum(method.network_.pair_terms(method.network_.visual(x), texts))
    assert method.batch_loss(x, texts, y).item() == pytest.approx(F.cross_entropy(scores, y).item(), rel=1e-5)
    method = small(loss="info_nce")
    method.network_ = network()
    own, pairs = torch.arange(4), sum(method.network_.column_terms(method.network_.visual(x), texts, y))
    expected = (F.cross_entropy(pairs, own) + F.cross_entropy(pairs.T, own)) / 2
    assert method.batch_loss(x, texts, y).item() == pytest.approx(expected.item(), rel=1e-5)


def test_factorised_pairs_equal_the_plain_form_in_values_and_gradients():
    torch.manual_seed(0)
    net = PairNetwork(6, 5, (8, 7))
    a, b = torch.randn(3, 6), torch.randn(4, 5)
    plain = net(a[:, None].expand(3, 4, 6), b.expand(3, 4, 5))
    gradients = []
    for scores in (plain, net.all_pairs(net.left_half(a), net.right_half(b))):
        net.zero_grad()
        scores.square().sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
        torch.testing.assert_close(scores, plain, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-6)


def test_without_sde_training_and_scoring_see_the_same_similarities():
    features, labels, texts = problem()
    method = small(sde=False).fit(features, labels, texts)
    net, rows = method.network_, slice(0, 7)
    scores = method.score(features, texts)[rows][:, labels[rows]]
    v = net.visual(method._skeletons(features)[rows])
    columns = sum(net.column_terms(v, method._classes(texts), torch.as_tensor(labels[rows])))
    np.testing.assert_allclose(scores, columns.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"mixing": "pair"},
        {"sde": False},
        {"sde": False, "batch_size": 4},
        {"da": False},
        {"aa": False, "da": False, "sde": False},
        {"visual_projector": False},
        {"text_projector": False},
        {"activation": "sigmoid"},
        {"activation": "none"},
        {"loss": "info_nce"},
        {"loss": "softmax"},
        {"combine": "probabilities"},
        {"learn_temperature": False},
        {"precision": "bf16"},
    ],
)
def test_every_ablation_learns_and_changes_the_result(changes, reference):
    features, labels, texts = problem()
    scores = small(**LEARN, **changes).fit(features, labels, texts).score(features, texts)
    assert (scores.argmax(1) == labels).mean() > 0.8
    assert not np.allclose(scores, reference, atol=1e-6)


def test_fixed_temperature_stays():
    features, labels, texts = problem()
    assert (
        small(learn_temperature=False).fit(features, labels, texts).network_.temperature.tolist()
        == [pytest.approx(0.1)] * 2
    )
    assert not np.allclose(small().fit(features, labels, texts).network_.temperature.detach(), 0.1, atol=1e-6)


def test_averaged_probabilities_are_declared_not_pairwise():
    assert small().pairwise
    assert not small(combine="probabilities").pairwise


def test_kinds_of_different_width_are_named():
    features, labels, texts = problem()
    texts = ClassTexts(texts.names, {"label": texts["label"], "context": texts["context"][:, :, :4]})
    with pytest.raises(UserError, match="'label': 16, 'context': 4"):
        small().fit(features, labels, texts)
