"""What a sweep changes along its axis: the answers of the language model, the quantities used, the seen classes.

noise: standard deviation, in steps of the ordinal scale, of an error added to every stated number, cut to the range of
    the answers. wrong: share of the answers replaced by the answer of another class to the same question.
quantities: how many quantities are used, drawn anew per repeat. only, without: one group of quantities, or all others.
seen: how many seen classes the alignment stage knows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zssar.errors import UserError, unknown
from zssar.interfaces import ClassTexts
from zssar.sweeps.material import Material, fewer_seen

AXES = ("noise", "wrong", "quantities", "only", "without", "seen")
FORM = "profile"


def alter(
    axis: str, value, material: Material, texts: ClassTexts, groups: Mapping[str, str], rng: np.random.Generator
) -> tuple[Material, ClassTexts]:
    """Material and texts with one thing changed. groups: quantity -> its group in the form.

    Raises UserError for unknown axes and groups, and for counts that cannot be drawn.
    """
    if axis not in AXES:
        raise unknown("axis", axis, AXES, "sweeps.<name>.runs")
    if axis == "seen":
        return fewer_seen(material, int(value), rng), texts
    names = list(texts.units[FORM])
    if axis in ("noise", "wrong"):
        form = texts[FORM].astype(np.float64).copy()
        form[..., 0] = (_noisy if axis == "noise" else _swapped)(form, float(value), rng)
        return material, _with(texts, form, names)
    if axis == "quantities":
        if not 1 <= int(value) <= len(names):
            raise UserError(f"sweeps.<name>.runs: the form has {len(names)} quantities, not {value}")
        chosen = np.sort(rng.permutation(len(names))[: int(value)])
    else:
        if value not in groups.values():
            raise unknown("group of quantities", value, set(groups.values()), f"sweeps.<name>.runs: axis {axis}")
        chosen = np.flatnonzero([(groups[name] == value) == (axis == "only") for name in names])
    return material, _with(texts, texts[FORM][:, chosen], [names[i] for i in chosen])


def _with(texts: ClassTexts, form: np.ndarray, names: list[str]) -> ClassTexts:
    """The altered form, without the unaltered ones of its authors."""
    others = {kind: array for kind, array in texts.embeddings.items() if not kind.startswith(f"{FORM}.")}
    return ClassTexts(
        texts.names,
        {**others, FORM: form.astype(np.float32)},
        {**texts.units, FORM: tuple(names)},
    )


def _noisy(form: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Stated values (K, Q) with errors; what nobody stated (weight 0) stays."""
    value, weight = form[..., 0], form[..., 1]
    wrong = np.clip(value + sd * rng.standard_normal(value.shape), value.min(0), value.max(0))
    return np.where(weight > 0, wrong, value)


def _swapped(form: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Stated values (K, Q), a share of them taken from another class that states that quantity."""
    value, weight = form[..., 0].copy(), form[..., 1]
    hit = (rng.random(value.shape) < share) & (weight > 0)
    for k, q in np.argwhere(hit):
        others = np.flatnonzero((weight[:, q] > 0) & (np.arange(len(value)) != k))
        if len(others):
            value[k, q] = form[rng.choice(others), q, 0]
    return value
