"""Several encoders as one: their vectors side by side, or their mean.

Flora and MSF put vectors of several texts side by side; here the same text goes through several encoders. Norms differ
between encoders (about 1 for MiniLM, about 10 for OpenAI's CLIP), so that side by side one may drown the other:
``unit_length`` scales each part to length 1 first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zssar import encoders
from zssar.errors import UserError
from zssar.interfaces import TextEncoder

HOW = ("concatenate", "average")


class Joined(TextEncoder):
    """parts: [{"encoder": "minilm", "params": {...}}, ...]; how: concatenate or average (parts of equal width)."""

    def __init__(
        self,
        parts: Sequence[Mapping[str, Any]] = (),
        how: str = "concatenate",
        unit_length: bool = False,
        device: str = "cpu",
    ):
        if how not in HOW:
            raise UserError(f"encoder joined: how: {how!r}; choose one of {', '.join(HOW)}")
        if len(parts) < 2:
            raise UserError("encoder joined: parts: list two encoders or more, each {encoder: ..., params: {...}}")
        for part in parts:
            if "encoder" not in part or set(part) - {"encoder", "params"}:
                raise UserError(f"encoder joined: parts: {dict(part)} must have the keys encoder and params, no other")
        self.how, self.unit_length = how, unit_length
        self.encoders = [encoders.create(part["encoder"], part.get("params", {}), device) for part in parts]
        widths = [encoder.dim for encoder in self.encoders]
        if how == "average" and len(set(widths)) > 1:
            raise UserError(f"encoder joined: encoders of the widths {widths} cannot be averaged; use concatenate")
        self.dim = sum(widths) if how == "concatenate" else widths[0]
        self.revision = f"{how}({', '.join(encoder.revision for encoder in self.encoders)})"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        parts = [encoder.encode(texts) for encoder in self.encoders]
        if self.unit_length:
            parts = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in parts]
        joined = np.concatenate(parts, axis=1) if self.how == "concatenate" else np.mean(parts, axis=0)
        return joined.astype(np.float32)
