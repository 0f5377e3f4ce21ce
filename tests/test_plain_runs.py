"""Whole training runs of DVTA, PURLS, Global and DeViSE against plain transcriptions of the released training steps.

The plain side follows the published descriptions: explicit loops over pairs, every pair concatenated for the metric
network, keys computed for the attention, torch's own unfused Adam, schedules set by hand. It takes from ours the
initial weights, the order of the batches and the rows held out; what is compared are losses, weights and scores after
several epochs. It shares no function with the methods.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from zssar.alignment import layers, loops
from zssar.alignment.devise import DeViSE
from zssar.alignment.dvta import DVTA, Network
from zssar.alignment.global_ import Global, Projection
from zssar.alignment.purls import PURLS
from zssar.alignment.purls import Network as PURLSNetwork
from zssar.interfaces import ClassTexts, Features

CHANNELS, DIM, CLASSES, SAMPLES, SEED = 12, 16, 5, 42, 3
UNITS = {"label": 1, "context": 1, "parts_purls": 4, "phases": 3, "global": 1}
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def problem():
    """(features with pooled and grid, labels, texts): lengths far from 1, so that a missing normalisation shows."""
    rng = np.random.default_rng(0)
    names = tuple(f"class {c}" for c in range(CLASSES))
    shape = {kind: (CLASSES, units, DIM) for kind, units in UNITS.items()}
    texts = ClassTexts(names, {kind: 3 * rng.standard_normal(s).astype(np.float32) for kind, s in shape.items()})
    labels = rng.integers(0, CLASSES, SAMPLES)
    image = texts["label"][labels, 0] @ rng.standard_normal((DIM, CHANNELS))
    pooled = image + 0.5 * rng.standard_normal((SAMPLES, CHANNELS))
    grid = image[:, :, None, None] + 5 * rng.standard_normal((SAMPLES, CHANNELS, 9, 25))
    views = {"pooled": pooled.astype(np.float32), "grid": grid.astype(np.float16)}
    return Features(views, "kinect25"), labels, texts


def order(rows, epochs, size):
    """Row indices of every batch, one list per epoch: the promise of ``loops.seeded``."""
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(epochs):
        yield [part for part in torch.randperm(rows, generator=generator).split(size) if len(part) > 1]


def same_weights(ours, plain):
    assert set(ours) == set(plain)
    for name, value in plain.items():
        torch.testing.assert_close(ours[name], value, **CLOSE, msg=lambda m, name=name: f"{name}: {m}")


def unit(vector):
    return vector / vector.norm()


# --- DVTA ------------------------------------------------------------------------------------------------------------


class PlainDVTA:
    """The released step, pair by pair. ``p``: parameters by the names of our network."""

    def __init__(self, p):
        self.p = {name: value.clone().requires_grad_() for name, value in p.items()}

    def project(self, x):
        p = self.p
        h = F.relu(p["visual.residual.weight"] @ x + p["visual.residual.bias"] + x)
        for layer in ("visual.middle.0", "visual.middle.1"):
            h = F.relu(p[f"{layer}.weight"] @ h + p[f"{layer}.bias"])
        return p["visual.out.weight"] @ h + p["visual.out.bias"]

    def told(self, v, label, context):
        """The class text as this skeleton mixes it: weights on raw texts, one linear layer behind the mixture."""
        weight = torch.softmax(torch.stack([v @ label, v @ context]), 0)
        return self.p["text.weight"] @ (weight[0] * label + weight[1] * context) + self.p["text.bias"]

    def similarity(self, v, t):
        p = self.p
        direct = (v @ t) / (v.norm() * t.norm()) / p["temperature"][0]
        h = torch.cat([v.detach(), t.detach()])
        h = F.relu(p["metric.first.weight"] @ h + p["metric.first.bias"])
        h = F.relu(p["metric.rest.0.weight"] @ h + p["metric.rest.0.bias"])
        out = (p["metric.rest.1.weight"] @ h + p["metric.rest.1.bias"])[0]
        leaky = torch.sigmoid(out) if out > 0 else 0.01 * torch.exp(0.01 * out)
        return direct + leaky / p["temperature"][1]

    def loss(self, x, labels, label_texts, context_texts):
        count = len(x)
        v = [self.project(unit(sample)) for sample in x]
        t = [self.told(v[j], unit(label_texts[labels[j]]), unit(context_texts[labels[j]])) for j in range(count)]
        s = torch.stack([torch.stack([self.similarity(v[i], t[j]) for j in range(count)]) for i in range(count)])
        match = torch.tensor([[float(labels[i] == labels[j]) for j in range(count)] for i in range(count)])
        target = torch.softmax(10 * match, 1)
        total = 0.0
        for similarities in (s, s.T):
            found = torch.softmax(similarities, 1)
            total = total + (target * (target.log() - found.log())).sum() / count
        return total / 2


def released_rate(epoch, epochs, warmup):
    return epoch / warmup if epoch < warmup else 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))


@pytest.fixture
def double(monkeypatch):
    """float64 throughout. The gradients of the metric network's biases nearly cancel, and Adam divides by their size:
    in float32 it would make two correct runs differ by more than 1e-5 in those few numbers.
    """
    monkeypatch.setattr(layers, "tensor", lambda array, device="cpu": torch.as_tensor(array, dtype=torch.float64))
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
def test_dvta_run_equals_the_released_step_written_out(problem):
    features, labels, texts = problem
    epochs, warmup, size, rate = 6, 2, 8, 5e-3
    widths = {"widths": (14, 15)}
    ours = DVTA(epochs=epochs, warmup=warmup, batch_size=size, lr=rate, seed=SEED, precision="fp32", **widths)
    ours.fit(features, labels, texts)

    torch.manual_seed(SEED)
    plain = PlainDVTA(Network(CHANNELS, DIM, DVTA(**widths)).state_dict())
    optimizer = torch.optim.Adam(plain.p.values(), lr=rate, foreach=False)
    x = torch.as_tensor(features["pooled"]).double()
    told = [torch.as_tensor(texts[kind][:, 0]).double() for kind in ("label", "context")]
    means = []
    for epoch, batches in enumerate(order(SAMPLES, epochs, size)):
        optimizer.param_groups[0]["lr"] = rate * released_rate(epoch, epochs, warmup)
        losses = []
        for rows in batches:
            loss = plain.loss(x[rows], labels[rows.numpy()], *told)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        means.append(np.mean(losses))

    assert means[-1] < 0.9 * means[0]  # it learned something
    np.testing.assert_allclose(ours.losses_, means, **CLOSE)
    same_weights(ours.network_.state_dict(), {name: value.detach() for name, value in plain.p.items()})
    assert (ours.network_.temperature != 0.1).all()
    with torch.no_grad():
        scores = [
            [plain.similarity(v, plain.told(v, unit(told[0][c]), unit(told[1][c]))).item() for c in range(CLASSES)]
            for v in map(plain.project, map(unit, x[:6]))
        ]
    np.testing.assert_allclose(ours.score(features.select(range(6)), texts), scores, rtol=1e-4, atol=1e-4)


# --- PURLS and Global ------------------------------------------------------------------------------------------------


def projected(p, x, training, dropout=0.5, prefix="project."):
    """BatchNorm, dropout, linear, SiLU, BatchNorm, dropout, linear, tanh; updates the running statistics in ``p``."""

    def norm(x, at):
        mean, var = p[f"{prefix}{at}.running_mean"], p[f"{prefix}{at}.running_var"]
        if training:
            batch_mean, batch_var = x.mean(0), x.var(0, unbiased=False)
            with torch.no_grad():
                mean += 0.1 * (batch_mean - mean)
                var += 0.1 * (x.var(0) - var)
            mean, var = batch_mean, batch_var
        return (x - mean) / torch.sqrt(var + 1e-5) * p[f"{prefix}{at}.weight"] + p[f"{prefix}{at}.bias"]

    h = F.dropout(norm(x, 0), dropout, training)
    h = h @ p[f"{prefix}2.weight"].T + p[f"{prefix}2.bias"]
    h = h * torch.sigmoid(h)
    h = F.dropout(norm(h, 4), dropout, training)
    return torch.tanh(h @ p[f"{prefix}6.weight"].T + p[f"{prefix}6.bias"])


def contrast(outputs, texts, scale):
    """Both cross-entropies of one slot, the sample's own text the only positive."""
    logits = scale * outputs @ texts.T
    own = torch.arange(len(outputs))
    return F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)


def trainable(state):
    """Copies; statistics of BatchNorm carry no gradient."""
    return {n: v.clone().requires_grad_(v.is_floating_point() and "running" not in n) for n, v in state.items()}


def reduce_on_plateau(losses, patience=25, cooldown=3):
    """Factor of the learning rate after the losses so far: a tenth when ``patience`` epochs brought no lower loss."""
    factor, best, bad, rest = 1.0, math.inf, 0, 0
    for loss in losses:
        if loss < best * (1 - 1e-4):
            best, bad = loss, 0
        else:
            bad += 1
        if rest > 0:
            rest, bad = rest - 1, 0
        if bad > patience:
            factor, rest, bad = factor * 0.1, cooldown, 0
    return factor


def contrastive_run(p, loss, kept, held, epochs, size, rate):
    """The recipe of PURLS: Adam, the rate follows the loss on held-out rows, the epoch of its minimum is kept."""
    optimizer = torch.optim.Adam([value for value in p.values() if value.requires_grad], lr=rate, foreach=False)
    means, watched, best = [], [], None
    for batches in order(len(kept), epochs, size):
        optimizer.param_groups[0]["lr"] = rate * reduce_on_plateau(watched)
        losses = []
        for rows in batches:
            value = loss(kept[rows], True)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            losses.append(value.item())
        means.append(np.mean(losses))
        with torch.no_grad():
            watched.append(sum(loss(rows, False).item() * len(rows) for rows in held.split(size)) / len(held))
        if best is None or watched[-1] < min(watched[:-1], default=math.inf):
            best = {name: value.detach().clone() for name, value in p.items()}
    return means, best


def test_purls_run_equals_the_released_step_written_out(problem):
    features, labels, texts = problem
    epochs, size, rate, hidden, width = 8, 16, 3e-3, 20, 6
    sizes = {"hidden": hidden, "head_width": width, "holdout": 0.2, "batch_size": size, "lr": rate, "precision": "fp32"}
    ours = PURLS(epochs=epochs, seed=SEED, **sizes).fit(features, labels, texts)

    kept, held = loops.holdout_rows(labels, 0.2, SEED)
    torch.manual_seed(SEED)
    p = trainable(PURLSNetwork(8, CHANNELS, DIM, PURLS(**sizes), None).state_dict())
    grid = torch.as_tensor(features["grid"]).float()
    bins = torch.stack([grid[:, :, 3 * b : 3 * b + 3].mean(2) for b in range(3)], 1)  # (n, 3, D, V)
    nodes = bins.permute(0, 1, 3, 2).reshape(SAMPLES, 75, CHANNELS)
    nodes = (nodes / nodes.norm(dim=2, keepdim=True)).half().float()  # nodes are kept in float16
    told = torch.as_tensor(np.concatenate([texts[kind] for kind in ("parts_purls", "phases", "global")], 1))
    told = told / told.norm(dim=2, keepdim=True)

    def represent(sample, sentences):
        """Slots of one sample: scores of two heads, averaged before the softmax over its 75 nodes."""
        q, k = sentences @ p["query.weight"].T, nodes[sample] @ p["key.weight"].T
        heads = [q[:, h] @ k[:, h].T / math.sqrt(width) for h in (slice(0, width), slice(width, 2 * width))]
        return torch.softmax((heads[0] + heads[1]) / 2, 1) @ nodes[sample]

    def forward(samples, classes, training):
        flat = torch.stack([represent(i, told[c]).flatten() for i, c in zip(samples, classes)])
        return projected(p, flat, training).view(len(flat), 8, DIM)

    def loss(rows, training):
        own = labels[rows.numpy()]
        outputs = forward(rows, own, training)
        return sum(contrast(outputs[:, slot], told[own, slot], p["scale"][slot]) for slot in range(8))

    means, best = contrastive_run(p, loss, kept, held, epochs, size, rate)
    assert means[-1] < 0.9 * means[0]
    np.testing.assert_allclose(ours.losses_, means, **CLOSE)
    counted = {name: value for name, value in ours.network_.state_dict().items() if "num_batches" not in name}
    same_weights(counted, {name: value for name, value in best.items() if "num_batches" not in name})
    p = best
    with torch.no_grad():
        scores = [[forward([i], [c], False)[0, -1] @ told[c, -1] for c in range(CLASSES)] for i in range(6)]
    np.testing.assert_allclose(ours.score(features.select(range(6)), texts), scores, rtol=1e-4, atol=1e-5)


def test_global_run_equals_the_released_step_written_out(problem):
    features, labels, texts = problem
    epochs, size, rate, hidden = 8, 16, 1e-3, 20
    ours = Global(epochs=epochs, batch_size=size, lr=rate, hidden=hidden, holdout=0.2, seed=SEED)
    ours.fit(features, labels, texts)

    kept, held = loops.holdout_rows(labels, 0.2, SEED)
    torch.manual_seed(SEED)
    p = trainable(Projection(CHANNELS, DIM, hidden, 0.5).state_dict())
    x = torch.as_tensor(features["pooled"])
    told = torch.stack([unit(torch.as_tensor(row)) for row in texts["label"][:, 0]])

    def loss(rows, training):
        return contrast(projected(p, x[rows], training, prefix="layers."), told[labels[rows.numpy()]], p["scale"])

    means, best = contrastive_run(p, loss, kept, held, epochs, size, rate)
    np.testing.assert_allclose(ours.losses_, means, **CLOSE)
    counted = {name: value for name, value in ours.net_.state_dict().items() if "num_batches" not in name}
    same_weights(counted, {name: value for name, value in best.items() if "num_batches" not in name})
    with torch.no_grad():
        scores = projected(best, x, False, prefix="layers.") @ told.T
    np.testing.assert_allclose(ours.score(features, texts), scores, rtol=1e-4, atol=1e-5)


# --- DeViSE ----------------------------------------------------------------------------------------------------------


def test_devise_run_equals_equation_1_written_out(problem):
    features, labels, texts = problem
    epochs, size, rate = 6, 8, 1e-2
    ours = DeViSE(epochs=epochs, batch_size=size, lr=rate, seed=SEED).fit(features, labels, texts)

    torch.manual_seed(SEED)
    weight = torch.nn.Linear(CHANNELS, DIM, bias=False).weight
    optimizer = torch.optim.Adam([weight], lr=rate, foreach=False)
    x = torch.as_tensor(features["pooled"])
    told = [unit(torch.as_tensor(row)) for row in texts["label"][:, 0]]
    means = []
    for batches in order(SAMPLES, epochs, size):
        losses = []
        for rows in batches:
            loss = 0.0
            for row in rows:
                similar, own = [unit(weight @ x[row]) @ t for t in told], labels[row]
                loss = loss + sum(F.relu(0.1 - similar[own] + similar[c]) for c in range(CLASSES) if c != own)
            loss = loss / len(rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        means.append(np.mean(losses))
    assert means[-1] < 0.5 * means[0]
    np.testing.assert_allclose(ours.losses_, means, **CLOSE)
    same_weights(ours.projection_.state_dict(), {"weight": weight.detach()})
    cosines = [[(unit(weight @ sample) @ t).item() for t in told] for sample in x[:6]]
    np.testing.assert_allclose(ours.score(features.select(range(6)), texts), cosines, rtol=1e-4, atol=1e-5)


def test_rate_of_the_plain_recipe_falls_as_that_of_ours():
    falling = [1.0 - 0.01 * epoch for epoch in range(30)]
    assert reduce_on_plateau(falling) == 1.0
    assert reduce_on_plateau([1.0] * 26) == 1.0
    assert reduce_on_plateau([1.0] * 27) == pytest.approx(0.1)
    watch = loops.Watch(iter([1.0] * 70).__next__, "min", patience=25, cooldown=3)
    assert [watch() for _ in range(70)] == pytest.approx([reduce_on_plateau([1.0] * n) for n in range(1, 71)])
