"""Checks at the door of every method: what ``fit`` and ``score`` were given, as plain arrays, or an error that says
which view, which texts and which argument are wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from zssar.alignment import layers
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features


def names(value: str | Sequence[str]) -> tuple[str, ...]:
    """A tuple of names; a single name is taken as one (JSON brings lists, people write one word)."""
    found = (value,) if isinstance(value, str) else tuple(value)
    if not found:
        raise UserError("an alignment method was given an empty list; name at least one text kind or feature view")
    return found


def one_of(method: object, key: str, value, choices: Sequence) -> None:
    """Raise UserError naming the method's config key unless ``value`` is among ``choices``."""
    if value not in choices:
        known = ", ".join(map(repr, choices))
        raise UserError(f"{type(method).__name__}: {key}={value!r} is not a choice; choose one of {known}")


def array(features: Features, view: str, rows=None, ndim: int | None = 2, dim: int | None = None) -> np.ndarray:
    """float32 view of some or all samples, finite, with ``ndim`` axes (None: two or three, vectors or parts).

    ``dim``: the channel count (axis 1, or the last axis of part and phase views) that the method was fitted on.
    Raises UserError naming the view.
    """
    found = np.asarray(features[view] if rows is None else features.batch(view, rows), np.float32)
    if found.ndim not in ((2, 3) if ndim is None else (ndim,)):
        needed = "2 or 3" if ndim is None else ndim
        raise UserError(f"feature view {view!r} has shape {found.shape}; {needed} axes are needed, samples first")
    channels = found.shape[1 if found.ndim in (2, 4) else -1]
    if dim is not None and channels != dim:
        raise UserError(
            f"feature view {view!r} has {channels} channels, but the method was fitted on {dim}. "
            "Score with features of the backbone that made the training features."
        )
    bad = ~np.isfinite(found).all(tuple(range(1, found.ndim)))
    if bad.any():
        raise UserError(
            f"feature view {view!r}: {bad.sum()} of {len(found)} samples hold NaN or infinity, the first in row "
            f"{int(bad.argmax())}. Run extract_features again, or drop those samples."
        )
    return found


def chunks(
    features: Features, view: str, size: int, ndim: int | None = 2, dim: int | None = None
) -> Iterator[np.ndarray]:
    """The view in row blocks of ``size``, checked as in ``array``, so that scoring needs bounded memory."""
    for start in range(0, len(features), size):
        yield array(features, view, slice(start, start + size), ndim, dim)


def labels_of(labels, count: int, texts: ClassTexts) -> np.ndarray:
    """int64 (n,): labels as indices into ``texts.names``. Raises UserError naming the labels that are not."""
    found = np.asarray(labels)
    if found.shape != (count,):
        raise UserError(f"labels have shape {found.shape}, but there are {count} samples")
    if count == 0:
        raise UserError("there is no training sample; check the split and the training partition")
    if not np.issubdtype(found.dtype, np.integer):
        raise UserError(f"labels are {found.dtype}; integers that index the class names are needed")
    outside = found[(found < 0) | (found >= len(texts))]
    if len(outside):
        raise UserError(f"labels {sorted(set(outside.tolist()))} do not index the {len(texts)} classes of the texts")
    return found.astype(np.int64)


def embeddings(texts: ClassTexts, kind: str, dim: int | None = None, units: int | None = None) -> np.ndarray:
    """float32 (K, units, dim), finite, of the expected size. Raises UserError naming the kind."""
    form, _, grouping = kind.rpartition(".")
    if form and kind not in texts.embeddings:  # asked of sentences: see body_parts
        raise UserError(f"texts of kind {form!r} are no form (such as profile) that could be cut into {grouping}")
    found = np.asarray(texts[kind], np.float32)
    if not len(texts):
        raise UserError("no class was given: the list of class texts is empty")
    if not np.isfinite(found).all():
        row = int((~np.isfinite(found).all((1, 2))).argmax())
        raise UserError(f"texts of kind {kind!r}: the embedding of class {texts.names[row]!r} holds NaN or infinity")
    if dim is not None and found.shape[2] != dim:
        raise UserError(
            f"texts of kind {kind!r} have {found.shape[2]} dimensions, but the method was fitted on {dim}. "
            "Use the text encoder of the training run."
        )
    if units is not None and found.shape[1] != units:
        raise UserError(f"texts of kind {kind!r} have {found.shape[1]} units per class; this method needs {units}")
    return found


def class_vectors(texts: ClassTexts, kinds: Sequence[str], dim: int | None = None) -> np.ndarray:
    """float32 (K, dim), unit length: ``layers.class_vectors`` behind the checks of ``embeddings``."""
    dims = {kind: embeddings(texts, kind, dim).shape[2] for kind in kinds}
    if len(set(dims.values())) != 1:
        raise UserError(f"text kinds differ in their dimensions and cannot be summed: {dims}")
    return layers.class_vectors(texts, kinds)


def same_dimension(kinds: Sequence[str], arrays: Sequence[np.ndarray]) -> None:
    """Raise UserError naming the kinds unless all arrays (..., dim) come from encoders of one width."""
    dims = {kind: array.shape[-1] for kind, array in zip(kinds, arrays)}
    if len(set(dims.values())) != 1:
        raise UserError(f"text kinds differ in their dimensions: {dims}. Encode all kinds with one text encoder.")


def fitted(method: object, *attributes: str) -> None:
    """Raise UserError if ``fit`` or ``restore`` has not set the attributes yet."""
    if not all(hasattr(method, name) for name in attributes):
        raise UserError(f"{type(method).__name__} has learned nothing yet: call fit or restore before score or state")


def named_units(
    method: object, texts: ClassTexts, kinds: Sequence[str], units: Sequence[str], dim: int | None = None
) -> list[np.ndarray]:
    """float32 (K, dim), unit length, for each unit asked for by name, e.g. verb and noun of the one kind ``verb_noun``.

    Raises UserError if several kinds are given or the kind has no such units.
    """
    if len(kinds) != 1:
        raise UserError(f"{type(method).__name__} takes one text kind with the units {', '.join(units)}, not {kinds}")
    found = embeddings(texts, kinds[0], dim, len(units))
    order = tuple(texts.units.get(kinds[0], units))
    if set(order) != set(units):
        raise UserError(f"texts of kind {kinds[0]!r} have the units {order}; {tuple(units)} are needed")
    return [layers.unit(found[:, order.index(unit)]) for unit in units]
