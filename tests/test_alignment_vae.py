"""CADA-VAE, SynSE and MSF against the published equations, sizes and schedules."""

from __future__ import annotations

import alignment_toy
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from zssar import plugins
from zssar.alignment import latent, layers, loops, msf, synse, vae
from zssar.alignment.cada_vae import CADAVAE
from zssar.errors import UserError
from zssar.interfaces import ClassTexts


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("size", "expected"), [(100, 385_680), (200, 770_080)])
def test_cada_vae_parameter_count_of_dossier_appendix_a(size, expected):
    assert count(vae.PairVAE(256, 1024, size, True)) == expected


@pytest.mark.parametrize(("size", "expected"), [(100, 386_704), (200, 771_104)])
def test_synse_parameter_count_of_dossier_appendix_a(size, expected):
    assert count(synse.TriVAE(256, 1024, size, True)) == expected


@pytest.mark.parametrize(
    ("size", "dim", "expected"),
    [
        (100, 512, 231_568),
        (100, 1024, 385_680),
        (100, 1536, 539_792),
        (200, 512, 462_368),
        (200, 1024, 770_080),
        (200, 1536, 1_077_792),
    ],
)
def test_msf_parameter_count_of_dossier_appendix_a(size, dim, expected):
    assert count(vae.PairVAE(256, dim, size, True)) == expected


@pytest.mark.parametrize(("length", "k1", "k2", "active"), [(1700, 0.0233, 0.0100, 299), (1900, 0.0300, 0.0133, 399)])
def test_loss_weights_of_dossier_appendix_a(length, k1, k2, active):
    last = vae.weights(length - 1, 2, length, "synse")
    assert last.kl_skeleton == pytest.approx(k1, abs=5e-5)
    assert last.kl_text == pytest.approx(k2, abs=5e-5)
    assert sum(vae.weights(e, 0, length, "synse").cross for e in range(length)) == active
    assert vae.weights(1000, 2, length, "synse").kl_skeleton == 0.0
    assert vae.weights(1003, 2, length, "synse").kl_skeleton == pytest.approx(1e-4)


def test_text_kl_starts_in_the_third_cycle_with_synse_and_with_cross_reconstruction_with_cada():
    assert [vae.weights(1699, cycle, 1700, "synse").kl_text > 0 for cycle in range(4)] == [False, False, True, True]
    assert vae.weights(1699, 0, 1700, "cada").kl_text == vae.weights(1699, 0, 1700, "cada").kl_skeleton
    assert vae.weights(1400, 5, 1700, "cada").kl_text == 0.0
    assert vae.weights(1400, 5, 1700, "cada").kl_skeleton > 0.0


def test_other_cycle_lengths_keep_the_shape_of_the_1700_step_cycle():
    for step in (0, 100, 120, 141, 169):
        short, long = vae.weights(step, 2, 170, "synse"), vae.weights(10 * step, 2, 1700, "synse")
        assert (short.kl_skeleton, short.kl_text) == pytest.approx((long.kl_skeleton, long.kl_text))
        assert short.cross == long.cross


def test_kl_is_that_of_normal_distributions():
    mean, logvar = torch.randn(5, 7), torch.randn(5, 7)
    exact = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * logvar).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(vae.kl(mean, logvar), exact.sum(1).mean())


def test_scalar_noise_moves_all_dimensions_of_a_sample_together():
    mean, logvar = torch.zeros(3, 4), torch.tensor([0.0, 2.0, 4.0, 6.0]).expand(3, 4)
    z = vae.sample(mean, logvar, torch.tensor([[1.0], [-2.0], [0.0]]))
    expected = torch.tensor([1.0, np.e, np.e**2, np.e**3])
    torch.testing.assert_close(z, torch.stack([expected, -2 * expected, 0 * expected]))


def test_layers_start_as_xavier_uniform_with_gain_one_half_each():
    torch.manual_seed(0)
    encoder = vae.Encoder(256, 100)
    for half in encoder.both.weight.data.chunk(2):
        bound = 0.5 * (6 / (256 + 100)) ** 0.5
        assert 0.99 * bound < half.abs().max() <= bound
    assert not encoder.both.bias.any()


@pytest.mark.parametrize("final_relu", [True, False])
def test_cada_vae_loss_of_dossier_4_5_equals_the_formula_written_out(final_relu):
    torch.manual_seed(0)
    net = vae.PairVAE(6, 5, 4, final_relu)
    x, t, noise = torch.randn(3, 6), torch.randn(3, 5), torch.randn(2, 3, 1)

    def decode(decoder, z):
        out = z @ decoder.layer.weight.T + decoder.layer.bias
        return out.clamp(min=0) if final_relu else out

    parts = {}
    for key, data, encoder, eps in (("s", x, net.encode_skeleton, noise[0]), ("t", t, net.encode_text, noise[1])):
        out = data @ encoder.both.weight.T + encoder.both.bias
        mu, logvar = out[:, :4], out[:, 4:]
        parts[key] = mu + torch.exp(logvar / 2) * eps, -0.5 * (1 + logvar - mu**2 - torch.exp(logvar)).sum() / 3
    (z_s, kl_s), (z_t, kl_t) = parts["s"], parts["t"]
    own = ((x - decode(net.decode_skeleton, z_s)) ** 2).mean() + ((t - decode(net.decode_text, z_t)) ** 2).mean()
    crossed = ((x - decode(net.decode_skeleton, z_t)) ** 2).mean() + ((t - decode(net.decode_text, z_s)) ** 2).mean()
    torch.testing.assert_close(
        net.loss(x, t, noise, vae.Weights(0.02, 0.01, 1.0)), own + 0.02 * kl_s + 0.01 * kl_t + crossed
    )
    torch.testing.assert_close(net.loss(x, t, noise, vae.Weights(0.02, 0.0, 0.0)), own + 0.02 * kl_s)


def test_synse_loss_of_dossier_4_6_pairs_the_first_half_with_the_noun():
    torch.manual_seed(0)
    net = synse.TriVAE(6, 5, 4, False)
    x, v, n, noise = torch.randn(3, 6), torch.randn(3, 5), torch.randn(3, 5), torch.randn(3, 3, 1)
    z, kl = [], []
    for data, encoder, eps in zip((x, v, n), (net.encode_skeleton, net.encode_verb, net.encode_noun), noise):
        mu, logvar = encoder(data)
        z.append(mu + torch.exp(logvar / 2) * eps)
        kl.append(vae.kl(mu, logvar))
    own = F.mse_loss(net.decode_skeleton(z[0]), x) + F.mse_loss(net.decode_verb(z[1]), v)
    own = own + F.mse_loss(net.decode_noun(z[2]), n)
    crossed = F.mse_loss(net.decode_noun(z[0][:, :2]), n) + F.mse_loss(net.decode_verb(z[0][:, 2:]), v)
    crossed = crossed + F.mse_loss(net.decode_skeleton(torch.cat([z[2], z[1]], 1)), x)
    expected = own + 0.03 * kl[0] + 0.01 * (kl[1] + kl[2]) + crossed
    torch.testing.assert_close(net.loss(x, v, n, noise, vae.Weights(0.03, 0.01, 1.0)), expected)


def test_msf_equation_1_concatenates_then_normalises_once():
    toy = alignment_toy.toy()
    kinds = ("label", "motion_description")
    a, b = (toy.texts[kind][:, 0] for kind in kinds)
    together = np.concatenate([a, b], 1)
    np.testing.assert_allclose(msf.fuse(toy.texts, kinds), together / np.linalg.norm(together, axis=1, keepdims=True))


def test_steps_batches_and_calls_of_a_cycle():
    """Every step draws its own batch without replacement; weights run through the cycle; one report per cycle."""
    drawn = []
    net = vae.PairVAE(3, 3, 2, True)

    def loss(rows, noise, weights):
        assert noise.shape == (2, 5, 1)
        drawn.append((rows.tolist(), weights))
        return sum(p.sum() for p in net.parameters()) * 0

    method = CADAVAE(latent=2, cycles=2, steps_per_cycle=130, batch_size=5)
    reports = []
    vae.train_cycles(method, net, loss, n=8, noises=2, after_epoch=lambda m, e: reports.append((e, len(drawn))))
    assert reports == [(1, 130), (2, 260)]
    assert all(len(set(rows)) == 5 and set(rows) <= set(range(8)) for rows, _ in drawn)
    assert len({tuple(sorted(rows)) for rows, _ in drawn}) > 30
    assert [w for _, w in drawn] == [vae.weights(e, c, 130, "cada") for c in range(2) for e in range(130)]


def gaussians(k=4, sizes=(3,), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return latent.Gaussians(*([torch.randn(k, s, generator=generator) for s in sizes] for _ in range(2)))


@pytest.mark.parametrize("noise", ["scalar", "elementwise"])
@pytest.mark.parametrize("sizes", [(6,), (3, 3)])
def test_draws_have_the_texts_mean_and_deviation(noise, sizes):
    given = gaussians(sizes=sizes)
    basis, directions = given.draws(4000, noise, torch.Generator().manual_seed(1))
    z = basis @ directions
    mean, deviation = torch.cat(given.means, 1), torch.exp(0.5 * torch.cat(given.logvars, 1))
    torch.testing.assert_close(z.mean(1), mean, atol=0.15, rtol=0.1)
    torch.testing.assert_close(z.std(1), deviation, atol=0.05, rtol=0.05)
    standard = ((z - mean[:, None]) / deviation[:, None])[0]  # (draws, L)
    correlated = np.corrcoef(standard.numpy().T) > 0.99
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    expected = blocks[:, None] == blocks if noise == "scalar" else np.eye(6, dtype=bool)
    assert np.array_equal(correlated, expected)


@pytest.mark.parametrize("final_relu", [True, False])
@pytest.mark.parametrize(("noise", "size"), [("scalar", 1), ("elementwise", 1), ("scalar", 60), ("scalar", 300)])
def test_written_out_gradient_of_the_classifier_equals_automatic_differentiation(noise, size, final_relu):
    """Logits of all sizes: beyond ``SAFE``, and far beyond what float32 exponentials hold."""
    basis, directions = gaussians(7, (4, 4)).draws(50, noise, torch.Generator().manual_seed(1))
    directions = directions * size
    start = torch.randn(7, 8, generator=torch.Generator().manual_seed(2)) * 0.3
    weight, bias = start.clone().requires_grad_(), torch.zeros(7, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=1e-2)
    z, y = (basis @ directions).flatten(0, 1), torch.arange(7).repeat_interleave(50)
    for _ in range(40):
        logits = F.linear(z, weight, bias)
        loops.step(optimizer, F.cross_entropy(F.relu(logits) if final_relu else logits, y))
    got = latent.fit_softmax(basis, directions, start, 40, 1e-2, final_relu)
    torch.testing.assert_close(got[0], weight.detach(), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(got[1], bias.detach(), atol=1e-4, rtol=1e-3)


def test_classifier_blocks_do_not_change_the_result(monkeypatch):
    basis, directions = gaussians(9).draws(60, "scalar", torch.Generator().manual_seed(1))
    start = torch.zeros(9, 3)
    whole = latent.fit_softmax(basis, directions, start, 20, 1e-2, True)
    monkeypatch.setattr(latent, "CACHE", 60 * 9 * 2)  # two classes a block, the last block holds one
    parts = latent.fit_softmax(basis, directions, start, 20, 1e-2, True)
    torch.testing.assert_close(parts, whole)


def test_classifier_is_trained_once_per_question_and_again_for_other_texts(monkeypatch):
    classifier = CADAVAE(draws=20, classifier_steps=5).classifier
    trained = []
    monkeypatch.setattr(classifier, "train", lambda g, real=classifier.train: trained.append(1) or real(g))
    x, first, names = torch.randn(5, 3), gaussians(4), ["d", "b", "a", "c"]
    one = classifier.logits(x, names, first)
    order = [2, 0, 3, 1]
    turned = classifier.logits(x, [names[i] for i in order], first.take(order))
    assert len(trained) == 1
    assert torch.equal(turned, one[:, order])
    classifier.logits(x, names, gaussians(4, seed=9))
    assert len(trained) == 2


@pytest.mark.parametrize("name", ["cada_vae", "msf", "synse"])
def test_released_form_with_relu_and_scalar_noise_learns_too(name):
    toy = alignment_toy.toy()
    params = {**alignment_toy.PARAMS[name], "final_relu": True}
    features, labels = toy.samples(toy.seen)
    method = plugins.create("alignment", name, params).fit(features, labels, toy.texts.select(toy.seen))
    predicted = method.score(features, toy.texts.select(toy.seen)).argmax(1)
    assert (predicted == labels).mean() > 0.4  # chance 0.05
    assert method.score(features, toy.texts.select(toy.seen)).min() == 0.0


def test_scores_are_classifier_logits_of_the_latent_mean():
    """Dossier 5.1: the mean of the skeleton encoder is classified, no noise at test time."""
    toy = alignment_toy.toy()
    features, labels = toy.samples(toy.seen)
    method = CADAVAE(cycles=1, steps_per_cycle=20, latent=6, draws=30).fit(features, labels, toy.texts.select(toy.seen))
    texts = toy.texts.select(toy.unseen)
    got = method.score(features, texts)
    order = sorted(range(len(texts)), key=lambda i: texts.names[i])
    with torch.no_grad():
        t = torch.as_tensor(layers.class_vectors(texts, ("label",)))[order]
        mean, logvar = method.net_.encode_text(t)
        weight, bias = method.classifier.train(latent.Gaussians([mean], [logvar]))
        mu = method.net_.encode_skeleton(torch.as_tensor(features["pooled"].astype(np.float32)))[0]
        expected = F.relu(mu @ weight.T + bias).numpy()
    np.testing.assert_allclose(got[:, order], expected, rtol=1e-5, atol=1e-6)


def test_impossible_arguments_are_named():
    with pytest.raises(UserError, match=r"noise='gauss'"):
        CADAVAE(noise="gauss")
    with pytest.raises(UserError, match=r"k2_mode='x'"):
        CADAVAE(k2_mode="x")
    with pytest.raises(UserError, match="latent=7"):
        synse.SynSE(latent=7)


def test_words_are_found_by_name_not_by_position():
    toy = alignment_toy.toy()
    kind = toy.texts["verb_noun"]
    turned = ClassTexts(toy.texts.names, {"verb_noun": kind[:, ::-1]}, {"verb_noun": ("noun", "verb")})
    features, labels = toy.samples(toy.seen)
    scores = [
        synse.SynSE(cycles=1, steps_per_cycle=10, latent=6)
        .fit(features, labels, texts.select(toy.seen))
        .score(features, texts.select(toy.unseen))
        for texts in (toy.texts, turned)
    ]
    assert np.array_equal(*scores)
    wrong = ClassTexts(toy.texts.names, {"verb_noun": kind}, {"verb_noun": ("verb", "object")})
    with pytest.raises(UserError, match="object"):
        synse.SynSE().fit(features, labels, wrong.select(toy.seen))
