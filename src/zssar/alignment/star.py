"""STAR: skeleton parts and their descriptions aligned with two kinds of learned prompts.

Paper: Y. Chen, J. Guo, T. He, X. Lu, L. Wang, "Fine-grained side information guided dual-prompts for zero-shot
skeleton action recognition", ACM MM 2024.
Idea: the skeleton map is cut into body parts; in every part learned visual-attribute prompts gather nodes by attention
and turn into one score per attribute (Eq. 1 to 3); part descriptions plus a learned semantic-part prompt per class
(Eq. 4) and the class name live in the same attribute space. Trained by cross-entropies per part, between texts, and
of the summed parts (Eq. 5 to 8); the class name closest to the summed parts answers (Eq. 9).
Inputs: view ``grid``; texts ``label`` and ``parts6`` (or parts4, parts2), as the encoder gives them.
Differences: the released part nodes mix persons, channels and frames; here node (t, v) of the person-averaged grid
belongs to the part that holds joint v. Backbone in evaluation mode and no random crops, at training and at test.
Paper and code disagree: heads (8, 4), learning rate (0.001 lowered at 20 and 30; 0.01 at 10 and 20) and similarity
(dot product; cosine): defaults follow the code. The semantic loss runs over seen classes; ``semantic_classes="all"``
is the paper's form, which wants the unseen classes' texts in training and declares it.
The output projection of the attention and the first linear layer of the FFN, with nothing between them, are multiplied
into one; its last layer and the readout are multiplied into one vector per prompt: the same function with 3 times
fewer products. Where a part has few nodes, each head's values go through that layer before they are gathered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import body_parts, inputs, layers, loops
from zssar.alignment.nodes import Grid
from zssar.devices import autocast_dtype
from zssar.errors import UserError
from zssar.interfaces import AlignmentMethod, ClassTexts, Features
from zssar.skeleton.layouts import layout


class Part(nn.Module):
    """The skeleton stream of one body part: nodes (n, S, D) -> attribute scores (n, attributes).

    attention off: the mean node through one linear layer. prompt off: the mean node asks instead of the prompts, and
    a linear layer reads the answer. The paper names both ablations (Table 7) without saying what takes their place.
    """

    def __init__(self, channels: int, method: STAR):
        super().__init__()
        width, self.heads = method.width, method.heads
        self.attention, self.prompted = method.attention, method.visual_prompt
        if not self.attention:
            self.readout = nn.Linear(channels, method.attributes)
            return
        self.query = nn.Linear(width if self.prompted else channels, width)
        self.key, self.value = nn.Linear(channels, width), nn.Linear(channels, width)
        self.out, self.inner, self.outer = (nn.Linear(width, width) for _ in range(3))
        for layer in (self.query, self.key, self.value):  # as torch's multi-head attention starts
            nn.init.xavier_uniform_(layer.weight)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.zeros_(layer.bias)
        if self.prompted:
            self.prompt = nn.Parameter(torch.randn(method.attributes, width))
            self.matrix = nn.Parameter(torch.randn(width, width))
        else:
            self.readout = nn.Linear(width, method.attributes)

    def forward(self, nodes: torch.Tensor) -> torch.Tensor:
        if not self.attention:
            return self.readout(nodes.mean(1))
        weight = self.inner.weight @ self.out.weight  # Eq. 2 and the first half of the FFN
        bias = self.inner.weight @ self.out.bias + self.inner.bias
        if self.prompted and self.few(nodes.shape[1]):
            hidden = F.relu(torch.baddbmm(bias, *self._weighted_values(nodes, weight)))
        else:
            hidden = F.relu(F.linear(self._gather(nodes), weight, bias))
        if not self.prompted:
            return self.readout(self.outer(hidden).squeeze(1))
        reader = self.prompt @ self.matrix  # Eq. 3: P_b^T W phi_b, one vector per prompt
        return (hidden * (reader @ self.outer.weight)).sum(-1) + reader @ self.outer.bias

    def _gather(self, nodes: torch.Tensor) -> torch.Tensor:
        """Eq. 1: (n, attributes or 1, width)."""
        asked = self.prompt if self.prompted else nodes.mean(1, keepdim=True)
        query = self._split(self.query(asked)).expand(len(nodes), -1, -1, -1)
        key, value = self._split(self.key(nodes)), self._split(self.value(nodes))
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)

    def few(self, nodes: int) -> bool:
        """Whether it saves a third of the products to send values through the linear layer before gathering them."""
        attributes, width = self.prompt.shape
        return 3 * nodes * (self.heads * attributes + width) < 2 * attributes * (nodes + width)

    def _weighted_values(self, nodes: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Factors of ``_gather(nodes) @ weight.T``: attention (n, attributes, heads * S), values (n, heads * S, width).

        Each head's values go through its own columns of ``weight`` first: S rows instead of one per attribute.
        """
        (n, count, _), (attributes, width) = nodes.shape, self.prompt.shape
        heads, size = self.heads, width // self.heads
        flat = nodes.transpose(0, 1).flatten(0, 1)  # samples last, or the softmax would run along very short rows
        query = self.query(self.prompt).view(attributes, heads, size).transpose(0, 1) / math.sqrt(size)
        key = self.key(flat).view(count * n, heads, size).permute(1, 2, 0)
        attention = torch.softmax(torch.bmm(query, key).view(heads, attributes, count, n), 2)
        value = self.value(flat).view(count * n, heads, size).transpose(0, 1)
        value = torch.bmm(value, weight.view(width, heads, size).permute(1, 2, 0)).view(heads, count, n, width)
        return attention.permute(3, 1, 0, 2).flatten(2), value.permute(2, 0, 1, 3).flatten(1, 2)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """(..., L, width) -> (n or 1, heads, L, width / heads)."""
        return x.view(-1, x.shape[-2], self.heads, x.shape[-1] // self.heads).transpose(1, 2)


def text_projector(dim: int, method: STAR) -> nn.Sequential:
    """Text vectors to the attribute space: Linear, ReLU, Linear."""
    return nn.Sequential(nn.Linear(dim, method.text_width), nn.ReLU(), nn.Linear(method.text_width, method.attributes))


class Network(nn.Module):
    """What STAR learns; ``classes``: those that have a semantic-part prompt."""

    def __init__(self, channels: int, dim: int, parts: int, classes: int, method: STAR):
        super().__init__()
        self.parts = nn.ModuleList(Part(channels, method) for _ in range(parts))
        self.part_text = nn.ModuleList(text_projector(dim, method) for _ in range(parts))
        self.label_text = text_projector(dim, method)
        self.prompt = nn.Parameter(torch.randn(parts, classes, dim)) if method.semantic_prompt else None
        self.sizes = {"channels": channels, "dim": dim, "parts": parts, "classes": classes}
        self.cosine = method.similarity == "cosine"
        self.half: torch.dtype | None = None  # set for training

    def skeletons(self, grid: torch.Tensor, joints: Sequence) -> torch.Tensor:
        """(n, T', V, D) -> (n, parts, attributes); each part sees all times of its own joints."""
        half = self.half if self.training else None  # scores are computed in float32
        with torch.autocast(grid.device.type, half, enabled=half is not None):
            seen = [part(grid[:, :, members].flatten(1, 2)) for part, members in zip(self.parts, joints)]
        return torch.stack(seen, 1).float()

    def descriptions(self, texts: torch.Tensor) -> torch.Tensor:
        """Part texts (classes, parts, dim), in the order of the prompts -> (classes, parts, attributes), Eq. 4."""
        if self.prompt is not None:
            texts = texts + self.prompt.transpose(0, 1)
        return torch.stack([project(texts[:, i]) for i, project in enumerate(self.part_text)], 1)

    def similarity(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """(..., n, attributes), (..., k, attributes) -> (..., n, k)."""
        if self.cosine:
            a, b = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
        return a @ b.transpose(-1, -2)


class STAR(AlignmentMethod):
    """Arguments beyond those of every method.

    texts: the kinds of the class name and of the parts; the second one chooses the partition (parts2, parts4, parts6).
    Or a form alone (profile): its vector for the class name, its quantities by part, partitioned by ``form_parts``.
    attention, visual_prompt, semantic_prompt: modules on or off. part_weight, semantic_weight, global_weight: of the
    three losses, 0 is off. semantic_classes: seen, or all (declares ``uses_unseen_texts``). attributes: prompts per
    part. width, text_width, heads: sizes. bins: time steps after averaging; None keeps the grid's. text_norm: length
    given to every text vector, None leaves the encoder's: CLIP's are several units long, while unit-length texts
    vanish next to prompts drawn from N(0, 1). decay: epochs after which the learning rate is divided by ten.
    precision: auto, fp32 or bf16, of training; scores are computed in float32.
    """

    views = ("grid",)

    def __init__(
        self,
        *,
        texts=("label", "parts6"),
        form_parts: str = "parts6",
        attention: bool = True,
        visual_prompt: bool = True,
        semantic_prompt: bool = True,
        part_weight: float = 1.0,
        semantic_weight: float = 0.1,
        global_weight: float = 0.1,
        semantic_classes: str = "seen",
        similarity: str = "cosine",
        attributes: int = 100,
        width: int = 768,
        text_width: int = 256,
        heads: int = 4,
        bins: int | None = None,
        text_norm: float | None = None,
        epochs: int = 40,
        decay: tuple[int, ...] = (10, 20),
        batch_size: int = 64,
        min_steps: int = 0,
        lr: float = 0.01,
        weight_decay: float = 5e-4,
        precision: str = "auto",
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.form_parts, self.attention = inputs.names(texts), form_parts, attention
        self.visual_prompt, self.semantic_prompt = visual_prompt, semantic_prompt
        self.part_weight, self.semantic_weight, self.global_weight = part_weight, semantic_weight, global_weight
        self.semantic_classes, self.similarity, self.attributes = semantic_classes, similarity, attributes
        self.width, self.text_width, self.heads, self.bins, self.text_norm = width, text_width, heads, bins, text_norm
        self.epochs, self.decay, self.batch_size, self.lr = epochs, tuple(decay), batch_size, lr
        self.weight_decay, self.precision, self.seed, self.device = weight_decay, precision, seed, device
        self.min_steps = min_steps
        self.uses_unseen_texts = semantic_classes == "all"
        inputs.one_of(self, "semantic_classes", semantic_classes, ("seen", "all"))
        inputs.one_of(self, "similarity", similarity, ("cosine", "dot"))
        form = len(self.texts) == 1
        self.kinds = (self.texts[0], body_parts.kind(self.texts[0], form_parts)) if form else self.texts
        inputs.one_of(self, "form_parts", form_parts, ("parts2", "parts4", "parts6"))
        if len(self.kinds) != 2:
            raise UserError(
                f"STAR: texts={list(self.texts)}; name the kinds of the class name and of the parts, or one form"
            )
        if width % heads:
            raise UserError(f"STAR: width={width} is not a multiple of heads={heads}")
        if not semantic_weight and not global_weight:
            raise UserError("STAR: semantic_weight and global_weight are both 0, which leaves class names unlearned")

    def fit(self, features, labels, texts, after_epoch=None, all_texts=None):
        """See AlignmentMethod.fit; ``all_texts``: all classes, wanted if and only if semantic_classes is "all"."""
        known = self._known(texts, all_texts)
        labels = inputs.labels_of(labels, len(features), texts)
        at = {name: i for i, name in enumerate(known.names)}
        seen = torch.tensor([at[name] for name in texts.names], device=self.device)
        y = torch.as_tensor(labels, device=self.device)
        joints, (label, part) = self._columns(features), self._texts(known, features)
        grid = Grid(features, self.device, bins=self.bins)
        with loops.seeded(self.seed, self.device) as generator:
            network = Network(grid.channels, label.shape[1], len(joints), len(known), self).to(self.device)
            network.half = autocast_dtype(self.device, self.precision)
            self.network_ = network
            loops.train(
                self,
                network,
                lambda rows: sum(self.losses(network.skeletons(grid[rows], joints), y[rows], label, part, seen)),
                loops.sgd(network.parameters(), self.lr, momentum=0.9, weight_decay=self.weight_decay),
                n=len(grid),
                epochs=self.epochs,
                batch_size=self.batch_size,
                min_steps=self.min_steps,
                generator=generator,
                after_epoch=after_epoch,
                schedule=lambda epoch: 0.1 ** sum(epoch >= mark for mark in self.decay),
            )
        return self

    def losses(self, v, y, label, part, seen) -> list[torch.Tensor]:
        """Eq. 8 as its weighted terms. v (B, parts, attributes); y (B,) positions in ``seen``, rows of the texts."""
        network, terms = self.network_, []
        names = network.label_text(label)  # (K, attributes)
        if self.part_weight or self.semantic_weight:
            described = network.descriptions(part).transpose(0, 1)  # (parts, K, attributes)
        if self.part_weight:
            logits = network.similarity(v.transpose(0, 1), described[:, seen])  # Eq. 5
            terms.append(self.part_weight * F.cross_entropy(logits.flatten(0, 1), y.repeat(len(logits))))
        if self.semantic_weight:
            logits = described @ names.T  # Eq. 6, a dot product in the code too
            own = torch.arange(len(names), device=y.device).repeat(len(logits))
            terms.append(self.semantic_weight * F.cross_entropy(logits.flatten(0, 1), own))
        if self.global_weight:
            terms.append(self.global_weight * F.cross_entropy(network.similarity(v.sum(1), names[seen]), y))  # Eq. 7
        return terms

    @torch.inference_mode()
    def score(self, features, texts):
        """float32 (n, K), Eq. 9 without its calibration, which belongs to the evaluation."""
        inputs.fitted(self, "network_")
        network, joints = self.network_, self._columns(features)
        label, _ = self._texts(texts, features, network.sizes["dim"])
        grid, names = Grid(features, self.device, network.sizes["channels"], self.bins), network.label_text(label)
        rows = torch.arange(len(grid)).split(64 if self.device == "cpu" else 512)
        scores = [network.similarity(network.skeletons(grid[chunk], joints).sum(1), names) for chunk in rows]
        return torch.cat(scores).cpu().numpy()

    def state(self):
        inputs.fitted(self, "network_")
        return {**self.network_.sizes, **layers.module_state(self.network_, "network.")}

    def restore(self, state):
        sizes = [int(state[key]) for key in ("channels", "dim", "parts", "classes")]
        self.network_ = layers.load_module(Network(*sizes, self), state, "network.").to(self.device)

    def _known(self, texts: ClassTexts, all_texts: ClassTexts | None) -> ClassTexts:
        """The classes whose texts take part in training."""
        if not self.uses_unseen_texts:
            if all_texts is not None:
                raise TypeError("STAR takes all_texts only with semantic_classes='all'")
            return texts
        if all_texts is None:
            raise UserError("STAR: semantic_classes='all' needs the texts of all classes (all_texts)")
        missing = sorted(set(texts.names) - set(all_texts.names))
        if missing:
            raise UserError(f"STAR: all_texts lacks the seen classes {missing}")
        return all_texts

    def _columns(self, features: Features) -> list[torch.Tensor]:
        """``_joints`` where the grid is: a list would travel to a GPU at every step."""
        return [torch.tensor(members, device=self.device) for members in self._joints(features)]

    def _joints(self, features: Features) -> list[list[int]]:
        """Joint indices per part of the features' layout."""
        body = layout(features.layout)
        columns = inputs.array(features, "grid", np.arange(min(1, len(features))), 4).shape[3]
        if columns != len(body):
            raise UserError(
                f"STAR needs one grid column per joint; layout {body.name} has {len(body)} joints, the grid {columns} "
                "columns. Use a backbone that keeps the joints."
            )
        return [list(members) for members in body.parts(self.kinds[1].rpartition(".")[2]).values()]

    def _texts(self, texts: ClassTexts, features: Features, dim: int | None = None) -> tuple[torch.Tensor, ...]:
        """(K, dim) of the class names and (K, parts, dim) of the parts."""
        kinds, units = self.kinds, (1, len(self._joints(features)))
        arrays = [inputs.embeddings(texts, kind, dim, count) for kind, count in zip(kinds, units)]
        inputs.same_dimension(kinds, arrays)
        if self.text_norm is not None:
            arrays = [self.text_norm * layers.unit(array) for array in arrays]
        return layers.tensor(arrays[0][:, 0], self.device), layers.tensor(arrays[1], self.device)
