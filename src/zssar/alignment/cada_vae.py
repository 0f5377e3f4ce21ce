"""CADA-VAE: skeleton and text auto-encoders whose latents are aligned by decoding each other's.

Paper: Schönfeld et al., "Generalized Zero- and Few-Shot Learning via Aligned Variational Autoencoders", CVPR 2019, in
    the form in which the SynSE authors released it for skeletons (Gupta et al., ICIP 2021).
Idea: two small VAEs share a latent space. Latents drawn around the texts of new classes train a softmax classifier,
    which then reads the latents of skeletons.
Formulas: L = MSE(x, D_s(z_s)) + MSE(t, D_t(z_t)) + k1 KL_s + k2 KL_t + a (MSE(x, D_s(z_t)) + MSE(t, D_t(z_s)))
    (equations 3 and 4 of CADA-VAE with squared instead of absolute errors), weights by ``vae.weights``; the
    distribution alignment of equation 6 has weight 0 in the release. Scores: the classifier of ``latent.py``.
Inputs: ``pooled`` features as they are; label texts, unit length.
Differences: none from the release by default, except that no cycle is picked on unseen samples. ``final_relu=False``
    drops the ReLU after decoders and classifier, ``noise="elementwise"`` draws one number per latent dimension instead
    of one per sample. ``latent`` is 100 for NTU-60 and 200 for NTU-120, with 1700 and 1900 steps per cycle.
"""

from __future__ import annotations

import torch

from zssar.alignment import inputs, layers, loops, vae
from zssar.alignment.latent import Gaussians
from zssar.interfaces import AlignmentMethod


class CADAVAE(AlignmentMethod):
    """Scores come from a classifier trained for the classes asked; ``after_epoch`` is called once per cycle."""

    pairwise = False

    def __init__(
        self,
        *,
        texts=("label",),
        latent: int = 100,
        noise: str = "scalar",
        final_relu: bool = True,
        k2_mode: str = "cada",
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
        self.k2_mode, self.cycles, self.steps_per_cycle = k2_mode, cycles, steps_per_cycle
        self.batch_size, self.lr, self.seed, self.device = batch_size, lr, seed, device
        self.draws, self.classifier_steps, self.classifier_lr = draws, classifier_steps, classifier_lr
        vae.check(self)
        self.classifier = vae.classifier(self)

    @property
    def epochs(self) -> int:
        """How often ``after_epoch`` is called: once per cycle."""
        return self.cycles

    def fit(self, features, labels, texts, after_epoch=None):
        x = layers.tensor(inputs.array(features, "pooled"), self.device)
        y = torch.as_tensor(inputs.labels_of(labels, len(x), texts), device=self.device)
        t = layers.tensor(inputs.class_vectors(texts, self.texts), self.device)
        with loops.seeded(self.seed, self.device):
            self.net_ = vae.PairVAE(x.shape[1], t.shape[1], self.latent, self.final_relu).to(self.device)
            vae.train_cycles(
                self,
                self.net_,
                lambda rows, noise, weights: self.net_.loss(x[rows], t[y[rows]], noise, weights),
                n=len(x),
                noises=2,
                after_epoch=after_epoch,
            )
        return self

    @torch.no_grad()
    def score(self, features, texts):
        inputs.fitted(self, "net_")
        x = layers.tensor(inputs.array(features, "pooled", dim=self.net_.channels), self.device)
        t = layers.tensor(inputs.class_vectors(texts, self.texts, self.net_.dim), self.device)
        mean, logvar = self.net_.encode_text(t)
        latents, _ = self.net_.encode_skeleton(x)
        return self.classifier.logits(latents, texts.names, Gaussians([mean], [logvar])).cpu().numpy()

    def state(self):
        inputs.fitted(self, "net_")
        return layers.module_state(self.net_)

    def restore(self, state):
        self.net_ = layers.load_module(vae.PairVAE.like(state, self.final_relu), state).to(self.device)
