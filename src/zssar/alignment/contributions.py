"""Why a fitted method answers as it does, for methods whose scores are sums: those with an ``explain``.

``explain(features, texts)`` returns float64 (n, K, Q), the terms of the scores; ``names_`` says what the Q terms are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zssar import plugins, storage
from zssar.alignment.runner import Classes
from zssar.errors import UserError


@dataclass(frozen=True)
class Contributions:
    """terms[i, j, q]: what the quantity ``names[q]`` adds to the score of ``classes[j]`` for ``sample_id[i]``."""

    sample_id: tuple[str, ...]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    terms: np.ndarray


def read(
    model: Path | str, seed: int, test: Path | str, texts: Mapping[str, Path | str], sample_id: Sequence[str]
) -> Contributions | None:
    """The terms of some test samples over the unseen classes; None for a method that does not explain its scores.

    model: model.pt of a run; test, texts: the files that it read. Raises UserError for a model of an earlier version.
    """
    import torch

    saved = torch.load(model, map_location="cpu", weights_only=True)
    if not hasattr(plugins.load("alignment", saved["method"]), "explain"):
        return None
    method = plugins.create("alignment", saved["method"], {**json.loads(saved["params"]), "seed": seed})
    try:
        method.restore(saved["seeds"][str(seed)])
    except KeyError as error:
        raise UserError(
            f"{model} lacks {error}: an earlier version of {saved['method']} wrote it; run align again"
        ) from None
    with storage.open_features(test, method.views) as (features, _, ids):
        at = {str(name): i for i, name in enumerate(ids)}
        rows = [at[name] for name in sample_id]
        ordered = np.argsort(rows)  # files on disk are read in rising order
        some = features.select(np.array(rows)[ordered])
        unseen = Classes.of(features.attrs).unseen
        terms = method.explain(some, storage.read_texts(texts).select(unseen))
    return Contributions(tuple(sample_id), tuple(unseen), tuple(method.names_), terms[np.argsort(ordered)])
