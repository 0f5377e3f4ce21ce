"""ReViSE, JPoSE and RelationNet beside a plain transcription of their training: optimisers, losses, loops.

Same data, initial weights and order of batches: losses, learned weights and scores must agree after several epochs.
"""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import loops
from zssar.alignment.jpose import JPoSE, JPoSEModule
from zssar.alignment.relation_net import RelationModule, RelationNet
from zssar.alignment.revise import ReViSE, ReViSEModule
from zssar.interfaces import ClassTexts, Features

SEED, SAMPLES, CLASSES, CHANNELS, DIM, EPOCHS, BATCH, RATE = 3, 44, 6, 7, 10, 5, 16, 2e-3
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def data():
    rng = np.random.default_rng(0)
    words = rng.standard_normal((3, DIM)).astype(np.float32)
    pairs = np.stack([words[[0, 0, 1, 1, 2, 2]], words[[2, 1, 0, 1, 2, 0]]], 1)  # classes share verbs and nouns
    label = rng.standard_normal((CLASSES, 1, DIM)).astype(np.float32)
    names = tuple(f"class {c}" for c in range(CLASSES))
    texts = ClassTexts(names, {"label": label, "verb_noun": pairs}, {"verb_noun": ("verb", "noun")})
    x = rng.random((SAMPLES, CHANNELS)).astype(np.float32)
    return Features({"pooled": x}, "kinect25"), rng.integers(0, CLASSES, SAMPLES), texts


def run(loss_of, optimizers):
    """Mean loss per epoch; several optimisers step on one backward pass."""
    generator, means = torch.Generator().manual_seed(SEED), []
    for _ in range(EPOCHS):
        losses = []
        for rows in torch.randperm(SAMPLES, generator=generator).split(BATCH):
            loss = loss_of(rows)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            losses.append(loss.item())
        means.append(np.mean(losses))
    return means


def stack(*layers):
    """Copies of Linear layers, with the activations between them."""
    return nn.Sequential(*(_copy(layer) if isinstance(layer, nn.Linear) else layer for layer in layers))


def _copy(layer):
    copy = nn.Linear(layer.in_features, layer.out_features)
    copy.load_state_dict(layer.state_dict())
    return copy


def unit(a):
    return F.normalize(torch.as_tensor(a), dim=1)


def hinge(e, classes, own, y, margin):
    """Over the wrong classes, bank without gradient; the released sum also holds the true class, a constant."""
    bank, total = classes.detach(), 0.0
    for i in range(len(e)):
        for c in range(len(bank)):
            if c != y[i]:
                total = total + F.relu(e[i] @ bank[c] - e[i] @ own[i] + margin)
    return total / len(e)


def compare(method, expected, learned, plain, scores, features, texts):
    assert method.losses_ == pytest.approx(expected, abs=1e-5)
    assert expected[-1] < expected[0]
    for (name, a), b in zip(learned.named_parameters(), plain.parameters()):
        torch.testing.assert_close(a, b, **CLOSE, msg=lambda m, name=name: f"{name}: {m}")
    np.testing.assert_allclose(method.score(features, texts), scores, rtol=1e-4, atol=1e-5)


def revise_parts(net):
    skeleton, text, relu, tanh = net.skeleton, net.text, nn.ReLU(), nn.Tanh()
    parts = {
        "encode_x": stack(skeleton.encode[0], relu),
        "decode_x": stack(skeleton.decode[0], relu),
        "embed_x": stack(skeleton.embed[0], tanh),
        "encode_t": stack(text.encode[0], relu, text.encode[2], relu),
        "decode_t": stack(text.decode[0], relu, text.decode[2], relu),
        "embed_t": stack(text.embed[0], tanh),
    }
    return nn.ModuleDict(parts)


def test_revise_trains_as_its_release():
    features, labels, texts = data()
    method = ReViSE(hidden=9, code=5, embedding=4, epochs=EPOCHS, batch_size=BATCH, lr=RATE, seed=SEED)
    with loops.seeded(SEED):
        net = revise_parts(ReViSEModule(CHANNELS, DIM, 9, 5, 4))
    method.fit(features, labels, texts)
    x, t, y = torch.log(1 + torch.as_tensor(features["pooled"])), unit(texts["label"][:, 0]), torch.as_tensor(labels)

    def loss_of(rows):
        code_x, code_t = net["encode_x"](x[rows]), net["encode_t"](t[y[rows]])
        e, own = net["embed_x"](code_x), net["embed_t"](code_t)
        total = hinge(e, net["embed_t"](net["encode_t"](t)), own, y[rows], 0.3)
        both, b = torch.cat([code_x, code_t]), len(rows)
        kernel = torch.exp(-32 * (both[:, None] - both[None]).pow(2).sum(2))
        total = total + (kernel[:b, :b] + kernel[b:, b:] - kernel[:b, b:] - kernel[b:, :b]).mean()
        rebuilt = F.mse_loss(net["decode_x"](code_x), x[rows]) + F.mse_loss(net["decode_t"](code_t), t[y[rows]])
        return total + rebuilt

    def group(letter):
        return [p for key in net if key.endswith(letter) for p in net[key].parameters()]

    optimizers = [torch.optim.Adam(group("x"), RATE), torch.optim.Adam(group("t"), RATE, weight_decay=1e-3)]
    expected = run(loss_of, optimizers)
    with torch.no_grad():
        scores = net["embed_x"](net["encode_x"](x)) @ net["embed_t"](net["encode_t"](t)).T
    compare(method, expected, revise_parts(method.net_), net, scores, features, texts)


def jpose_parts(net):
    tanh, relu, found = nn.Tanh(), nn.ReLU(), {}
    for word in ("verb", "noun"):
        space = getattr(net, word)
        found[f"{word}_x"] = stack(space.skeleton[0], tanh)
        found[f"{word}_t"] = stack(space.text[0], tanh, space.text[2], relu)
    return nn.ModuleDict(
        {**found, "joint_x": stack(net.joint_skeleton[0], tanh), "joint_t": stack(net.joint_text[0], tanh)}
    )


def mined(e, groups, every_pair):
    """Per anchor the least similar sample of its word and the most similar one of another."""
    similar, pairs, total = (e @ e.T).detach(), [], 0.0
    for i in range(len(e)):
        same = [j for j in range(len(e)) if groups[j] == groups[i]]
        other = [j for j in range(len(e)) if groups[j] != groups[i]]
        pairs.append((min(same, key=lambda j: similar[i, j]), max(other, key=lambda j: similar[i, j])))
    for i in range(len(e)):
        for p, n in pairs if every_pair else [pairs[i]]:
            total = total + F.relu(0.3 - e[i] @ e[p] + e[i] @ e[n])
    return total / len(e)


@pytest.mark.parametrize("triplets", ["own", "all"])
def test_jpose_trains_as_its_release(triplets):
    features, labels, texts = data()
    method = JPoSE(hidden=9, embedding=5, epochs=EPOCHS, batch_size=BATCH, lr=RATE, seed=SEED, triplets=triplets)
    with loops.seeded(SEED):
        net = jpose_parts(JPoSEModule(CHANNELS, DIM, 9, 5))
    method.fit(features, labels, texts)
    x, y = unit(features["pooled"]), torch.as_tensor(labels)
    words = {w: unit(texts["verb_noun"][:, i]) for i, w in enumerate(("verb", "noun"))}
    groups = {"verb": torch.tensor([0, 0, 1, 1, 2, 2]), "noun": torch.tensor([2, 1, 0, 1, 2, 0])}

    def spaces(rows):
        found = {w: (F.normalize(net[f"{w}_x"](x[rows])), F.normalize(net[f"{w}_t"](words[w]))) for w in words}
        joint = [net[f"joint_{s}"](torch.cat([found["verb"][i], found["noun"][i]], 1)) for i, s in enumerate("xt")]
        return {**found, "joint": tuple(F.normalize(side) for side in joint)}

    def loss_of(rows):
        total = 0.0
        for name, (e, classes) in spaces(rows).items():
            total = total + hinge(e, classes, classes[y[rows]], y[rows], 0.3)
            if name != "joint":
                total = total + 0.01 * mined(e, groups[name][y[rows]], triplets == "all")
        return total

    optimizers = [
        torch.optim.Adam([p for side in "xt" for p in net[f"{w}_{side}"].parameters()], RATE) for w in ("verb", "noun")
    ]
    joint = [*net["joint_x"].parameters(), *net["joint_t"].parameters()]
    expected = run(loss_of, [*optimizers, torch.optim.Adam(joint, RATE, weight_decay=1e-3)])
    with torch.no_grad():
        e, classes = spaces(torch.arange(SAMPLES))["joint"]
    compare(method, expected, jpose_parts(method.net_), net, e @ classes.T, features, texts)


def relation_parts(net):
    relu = nn.ReLU()
    attribute = stack(net.attribute[0], relu, net.attribute[2], relu)
    return nn.ModuleDict({"attribute": attribute, "relation": stack(net.first, relu, net.last, nn.Sigmoid())})


def test_relation_net_trains_as_the_reconstruction_says():
    features, labels, texts = data()
    method = RelationNet(hidden=9, epochs=EPOCHS, batch_size=BATCH, lr=RATE, seed=SEED, weight_decay=1e-2)
    with loops.seeded(SEED):
        net = relation_parts(RelationModule(CHANNELS, DIM, 9))
    method.fit(features, labels, texts)
    x, t, y = torch.as_tensor(features["pooled"]), unit(texts["label"][:, 0]), torch.as_tensor(labels)

    def relations(samples, classes):
        lifted = net["attribute"](classes)
        pairs = [torch.cat([sample.expand(len(lifted), -1), lifted], 1) for sample in samples]
        return torch.stack([net["relation"](pair)[:, 0] for pair in pairs])

    def loss_of(rows):
        present = y[rows].unique()
        return F.mse_loss(relations(x[rows], t[present]), (y[rows][:, None] == present).float())

    attribute, relation = (list(net[key].parameters()) for key in ("attribute", "relation"))
    optimizers = [torch.optim.Adam(attribute, RATE, weight_decay=1e-2), torch.optim.Adam(relation, RATE)]
    expected = run(loss_of, optimizers)
    with torch.no_grad():
        scores = torch.logit(relations(x, t).double()).float()  # ours are what goes into the sigmoid
    compare(method, expected, relation_parts(method.net_), net, scores, features, texts)
