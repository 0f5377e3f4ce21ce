"""SynSE: verb and noun of a label have latents of their own, which together make up the latent of a skeleton.

Paper: Gupta et al., "Syntactically Guided Generative Embeddings for Zero-Shot Skeleton Action Recognition", ICIP 2021.
Idea: a skeleton VAE whose latent is split in halves; one half is decoded by the noun's VAE, the other by the verb's,
    and the concatenated word latents by the skeleton's. New classes combine known verbs and nouns.
Formulas: L = MSE(x, D_s(z_s)) + MSE(v, D_v(z_v)) + MSE(n, D_n(z_n)) + k1 KL_s + k2 (KL_v + KL_n)
    + a (MSE(n, D_n(z_s^1)) + MSE(v, D_v(z_s^2)) + MSE(x, D_s([z_n, z_v])))  (section 2.3; weights: ``vae.weights``).
    Scores: the classifier of ``latent.py`` on [z_n, z_v]; the paper's gate is part of the evaluation.
Inputs: ``pooled`` features as they are; one text kind with the units verb and noun, each of unit length.
Differences: none from the release by default, except that no cycle is picked on unseen samples. ``final_relu``,
    ``noise``, ``latent`` and ``steps_per_cycle`` as in CADA-VAE.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import inputs, layers, loops, vae
from zssar.alignment.latent import Gaussians
from zssar.errors import UserError
from zssar.interfaces import AlignmentMethod

WORDS = ("verb", "noun")


class TriVAE(nn.Module):
    """Skeleton, verb and noun auto-encoders; the words have half the latent dimensions each."""

    def __init__(self, channels: int, dim: int, latent: int, final_relu: bool):
        super().__init__()
        half = latent // 2
        self.encode_skeleton = vae.Encoder(channels, latent)
        self.decode_skeleton = vae.Decoder(latent, channels, final_relu)
        self.encode_verb, self.decode_verb = vae.Encoder(dim, half), vae.Decoder(half, dim, final_relu)
        self.encode_noun, self.decode_noun = vae.Encoder(dim, half), vae.Decoder(half, dim, final_relu)
        self.channels, self.dim, self.half = channels, dim, half

    def loss(self, x, v, n, noise, weights: vae.Weights) -> torch.Tensor:
        """x (B, channels), v and n (B, dim), noise (3, B, 1 or latent)."""
        (mean_s, logvar_s), (mean_v, logvar_v), (mean_n, logvar_n) = (
            self.encode_skeleton(x),
            self.encode_verb(v),
            self.encode_noun(n),
        )
        z_s = vae.sample(mean_s, logvar_s, noise[0])
        z_v, z_n = (
            vae.sample(mean, logvar, eps[:, : self.half])
            for mean, logvar, eps in ((mean_v, logvar_v, noise[1]), (mean_n, logvar_n, noise[2]))
        )
        total = F.mse_loss(self.decode_skeleton(z_s), x)
        total = total + F.mse_loss(self.decode_verb(z_v), v) + F.mse_loss(self.decode_noun(z_n), n)
        if weights.kl_skeleton:
            total = total + weights.kl_skeleton * vae.kl(mean_s, logvar_s)
        if weights.kl_text:
            total = total + weights.kl_text * (vae.kl(mean_v, logvar_v) + vae.kl(mean_n, logvar_n))
        if weights.cross:
            noun_half, verb_half = z_s.split(self.half, 1)
            crossed = F.mse_loss(self.decode_noun(noun_half), n) + F.mse_loss(self.decode_verb(verb_half), v)
            crossed = crossed + F.mse_loss(self.decode_skeleton(torch.cat([z_n, z_v], 1)), x)
            total = total + weights.cross * crossed
        return total


class SynSE(AlignmentMethod):
    """Scores come from a classifier trained for the classes asked; ``after_epoch`` is called once per cycle."""

    pairwise = False
    k2_mode = "synse"

    def __init__(
        self,
        *,
        texts=("verb_noun",),
        latent: int = 100,
        noise: str = "scalar",
        final_relu: bool = True,
        cycles: int = 10,
        steps_per_cycle: int = 1700,
        batch_size: int = 64,
        lr: float = 1e-4,
        draws: int = 500,
        classifier_steps: int = 300,
        classifier_lr: float = 1e-3,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.latent, self.noise, self.final_relu = inputs.names(texts), latent, noise, final_relu
        self.cycles, self.steps_per_cycle = cycles, steps_per_cycle
        self.batch_size, self.lr, self.seed, self.device = batch_size, lr, seed, device
        self.draws, self.classifier_steps, self.classifier_lr = draws, classifier_steps, classifier_lr
        vae.check(self)
        if latent % 2:
            raise UserError(f"SynSE: latent={latent} cannot be halved between verb and noun; give an even number")
        self.classifier = vae.classifier(self)

    @property
    def epochs(self) -> int:
        """How often ``after_epoch`` is called: once per cycle."""
        return self.cycles

    def fit(self, features, labels, texts, after_epoch=None):
        x = layers.tensor(inputs.array(features, "pooled"), self.device)
        y = torch.as_tensor(inputs.labels_of(labels, len(x), texts), device=self.device)
        words = inputs.named_units(self, texts, self.texts, WORDS)
        v, n = (layers.tensor(word, self.device) for word in words)
        with loops.seeded(self.seed, self.device):
            self.net_ = TriVAE(x.shape[1], v.shape[1], self.latent, self.final_relu).to(self.device)

            def loss(rows, noise, weights):
                return self.net_.loss(x[rows], v[y[rows]], n[y[rows]], noise, weights)

            vae.train_cycles(self, self.net_, loss, n=len(x), noises=3, after_epoch=after_epoch)
        return self

    @torch.no_grad()
    def score(self, features, texts):
        inputs.fitted(self, "net_")
        x = layers.tensor(inputs.array(features, "pooled", dim=self.net_.channels), self.device)
        words = inputs.named_units(self, texts, self.texts, WORDS, self.net_.dim)
        verb, noun = (layers.tensor(word, self.device) for word in words)
        (mean_v, logvar_v), (mean_n, logvar_n) = self.net_.encode_verb(verb), self.net_.encode_noun(noun)
        latents, _ = self.net_.encode_skeleton(x)
        gaussians = Gaussians([mean_n, mean_v], [logvar_n, logvar_v])
        return self.classifier.logits(latents, texts.names, gaussians).cpu().numpy()

    def state(self):
        inputs.fitted(self, "net_")
        return layers.module_state(self.net_)

    def restore(self, state):
        channels, latent = state["decode_skeleton.layer.weight"].shape
        net = TriVAE(channels, len(state["decode_verb.layer.weight"]), latent, self.final_relu)
        self.net_ = layers.load_module(net, state).to(self.device)
