"""PURLS: part-aware unified representation of language and skeleton.

Paper: A. Zhu, Q. Ke, M. Gong, J. Bailey, "Part-aware unified representation of language and skeleton for zero-shot
action recognition", CVPR 2024.
Idea: the sentences on body parts, phases and the whole action pick what belongs to them out of the skeleton map
by attention (adaptive partitioning, Eq. 1 and 2); one MLP projects all slots at once, each is contrasted with its
sentence (Eq. 3 and 4), and the global slot answers (Eq. 5 and 6).
Inputs: view ``grid``, averaged to 3 x V unit-length nodes; texts of P body parts, Z phases and one global sentence.
What differs: the released evaluation computes the attention from the true class's sentences; here every candidate
class builds its own representation from its own sentences, as Eq. 5 is written. Layer sizes and two heads (scores
averaged before the softmax) follow the code; ``heads=1, head_width=150, hidden=512`` is the paper.
Averaging the heads' scores before the softmax makes them one bilinear form, so keys are never computed: the
queries are multiplied into the key weights, which leaves one product with the raw nodes.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import body_parts, inputs, layers, loops
from zssar.alignment.nodes import grid_shape, segments, unit_nodes
from zssar.alignment.projection import INITIAL_SCALE, check_recipe, follow_held_out, slot_losses, slot_projection
from zssar.devices import autocast_dtype
from zssar.errors import UserError
from zssar.interfaces import AlignmentMethod, ClassTexts, Features
from zssar.skeleton.layouts import layout


class Network(nn.Module):
    """What PURLS learns. ``fixed``: weights (slots, nodes) of the static partition, or None for the adaptive one."""

    def __init__(self, slots: int, channels: int, dim: int, method: PURLS, fixed: torch.Tensor | None):
        super().__init__()
        width = method.heads * method.head_width
        adaptive = fixed is None
        self.query = nn.Linear(dim, width, bias=False) if adaptive else None
        self.key = nn.Linear(channels, width, bias=False) if adaptive else None
        for layer in (self.query, self.key) if adaptive else ():
            nn.init.kaiming_uniform_(layer.weight)
        self.register_buffer("fixed", fixed)
        self.factor = 1 / (method.heads * math.sqrt(method.head_width))
        self.project = slot_projection(slots, channels, dim, method.hidden, method.blocks, method.dropout)
        self.scale = nn.Parameter(torch.full((slots,), INITIAL_SCALE))
        start = {"equal": None, "learnable": torch.zeros(slots), "free": torch.ones(slots)}[method.slot_weights]
        self.balance, self.weighing = None if start is None else nn.Parameter(start), method.slot_weights
        self.slots, self.channels, self.dim = slots, channels, dim
        self.half: torch.dtype | None = None  # set while training

    def queries(self, texts: torch.Tensor) -> torch.Tensor:
        """(..., slots, dim) -> (..., slots, D): texts in the space of the nodes, W_K^T W_Q t."""
        return self.query(texts) @ self.key.weight

    def gather(self, nodes: torch.Tensor, queries: torch.Tensor | None) -> torch.Tensor:
        """Eq. 1 and 2: nodes (n, S, D), queries (n, L, D) -> (n, L, D); static: the parts' means, L = slots."""
        if self.fixed is not None:
            return self.fixed @ nodes
        return F.scaled_dot_product_attention(queries, nodes, nodes, scale=self.factor)

    def forward(self, nodes: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Nodes (n, S, D) seen through texts (n, slots, dim) -> projected slots (n, slots, dim)."""
        queries = None if self.fixed is not None else self.queries(texts)
        gathered = self.gather(nodes, queries).flatten(1)
        half = self.half if self.training else None  # scores are computed in float32
        with torch.autocast(nodes.device.type, half, enabled=half is not None):
            projected = self.project(gathered)
        return projected.float().unflatten(1, (self.slots, self.dim))

    def last_slot(self, gathered: torch.Tensor) -> torch.Tensor:
        """(n, slots * D) -> (n, dim): the global slot alone, without computing the others' outputs."""
        last = self.project[-2]
        return torch.tanh(F.linear(self.project[:-2](gathered), last.weight[-self.dim :], last.bias[-self.dim :]))

    def loss(self, nodes: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Eq. 4 over a batch. Learnable weights are a softmax: free ones only ever fall, a learning rate a step."""
        losses = slot_losses(self(nodes, texts), texts, self.scale)
        if self.balance is None:
            return losses.sum()
        if self.weighing == "free":
            return (self.balance * losses).sum()
        return len(losses) * (torch.softmax(self.balance, 0) * losses).sum()


class PURLS(AlignmentMethod):
    """Arguments beyond those of every method.

    texts: the kinds of the body parts, the phases and the global sentence, in this order; or a form alone (profile),
    which has quantities of the four parts and of the whole, but no phases. parts, phases: use these branches.
    partition: adaptive (attention) or static (the layout's joints per part, thirds of the time). slot_weights: equal,
    learnable (softmax) or free (scalars from 1, as released). readout: global (paper), or mean of all similarities.
    heads, head_width, hidden, blocks, dropout, bins: sizes; blocks counts the extra hidden ones.
    holdout: share of each class's training samples kept for the released schedule, learning rate / 10 after 25 epochs
    without a lower loss on them; 0: constant rate. keep: score with the ``best`` epoch so far by that loss, as
    released, or with the ``last``. precision: auto, fp32 or bf16, of training; scores are computed in float32.
    """

    views = ("grid",)

    def __init__(
        self,
        *,
        texts=("parts_purls", "phases", "global"),
        parts: bool = True,
        phases: bool = True,
        partition: str = "adaptive",
        slot_weights: str = "equal",
        readout: str = "global",
        heads: int = 2,
        head_width: int = 150,
        hidden: int = 1024,
        blocks: int = 0,
        dropout: float = 0.5,
        bins: int = 3,
        holdout: float = 0.05,
        keep: str = "best",
        precision: str = "auto",
        epochs: int = 100,
        batch_size: int = 256,
        min_steps: int = 0,
        lr: float = 1e-4,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.parts, self.phases = inputs.names(texts), parts, phases
        self.partition, self.slot_weights, self.readout = partition, slot_weights, readout
        self.heads, self.head_width, self.hidden, self.blocks = heads, head_width, hidden, blocks
        self.dropout, self.bins, self.holdout, self.keep = dropout, bins, holdout, keep
        self.precision, self.epochs, self.batch_size, self.lr = precision, epochs, batch_size, lr
        self.min_steps, self.seed, self.device = min_steps, seed, device
        inputs.one_of(self, "partition", partition, ("adaptive", "static"))
        inputs.one_of(self, "slot_weights", slot_weights, ("equal", "learnable", "free"))
        inputs.one_of(self, "readout", readout, ("global", "mean"))
        check_recipe(self)
        form = len(self.texts) == 1
        self.kinds = (body_parts.kind(self.texts[0], "parts_purls"), "", self.texts[0]) if form else self.texts
        if len(self.kinds) != 3 or (form and phases):
            raise UserError(
                f"PURLS: texts={list(self.texts)}; name body parts, phases and the global sentence, or one form and "
                "`phases: false`, because a form tells no phases"
            )

    def fit(self, features, labels, texts, after_epoch=None):
        classes = self._classes(texts)
        labels = inputs.labels_of(labels, len(features), texts)
        nodes = unit_nodes(features, self.bins, self.device)
        own = classes[labels]  # (n, slots, dim): one text set per sample
        fixed = self._static_partition(features, texts) if self.partition == "static" else None
        kept, held = loops.holdout_rows(labels, self.holdout, self.seed, self.device)
        with loops.seeded(self.seed, self.device) as generator:
            network = Network(classes.shape[1], nodes.shape[2], classes.shape[2], self, fixed).to(self.device)
            network.half = autocast_dtype(self.device, self.precision)
            self.network_ = network

            def loss(rows):
                return network.loss(nodes[rows].float(), own[rows])

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
                validate=follow_held_out(self, "network_", loss, held),
            )
        return self

    @torch.inference_mode()
    def score(self, features, texts):
        """float32 (n, K): every candidate class attends with its own sentences, never with the true class's."""
        inputs.fitted(self, "network_")
        network, classes = self.network_, self._classes(texts, self.network_.dim)
        nodes = unit_nodes(features, self.bins, self.device, network.channels)
        per_pair = network.slots * (network.channels + network.dim) + 2 * self.hidden
        rows = max(1, 2**25 // (per_pair * len(classes)))  # keeps one chunk's activations near 128 MB
        return torch.cat([self._candidates(chunk.float(), classes) for chunk in nodes.split(rows)]).cpu().numpy()

    def _candidates(self, nodes: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Nodes (m, S, D), classes (K, slots, dim) -> similarities (m, K)."""
        network, shape = self.network_, (len(nodes), len(classes), -1)
        if network.fixed is not None:  # the static partition is the same for all classes
            gathered, shape = network.gather(nodes, None).flatten(1), (len(nodes), 1, -1)
        else:
            queries = network.queries(classes).flatten(0, 1).expand(len(nodes), -1, -1)
            gathered = network.gather(nodes, queries).reshape(len(nodes) * len(classes), -1)
        if self.readout == "global":
            return (network.last_slot(gathered).view(shape) * classes[:, -1]).sum(-1)
        outputs = network.project(gathered).view(shape)
        return (outputs * classes.flatten(1)).sum(-1) / network.slots

    def state(self):
        inputs.fitted(self, "network_")
        network = self.network_
        sizes = {"slots": network.slots, "channels": network.channels, "dim": network.dim}
        return {**sizes, **layers.module_state(network, "network.")}

    def restore(self, state):
        sizes = [int(state[key]) for key in ("slots", "channels", "dim")]
        network = Network(*sizes, self, state.get("network.fixed"))
        self.network_ = layers.load_module(network, state, "network.").to(self.device)

    def _classes(self, texts: ClassTexts, dim: int | None = None) -> torch.Tensor:
        """(K, slots, dim) unit vectors: parts, phases, global; the last slot answers."""
        kinds = [kind for kind, on in zip(self.kinds, (self.parts, self.phases, True)) if on]
        arrays = [inputs.embeddings(texts, kind, dim, 1 if kind == self.kinds[2] else None) for kind in kinds]
        inputs.same_dimension(kinds, arrays)
        return layers.tensor(layers.unit(np.concatenate(arrays, 1)), self.device)

    def _static_partition(self, features: Features, texts: ClassTexts) -> torch.Tensor:
        """(slots, bins * V): every row averages the nodes of its part, its phase or the whole."""
        joints = grid_shape(features)[2]
        masks = []
        if self.parts:
            body = layout(features.layout)
            groups = body.parts(self.kinds[0].rpartition(".")[2])
            if len(body) != joints:
                raise UserError(
                    f"PURLS: partition='static' needs one grid column per joint; layout {body.name} has {len(body)} "
                    f"joints, the grid {joints} columns. Use a backbone that keeps joints, or partition='adaptive'."
                )
            inputs.embeddings(texts, self.kinds[0], units=len(groups))
            masks += [np.isin(np.arange(joints), members)[None].repeat(self.bins, 0) for members in groups.values()]
        if self.phases:
            for part in segments(self.bins, texts[self.kinds[1]].shape[1]):
                masks.append(np.isin(np.arange(self.bins), np.arange(self.bins)[part])[:, None].repeat(joints, 1))
        masks.append(np.ones((self.bins, joints), bool))
        return layers.tensor(np.stack([mask.ravel() / mask.sum() for mask in masks]), self.device)
