"""CADA-VAE, SynSE and MSF beside a plain transcription of the released training: encoders with separate mean and
variance layers, the three schedules by step, one Adam, and the classifier on drawn latents.

Same data, initial weights, batches and noise: losses, learned weights and scores must agree after three cycles. Cycles
have 17 steps instead of 1700, so that every position of the schedules (1000, 1400, 3000) shrinks to a hundredth.
"""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import latent, loops, synse, vae
from zssar.alignment.cada_vae import CADAVAE
from zssar.alignment.msf import MSF
from zssar.interfaces import ClassTexts, Features

SEED, SAMPLES, CLASSES, SEEN, CHANNELS, DIM, LATENT = 5, 50, 8, 5, 9, 11, 6
CYCLES, STEPS, RATE = 3, 17, 5e-3
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def data():
    rng = np.random.default_rng(1)
    kinds = {"label": 1, "verb_noun": 2, "action_definition": 1, "motion_description": 1}
    texts = ClassTexts(
        tuple(f"class {c}" for c in range(CLASSES)),  # in alphabetical order, as the classifier sorts them
        {kind: 2 * rng.standard_normal((CLASSES, units, DIM)).astype(np.float32) for kind, units in kinds.items()},
        {"verb_noun": ("verb", "noun")},
    )
    return Features({"pooled": rng.random((SAMPLES, CHANNELS)).astype(np.float32)}, "kinect25"), rng, texts


class ReleasedEncoder(nn.Module):
    """Two parallel layers."""

    def __init__(self, both):
        super().__init__()
        width, dim = both.weight.shape
        self.mean, self.logvar = nn.Linear(dim, width // 2), nn.Linear(dim, width // 2)
        with torch.no_grad():
            for layer, weight, bias in zip((self.mean, self.logvar), both.weight.chunk(2), both.bias.chunk(2)):
                layer.weight.copy_(weight)
                layer.bias.copy_(bias)

    def forward(self, x, noise):
        """Latent with one random number per sample, and the KL divergence of the batch."""
        mean, logvar = self.mean(x), self.logvar(x)
        divergence = -0.5 * torch.sum(1 + logvar - mean**2 - torch.exp(logvar)) / len(x)
        return mean + torch.exp(0.5 * logvar) * noise.expand(-1, mean.shape[1]), divergence


def decoder(layer):
    copy = nn.Linear(layer.in_features, layer.out_features)
    copy.load_state_dict(layer.state_dict())
    return nn.Sequential(copy, nn.ReLU())


class Released(nn.Module):
    """``words``: the text modalities, in the order of the noise; SynSE's halves belong to noun and verb."""

    def __init__(self, net, words):
        super().__init__()
        self.words, names = words, ("skeleton", *words)
        self.encoders = nn.ModuleDict({n: ReleasedEncoder(getattr(net, f"encode_{n}").both) for n in names})
        self.decoders = nn.ModuleDict({n: decoder(getattr(net, f"decode_{n}").layer) for n in names})

    def loss(self, x, texts, noise, k1, k2, cross):
        given = dict(zip(("skeleton", *self.words), (x, *texts)))
        z, divergence = {}, {}
        for (name, value), eps in zip(given.items(), noise):
            z[name], divergence[name] = self.encoders[name](value, eps)
        total = sum(F.mse_loss(self.decoders[name](z[name]), value) for name, value in given.items())
        total = total + k1 * divergence["skeleton"] + k2 * sum(divergence[word] for word in self.words)
        if "verb" in self.words:
            half = LATENT // 2
            swapped = {"noun": z["skeleton"][:, :half], "verb": z["skeleton"][:, half:]}
            swapped["skeleton"] = torch.cat([z["noun"], z["verb"]], 1)
        else:
            swapped = {"skeleton": z["text"], "text": z["skeleton"]}
        crossed = sum(F.mse_loss(self.decoders[name](swapped[name]), given[name]) for name in given)
        return total + cross * crossed


def cada_schedule(step, cycle):
    k1 = max(0.0, 0.1 * (step - 10) / 30)
    cross = float(step > 14)
    return k1, k1 * cross, cross


def synse_schedule(step, cycle):
    k1, _, cross = cada_schedule(step, cycle)
    return k1, max(0.0, 0.1 * (step - 14) / 30) if cycle > 1 else 0.0, cross


def unit(a):
    return torch.as_tensor(a / np.linalg.norm(a, axis=1, keepdims=True))


def words_of(name, texts):
    if name == "synse":
        return [unit(texts["verb_noun"][:, 0]), unit(texts["verb_noun"][:, 1])]
    if name == "cada_vae":
        return [unit(texts["label"][:, 0])]
    return [unit(np.concatenate([texts[k][:, 0] for k in ("label", "action_definition", "motion_description")], 1))]


METHODS = {
    "cada_vae": (CADAVAE, ("text",), cada_schedule),
    "msf": (MSF, ("text",), synse_schedule),
    "synse": (synse.SynSE, ("verb", "noun"), synse_schedule),
}


def recorded(monkeypatch, kind):
    """Every batch, its noise and its loss, as the method draws them."""
    steps, original = [], kind.loss

    def loss(self, *args):
        *batch, noise, _ = args
        result = original(self, *args)
        steps.append((batch, noise, result.item()))
        return result

    monkeypatch.setattr(kind, "loss", loss)
    return steps


@pytest.mark.parametrize("name", METHODS)
def test_the_method_trains_as_its_release(name, monkeypatch):
    cls, modalities, schedule = METHODS[name]
    features, rng, texts = data()
    labels, words = rng.integers(0, SEEN, SAMPLES), words_of(name, texts)
    network = synse.TriVAE if name == "synse" else vae.PairVAE
    steps = recorded(monkeypatch, network)
    params = {"latent": LATENT, "cycles": CYCLES, "steps_per_cycle": STEPS, "batch_size": 16, "lr": RATE, "seed": SEED}
    method = cls(**params, draws=40, classifier_steps=60, classifier_lr=1e-2)
    with loops.seeded(SEED):
        start = Released(network(CHANNELS, words[0].shape[1], LATENT, True), modalities)
    method.fit(features, labels, texts.select(texts.names[:SEEN]))

    assert len(steps) == CYCLES * STEPS
    optimizer = torch.optim.Adam(start.parameters(), lr=RATE)  # kept over the cycles, as the weights are
    x = torch.as_tensor(features["pooled"])
    for number, ((batch, *given), noise, loss) in enumerate(steps):
        rows = torch.stack([(x == row).all(1).nonzero()[0, 0] for row in batch])
        assert len(rows.unique()) == 16
        told = [word[labels[rows]] for word in words]
        for mine, other in zip(told, given):
            torch.testing.assert_close(mine, other)
        assert noise.shape == (1 + len(modalities), 16, 1)  # one number per sample
        expected = start.loss(x[rows], told, noise, *schedule(number % STEPS, number // STEPS))
        assert loss == pytest.approx(expected.item(), abs=1e-5), f"step {number}"
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
    assert steps[-1][2] != pytest.approx(steps[0][2], rel=0.01)
    learned = Released(method.net_, modalities)
    for (key, a), b in zip(learned.named_parameters(), start.named_parameters()):
        torch.testing.assert_close(a, b[1], **CLOSE, msg=lambda m, key=key: f"{key}: {m}")
    _compare_classifier(method, start, features, texts, words, monkeypatch)


def _compare_classifier(method, released, features, texts, words, monkeypatch):
    """The release's classifier (dossier 5.1) on the same latents, from the same start: Linear, ReLU, Adam."""
    taken, original = [], latent.fit_softmax
    monkeypatch.setattr(latent, "fit_softmax", lambda *args: taken.append(args) or original(*args))
    names = texts.names[SEEN:]
    scores = method.score(features, texts.select(names))
    (basis, directions, weight, *_), k = taken[0], len(names)
    z = (basis @ directions).flatten(0, 1)
    _check_draws(z.view(k, 40, LATENT), released, [word[SEEN:] for word in words])
    classifier = nn.Sequential(nn.Linear(LATENT, k), nn.ReLU())
    with torch.no_grad():
        classifier[0].weight.copy_(weight)
        classifier[0].bias.zero_()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=1e-2)
    for _ in range(60):
        loss = F.cross_entropy(classifier(z), torch.arange(k).repeat_interleave(40))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        expected = classifier(released.encoders["skeleton"].mean(torch.as_tensor(features["pooled"])))
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)


def _check_draws(z, released, words):
    """Every draw is mean + deviation times one number per modality; SynSE's noun comes first."""
    order = sorted(range(len(words)), key=lambda i: released.words[i])  # noun before verb
    start = 0
    for i in order:
        encoder = released.encoders[released.words[i]]
        mean, deviation = encoder.mean(words[i]), torch.exp(0.5 * encoder.logvar(words[i]))
        part = (z[:, :, start : start + mean.shape[1]] - mean[:, None]) / deviation[:, None]
        torch.testing.assert_close(part, part[:, :, :1].expand_as(part), rtol=1e-3, atol=1e-4)
        assert 0.7 < part[:, :, 0].std() < 1.3
        start += mean.shape[1]
    assert start == LATENT
