"""The classifier of the variational methods: trained on synthetic text latents of the classes asked.

For each class asked, latents are drawn around its text; a linear softmax classifier is trained on them and then applied
to the latent means of skeletons (SynSE, section 2.4; CADA-VAE, section 3.3). Its softmax is also the "unseen
probability vector" of the seen/unseen gate. The result is a function of the latents and the seed alone: classes are
sorted by name first, nothing is drawn from torch's global random stream, and the same question is answered from memory.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from zssar.alignment.optimisers import Adam

STEPS, DRAWS, RATE = 300, 500, 1e-3  # released values

CACHE = 400_000  # logits worked on at once on a CPU
SAFE = 60.0  # exponentials of logits up to here can be summed in float32 without shifting them first


@dataclass(frozen=True)
class Gaussians:
    """Text latents of K classes: independent Gaussians side by side, lists of means and log-variances (K, L_i)."""

    means: Sequence[torch.Tensor]
    logvars: Sequence[torch.Tensor]

    def take(self, rows: Sequence[int]) -> Gaussians:
        """The classes in those rows."""
        return Gaussians([m[rows] for m in self.means], [v[rows] for v in self.logvars])

    def draws(self, count: int, noise: str, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents in factors: basis (K, count, r) with a first column of ones, directions (K, r, L); their product.

        With scalar noise a latent is mean + noise * deviation: two numbers per draw (three when two Gaussians stand
        side by side) say all, and the classifier's logits need r products instead of L. With element-wise noise the
        basis holds the latents themselves.
        """
        mean, deviations = torch.cat(list(self.means), 1), [torch.exp(0.5 * v) for v in self.logvars]
        k, width = mean.shape
        if noise == "elementwise":
            normal = torch.randn(k, count, width, generator=generator, device=mean.device)
            columns, rows = mean[:, None] + torch.cat(deviations, 1)[:, None] * normal, torch.eye(width).to(mean)
            first, rows = torch.zeros_like(mean), rows.expand(k, -1, -1)
        else:
            columns = torch.randn(k, count, len(deviations), generator=generator, device=mean.device)
            rows = torch.stack([_placed(deviations, i) for i in range(len(deviations))], 1)
            first = mean
        return torch.cat([torch.ones_like(columns[:, :, :1]), columns], 2), torch.cat([first[:, None], rows], 1)


def _placed(blocks: Sequence[torch.Tensor], which: int) -> torch.Tensor:
    return torch.cat([b if i == which else torch.zeros_like(b) for i, b in enumerate(blocks)], 1)


class LatentClassifier:
    """Trains linear classifiers over latents and remembers the last few; one per method."""

    def __init__(self, *, draws: int, steps: int, lr: float, noise: str, final_relu: bool, seed: int):
        self.draws, self.steps, self.lr, self.noise = draws, steps, lr, noise
        self.final_relu, self.seed = final_relu, seed
        self.memory: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def logits(self, latents: torch.Tensor, names: Sequence[str], gaussians: Gaussians) -> torch.Tensor:
        """(n, K) for skeleton latent means (n, L); ``gaussians`` and the columns are in the order of ``names``."""
        order = sorted(range(len(names)), key=lambda i: names[i])
        ordered = gaussians.take(order)
        key = _digest([*ordered.means, *ordered.logvars])
        if key not in self.memory:
            if len(self.memory) >= 4:
                self.memory.clear()
            self.memory[key] = self.train(ordered)
        weight, bias = self.memory[key]
        result = latents.new_empty(len(latents), len(names))
        result[:, order] = F.linear(latents, weight, bias)
        return F.relu(result) if self.final_relu else result

    def train(self, gaussians: Gaussians) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight (K, L) and bias (K,) after full-batch Adam on the cross-entropy of all draws."""
        generator = torch.Generator(gaussians.means[0].device).manual_seed(self.seed)
        basis, directions = gaussians.draws(self.draws, self.noise, generator)
        k, width = len(basis), directions.shape[2]
        bound = 0.5 * math.sqrt(6 / (k + width))  # Xavier-uniform with gain 0.5, as the other layers of this line
        start = torch.rand(k, width, generator=generator, device=basis.device)
        return fit_softmax(basis, directions, bound * (2 * start - 1), self.steps, self.lr, self.final_relu)


@torch.no_grad()
def fit_softmax(basis, directions, weight, steps: int, lr: float, final_relu: bool):
    """Weight and bias that tell the classes' latents ``basis[c] @ directions[c]`` apart, by ``steps`` of Adam.

    The (K, draws, K) logits are all the work, so the gradient of the softmax cross-entropy is written out and computed
    in place, a few classes at a time (a cache full): several times as fast as automatic differentiation, which a test
    compares it with.
    """
    k, count, rank = basis.shape
    weight, bias = weight.clone(), weight.new_zeros(k)
    optimizer = Adam([weight, bias], lr=lr, fused=True)
    averaging = (basis.transpose(1, 2) / (k * count)).contiguous()
    moments = basis.new_empty(k, rank, k)
    size = max(1, (CACHE if basis.device.type == "cpu" else 128 * CACHE) // (k * count))
    blocks = [(start, min(start + size, k)) for start in range(0, k, size)]
    logits, excess = basis.new_empty(2, min(size, k), count, k)
    largest = basis.abs().amax(1, keepdim=True)
    for _ in range(steps):
        coefficients = directions @ weight.T  # (K, r, K)
        coefficients[:, 0] += bias
        # Powers of two cost a CPU a quarter of powers of e. A GPU would have to wait for the answer.
        binary = basis.device.type == "cpu" and bool((largest @ coefficients.abs()).max() < SAFE)
        coefficients *= math.log2(math.e) if binary else 1
        for start, end in blocks:
            some, over = logits[: end - start], excess[: end - start]
            torch.bmm(basis[start:end], coefficients[start:end], out=some)
            if final_relu:
                some.clamp_(min=0)
            if binary:
                torch.exp2(some, out=over).mul_(over.sum(2, keepdim=True).reciprocal_())
            else:
                torch.softmax(some, 2, out=over)
            over.diagonal(start, 0, 2).sub_(1)  # the true class of block row c is column start + c
            if final_relu:
                torch.ops.aten.threshold_backward.grad_input(over, some, 0, grad_input=over)  # 0 where some is 0
            torch.bmm(averaging[start:end], over, out=moments[start:end])
        weight.grad = torch.einsum("crk,crl->kl", moments, directions)
        bias.grad = moments[:, 0].sum(0)
        optimizer.step()
    return weight, bias


def _digest(tensors: Sequence[torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
