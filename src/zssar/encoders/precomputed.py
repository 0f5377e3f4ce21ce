"""Embeddings somebody computed elsewhere, one .npy file per description kind: rows are classes in class order.

For published features (MSF-GZSSAR ships CLIP vectors of labels, action and motion descriptions) and for encoders that
cannot run here. Nothing is encoded and nothing normalised; the description file only says which classes there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zssar.errors import UserError, unknown
from zssar.interfaces import TextEncoder
from zssar.provenance import file_digest


class Precomputed(TextEncoder):
    """files: kind -> path of an array (classes, dim) or (classes, units, dim)."""

    def __init__(self, files: Mapping[str, str] | None = None):
        if not files:
            raise UserError("encoder precomputed: files: give a .npy file for each description kind")
        self.files = {kind: Path(path) for kind, path in files.items()}
        missing = [str(path) for path in self.files.values() if not path.is_file()]
        if missing:
            raise UserError(f"encoder precomputed: no such file: {', '.join(missing)}")
        self.revision = " ".join(f"{kind}=sha256:{file_digest(path)}" for kind, path in sorted(self.files.items()))
        self.dim = int(_array(next(iter(self.files.values()))).shape[-1])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        raise UserError("encoder precomputed holds vectors of whole classes and cannot encode a text")

    def encode_classes(self, kind: str, names: Sequence[str], units: Sequence[str]) -> np.ndarray:
        """float32 (K, units, dim) of the kind's file. Raises UserError if its shape does not fit classes and units."""
        if kind not in self.files:
            raise unknown("kind", kind, self.files, "encoder precomputed: files")
        array = _array(self.files[kind])
        if array.ndim == 2 and len(units) == 1:
            array = array[:, None]
        if array.ndim != 3 or array.shape[:2] != (len(names), len(units)):
            raise UserError(
                f"{self.files[kind]}: shape {array.shape} does not fit {len(names)} classes and the units "
                f"{', '.join(units)} of kind {kind!r}; wanted is (classes, units, dim)"
            )
        return array


def _array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path} is not a .npy file of numbers ({error})") from None
    if not np.issubdtype(array.dtype, np.number) or not np.isfinite(array).all():
        raise UserError(f"{path} holds something else than finite numbers")
    return array.astype(np.float32)
