"""What the variational methods share (CADA-VAE, SynSE, MSF): one-layer encoders and decoders, noise, the weights of the
loss terms along a cycle, and the loop over cycles.

All of it follows the skeleton line of Gupta et al. (SynSE, ICIP 2021) and its released code, which differs from the
original CADA-VAE (hidden layers, linear outputs, element-wise noise, distribution alignment).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import inputs, loops
from zssar.alignment.latent import LatentClassifier
from zssar.interfaces import AfterEpoch, AlignmentMethod
from zssar.training import Progress

BLOCK = 100  # steps whose batches and noise are drawn together


def linear(width_in: int, width_out: int, parts: int = 1) -> nn.Linear:
    """Linear layer initialised as ``parts`` layers side by side: Xavier-uniform with gain 0.5, zero bias."""
    layer = nn.Linear(width_in, width_out)
    for block in layer.weight.data.chunk(parts):
        nn.init.xavier_uniform_(block, gain=0.5)
    nn.init.zeros_(layer.bias)
    return layer


class Encoder(nn.Module):
    """Two parallel linear layers, mean and log-variance, kept as one matrix: one product instead of two."""

    def __init__(self, width: int, latent: int):
        super().__init__()
        self.both = linear(width, 2 * latent, parts=2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.both(x).chunk(2, -1)  # (n, latent) twice


class Decoder(nn.Module):
    """One linear layer. The released decoders end in ReLU, which cannot produce negative text coordinates."""

    def __init__(self, latent: int, width: int, final_relu: bool):
        super().__init__()
        self.layer, self.final_relu = linear(latent, width), final_relu

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return F.relu(self.layer(z)) if self.final_relu else self.layer(z)


def sample(mean: torch.Tensor, logvar: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """mean + exp(logvar / 2) * noise; noise (n, 1) is the released form: one number per sample for all dimensions."""
    return torch.addcmul(mean, torch.exp(0.5 * logvar), noise)


def kl(mean: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """KL divergence from the standard normal: summed over dimensions, averaged over samples."""
    return -0.5 * (1 + logvar - mean.square() - logvar.exp()).sum(1).mean()


class PairVAE(nn.Module):
    """A skeleton and a text auto-encoder in one latent space: the network of CADA-VAE and of MSF."""

    def __init__(self, channels: int, dim: int, latent: int, final_relu: bool):
        super().__init__()
        self.encode_skeleton, self.decode_skeleton = Encoder(channels, latent), Decoder(latent, channels, final_relu)
        self.encode_text, self.decode_text = Encoder(dim, latent), Decoder(latent, dim, final_relu)
        self.channels, self.dim = channels, dim

    @classmethod
    def like(cls, state: dict[str, torch.Tensor], final_relu: bool) -> PairVAE:
        """A network of the sizes found in a saved state."""
        channels, latent = state["decode_skeleton.layer.weight"].shape
        return cls(channels, len(state["decode_text.layer.weight"]), latent, final_relu)

    def loss(self, x: torch.Tensor, t: torch.Tensor, noise: torch.Tensor, weights: Weights) -> torch.Tensor:
        """Reconstruction + KL + cross-reconstruction for x (B, channels), t (B, dim), noise (2, B, 1 or latent)."""
        (mean_s, logvar_s), (mean_t, logvar_t) = self.encode_skeleton(x), self.encode_text(t)
        z_s, z_t = sample(mean_s, logvar_s, noise[0]), sample(mean_t, logvar_t, noise[1])
        total = F.mse_loss(self.decode_skeleton(z_s), x) + F.mse_loss(self.decode_text(z_t), t)
        if weights.kl_skeleton:
            total = total + weights.kl_skeleton * kl(mean_s, logvar_s)
        if weights.kl_text:
            total = total + weights.kl_text * kl(mean_t, logvar_t)
        if weights.cross:
            crossed = F.mse_loss(self.decode_skeleton(z_t), x) + F.mse_loss(self.decode_text(z_s), t)
            total = total + weights.cross * crossed
        return total


@dataclass(frozen=True)
class Weights:
    """Weights of the loss terms at one step: KL of the skeleton, KL of the text side, cross-reconstruction (0 or 1)."""

    kl_skeleton: float
    kl_text: float
    cross: float


def weights(step: int, cycle: int, steps_per_cycle: int, k2_mode: str) -> Weights:
    """Weights at ``step`` of ``cycle`` (both from 0).

    The skeleton KL ramps up from step 1000 by 0.1 per 3000 steps; cross-reconstruction is on after step 1400 of a
    1700-step cycle and 1500 of a 1900-step one. Text KL: ``k2_mode="cada"`` uses the skeleton's weight while
    cross-reconstruction is on; ``"synse"`` ramps up from where cross-reconstruction starts, from the third cycle on.
    Other cycle lengths scale the positions of the 1700-step cycle.
    """
    scale = 1.0 if steps_per_cycle in (1700, 1900) else steps_per_cycle / 1700
    begin, width, cross_from = 1000 * scale, 3000 * scale, (1500 if steps_per_cycle == 1900 else 1400) * scale
    k1 = max(0.0, 0.1 * (step - begin) / width)
    cross = 1.0 if step > cross_from else 0.0
    if k2_mode == "cada":
        return Weights(k1, k1 * cross, cross)
    return Weights(k1, max(0.0, 0.1 * (step - cross_from) / width) if cycle > 1 else 0.0, cross)


def check(method: AlignmentMethod) -> None:
    """Raise UserError for arguments of a variational method that make no sense."""
    inputs.one_of(method, "noise", method.noise, ("scalar", "elementwise"))
    inputs.one_of(method, "k2_mode", method.k2_mode, ("cada", "synse"))


def classifier(method: AlignmentMethod) -> LatentClassifier:
    """The latent classifier with the method's arguments."""
    return LatentClassifier(
        draws=method.draws,
        steps=method.classifier_steps,
        lr=method.classifier_lr,
        noise=method.noise,
        final_relu=method.final_relu,
        seed=method.seed,
    )


def train_cycles(
    method: AlignmentMethod,
    module: nn.Module,
    loss: Callable[[torch.Tensor, torch.Tensor, Weights], torch.Tensor],
    *,
    n: int,
    noises: int,
    after_epoch: AfterEpoch | None,
) -> None:
    """``cycles`` times ``steps_per_cycle`` updates, each on one random batch drawn without replacement.

    loss: (rows (B,), noise (noises, B, 1 or latent), weights) to a scalar. Network and optimiser state carry over from
    cycle to cycle. ``after_epoch`` is called once per cycle. ``method`` lends its arguments cycles, steps_per_cycle,
    batch_size, lr, noise, latent, k2_mode and seed. Call inside ``loops.seeded``.
    """
    device = next(module.parameters()).device
    optimizer = loops.adam(module.parameters(), method.lr)
    order = np.random.default_rng(method.seed)
    generator = torch.Generator(device).manual_seed(method.seed)
    size, steps = min(method.batch_size, n), method.steps_per_cycle
    width = method.latent if method.noise == "elementwise" else 1
    progress = Progress(f"{type(method).__name__} seed {method.seed}", method.cycles * steps, "steps")
    for cycle in range(method.cycles):
        module.train()
        for start in range(0, steps, BLOCK):
            count = min(BLOCK, steps - start)
            rows = np.stack([order.choice(n, size, replace=False, shuffle=False) for _ in range(count)])
            rows = torch.as_tensor(rows, device=device)
            noise = torch.randn(count, noises, size, width, generator=generator, device=device)
            for i in range(count):
                loops.step(optimizer, loss(rows[i], noise[i], weights(start + i, cycle, steps, method.k2_mode)))
            progress.step(count)
        module.eval()
        loops.report(method, cycle + 1, after_epoch, device)
