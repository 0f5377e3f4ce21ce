"""Forms and measurements at the door of the profile methods: checked, cut to the quantities of a run, perturbed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zssar.alignment import body_parts, inputs, vocabulary
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features

VIEW = "profile"
VIEWS = {"measured": (VIEW,), "regressed": ("pooled",), "both": (VIEW, "pooled")}


@dataclass(frozen=True)
class Form:
    """What a run asks of a form: its kind, the groups and quantities used (all if none is named), and the noise.

    noise: standard deviation, in steps of the ordinal scale, of what is added to every answer, rounded to whole steps
    and kept on the scale. It depends on ``seed`` and the name of the class alone, so that a class has one perturbed
    form in fit and score.
    """

    kind: str
    groups: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    noise: float = 0.0
    seed: int = 0

    def read(self, texts: ClassTexts) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """(values (K, Q), weights (K, Q), names of the quantities)."""
        value, weight, names = stated(texts, self.kind)
        (told,), names = self._cut([(value, weight)], texts, names)
        return *told, names

    def apart(self, texts: ClassTexts) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[str]]:
        """(values and weights (K, Q) of each author, names of the quantities). Raises UserError without authors."""
        kind = f"{self.kind}.authors"
        if kind not in texts.embeddings:
            raise UserError(
                f"texts of kind {self.kind!r} hold no separate answers of several authors. Name them under `answers:` "
                "of the source in config.yaml and run encode_texts again, or leave out `authors` of the method. An "
                "axis of a sweep that alters answers leaves none."
            )
        both = np.asarray(texts[kind], np.float64)
        told = [(both[:, :, k], both[:, :, k + 1]) for k in range(0, both.shape[2], 2)]
        return self._cut(told, texts, list(texts.units[kind]))

    def _cut(self, told, texts: ClassTexts, names: list[str]):
        """The quantities of this run, perturbed; every author errs alike, as one who copies errors does."""
        at = vocabulary.chosen(names, self.groups, self.quantities, f"texts of kind {self.kind!r}")
        if self.noise:  # before the choice, so that a run with fewer quantities has the same noise in them
            told = [(perturbed(v, names, texts.names, self.noise, self.seed), w) for v, w in told]
        return [(value[:, at], weight[:, at]) for value, weight in told], [names[i] for i in at]


def stated(texts: ClassTexts, kind: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(values (K, Q), weights (K, Q), names) of a form. Raises UserError for texts that are none."""
    form = inputs.embeddings(texts, kind).astype(np.float64)
    if form.shape[2] != 2:
        raise UserError(
            f"texts of kind {kind!r} have {form.shape[2]} dimensions, but this method can only be fitted on a form, "
            "which has 2 (value, weight). Set `texts: [profile]` for it in config.yaml."
        )
    return form[:, :, 0], form[:, :, 1], list(texts.units.get(kind, map(str, range(form.shape[1]))))


def perturbed(value: np.ndarray, names: Sequence[str], classes: Sequence[str], noise: float, seed: int) -> np.ndarray:
    """The values (K, Q) with whole steps added, see ``Form``."""
    steps = np.empty_like(value)
    for k, name in enumerate(classes):
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
        steps[k] = np.rint(noise * np.random.default_rng([seed, key]).standard_normal(value.shape[1]))
    return np.clip(value + steps, vocabulary.lowest(names), vocabulary.HIGHEST)


def measured(features: Features, wanted: Sequence[str], asked: Sequence[str]) -> np.ndarray:
    """float64 (n, Q): the view's columns of the ``wanted`` quantities, NaN where unknown.

    Columns are found by the names that extract_features left in the attributes; without them (arrays of a user's own)
    they must be those of the form, ``asked``, in its order. Raises UserError if a sample holds no number at all.
    """
    found = np.asarray(features[VIEW], np.float64)
    if found.ndim != 2:
        raise UserError(f"feature view {VIEW!r} has shape {found.shape}; 2 axes are needed, samples first")
    names = list(features.attrs.get("quantities", asked))
    if found.shape[1] != len(names):
        raise UserError(
            f"feature view {VIEW!r} has {found.shape[1]} quantities, but the method is fitted on {len(names)}; run "
            "extract_features and encode_texts again"
        )
    lost = ~np.isfinite(found).any(1) | np.isinf(found).any(1)
    if lost.any():
        raise UserError(
            f"feature view {VIEW!r}: {lost.sum()} of {len(found)} samples hold infinity, or NaN in every quantity, the "
            f"first in row {int(lost.argmax())}. Drop those samples."
        )
    return found[:, vocabulary.positions(names, wanted, f"feature view {VIEW!r}")]


def as_vectors(texts: ClassTexts, seen: Sequence[str]) -> ClassTexts:
    """Forms (K, Q, 2) as one vector per class (K, 1, Q), for methods that take any text embedding; the rest as it is.

    A quantity becomes its weight times its distance from the mean of the ``seen`` classes in standard deviations, so
    that 0 is "does not matter" and unseen classes leave no trace. A kind is a form if its last axis has length 2.
    Methods of body parts find it cut into parts (K, P, Q) under the names of ``body_parts.kind``: in the vector of a
    part the quantities that do not speak of it are 0.
    """
    forms = [kind for kind, array in texts.embeddings.items() if array.shape[2] == 2]
    if not forms:
        return texts
    embeddings, units = dict(texts.embeddings), dict(texts.units)
    for kind in forms:
        value, weight, names = stated(texts, kind)
        rows = [texts.names.index(name) for name in seen]
        centre, spread = moments(value[rows], weight[rows])
        embeddings[kind] = (weight * (value - centre) / spread)[:, None].astype(np.float32)
        units[kind] = (kind,)
        for grouping in body_parts.GROUPINGS:
            masks = body_parts.masks(names, grouping)
            embeddings[body_parts.kind(kind, grouping)] = embeddings[kind] * np.stack(list(masks.values()))
            units[body_parts.kind(kind, grouping)] = tuple(masks)
    return ClassTexts(texts.names, embeddings, units)


def moments(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation per column; a constant column, or one without weight, gets the spread 1."""
    total = np.maximum(weight.sum(0), 1e-12)
    known = np.where(weight > 0, values, 0.0)
    mean = (weight * known).sum(0) / total
    spread = np.sqrt((weight * np.where(weight > 0, known - mean, 0.0) ** 2).sum(0) / total)
    return mean, np.where(spread > 1e-6, spread, 1.0)


def mixed(
    own: tuple[np.ndarray, np.ndarray], count: np.ndarray, other: tuple[np.ndarray, np.ndarray], strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (Q,) of ``count`` classes of one's own and ``strength`` classes of another data set.

    NaN in the other's: one's own alone.
    """
    known = np.isfinite(other[0]) & np.isfinite(other[1]) & (count + strength > 0)
    share = np.where(known, strength / np.maximum(count + strength, 1e-12), 0.0)
    (mean, spread), (its_mean, its_spread) = own, (np.where(known, side, 0.0) for side in other)
    both = (1 - share) * mean + share * its_mean
    square = (1 - share) * (spread**2 + (mean - both) ** 2) + share * (its_spread**2 + (its_mean - both) ** 2)
    return both, np.sqrt(square)


def listed(value: str | Sequence[str]) -> tuple[str, ...]:
    """A tuple of names, which may be empty; a single name is taken as one."""
    return (value,) if isinstance(value, str) else tuple(value)


def limited(y: np.ndarray, classes: int, limit: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(classes kept, rows kept, labels of these rows among the classes kept) of ``limit`` classes drawn by ``seed``.

    The draws of one seed are nested: more classes contain those of fewer. limit 0, or more than there are: all.
    Raises UserError for one class, which has no spread.
    """
    if limit == 0:
        return np.arange(classes), np.arange(len(y)), y
    if limit < 2:
        raise UserError(f"Profile: seen_limit={limit}; at least 2 seen classes are needed (0: all)")
    order = np.random.default_rng(seed).permutation(np.unique(y))
    kept = np.sort(order[:limit])
    rows = np.flatnonzero(np.isin(y, kept))
    return kept, rows, np.searchsorted(kept, y[rows])
