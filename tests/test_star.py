"""STAR against the paper's equations, its parameter count and the right node layout."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment.nodes import Grid
from zssar.alignment.star import STAR, Network, Part
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features
from zssar.skeleton.layouts import KINECT25

D, TIME, DIM, CLASSES, SEEN, SAMPLES = 6, 4, 10, 7, 5, 60
UNITS = {"label": 1, "parts2": 2, "parts4": 4, "parts6": 6}


def problem(seed=0, samples=SAMPLES):
    """Texts of all classes; samples of the first ``SEEN``."""
    rng = np.random.default_rng(seed)
    texts = ClassTexts(
        tuple(f"class {c}" for c in range(CLASSES)),
        {kind: 3 * rng.standard_normal((CLASSES, units, DIM)).astype(np.float32) for kind, units in UNITS.items()},
    )
    labels = rng.integers(0, SEEN, samples)
    mean = texts["label"][labels, 0] @ rng.standard_normal((DIM, D)) / 3
    grid = mean[:, :, None, None] + rng.standard_normal((samples, D, TIME, 25))
    return Features({"grid": grid.astype(np.float16)}, "kinect25"), labels, texts


def small(**changes):
    sizes = {"attributes": 8, "width": 16, "text_width": 12, "heads": 4}
    return STAR(**{"epochs": 2, "batch_size": 16, "lr": 0.01, **sizes, **changes})


def fitted(**changes):
    features, labels, texts = problem()
    more = {"all_texts": texts} if changes.get("semantic_classes") == "all" else {}
    method = small(**changes)
    return method.fit(features, labels, texts.select(texts.names[:SEEN]), **more), features, labels, texts


@pytest.fixture(scope="module")
def reference():
    method, features, _, texts = fitted()
    return method.score(features, texts)


def test_parameter_count_at_256_and_768_and_60_classes():
    net = Network(256, 768, 6, 60, STAR())
    label = sum(p.numel() for p in net.label_text.parameters())
    total = sum(p.numel() for p in net.parameters())
    assert total == 22_376_892
    assert (total - label) / 6 == 3_692_388


def test_nodes_of_a_part_are_all_times_of_its_own_joints():
    grid = torch.arange(2 * 16 * 25 * 3, dtype=torch.float32).view(2, 16, 25, 3)
    net = Network(3, DIM, 6, 1, small(attention=False))
    joints = [list(members) for members in KINECT25.parts("parts6").values()]
    sizes = [grid[:, :, members].flatten(1, 2).shape[1] for members in joints]
    assert sizes == [48, 96, 96, 32, 64, 64]
    before = net.skeletons(grid, joints)
    for part, members in enumerate(joints):
        moved = grid.clone()
        moved[:, 3, members[0], 1] += 100.0
        changed = (net.skeletons(moved, joints) != before).any(2)
        assert changed.tolist() == [[i == part for i in range(6)]] * 2


def test_grid_batches_are_channels_last_and_equal_whether_kept_or_read():
    features, _, _ = problem()
    rows = torch.tensor([5, 0, 5])
    kept, read = Grid(features, "cpu"), Grid(features, "cpu", memory=0)
    assert kept.kept is not None
    assert read.kept is None
    expected = features["grid"][[5, 0, 5]].transpose(0, 2, 3, 1).astype(np.float32)
    np.testing.assert_array_equal(kept[rows], expected)
    np.testing.assert_array_equal(read[rows], expected)
    halves = Grid(features, "cpu", bins=2)[rows]
    np.testing.assert_allclose(halves[:, 1], expected[:, 2:].mean(1), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize(("count", "few"), [(2, True), (11, False)])
def test_eq_1_to_3_folded_part_equals_the_plain_form(count, few):
    torch.manual_seed(0)
    part = Part(D, small(attributes=24))
    assert part.few(count) is few  # two ways to compute the same
    for linear in (part.query, part.key, part.value, part.out):
        nn.init.normal_(linear.bias)
    nodes = torch.randn(3, count, D)
    plain = nn.MultiheadAttention(16, 4, kdim=D, vdim=D, batch_first=True)
    with torch.no_grad():
        plain.q_proj_weight.copy_(part.query.weight)
        plain.k_proj_weight.copy_(part.key.weight)
        plain.v_proj_weight.copy_(part.value.weight)
        plain.in_proj_bias.copy_(torch.cat([part.query.bias, part.key.bias, part.value.bias]))
        plain.out_proj.weight.copy_(part.out.weight)
        plain.out_proj.bias.copy_(part.out.bias)
        attended, _ = plain(part.prompt.expand(3, -1, -1), nodes, nodes)
        encoded = part.outer(F.relu(part.inner(attended)))
        expected = torch.einsum("bw,wu,nbu->nb", part.prompt, part.matrix, encoded)
    torch.testing.assert_close(part(nodes), expected, rtol=1e-4, atol=1e-3)


def test_a_part_starts_as_torchs_attention_does():
    """The release uses nn.MultiheadAttention; biases 0, ranges of the input projections Xavier's, prompts N(0, 1)."""
    torch.manual_seed(0)
    part, plain = Part(64, small(width=128, attributes=50)), nn.MultiheadAttention(128, 4, kdim=64, vdim=64)
    for mine, other in (
        (part.query.weight, plain.q_proj_weight),
        (part.key.weight, plain.k_proj_weight),
        (part.value.weight, plain.v_proj_weight),
        (part.out.weight, plain.out_proj.weight),
    ):
        assert mine.shape == other.shape
        assert mine.std().item() == pytest.approx(other.std().item(), rel=0.05)
        assert mine.abs().max().item() == pytest.approx(other.abs().max().item(), rel=0.01)
    assert not any(layer.bias.any() for layer in (part.query, part.key, part.value, part.out))
    assert part.inner.bias.any()
    for normal in (part.prompt, part.matrix):
        assert normal.std().item() == pytest.approx(1, rel=0.05)


def test_eq_4_prompts_are_added_per_class_and_part():
    net = Network(D, DIM, 2, 3, small())
    texts = torch.randn(3, 2, DIM)
    expected = net.part_text[1](texts[2, 1] + net.prompt[1, 2])
    torch.testing.assert_close(net.descriptions(texts)[2, 1], expected)
    without = Network(D, DIM, 2, 3, small(semantic_prompt=False))
    torch.testing.assert_close(without.descriptions(texts)[2, 1], without.part_text[1](texts[2, 1]))


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("classes", ["seen", "all"])
def test_eq_5_to_8_losses_by_loops(similarity, classes):
    method, features, labels, texts = fitted(similarity=similarity, semantic_classes=classes, lr=1e-4)
    net, known = method.network_, texts if classes == "all" else texts.select(texts.names[:SEEN])
    label, part = method._texts(known, features)
    seen, y = torch.arange(SEEN), torch.as_tensor(labels[:4])
    with torch.no_grad():
        v = net.skeletons(Grid(features, "cpu")[torch.arange(4)], method._joints(features))
        got = method.losses(v, y, label, part, seen)
        g, u = net.label_text(label), net.descriptions(part)

        def like(a, b):
            return F.cosine_similarity(a, b, dim=-1) if similarity == "cosine" else (a * b).sum(-1)

        def entropy(logits, target):
            return (torch.logsumexp(logits, 0) - logits[target]).item()

        parts = [entropy(like(v[i, e], u[:SEEN, e]), y[i]) for i in range(4) for e in range(6)]
        semantic = [entropy(g @ u[c, e], c) for c in range(len(known)) for e in range(6)]
        whole = [entropy(like(v[i].sum(0), g[:SEEN]), y[i]) for i in range(4)]
    expected = [np.mean(parts), 0.1 * np.mean(semantic), 0.1 * np.mean(whole)]
    assert [term.item() for term in got] == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_eq_9_scores_are_cosines_of_summed_parts_and_class_names():
    method, features, _, texts = fitted()
    net = method.network_
    with torch.no_grad():
        v = net.skeletons(Grid(features, "cpu")[torch.arange(SAMPLES)], method._joints(features)).sum(1)
        g = net.label_text(torch.as_tensor(texts["label"][:, 0]))
        expected = F.cosine_similarity(v[:, None], g[None], dim=2)
    np.testing.assert_allclose(method.score(features, texts), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("parts", ["parts2", "parts4", "parts6"])
def test_partitions_follow_the_text_kind(parts):
    method, *_ = fitted(texts=("label", parts))
    assert len(method.network_.parts) == int(parts[-1])
    assert method.network_.prompt.shape == (int(parts[-1]), SEEN, DIM)


@pytest.mark.parametrize(
    "changes",
    [
        {"attention": False},
        {"visual_prompt": False},
        {"semantic_prompt": False},
        {"part_weight": 0.0},
        {"semantic_weight": 0.0},
        {"global_weight": 0.0},
        {"semantic_classes": "all"},
        {"similarity": "dot", "lr": 1e-4},
        {"text_norm": 1.0},
        {"bins": 2},
        {"precision": "bf16"},
    ],
)
def test_every_ablation_runs_and_changes_the_result(changes, reference):
    method, features, _, texts = fitted(**changes)
    scores = method.score(features, texts)
    assert np.isfinite(scores).all()
    assert not np.allclose(scores, reference, atol=1e-6)


def test_learns_seen_classes():
    method, features, labels, texts = fitted(epochs=30, lr=0.05, decay=(20,))
    assert (method.score(features, texts.select(texts.names[:SEEN])).argmax(1) == labels).mean() > 0.8


def test_unseen_texts_are_declared_and_only_then_taken():
    features, labels, texts = problem()
    seen = texts.select(texts.names[:SEEN])
    assert not small().uses_unseen_texts
    assert small(semantic_classes="all").uses_unseen_texts
    with pytest.raises(TypeError, match="all_texts"):
        small().fit(features, labels, seen, all_texts=texts)
    with pytest.raises(UserError, match="all_texts"):
        small(semantic_classes="all").fit(features, labels, seen)
    with pytest.raises(UserError, match="class 0"):
        small(semantic_classes="all").fit(features, labels, seen, all_texts=texts.select(texts.names[1:]))


def test_order_of_all_texts_does_not_decide_which_class_is_which():
    features, labels, texts = problem()
    seen = texts.select(texts.names[:SEEN])
    turned = texts.select(texts.names[::-1])
    method = small(semantic_classes="all", epochs=30, lr=0.05, decay=(20,))
    method.fit(features, labels, seen, all_texts=turned)
    assert (method.score(features, seen).argmax(1) == labels).mean() > 0.8


def test_bad_arguments_are_named():
    with pytest.raises(UserError, match="heads=3"):
        small(heads=3)
    with pytest.raises(UserError, match="both 0"):
        small(semantic_weight=0, global_weight=0)
    with pytest.raises(UserError, match="texts="):
        small(texts=("label", "parts6", "global"))
    features, labels, texts = problem()
    with pytest.raises(UserError, match="'label' are no form"):
        small(texts=("label",)).fit(features, labels, texts)
    with pytest.raises(UserError, match="25 joints, the grid 20"):
        small().fit(Features({"grid": features["grid"][..., :20]}, "kinect25"), labels, texts)
    wrong = ClassTexts(texts.names, {"label": texts["label"], "parts6": texts["parts2"]})
    with pytest.raises(UserError, match="'parts6' have 2 units"):
        small().fit(features, labels, wrong)
