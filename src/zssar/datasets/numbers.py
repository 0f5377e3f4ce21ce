"""Checks that every reader makes of the numbers it was given, worded alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

LARGEST_COORDINATE = 1e6  # millimetres of a kilometre, pixels of any image; beyond it a file is damaged


class Unusable(Exception):
    """A recording that cannot be used; ``line`` counts from 1, 0 where a format has no lines."""

    def __init__(self, reason: str, line: int = 0):
        super().__init__(reason)
        self.reason, self.line = reason, line


def parse_json(content: bytes) -> Any:
    """The value in a JSON file. Raises Unusable naming the line."""
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise Unusable(f"not valid JSON ({error.msg}, column {error.colno})", error.lineno) from None
    except UnicodeDecodeError as error:
        raise Unusable(f"not valid JSON ({error.reason} at byte {error.start})") from None
    except (RecursionError, ValueError) as error:  # ValueError: a number of more digits than Python converts
        raise Unusable(f"not valid JSON ({error})") from None


def as_array(value: Any, shape: Sequence[int | None], what: str) -> np.ndarray:
    """Nested lists of numbers as float32 of the given shape (None: any length). Raises Unusable saying what differs."""
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        array = np.array(None)
    if array.dtype == object and array.ndim == len(shape):
        array = _with_nulls(array)
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
    if array.dtype.kind not in "fiu" or not fits:
        wanted = " x ".join("any" if want is None else str(want) for want in shape)
        raise Unusable(f"{what} is not a table of numbers {wanted} {_difference(value, shape)}".rstrip())
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _with_nulls(array: np.ndarray) -> np.ndarray:
    """Numbers with ``null`` in between, as some tools write missing values: null becomes NaN."""
    flat = array.ravel().tolist()
    if not all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in flat):
        return array
    try:
        return np.array([np.nan if value is None else float(value) for value in flat]).reshape(array.shape)
    except OverflowError:
        return array


def _difference(value: Any, shape: Sequence[int | None]) -> str:
    """Where nested lists first leave the shape, in words; counts from 0."""
    place: list[int] = []
    for want in shape:
        if not isinstance(value, list):
            return f"(at {place}: {str(value)[:40]!r})" if place else ""
        if want is not None and len(value) != want:
            return f"(at {place}: {len(value)} entries, not {want})" if place else f"({len(value)} entries)"
        if not value:
            return "(zero entries)"
        depth = len(shape) - len(place) - 1
        bad = next((i for i, item in enumerate(value) if not _regular(item, shape[-depth:] if depth else ())), 0)
        place.append(bad)
        value = value[bad]
    return f"(at {place}: {str(value)[:40]!r})"


def _regular(value: Any, shape: Sequence[int | None]) -> bool:
    if not shape:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, list) or (shape[0] is not None and len(value) != shape[0]):
        return False
    return all(_regular(item, shape[1:]) for item in value)


def drop_broken(joints: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Bodies of single frames with NaN, Inf or absurd values count as not tracked: (M, T, V, C), (M, T).

    Returns both, the joints of absent bodies zero, and the sentence for a Problem (empty if all is well).
    """
    broken = broken_bodies(joints, present)
    present = present & ~broken
    joints = np.where(present[:, :, None, None], joints, 0).astype(np.float32)
    if not broken.any():
        return joints, present, ""
    first = int(np.flatnonzero(broken.any(0))[0])
    some = f"{int(broken.sum())} of {int(broken.sum() + present.sum())}"
    where = f"{some} bodies of single frames (first: frame {first}, counted from 0)"
    return joints, present, f"NaN, Inf or absurd values in {where}; they count as not tracked"


def broken_bodies(joints: np.ndarray, present: np.ndarray) -> np.ndarray:
    """bool (M, T): bodies that are there and have NaN, Inf or absurd values."""
    with np.errstate(invalid="ignore"):
        good = (np.abs(joints) < LARGEST_COORDINATE).all((2, 3))  # False for NaN
    return present & ~good
