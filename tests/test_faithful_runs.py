"""STAR and SMIE beside a plain transcription of the released training, in layers of torch and loops of its own.

Same data, initial weights and order of batches: losses, learned weights and scores must agree after several epochs.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import loops, star
from zssar.alignment.pairs import PairNetwork
from zssar.alignment.smie import SMIE
from zssar.interfaces import ClassTexts, Features
from zssar.skeleton.layouts import KINECT25

SEED, SAMPLES, CLASSES, SEEN, CHANNELS, DIM = 3, 40, 7, 5, 6, 10
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def data():
    rng = np.random.default_rng(0)
    kinds = {"label": 1, "parts6": 6, "description": 1}
    texts = ClassTexts(
        tuple(f"class {c}" for c in range(CLASSES)),
        {kind: 3 * rng.standard_normal((CLASSES, units, DIM)).astype(np.float32) for kind, units in kinds.items()},
    )
    views = {
        "grid": rng.standard_normal((SAMPLES, CHANNELS, 4, 25)).astype(np.float16),
        "pooled": rng.random((SAMPLES, CHANNELS)).astype(np.float32),
        "pooled_masked": rng.random((SAMPLES, 1, CHANNELS)).astype(np.float32),
    }
    return Features(views, "kinect25"), rng.integers(0, SEEN, SAMPLES), texts


def epochs_of_batches(epochs, size):
    """The order of the samples, drawn as the shared loop draws it; a last batch of one sample is left out."""
    generator = torch.Generator().manual_seed(SEED)
    for epoch in range(epochs):
        yield epoch, [rows for rows in torch.randperm(SAMPLES, generator=generator).split(size) if len(rows) > 1]


# --- STAR ------------------------------------------------------------------------------------------------------------

ATTRIBUTES, WIDTH, TEXT_WIDTH, HEADS = 8, 16, 12, 4
JOINTS = [  # dossier 4.12, joints from 0
    [2, 3, 20],
    [7, 11, 21, 22, 23, 24],
    [4, 5, 6, 8, 9, 10],
    [0, 1],
    [12, 13, 16, 17],
    [14, 15, 18, 19],
]


class ReleasedPart(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.visual_prompt = nn.Parameter(torch.empty(ATTRIBUTES, WIDTH))
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, kdim=CHANNELS, vdim=CHANNELS, batch_first=True)
        self.ffn = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
        self.project = nn.Parameter(torch.empty(WIDTH, WIDTH))
        self.semantic_prompt = nn.Parameter(torch.empty(classes, DIM))
        self.text = nn.Sequential(nn.Linear(DIM, TEXT_WIDTH), nn.ReLU(), nn.Linear(TEXT_WIDTH, ATTRIBUTES))

    def visual(self, nodes):
        query = self.visual_prompt.expand(len(nodes), -1, -1)
        gathered, _ = self.attention(query, nodes, nodes)
        encoded = self.ffn(gathered)
        return torch.stack([encoded[:, b] @ (self.visual_prompt[b] @ self.project) for b in range(ATTRIBUTES)], 1)

    def semantic(self, texts):
        return self.text(texts + self.semantic_prompt)


class ReleasedSTAR(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.parts = nn.ModuleList(ReleasedPart(classes) for _ in JOINTS)
        self.label = nn.Sequential(nn.Linear(DIM, TEXT_WIDTH), nn.ReLU(), nn.Linear(TEXT_WIDTH, ATTRIBUTES))

    def copy_from(self, net):
        """The same weights; torch's attention keeps the three input biases in one vector."""
        with torch.no_grad():
            for i, (mine, other) in enumerate(zip(self.parts, net.parts)):
                pairs = [(mine.visual_prompt, other.prompt), (mine.project, other.matrix)]
                pairs += [(mine.semantic_prompt, net.prompt[i])]
                at = mine.attention
                pairs += [(at.q_proj_weight, other.query.weight), (at.k_proj_weight, other.key.weight)]
                pairs += [(at.v_proj_weight, other.value.weight), (at.out_proj.weight, other.out.weight)]
                pairs += [(at.in_proj_bias, torch.cat([other.query.bias, other.key.bias, other.value.bias]))]
                pairs += [(at.out_proj.bias, other.out.bias)]
                for a, b in pairs:
                    a.copy_(b)
                mine.ffn[0].load_state_dict(other.inner.state_dict())
                mine.ffn[2].load_state_dict(other.outer.state_dict())
                mine.text.load_state_dict(net.part_text[i].state_dict())
            self.label.load_state_dict(net.label_text.state_dict())
        return self

    def streams(self, grid):
        """(B, D, T', V) -> list of (B, attributes), one per part."""
        nodes = [grid[:, :, :, joints].flatten(2).transpose(1, 2) for joints in JOINTS]
        return [part.visual(n) for part, n in zip(self.parts, nodes)]

    def loss(self, grid, y, label, parts, seen):
        v, g = self.streams(grid), self.label(label)
        u = [part.semantic(parts[:, i]) for i, part in enumerate(self.parts)]

        def cosines(a, b):
            return torch.stack([F.cosine_similarity(a, c.expand_as(a), dim=1) for c in b], 1)

        part_loss = sum(F.cross_entropy(cosines(a, b[seen]), y) for a, b in zip(v, u)) / 6
        own = torch.arange(len(label))
        semantic = sum(F.cross_entropy(b @ g.T, own) for b in u) / 6
        whole = F.cross_entropy(cosines(sum(v), g[seen]), y)
        return part_loss + 0.1 * semantic + 0.1 * whole


@pytest.mark.parametrize("classes", ["seen", "all"])
def test_star_trains_as_its_release(classes):
    features, labels, texts = data()
    assert [list(j) for j in KINECT25.parts("parts6").values()] == JOINTS
    known = texts if classes == "all" else texts.select(texts.names[:SEEN])
    method = star.STAR(
        epochs=6, decay=(2, 4), batch_size=13, attributes=ATTRIBUTES, width=WIDTH, text_width=TEXT_WIDTH,
        semantic_classes=classes, precision="fp32", seed=SEED,
    )  # fmt: skip
    with loops.seeded(SEED):
        start = star.Network(CHANNELS, DIM, 6, len(known), method)
    plain = ReleasedSTAR(len(known)).copy_from(start)
    more = {"all_texts": texts} if classes == "all" else {}
    method.fit(features, labels, texts.select(texts.names[:SEEN]), **more)

    grid, y = torch.as_tensor(features["grid"].astype(np.float32)), torch.as_tensor(labels)
    label, parts = torch.as_tensor(known["label"][:, 0]), torch.as_tensor(known["parts6"])
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    expected = []
    for epoch, batches in epochs_of_batches(6, 13):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * 0.1 ** sum(epoch >= mark for mark in (2, 4))
        losses = []
        for rows in batches:
            loss = plain.loss(grid[rows], y[rows], label, parts, torch.arange(SEEN))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        expected.append(np.mean(losses))
    assert [len(rows) for rows in batches] == [13, 13, 13]  # the fourth would hold one sample
    assert method.losses_ == pytest.approx(expected, abs=1e-5)
    assert expected[-1] < expected[0] - 0.01  # something was learned
    learned = ReleasedSTAR(len(known)).copy_from(method.network_)
    for (name, a), b in zip(learned.named_parameters(), plain.parameters()):
        torch.testing.assert_close(a, b, **CLOSE, msg=lambda m, name=name: f"{name}: {m}")
    with torch.no_grad():
        scores = F.normalize(sum(plain.streams(grid)), dim=1) @ F.normalize(plain.label(label), dim=1).T
    np.testing.assert_allclose(method.score(features, known), scores, **CLOSE)


# --- SMIE ------------------------------------------------------------------------------------------------------------


def estimate(positive, negative):
    return (-F.softplus(-positive)).mean() - F.softplus(negative).mean()


@pytest.mark.parametrize("temporal", [False, True])
def test_smie_trains_as_its_release(temporal):
    features, labels, texts = data()
    hidden, epochs, warmup, rate = (24, 20), 8, 2, 3e-3
    method = SMIE(
        temporal=temporal, hidden=hidden, epochs=epochs, warmup=warmup, batch_size=13, lr=rate, seed=SEED, margin=0.0
    )
    with loops.seeded(SEED):
        start = PairNetwork(CHANNELS, DIM, hidden)
    critic = nn.Sequential(
        nn.Linear(CHANNELS + DIM, 24), nn.ReLU(), nn.Linear(24, 20), nn.ReLU(), nn.Linear(20, 1)
    )  # fmt: skip
    for mine, other in zip((critic[0], critic[2], critic[4]), (start.first, *start.rest)):
        mine.load_state_dict(other.state_dict())
    method.fit(features, labels, texts.select(texts.names[:SEEN]))

    normed = nn.LayerNorm(CHANNELS, elementwise_affine=False)
    x, masked = (torch.as_tensor(a) for a in (features["pooled"], features["pooled_masked"][:, 0]))
    words = F.normalize(torch.as_tensor(texts["description"][:, 0]), dim=1)
    optimizer = torch.optim.Adam(critic.parameters(), lr=rate)
    expected, hinges = [], []
    for epoch, batches in epochs_of_batches(epochs, 13):
        factor = (
            epoch / warmup if epoch < warmup else (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup))) / 2
        )
        optimizer.param_groups[0]["lr"] = rate * factor
        losses = []
        for rows in batches:
            f, t = normed(x[rows]), words[labels[rows]]
            rolled = torch.cat([f[1:], f[:1]])  # skeleton i + 1 beside text i
            negative = critic(torch.cat([rolled, t], 1))
            information = estimate(critic(torch.cat([f, t], 1)), negative)
            loss = -information
            if temporal:
                less = estimate(critic(torch.cat([normed(masked[rows]), t], 1)), negative)
                hinges.append(max(0.0, (less - information).item()))
                loss = loss + 0.5 * torch.clamp(0.0 - (information - less), min=0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        expected.append(np.mean(losses))
    assert method.losses_ == pytest.approx(expected, abs=1e-5)
    assert expected[-1] < expected[0] - 0.01
    assert not temporal or min(hinges) == 0 < max(hinges)  # both sides of the hinge were met
    for mine, other in zip((critic[0], critic[2], critic[4]), (method.critic_.first, *method.critic_.rest)):
        for a, b in zip(mine.parameters(), other.parameters()):
            torch.testing.assert_close(b, a, **CLOSE)
    with torch.no_grad():
        scores = torch.cat([critic(torch.cat([normed(x), c.expand(len(x), -1)], 1)) for c in words], 1)
    np.testing.assert_allclose(method.score(features, texts), scores, rtol=1e-4, atol=1e-5)
