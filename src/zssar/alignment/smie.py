"""SMIE: skeletons and texts connected by maximising an estimate of their mutual information.

Paper: Y. Zhou, W. Qiang, A. Rao, N. Lin, B. Su, J. Wang, "Zero-shot skeleton-based action recognition via mutual
information estimation and maximization", ACM MM 2023.
Idea: a network D tells skeleton-text pairs of one class from shuffled pairs, which maximises the Jensen-Shannon
estimate of the mutual information of both modalities; its judgement of (skeleton, class text) is the score. A clip
without its most active frames should carry less information about the text (temporal constraint).
Formulas: I(f, t) = mean(-softplus(-D(f_i, t_i))) - mean(softplus(D(f_{i+1}, t_i))), f = LayerNorm(x), no affine part;
    vector track L = -I; temporal track L = -I + weight max(0, margin - (I - I_masked)); score(x, c) = D(f, t_c).
Inputs: view ``pooled``; description texts, unit length. ``temporal=True``, the paper's main track, also needs the view
    ``pooled_masked``: features of the same clips without their most active frames, in several draws of the frames
    dropped at random; every batch takes one draw (features that draw anew for every batch cannot be stored). The
    default is the released vector track, for features that come without clips (the 256-d vectors of SynSE).
Differences: the released scoring leaves out the layer norm that training applies; here both apply it
    (``norm_in_scoring=False`` restores the release). D's first layer is split into halves at scoring (see ``pairs``),
    equal up to rounding. Scores are D itself; the released -softplus(-D) orders the classes the same way.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from zssar.alignment import inputs, layers, loops
from zssar.alignment.pairs import PairNetwork
from zssar.errors import UserError
from zssar.interfaces import AlignmentMethod
from zssar.training import warmup_cosine


def jensen_shannon(matching: torch.Tensor, shuffled: torch.Tensor) -> torch.Tensor:
    """The estimate of mutual information from D's outputs on matching and on shuffled pairs, each (B,)."""
    return -F.softplus(-matching).mean() - F.softplus(shuffled).mean()


def norm(x: torch.Tensor) -> torch.Tensor:
    """LayerNorm over the channels without learned scale and shift."""
    return F.layer_norm(x, x.shape[-1:])


class SMIE(AlignmentMethod):
    """``temporal``: the paper's temporal constraint, with ``margin`` (beta) and ``weight``. ``hidden``: D's layers."""

    def __init__(
        self,
        *,
        texts=("description",),
        temporal: bool = False,
        margin: float = 0.1,
        weight: float = 0.5,
        hidden: tuple[int, ...] = (1024, 512),
        norm_in_scoring: bool = True,
        epochs: int = 100,
        warmup: int = 15,
        batch_size: int = 128,
        min_steps: int = 0,
        lr: float = 1e-5,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.temporal, self.margin, self.weight = inputs.names(texts), temporal, margin, weight
        self.hidden, self.norm_in_scoring = tuple(hidden), norm_in_scoring
        self.epochs, self.warmup, self.batch_size, self.lr = epochs, warmup, batch_size, lr
        self.min_steps, self.seed, self.device = min_steps, seed, device
        self.views = ("pooled", "pooled_masked") if temporal else ("pooled",)

    def fit(self, features, labels, texts, after_epoch=None):
        x = layers.tensor(inputs.array(features, "pooled"), self.device)
        masked = self._masked(features, x.shape[1]) if self.temporal else None  # (n, draws, D)
        draws = torch.Generator().manual_seed(self.seed)
        labels = inputs.labels_of(labels, len(x), texts)
        t = layers.tensor(inputs.class_vectors(texts, self.texts), self.device)[labels]  # (n, dim): one text per sample
        with loops.seeded(self.seed, self.device) as generator:
            self.critic_ = PairNetwork(x.shape[1], t.shape[1], self.hidden).to(self.device)

            def batch_loss(rows):
                if masked is None:
                    return self.batch_loss(x[rows], t[rows])
                draw = int(torch.randint(masked.shape[1], (), generator=draws))  # on the CPU: no GPU is waited for
                return self.batch_loss(x[rows], t[rows], masked[rows, draw])

            loops.train(
                self,
                self.critic_,
                batch_loss,
                loops.adam(self.critic_.parameters(), self.lr),
                n=len(x),
                epochs=self.epochs,
                batch_size=self.batch_size,
                min_steps=self.min_steps,
                generator=generator,
                after_epoch=after_epoch,
                schedule=lambda epoch: warmup_cosine(epoch, self.epochs, self.warmup),
            )
        return self

    def batch_loss(self, x: torch.Tensor, t: torch.Tensor, masked: torch.Tensor | None = None) -> torch.Tensor:
        """x and masked (B, D), t (B, dim). Shuffled pairs: the batch moved on by one, classes not compared."""
        f = norm(x)
        shuffled = self.critic_(f.roll(-1, 0), t)
        information = jensen_shannon(self.critic_(f, t), shuffled)
        if masked is None:
            return -information
        less = jensen_shannon(self.critic_(norm(masked), t), shuffled)
        return -information + self.weight * F.relu(self.margin - (information - less))

    @torch.inference_mode()
    def score(self, features, texts):
        inputs.fitted(self, "critic_")
        critic = self.critic_
        channels, dim = critic.split, critic.first.in_features - critic.split
        x = layers.tensor(inputs.array(features, "pooled", dim=channels), self.device)
        t = layers.tensor(inputs.class_vectors(texts, self.texts, dim), self.device)
        left, right = critic.left_half(norm(x) if self.norm_in_scoring else x), critic.right_half(t)
        rows = max(1, 2**24 // (len(t) * self.hidden[0]))  # keeps the first layer near 64 MB
        return torch.cat([critic.all_pairs(chunk, right) for chunk in left.split(rows)]).cpu().numpy()

    def state(self):
        inputs.fitted(self, "critic_")
        return {"channels": self.critic_.split, **layers.module_state(self.critic_, "critic.")}

    def restore(self, state):
        channels, wide = int(state["channels"]), state["critic.first.weight"].shape[1]
        critic = PairNetwork(channels, wide - channels, self.hidden)
        self.critic_ = layers.load_module(critic, state, "critic.").to(self.device)

    def _masked(self, features, dim: int) -> torch.Tensor:
        if "pooled_masked" not in features.views:
            raise UserError(
                "SMIE: temporal=True needs the feature view 'pooled_masked' (features of the clips without their most "
                f"active frames); there are: {', '.join(sorted(features.views))}. Extract that view, or set temporal "
                "to false, which leaves the temporal constraint out."
            )
        found = layers.tensor(inputs.array(features, "pooled_masked", ndim=None, dim=dim), self.device)
        return found if found.ndim == 3 else found[:, None]
