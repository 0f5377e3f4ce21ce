"""Global: one pooled feature against one text per class; the baseline that PURLS is compared with.

Paper: Zhu et al., "Part-aware Unified Representation of Language and Skeleton for Zero-shot Action Recognition"
    (PURLS), CVPR 2024, rows "Global" of Table 3. Not released as a class of its own.
Idea: PURLS with a single slot. A small network projects the pooled feature into text space; matching pairs of a batch
    are pulled together by a symmetric contrastive loss.
Formulas: O = tanh(W2 drop(BN(silu(W1 drop(BN(x)))))); logits = s O T', s learnable and used as a factor;
    L = CE(rows, diagonal) + CE(columns, diagonal); score(x, c) = O . t_c with t_c of unit length.
Inputs: ``pooled`` features, or ``view="grid"``: three time bins times V nodes, each of unit length, averaged. Label
    texts ("Original" in the paper) or ``texts=("global",)`` ("GPT-3").
Differences: PURLS's recipe lowers the learning rate and picks the epoch by the loss on seen samples that seem to be of
    the official test part, which ``fit`` never sees. Here training samples kept aside judge (``holdout``, ``keep``).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from zssar.alignment import inputs, layers, loops
from zssar.alignment.nodes import unit_nodes
from zssar.alignment.projection import INITIAL_SCALE, check_recipe, follow_held_out, slot_losses, slot_projection
from zssar.interfaces import AlignmentMethod

TIME_BINS = 3


class Projection(nn.Module):
    """PURLS's projection with one slot, and its temperature (a plain factor)."""

    def __init__(self, channels: int, dim: int, hidden: int, dropout: float):
        super().__init__()
        self.layers = slot_projection(1, channels, dim, hidden, dropout=dropout)
        self.scale = nn.Parameter(torch.tensor(INITIAL_SCALE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)  # (n, channels) -> (n, dim)

    def loss(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """PURLS Eq. 3 for the one slot: x (B, channels), the samples' unit texts t (B, dim)."""
        return slot_losses(self(x)[:, None], t[:, None], self.scale[None])[0]


class Global(AlignmentMethod):
    """``holdout``: share of each class's training samples that drives the learning rate (0: constant) and, with
    ``keep="best"``, picks the epoch that scores; ``keep="last"``: the last one.
    """

    def __init__(
        self,
        *,
        texts=("label",),
        view: str = "pooled",
        hidden: int = 1024,
        dropout: float = 0.5,
        holdout: float = 0.05,
        keep: str = "best",
        epochs: int = 100,
        batch_size: int = 256,
        min_steps: int = 0,
        lr: float = 1e-4,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.view, self.hidden, self.dropout = inputs.names(texts), view, hidden, dropout
        self.views, self.holdout, self.keep = (view,), holdout, keep
        self.epochs, self.batch_size = epochs, batch_size
        self.min_steps, self.lr, self.seed, self.device = min_steps, lr, seed, device
        inputs.one_of(self, "view", view, ("pooled", "grid"))
        check_recipe(self)

    def fit(self, features, labels, texts, after_epoch=None):
        x = layers.tensor(self._pooled(features), self.device)
        labels = inputs.labels_of(labels, len(x), texts)
        t = layers.tensor(inputs.class_vectors(texts, self.texts), self.device)[labels]  # (n, dim): one text per sample
        kept, held = loops.holdout_rows(labels, self.holdout, self.seed, self.device)
        with loops.seeded(self.seed, self.device) as generator:
            network = Projection(x.shape[1], t.shape[1], self.hidden, self.dropout).to(self.device)
            self.net_ = network

            def loss(rows):
                return network.loss(x[rows], t[rows])

            loops.train(
                self,
                network,
                lambda rows: loss(kept[rows]),
                loops.adam(network.parameters(), self.lr),
                n=len(kept),
                epochs=self.epochs,
                batch_size=self.batch_size,
                min_steps=self.min_steps,
                generator=generator,
                after_epoch=after_epoch,
                validate=follow_held_out(self, "net_", loss, held),
            )
        return self

    @torch.inference_mode()
    def score(self, features, texts):
        inputs.fitted(self, "net_")
        first, last = self.net_.layers[2], self.net_.layers[6]
        x = layers.tensor(self._pooled(features, first.in_features), self.device)
        t = layers.tensor(inputs.class_vectors(texts, self.texts, last.out_features), self.device)
        return (self.net_(x) @ t.T).cpu().numpy()

    def state(self):
        inputs.fitted(self, "net_")
        return layers.module_state(self.net_)

    def restore(self, state):
        hidden, channels = state["layers.2.weight"].shape
        net = Projection(channels, len(state["layers.6.weight"]), hidden, self.dropout)
        self.net_ = layers.load_module(net, state).to(self.device)

    def _pooled(self, features, dim: int | None = None) -> np.ndarray:
        if self.view == "pooled":
            return inputs.array(features, "pooled", dim=dim)
        return unit_nodes(features, TIME_BINS, "cpu", dim).float().mean(1).numpy()
