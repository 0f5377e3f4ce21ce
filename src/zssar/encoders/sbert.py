"""Any sentence-transformers model, by hub name or folder.

Paper: Reimers and Gurevych, "Sentence-BERT", EMNLP 2019. SMIE, DVTA and PGFA use all-mpnet-base-v2 (768 numbers), SynSE
and SA-DVAE stsb-bert-large (1024).
Output: what the model's own pipeline gives (pooling, and for models that end in one, normalisation); nothing is added.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zssar.encoders import sentences
from zssar.interfaces import TextEncoder


class SentenceBert(TextEncoder):
    """model: hub name (``all-mpnet-base-v2``) or folder. precision: fp32 or bf16. offline: never ask the hub."""

    def __init__(
        self,
        model: str = "all-mpnet-base-v2",
        device: str = "cpu",
        precision: str = "fp32",
        batch_size: int = 32,
        offline: bool = False,
    ):
        self.name, self.batch_size = model, batch_size
        self.model = sentences.load(model, device, precision, offline)
        self.dim = int(self.model.encode(["a"], show_progress_bar=False).shape[1])
        self.revision = f"sha256:{sentences.weights_digest(self.model)}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        lengths = sentences.token_counts(self.model, texts)
        return sentences.encode_sorted(texts, self._batch, self.batch_size, self.name, lengths)

    def encode_tokens(self, texts: Sequence[str], length: int) -> np.ndarray:
        """float32 (n, length + 1, width): token states cut or padded with zeros, then the sentence vector."""
        return sentences.token_states(self.model, texts, length, self.batch_size, self.name)

    def _batch(self, texts: list[str]) -> np.ndarray:
        return self.model.encode(texts, batch_size=self.batch_size, show_progress_bar=False)
