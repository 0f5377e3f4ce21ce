"""Why a profile chose a class: what every quantity adds to the class chosen and to the next one, per sample.

A term that is no quantity (the partner of ``profile_text``) has a line too, with nothing stated and nothing measured.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zssar import plugins, storage
from zssar.alignment import statements
from zssar.errors import UserError
from zssar.interfaces import AlignmentMethod, ClassTexts, Features

COLUMNS = (
    *("row", "predicted", "runner_up", "score", "runner_up_score", "quantity", "measured"),
    *("stated", "runner_up_stated", "for_predicted", "for_runner_up", "difference"),
)


def load(path: Path | str, seed: int | None = None) -> AlignmentMethod:
    """A method as ``zssar align`` saved it; ``seed``: which of its runs, the first one by default.

    Raises UserError for a missing file or seed.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; `zssar align --model` writes it")
    saved = torch.load(path, weights_only=True)
    seed = int(next(iter(saved["seeds"]))) if seed is None else seed
    if str(seed) not in saved["seeds"]:
        raise UserError(f"{path} holds the seeds {', '.join(saved['seeds'])}, not {seed}")
    method = plugins.create("alignment", saved["method"], {**json.loads(saved["params"]), "seed": seed})
    method.restore(saved["seeds"][str(seed)])
    return method


def explain_scores(method: Any, features: Features, texts: ClassTexts) -> list[dict]:
    """One dict per sample and quantity with the keys ``COLUMNS``; the classes are those of ``texts``, two at least.

    ``for_predicted`` and ``for_runner_up`` add up to the two scores, ``difference`` to their difference. ``measured``
    is the number of the recording (NaN where unknown or not measured), ``stated`` the answers of the two classes (NaN
    where the quantity does not matter). Quantities come in the order of what they did to the difference.
    """
    if not hasattr(method, "explain"):
        raise UserError(f"{type(method).__name__} cannot explain its scores; profile and profile_text can")
    if len(texts) < 2:
        raise UserError("an explanation compares two classes; one was given")
    terms = method.explain(features, texts)  # (n, K, Q)
    total = terms.sum(2)
    value, weight, asked = method.answers(texts)
    names = method.names_  # the quantities asked, and what else has a term
    told, found = np.full((len(texts), len(names)), np.nan), np.full((len(features), len(names)), np.nan)
    told[:, : len(asked)] = np.where(weight > 0, value, np.nan)
    if statements.VIEW in method.views:
        found[:, : len(asked)] = statements.measured(features, asked, texts.units.get(method.texts[0], asked))
    rows = []
    for i, order in enumerate(np.argsort(-total, axis=1, kind="stable")[:, :2]):
        first, second = order
        gap = terms[i, first] - terms[i, second]
        common = (i, texts.names[first], texts.names[second], total[i, first], total[i, second])
        for q in np.argsort(-np.abs(gap), kind="stable"):
            own = (
                names[q],
                found[i, q],
                told[first, q],
                told[second, q],
                terms[i, first, q],
                terms[i, second, q],
                gap[q],
            )
            rows.append(dict(zip(COLUMNS, common + own)))
    return rows


def write(rows: Sequence[dict], sample_ids: Sequence[str], path: Path | str) -> None:
    """A CSV of ``COLUMNS`` with ``sample_id`` instead of the row; whole or not at all. Unknown numbers stay empty."""
    with storage.whole(path) as draft, open(draft, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sample_id", *COLUMNS[1:]])
        for row in rows:
            writer.writerow([sample_ids[row["row"]], *(_plain(row[key]) for key in COLUMNS[1:])])


def _plain(value) -> str:
    return value if isinstance(value, str) else "" if np.isnan(value) else f"{value:.6g}"
