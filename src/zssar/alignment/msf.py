"""MSF: several descriptions per class, fused by concatenation, aligned with skeletons by a pair of auto-encoders.

Paper: Li et al., "Multi-Semantic Fusion Model for Generalized Zero-Shot Skeleton-Based Action Recognition", ICIG 2023.
Idea: a label says little about a movement. Label (LB), dictionary definition of the action (AD) and description of the
    body motion (MD) are encoded one by one and concatenated; the rest is the CADA-VAE of the SynSE line.
Formulas: f_t = f_LB + f_AD + f_MD side by side (equation 1); VAE, alignment and branch losses (equations 2 to 5), where
    the released code uses mean squared errors and the weights of ``vae.weights``. Scores: the classifier of
    ``latent.py``; the seen/unseen gate of the paper is part of the evaluation.
Inputs: ``pooled`` features as they are; text kinds ``label`` (LB), ``action_definition`` (AD), ``motion_description``
    (MD) or any others. Variants of the paper's Table 6 are choices of ``texts``.
Differences: as released, the concatenation is scaled to unit length once, without normalising its parts first, and the
    text KL follows SynSE (``k2_mode="cada"``: CADA-VAE). The paper trains 1900 steps per cycle on both data sets, the
    released script 1700 on NTU-60. ``final_relu`` and ``noise`` as in CADA-VAE. No cycle is picked on unseen samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from zssar.alignment import inputs, layers, loops, vae
from zssar.alignment.latent import Gaussians
from zssar.errors import UserError
from zssar.interfaces import AlignmentMethod, ClassTexts


class MSF(AlignmentMethod):
    """Scores come from a classifier trained for the classes asked; ``after_epoch`` is called once per cycle."""

    pairwise = False

    def __init__(
        self,
        *,
        texts=("label", "action_definition", "motion_description"),
        latent: int = 100,
        noise: str = "scalar",
        final_relu: bool = True,
        k2_mode: str = "synse",
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
        t = layers.tensor(fuse(texts, self.texts), self.device)
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
        t = layers.tensor(fuse(texts, self.texts, self.net_.dim), self.device)
        mean, logvar = self.net_.encode_text(t)
        latents, _ = self.net_.encode_skeleton(x)
        return self.classifier.logits(latents, texts.names, Gaussians([mean], [logvar])).cpu().numpy()

    def state(self):
        inputs.fitted(self, "net_")
        return layers.module_state(self.net_)

    def restore(self, state):
        self.net_ = layers.load_module(vae.PairVAE.like(state, self.final_relu), state).to(self.device)


def fuse(texts: ClassTexts, kinds: Sequence[str], dim: int | None = None) -> np.ndarray:
    """float32 (K, sum of dims): all units of all kinds side by side, as encoded, then scaled to unit length.

    Raises UserError if that is not the ``dim`` the method was fitted on.
    """
    blocks = [inputs.embeddings(texts, kind) for kind in kinds]
    fused = np.concatenate([block.reshape(len(block), -1) for block in blocks], 1)
    if dim is not None and fused.shape[1] != dim:
        raise UserError(
            f"texts of kinds {', '.join(kinds)} have {fused.shape[1]} dimensions together, but the method was fitted "
            f"on {dim}. Use the kinds and the text encoder of the training run."
        )
    return layers.unit(fused)
