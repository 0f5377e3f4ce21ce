"""JPoSE: one embedding space per part of speech, and a joint one on top of them.

Paper: Wray et al., "Fine-Grained Action Retrieval Through Multiple Parts-of-Speech Embeddings", ICCV 2019, in the form
    in which the SynSE authors released it for skeletons.
Idea: skeletons are embedded near their verb in one space and near their noun in another; both embeddings together are
    embedded near the whole label. Inside a space, samples of the same word attract each other.
Formulas: L = H(verb) + H(noun) + H(joint) + 0.01 T(verb) + 0.01 T(noun), with H the hinge of ReViSE on unit vectors
    over all seen classes and T a triplet loss with the hardest pairs of the batch; score(x, c) = joint(x) . joint(t_c).
Inputs: ``pooled`` features of unit length; one text kind with the units verb and noun, each of unit length. Classes
    share a word when its embeddings are equal.
Differences: triplets use each anchor's own mined pair (``triplets="all"``: every anchor against every mined pair, as
    released). The release trains up to 2000 epochs, lowers its learning rates and stops by unseen test accuracy; here
    300 epochs (those of ReViSE) at a constant rate, or, with ``holdout=0.05``, lowered by the released rule (patience
    14, cooldown 6) on accuracy on training samples kept aside.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from zssar.alignment import inputs, layers, loops, losses
from zssar.interfaces import AlignmentMethod

WORDS = ("verb", "noun")


class WordSpace(nn.Module):
    """Skeletons and words of one part of speech in one space."""

    def __init__(self, channels: int, dim: int, hidden: int, embedding: int):
        super().__init__()
        self.skeleton = nn.Sequential(nn.Linear(channels, embedding), nn.Tanh())
        self.text = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, embedding), nn.ReLU())

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return F.normalize(self.skeleton(x), dim=1), F.normalize(self.text(t), dim=1)


class JPoSEModule(nn.Module):
    """Verb space, noun space, and the joint space on their concatenation."""

    def __init__(self, channels: int, dim: int, hidden: int, embedding: int):
        super().__init__()
        self.verb = WordSpace(channels, dim, hidden, embedding)
        self.noun = WordSpace(channels, dim, hidden, embedding)
        self.joint_skeleton = nn.Sequential(nn.Linear(2 * embedding, embedding), nn.Tanh())
        self.joint_text = nn.Sequential(nn.Linear(2 * embedding, embedding), nn.Tanh())
        self.channels, self.dim = channels, dim

    def spaces(self, x: torch.Tensor, verbs: torch.Tensor, nouns: torch.Tensor):
        """Unit embeddings of samples (n, e) and classes (K, e) in the verb, noun and joint space."""
        verb, noun = self.verb(x, verbs), self.noun(x, nouns)
        pairs = zip((self.joint_skeleton, self.joint_text), verb, noun)
        joint = tuple(F.normalize(net(torch.cat([v, n], 1)), dim=1) for net, v, n in pairs)
        return verb, noun, joint

    def forward(self, x: torch.Tensor, verbs: torch.Tensor, nouns: torch.Tensor) -> torch.Tensor:
        """(n, K) similarities in the joint space."""
        samples, classes = self.spaces(x, verbs, nouns)[2]
        return samples @ classes.T


class JPoSE(AlignmentMethod):
    """``joint_weight_decay`` acts on the joint space only."""

    def __init__(
        self,
        *,
        texts=("verb_noun",),
        hidden: int = 512,
        embedding: int = 50,
        margin: float = 0.3,
        triplet_weight: float = 0.01,
        triplets: str = "own",
        joint_weight_decay: float = 1e-3,
        holdout: float = 0.0,
        epochs: int = 300,
        batch_size: int = 1024,
        min_steps: int = 0,
        lr: float = 1e-4,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.texts, self.hidden, self.embedding, self.margin = inputs.names(texts), hidden, embedding, margin
        self.triplet_weight, self.triplets, self.joint_weight_decay = triplet_weight, triplets, joint_weight_decay
        self.holdout, self.epochs, self.batch_size = holdout, epochs, batch_size
        self.min_steps, self.lr, self.seed, self.device = min_steps, lr, seed, device
        inputs.one_of(self, "triplets", triplets, ("own", "all"))

    def fit(self, features, labels, texts, after_epoch=None):
        x = F.normalize(layers.tensor(inputs.array(features, "pooled"), self.device), dim=1)
        labels = inputs.labels_of(labels, len(x), texts)
        y = torch.as_tensor(labels, device=self.device)
        words = inputs.named_units(self, texts, self.texts, WORDS)
        same = [np.unique(word, axis=0, return_inverse=True)[1].reshape(-1) for word in words]
        words = [layers.tensor(word, self.device) for word in words]
        groups = [torch.as_tensor(group, device=self.device) for group in same]
        kept, held = loops.holdout_rows(labels, self.holdout, self.seed, self.device)
        with loops.seeded(self.seed, self.device) as generator:
            net = self.net_ = JPoSEModule(x.shape[1], words[0].shape[1], self.hidden, self.embedding).to(self.device)

            def accuracy():
                return (net(x[held], *words).argmax(1) == y[held]).float().mean().item()

            loops.train(
                self,
                net,
                lambda rows: self._loss(x[kept[rows]], y[kept[rows]], words, groups),
                self._optimizer(net),
                n=len(kept),
                epochs=self.epochs,
                batch_size=self.batch_size,
                min_steps=self.min_steps,
                generator=generator,
                after_epoch=after_epoch,
                validate=loops.Watch(accuracy, "max", patience=14, cooldown=6) if self.holdout else None,
            )
        return self

    def _loss(self, x, y, words, groups) -> torch.Tensor:
        verb, noun, joint = self.net_.spaces(x, *words)
        total = sum(losses.detached_hinge(*space, y, self.margin) for space in (verb, noun, joint))
        for (samples, _), group in zip((verb, noun), groups):
            mined = losses.mined_triplets(samples, group[y], self.margin, self.triplets == "all")
            total = total + self.triplet_weight * mined
        return total

    def _optimizer(self, net: JPoSEModule) -> loops.Adam:
        joint = [*net.joint_skeleton.parameters(), *net.joint_text.parameters()]
        return loops.adam(
            [
                {"params": [*net.verb.parameters(), *net.noun.parameters()]},
                {"params": joint, "weight_decay": self.joint_weight_decay},
            ],
            self.lr,
        )

    @torch.inference_mode()
    def score(self, features, texts):
        inputs.fitted(self, "net_")
        x = layers.tensor(inputs.array(features, "pooled", dim=self.net_.channels), self.device)
        words = inputs.named_units(self, texts, self.texts, WORDS, self.net_.dim)
        words = [layers.tensor(word, self.device) for word in words]
        return self.net_(F.normalize(x, dim=1), *words).cpu().numpy()

    def state(self):
        inputs.fitted(self, "net_")
        return layers.module_state(self.net_)

    def restore(self, state):
        hidden, dim = state["verb.text.0.weight"].shape
        embedding, channels = state["verb.skeleton.0.weight"].shape
        self.net_ = layers.load_module(JPoSEModule(channels, dim, hidden, embedding), state).to(self.device)
