"""PURLS against the paper's equations, its parameter count and the leak that its released evaluation has."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from zssar.alignment.nodes import segments, unit_nodes
from zssar.alignment.projection import INITIAL_SCALE, slot_losses
from zssar.alignment.purls import PURLS, Network
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features
from zssar.skeleton.layouts import KINECT25

D, TIME, DIM, CLASSES, SAMPLES = 6, 7, 10, 5, 60
UNITS = {"parts_purls": 4, "phases": 3, "global": 1}


def problem(seed=0, samples=SAMPLES):
    rng = np.random.default_rng(seed)
    texts = ClassTexts(
        tuple(f"class {c}" for c in range(CLASSES)),
        {kind: rng.standard_normal((CLASSES, units, DIM)).astype(np.float32) for kind, units in UNITS.items()},
    )
    labels = rng.integers(0, CLASSES, samples)
    mean = texts["global"][labels, 0] @ rng.standard_normal((DIM, D))
    grid = mean[:, :, None, None] + rng.standard_normal((samples, D, TIME, 25))
    return Features({"grid": grid.astype(np.float16)}, "kinect25"), labels, texts


def small(**changes):
    return PURLS(**{"epochs": 2, "batch_size": 20, "lr": 1e-3, "hidden": 32, "head_width": 8, **changes})


def plain_attention(net, nodes, texts, heads):
    """Attention as released: heads' scores averaged, then the softmax. nodes (S, D), texts (slots, dim)."""
    q = net.query(texts).unflatten(1, (heads, -1)).transpose(0, 1)
    k = net.key(nodes).unflatten(1, (heads, -1)).transpose(0, 1)
    scores = (q @ k.transpose(1, 2) / math.sqrt(q.shape[2])).mean(0)
    return torch.softmax(scores, 1) @ nodes


def test_parameter_count_at_512_and_8_slots():
    assert sum(p.numel() for p in Network(8, 256, 512, PURLS(), None).parameters()) == 6_533_120 + 8
    blocks = sum(p.numel() for p in Network(8, 256, 512, PURLS(blocks=1), None).parameters())
    assert round(blocks / 1e6, 2) == 7.58  # DVTA, Table 9


def test_nodes_are_75_of_unit_length_and_zeros_stay_zero():
    features = Features(
        {"grid": np.random.default_rng(0).standard_normal((2, 8, 16, 25)).astype(np.float16)}, "kinect25"
    )
    features.views["grid"][1] = 0
    nodes = unit_nodes(features, 3, "cpu")
    assert nodes.shape == (2, 75, 8)
    assert nodes.dtype == torch.float16
    torch.testing.assert_close(nodes[0].float().norm(dim=1), torch.ones(75), rtol=0, atol=2e-3)
    assert nodes[1].abs().sum() == 0
    first = F.normalize(torch.as_tensor(features.views["grid"][0, :, :5, 3].astype(np.float32)).mean(1), dim=0)
    torch.testing.assert_close(nodes[0, 3].float(), first, rtol=0, atol=1e-3)  # first third of 16 steps: 0 to 4


def test_segments_cover_the_time_once():
    for length in (3, 16, 25, 75):
        covered = np.concatenate([np.arange(length)[part] for part in segments(length, 3)])
        assert covered.tolist() == list(range(length))
    with pytest.raises(UserError, match="2 time steps"):
        segments(2, 3)


@pytest.mark.parametrize("heads", [1, 2])
def test_eq_1_and_eq_2_folded_attention_equals_the_plain_one(heads):
    torch.manual_seed(0)
    net = Network(8, D, DIM, small(heads=heads), None)
    nodes, texts = F.normalize(torch.randn(1, 75, D), dim=2), F.normalize(torch.randn(1, 8, DIM), dim=2)
    got = net.gather(nodes, net.queries(texts))[0]
    torch.testing.assert_close(got, plain_attention(net, nodes[0], texts[0], heads), rtol=1e-5, atol=1e-6)


def test_eq_2_static_partition_averages_the_layouts_joints_and_thirds():
    features, labels, texts = problem()
    method = small(partition="static", epochs=1).fit(features, labels, texts)
    nodes = unit_nodes(features, 3, "cpu").float()
    got = method.network_.gather(nodes, None).numpy()
    grid = nodes.unflatten(1, (3, 25)).numpy()
    parts = list(KINECT25.parts("parts_purls").values())
    for slot, joints in enumerate(parts):
        np.testing.assert_allclose(got[:, slot], grid[:, :, list(joints)].mean((1, 2)), atol=1e-5)
    for third in range(3):
        np.testing.assert_allclose(got[:, 4 + third], grid[:, third].mean(1), atol=1e-5)
    np.testing.assert_allclose(got[:, 7], grid.mean((1, 2)), atol=1e-5)


def test_eq_3_loss_by_hand():
    outputs, texts = torch.eye(2)[:, None], torch.eye(2)[:, None]  # two samples, one slot, matching texts
    scale = torch.tensor([math.log(3)])
    expected = 2 * math.log(1 + 1 / 3)  # both directions: -log(3 / (3 + 1))
    assert slot_losses(outputs, texts, scale).tolist() == [pytest.approx(expected, rel=1e-5)]


def test_eq_3_slots_do_not_mix():
    outputs, texts, scale = torch.randn(4, 3, 5), torch.randn(4, 3, 5), torch.full((3,), INITIAL_SCALE)
    one = slot_losses(outputs[:, 1:2], texts[:, 1:2], scale[:1])
    torch.testing.assert_close(slot_losses(outputs, texts, scale)[1:2], one)


def test_eq_4_weights_sum_the_slots_or_are_learned():
    nodes, texts = torch.randn(4, 75, D), F.normalize(torch.randn(4, 8, DIM), dim=2)
    for choice in ("equal", "free", "learnable"):
        torch.manual_seed(0)
        net = Network(8, D, DIM, small(slot_weights=choice), None).eval()
        expected = slot_losses(net(nodes, texts), texts, net.scale).sum()
        torch.testing.assert_close(net.loss(nodes, texts), expected)  # all start equal
    net.loss(nodes, texts).backward()
    assert net.balance.grad.abs().sum() > 0


def test_eq_4_free_weights_multiply_the_slots_losses_and_fall_with_training():
    nodes, texts = torch.randn(4, 75, D), F.normalize(torch.randn(4, 8, DIM), dim=2)
    net = Network(8, D, DIM, small(slot_weights="free"), None).eval()
    net.balance.data = torch.arange(8.0)
    losses = slot_losses(net(nodes, texts), texts, net.scale)
    torch.testing.assert_close(net.loss(nodes, texts), sum(weight * part for weight, part in enumerate(losses)))
    features, labels, given = problem()
    after = small(slot_weights="free", epochs=4).fit(features, labels, given).network_.balance
    assert ((after < 1) & (after > 1 - 0.013)).all()  # at most twelve steps of 0.001


def test_initial_scale_is_a_plain_factor():
    assert Network(8, D, DIM, small(), None).scale.tolist() == [pytest.approx(2.6593, abs=1e-4)] * 8


@pytest.mark.parametrize("readout", ["global", "mean"])
@pytest.mark.parametrize("partition", ["adaptive", "static"])
def test_eq_5_every_candidate_is_scored_with_its_own_representation(readout, partition):
    features, labels, texts = problem()
    method = small(readout=readout, partition=partition).fit(features, labels, texts)
    nodes, classes = unit_nodes(features, 3, "cpu").float(), method._classes(texts)
    scores = method.score(features, texts)
    for c, own in enumerate(classes):
        with torch.no_grad():
            similarity = (method.network_(nodes, own.expand(len(nodes), -1, -1)) * own).sum(2)
        expected = similarity[:, -1] if readout == "global" else similarity.mean(1)
        np.testing.assert_allclose(scores[:, c], expected, rtol=1e-4, atol=1e-5)


def test_other_classes_texts_and_true_labels_leave_a_score_alone():
    """The released evaluation builds queries from the true class; here column c knows class c alone."""
    features, labels, texts = problem()
    method = small().fit(features, labels, texts)
    scores = method.score(features, texts)
    one = method.score(features, texts.select([texts.names[2]]))
    np.testing.assert_allclose(scores[:, [2]], one, rtol=1e-5, atol=1e-6)
    swapped = ClassTexts(texts.names, {k: np.concatenate([e[:3], e[3:] * -1]) for k, e in texts.embeddings.items()})
    np.testing.assert_allclose(method.score(features, swapped)[:, :3], scores[:, :3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "slots"),
    [({}, 8), ({"phases": False}, 5), ({"parts": False}, 4), ({"parts": False, "phases": False}, 1)],
)
def test_branches_on_and_off(changes, slots):
    features, labels, texts = problem()
    for partition in ("adaptive", "static"):
        method = small(partition=partition, epochs=15, lr=5e-3, **changes).fit(features, labels, texts)
        assert method.network_.slots == slots
        assert (method.score(features, texts).argmax(1) == labels).mean() > 0.5


def test_branch_that_is_off_needs_no_texts():
    features, labels, texts = problem()
    only = ClassTexts(texts.names, {"global": texts["global"]})
    small(parts=False, phases=False).fit(features, labels, only)
    with pytest.raises(UserError, match="phases"):
        small(parts=False).fit(features, labels, only)


def test_keep_best_scores_with_the_epoch_of_the_lowest_held_out_loss():
    features, labels, texts = problem()
    after = []
    kept = small(epochs=30, lr=0.5, holdout=0.2, keep="best")
    kept.fit(features, labels, texts, lambda m, e: after.append(m.score(features, texts)))
    last = small(epochs=30, lr=0.5, holdout=0.2, keep="last").fit(features, labels, texts).score(features, texts)
    final = kept.score(features, texts)
    matches = [np.array_equal(final, scores) for scores in after]
    assert matches[-1]
    assert matches.index(True) < 29  # stopped improving before the end, with this learning rate
    assert not np.array_equal(final, last)


def test_static_partition_needs_the_layouts_joints():
    features, labels, texts = problem()
    pixels = Features({"grid": features["grid"][..., :20]}, "kinect25")
    with pytest.raises(UserError, match="25 joints, the grid 20"):
        small(partition="static").fit(pixels, labels, texts)
    small().fit(pixels, labels, texts)  # attention needs no joints


def test_state_of_a_static_partition_restores_without_features():
    features, labels, texts = problem()
    method = small(partition="static").fit(features, labels, texts)
    other = small(partition="static")
    other.restore(method.state())
    np.testing.assert_array_equal(other.score(features, texts), method.score(features, texts))


def test_bad_arguments_are_named():
    with pytest.raises(UserError, match="partition='fixed'"):
        small(partition="fixed")
    with pytest.raises(UserError, match="holdout"):
        small(holdout=0.0)
    with pytest.raises(UserError, match="texts="):
        small(texts=("global",))
