"""DeViSE, RelationNet, ReViSE, JPoSE and Global against published equations and sizes, written out naively here."""

from __future__ import annotations

import math

import alignment_toy
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from zssar.alignment import losses
from zssar.alignment.devise import DeViSE, first_violation
from zssar.alignment.global_ import Global, Projection
from zssar.alignment.jpose import JPoSE, JPoSEModule
from zssar.alignment.pairs import rectified_pairs
from zssar.alignment.projection import INITIAL_SCALE
from zssar.alignment.relation_net import RelationModule, RelationNet, match_loss
from zssar.alignment.revise import ReViSE, ReViSEModule, log_scale
from zssar.errors import UserError
from zssar.interfaces import Features


@pytest.fixture(scope="module")
def toy():
    return alignment_toy.toy()


def count(module):
    return sum(p.numel() for p in module.parameters())


def fit(method, toy, after_epoch=None):
    features, labels = toy.samples(toy.seen)
    return method.fit(features, labels, toy.texts.select(toy.seen), after_epoch)


# --- sizes -----------------------------------------------------------------------------------------------------------


def test_revise_parameter_count_of_dossier_appendix_a():
    net = ReViSEModule(256, 1024, 512, 100, 50)
    assert (count(net.skeleton), count(net.text)) == (56_606, 1_158_174)


def test_jpose_parameter_count_of_dossier_appendix_a():
    assert count(JPoSEModule(256, 1024, 512, 50)) == 1_136_700


def test_global_parameter_count_of_dossier_appendix_a():
    net = Projection(256, 512, 1024, 0.5)
    assert count(net) == 790_528 + 1
    assert net.scale.item() == pytest.approx(2.6593, abs=1e-4)


def test_relation_net_layers_of_dossier_4_3():
    net = RelationModule(256, 768, 512)
    shapes = [tuple(p.shape) for name, p in net.named_parameters() if name.endswith("weight")]
    assert shapes == [(512, 768), (256, 512), (512, 512), (1, 512)]


# --- DeViSE ----------------------------------------------------------------------------------------------------------

SCORES = torch.tensor([[0.9, 0.85, 0.1], [0.3, 0.2, 0.5]])
LABELS = torch.tensor([0, 1])


def test_devise_equation_1_sums_all_wrong_classes():
    # sample 0: 0.1 - 0.9 + 0.85 = 0.05, other inactive; sample 1: 0.1 - 0.2 + 0.3 = 0.2 and 0.1 - 0.2 + 0.5 = 0.4
    assert losses.hinge_rank(SCORES, LABELS, 0.1).item() == pytest.approx((0.05 + 0.2 + 0.4) / 2, abs=1e-6)


def test_devise_first_violation_takes_one_violating_class_at_random():
    torch.manual_seed(0)
    drawn = {round(first_violation(SCORES, LABELS, 0.1).item(), 4) for _ in range(40)}
    assert drawn == {round((0.05 + 0.2) / 2, 4), round((0.05 + 0.4) / 2, 4)}
    assert first_violation(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), 0.1).item() == 0.0


def test_devise_has_no_bias_and_scores_cosines(toy):
    method = fit(DeViSE(epochs=2), toy)
    features, _ = toy.samples(toy.unseen)
    x, t = features["pooled"].astype(np.float64), toy.texts.select(toy.unseen)["label"][:, 0].astype(np.float64)
    mapped = x @ method.projection_.weight.detach().numpy().T
    mapped, t = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (mapped, t))
    np.testing.assert_allclose(method.score(features, toy.texts.select(toy.unseen)), mapped @ t.T, atol=1e-5)


@pytest.mark.parametrize("negatives", ["all", "first"])
def test_devise_learns_with_either_choice_of_negatives(negatives, toy):
    features, labels = toy.samples(toy.unseen)
    method = fit(DeViSE(epochs=60, lr=3e-3, negatives=negatives), toy)
    assert (method.score(features, toy.texts.select(toy.unseen)).argmax(1) == labels).mean() > 0.6


# --- RelationNet -----------------------------------------------------------------------------------------------------


def test_relation_net_equation_1_equals_the_concatenation_written_out():
    torch.manual_seed(0)
    net = RelationModule(6, 5, 7)
    x, t = torch.randn(3, 6), torch.randn(4, 5)
    lifted = net.attribute(t)
    pairs = torch.cat([x[:, None].expand(-1, 4, -1), lifted.expand(3, -1, -1)], 2)
    torch.testing.assert_close(net(x, t), net.last(F.relu(net.first(pairs)))[..., 0])


def test_relation_net_pair_sum_has_the_gradients_of_its_plain_form():
    torch.manual_seed(0)
    sides = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((3, 7), (4, 7), (7,))]
    torch.autograd.gradcheck(rectified_pairs, sides)
    left, right, weight = sides
    plain = (F.relu(left[:, None] + right) * weight).sum(-1)
    torch.testing.assert_close(rectified_pairs(*sides), plain)
    some = torch.randn(3, 4, dtype=torch.float64)
    ours, theirs = (torch.autograd.grad((some * out).sum(), sides) for out in (rectified_pairs(*sides), plain))
    torch.testing.assert_close(ours, theirs)


def test_relation_net_orders_classes_where_sigmoids_are_all_zero(toy):
    method = fit(RelationNet(epochs=1), toy)
    with torch.no_grad():
        method.net_.last.bias.fill_(-200)
    scores = method.score(toy.samples(toy.unseen)[0], toy.texts.select(toy.unseen))
    assert (torch.sigmoid(torch.as_tensor(scores)) == 0).all()
    assert (np.ptp(scores, axis=1) > 0).all()


def test_relation_net_equation_2_counts_the_classes_of_the_batch_only():
    relations, labels = torch.rand(5, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([4, 1, 1, 4, 3])
    classes = labels.unique()
    target = (labels[:, None] == classes).float()
    torch.testing.assert_close(match_loss(relations, labels), F.mse_loss(relations[:, classes], target))


def test_relation_net_decays_the_attribute_network_only(toy):
    strong, none = (fit(RelationNet(epochs=20, hidden=16, lr=1e-2, weight_decay=w), toy).net_ for w in (100.0, 0.0))
    assert strong.attribute[0].weight.norm() < 0.8 * none.attribute[0].weight.norm()
    assert strong.first.weight.norm() > 0.9 * none.first.weight.norm()


# --- ReViSE ----------------------------------------------------------------------------------------------------------


def naive_revise(net, x, y, t, margin):
    """Section 4.2 of the dossier, sample by sample, texts repeated per sample."""
    own = t[y]
    code_x, code_t = net.skeleton.encode(x), net.text.encode(own)
    e, g = net.skeleton.embed(code_x), net.text.embed(code_t)
    with torch.no_grad():
        bank = net.text.embed(net.text.encode(t))
    hinge = 0.0
    for i in range(len(x)):
        for c in range(len(t)):
            if c != y[i]:
                hinge = hinge + F.relu(e[i] @ bank[c] - e[i] @ g[i] + margin)
    stacked = torch.cat([code_x, code_t])
    kernel = torch.exp(-32 * (stacked[:, None] - stacked).square().sum(2))
    b = len(x)
    mmd = (kernel[:b, :b] + kernel[b:, b:] - kernel[:b, b:] - kernel[b:, :b]).mean()
    rebuilt = F.mse_loss(net.skeleton.decode(code_x), x) + F.mse_loss(net.text.decode(code_t), own)
    return hinge / b + rebuilt + mmd


def test_revise_loss_of_dossier_4_2_and_its_gradient_equal_the_naive_form():
    torch.manual_seed(0)
    net = ReViSEModule(6, 5, 7, 4, 3)
    x, t, y = torch.rand(8, 6), torch.randn(4, 5), torch.tensor([0, 1, 1, 3, 3, 3, 0, 1])  # class 2 has no sample
    ours = net.loss(x, y, t, 0.3)
    naive = naive_revise(net, x, y, t, 0.3)
    torch.testing.assert_close(ours, naive)
    for mine, other in zip(torch.autograd.grad(ours, net.parameters()), torch.autograd.grad(naive, net.parameters())):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-4)


def test_revise_input_is_log_of_one_plus_x():
    x = torch.tensor([0.0, 1.0, 9.0, -1.0])
    torch.testing.assert_close(
        log_scale(x), torch.tensor([0.0, np.log(2), np.log(10), -np.log(2)], dtype=torch.float32)
    )


def test_mmd_of_equal_sets_is_zero_and_grows_with_distance():
    a = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)) * 0.1
    even = torch.full((6,), 1 / 6)
    assert losses.mmd(a, a, even, 32.0).item() == pytest.approx(0.0, abs=1e-6)
    assert 0.01 < losses.mmd(a, a + 0.05, even, 32.0) < losses.mmd(a, a + 0.2, even, 32.0)


# --- JPoSE -----------------------------------------------------------------------------------------------------------


def naive_triplets(e, groups, margin, every_pair):
    similar, terms = e @ e.T, []
    mined = []
    for i in range(len(e)):
        positive = min((similar[i, j].item(), j) for j in range(len(e)) if groups[j] == groups[i])[1]
        outside = [(similar[i, j].item(), j) for j in range(len(e)) if groups[j] != groups[i]]
        mined.append((positive, max(outside)[1]))
    for i in range(len(e)):
        for p, n in mined if every_pair else [mined[i]]:
            terms.append(max(0.0, margin - similar[i, p].item() + similar[i, n].item()))
    return sum(terms) / len(e)


@pytest.mark.parametrize("every_pair", [False, True])
def test_jpose_triplet_of_dossier_4_4_equals_the_naive_form(every_pair):
    e = F.normalize(torch.randn(9, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    groups = torch.tensor([0, 0, 1, 1, 1, 2, 0, 3, 2])
    got = losses.mined_triplets(e, groups, 0.3, every_pair).item()
    assert got == pytest.approx(naive_triplets(e, groups, 0.3, every_pair), rel=1e-5)


def test_jpose_triplet_of_one_group_is_zero_with_finite_gradient():
    e = torch.randn(4, 3, requires_grad=True)
    for every_pair in (False, True):
        loss = losses.mined_triplets(e, torch.zeros(4, dtype=torch.long), 0.3, every_pair)
        (gradient,) = torch.autograd.grad(loss, e)
        assert loss.item() == 0.0
        assert not gradient.any()


def test_jpose_loss_of_dossier_4_4_is_three_hinges_and_two_small_triplets(toy):
    method = fit(JPoSE(epochs=1, hidden=8), toy)
    net, generator = method.net_, torch.Generator().manual_seed(0)
    x = F.normalize(torch.randn(6, alignment_toy.CHANNELS, generator=generator), dim=1)
    words = [torch.randn(5, alignment_toy.TEXT_DIM, generator=generator) for _ in range(2)]
    y, groups = torch.tensor([0, 1, 2, 3, 4, 0]), [torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 1, 0, 1, 2])]
    (v, tv), (n, tn) = net.verb(x, words[0]), net.noun(x, words[1])
    joint = F.normalize(torch.tanh(net.joint_skeleton[0](torch.cat([v, n], 1))), dim=1)
    joint_t = F.normalize(torch.tanh(net.joint_text[0](torch.cat([tv, tn], 1))), dim=1)
    expected = sum(losses.hinge_rank(a @ b.T, y, 0.3) for a, b in ((v, tv), (n, tn), (joint, joint_t)))
    expected = expected + 0.01 * losses.mined_triplets(v, groups[0][y], 0.3)
    expected = expected + 0.01 * losses.mined_triplets(n, groups[1][y], 0.3)
    torch.testing.assert_close(method._loss(x, y, words, groups), expected)


def test_class_bank_of_the_hinge_carries_no_gradient():
    e, bank = torch.randn(3, 4), torch.randn(5, 4, requires_grad=True)
    losses.detached_hinge(e, bank, torch.tensor([0, 0, 2]), 10.0).backward()
    assert [bool(row.any()) for row in bank.grad] == [True, False, True, False, False]


def test_hinge_of_unit_vectors_is_the_same_with_and_without_a_detached_bank():
    e, bank, y = torch.randn(3, 4), torch.randn(5, 4), torch.tensor([0, 4, 2])
    torch.testing.assert_close(losses.detached_hinge(e, bank, y, 0.3), losses.hinge_rank(e @ bank.T, y, 0.3))


# --- Global ----------------------------------------------------------------------------------------------------------


def test_purls_equation_3_is_the_loss_of_global_with_one_slot():
    torch.manual_seed(0)
    net = Projection(6, 4, 8, 0.0).eval()
    x, t = torch.randn(5, 6), F.normalize(torch.randn(5, 4), dim=1)
    logits = math.log(1 / 0.07) * net(x) @ t.T
    rows = -torch.log_softmax(logits, 1).diagonal().mean()
    columns = -torch.log_softmax(logits, 0).diagonal().mean()
    torch.testing.assert_close(net.loss(x, t), rows + columns)


def test_global_temperature_is_a_learned_plain_factor(toy):
    assert fit(Global(epochs=3, hidden=16), toy).net_.scale.item() != pytest.approx(INITIAL_SCALE, abs=1e-6)


def test_global_grid_input_averages_unit_nodes_of_three_time_bins():
    grid = np.random.default_rng(0).random((2, 5, 6, 4)).astype(np.float32)
    grid[1, :, :2, 3] = 0  # a node without a signal stays zero instead of NaN
    bins = grid.reshape(2, 5, 3, 2, 4).mean(3)
    norm = np.linalg.norm(bins, axis=1, keepdims=True)
    expected = (bins / np.where(norm > 0, norm, 1)).mean((2, 3))
    found = Global(view="grid")._pooled(Features({"grid": grid}, "kinect25"))
    np.testing.assert_allclose(found, expected, rtol=1e-3)  # nodes are kept in float16


def test_global_on_the_grid_learns(toy):
    features, labels = toy.samples(toy.unseen)
    method = fit(Global(view="grid", epochs=60, batch_size=64, lr=1e-3, hidden=128), toy)
    assert method.views == ("grid",)
    assert (method.score(features, toy.texts.select(toy.unseen)).argmax(1) == labels).mean() > 0.6


def test_an_unknown_choice_is_named():
    for make, word in ((lambda: Global(view="phases"), "view='phases'"), (lambda: DeViSE(negatives="x"), "negatives")):
        with pytest.raises(UserError, match=word):
            make()


@pytest.mark.parametrize("cls", [Global, ReViSE, JPoSE])
def test_a_hold_out_is_left_out_of_training_by_the_seed_alone(cls, toy):
    features, _ = toy.samples(toy.unseen)
    texts = toy.texts.select(toy.unseen)
    more = {"keep": "last"} if cls is Global else {}
    plain, held, again = (fit(cls(epochs=4, holdout=h, **more), toy).score(features, texts) for h in (0.0, 0.2, 0.2))
    assert np.array_equal(held, again)
    assert not np.array_equal(held, plain)
    with pytest.raises(UserError, match="holdout=1"):
        fit(cls(epochs=1, holdout=1.0), toy)


def test_global_keeps_the_epoch_of_the_lowest_held_out_loss(toy):
    features, _ = toy.samples(toy.unseen)
    texts, after = toy.texts.select(toy.unseen), []
    recipe = {"epochs": 12, "lr": 1.0, "holdout": 0.2}
    kept = Global(**recipe)
    x, y = toy.samples(toy.seen)
    kept.fit(x, y, toy.texts.select(toy.seen), lambda m, e: after.append(m.score(features, texts)))
    final = kept.score(features, texts)
    matches = [np.array_equal(final, scores) for scores in after]
    assert matches[-1]
    assert matches.index(True) < len(after) - 1  # with this rate the loss rises again before the end
    assert not np.array_equal(final, fit(Global(**recipe, keep="last"), toy).score(features, texts))
    with pytest.raises(UserError, match="Global: keep='best' needs holdout"):
        Global(holdout=0.0)
