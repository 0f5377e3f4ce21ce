"""Kinds whose answer is a form: for every quantity a whole number on its scale or "does not matter", and a confidence.

A form needs no text encoder: its numbers are the embedding. In files an entry is ``[value, confidence]``, value None
where the quantity does not matter; a language model writes ``{"value": ..., "confidence": ...}``, because strict
structured output knows objects but no pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pydantic

SURE = 3  # the highest confidence; the lowest is 1

Stated = tuple[pydantic.StrictInt | None, pydantic.StrictInt]
Form = dict[str, Stated]


class Quantity(pydantic.BaseModel):
    """One line of a form; in front matter ``name: [group, lowest, highest, question]``."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    group: str
    lowest: int
    highest: int
    question: str

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if isinstance(value, list):
            if len(value) != 4:
                raise ValueError("a quantity reads [group, lowest, highest, question]")
            return dict(zip(("group", "lowest", "highest", "question"), value, strict=True))
        return value

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Quantity:
        if self.lowest >= self.highest:
            raise ValueError(f"the scale runs from {self.lowest} to {self.highest}; lowest must be below highest")
        return self

    @property
    def line(self) -> str:
        """Everything the answer depends on."""
        return f"[{self.group}] ({self.lowest} to {self.highest}) {self.question}"


def instructions(quantities: Mapping[str, Quantity]) -> str:
    """What follows the question: the form spelled out, with the shape of the answer."""
    lines = [f"- {name} ({q.lowest} to {q.highest}): {q.question}" for name, q in quantities.items()]
    return (
        "Answer with one JSON object and nothing else. Its keys are the names below; each value is an object "
        '{"value": a whole number on the scale given, or null, "confidence": 1, 2 or 3}.\n' + "\n".join(lines)
    )


def schema(name: str, quantities: Mapping[str, Quantity]) -> type[pydantic.BaseModel]:
    """The pydantic model of a language model's answer. Scales are shared definitions, which keeps the schema short."""
    closed = pydantic.ConfigDict(extra="forbid")
    scales: dict[tuple[int, int], Any] = {}
    fields: dict[str, Any] = {}
    for quantity, q in quantities.items():
        bounds = (q.lowest, q.highest)
        if bounds not in scales:
            values = Literal[tuple(range(q.lowest, q.highest + 1))]  # type: ignore[valid-type]
            title = f"from_{q.lowest}_to_{q.highest}".replace("-", "minus_")
            steps = Literal[tuple(range(1, SURE + 1))]  # type: ignore[valid-type]
            scales[bounds] = pydantic.create_model(
                title, __config__=closed, value=(values | None, ...), confidence=(steps, ...)
            )
        fields[quantity] = (scales[bounds], ...)
    return pydantic.create_model(name, __config__=closed, **fields)


def plain(answer: Mapping[str, Mapping[str, int | None]]) -> Form:
    """A language model's objects as the pairs that files hold."""
    return {name: (entry["value"], entry["confidence"]) for name, entry in answer.items()}


def complaints(quantities: Mapping[str, Quantity], answer: Mapping[str, Any]) -> list[str]:
    """What is wrong with one filled-in form: quantities missing or unknown, values off their scale."""
    found = [f"quantity {name!r} is unknown" for name in answer if name not in quantities]
    for name, q in quantities.items():
        entry = answer.get(name)
        if entry is None or isinstance(entry, str):
            found.append(f"quantity {name!r} is missing; wanted is [value, confidence]")
            continue
        value, confidence = entry
        if value is not None and not q.lowest <= value <= q.highest:
            found.append(f"quantity {name!r} is {value}, its scale runs from {q.lowest} to {q.highest}")
        if not 1 <= confidence <= SURE:
            found.append(f"quantity {name!r} has the confidence {confidence}, wanted is 1 to {SURE}")
    return found


def statements(quantities: Mapping[str, Quantity], classes: Sequence[Sequence[Form]]) -> np.ndarray:
    """float32 (K, Q, 2): the mean value over the draws that state one, and how much it counts, 0 to 1.

    weight = mean over all draws of confidence / 3, a draw that says "does not matter" adding 0, times agreement:
    1 - standard deviation over the stating draws / half the scale. A quantity that no draw states has weight and value
    0. ``classes[k]``: the draws of class k.
    """
    result = np.zeros((len(classes), len(quantities), 2), np.float32)
    for k, draws in enumerate(classes):
        for j, (name, q) in enumerate(quantities.items()):
            stated = [draw[name] for draw in draws if draw[name][0] is not None]
            if not stated:
                continue
            values = np.array([value for value, _ in stated], float)
            agreement = max(0.0, 1 - values.std() / (0.5 * (q.highest - q.lowest)))
            confidence = sum(sure for _, sure in stated) / (SURE * len(draws))
            result[k, j] = values.mean(), confidence * agreement
    return result
