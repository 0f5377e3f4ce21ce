"""Texts to vectors: every unit of every class, wrapped in its kind's phrase; several draws averaged after encoding.

The answers to a form are numbers already and pass through without an encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zssar import storage
from zssar.errors import UserError
from zssar.interfaces import TextEncoder
from zssar.provenance import text_digest
from zssar.text import forms
from zssar.text.answers import Answered, json_line
from zssar.text.prompts import Kind


def wrapped_texts(kind: Kind, lines: Sequence[Answered]) -> list[list[list[str]]]:
    """texts[class][unit][draw] as the encoder reads them. Raises UserError if a class lacks a unit."""
    result = []
    for line in lines:
        for answer in line.answers:
            missing = [unit for unit in kind.units if not answer.get(unit, "").strip()]
            if missing:
                raise UserError(f"class {line.index} ({line.name}) has no text for {missing} of kind {kind.name!r}")
        result.append([[kind.wrapped(unit, answer[unit]) for answer in line.answers] for unit in kind.units])
    return result


def encode(kind: Kind, lines: Sequence[Answered], encoder: TextEncoder) -> np.ndarray:
    """Embeddings float32 (K, units, dim), unnormalised. Equal texts are encoded once; draws are averaged."""
    if hasattr(encoder, "encode_classes"):
        return encoder.encode_classes(kind.name, [line.name for line in lines], kind.units)
    texts = wrapped_texts(kind, lines)
    unique = list(dict.fromkeys(text for units in texts for draws in units for text in draws))
    vectors = np.asarray(encoder.encode(unique), np.float32)
    if len(vectors) != len(unique):
        raise ValueError(f"{type(encoder).__name__}.encode gave {len(vectors)} vectors for {len(unique)} texts")
    at = {text: i for i, text in enumerate(unique)}
    return np.stack(
        [np.stack([vectors[[at[text] for text in draws]].mean(axis=0) for draws in units]) for units in texts]
    )


def encode_tokens(kind: Kind, lines: Sequence[Answered], encoder: TextEncoder, length: int) -> np.ndarray:
    """Token states float32 (K, units * (length + 1), width): of each unit ``length`` tokens, then the pooled state.

    For methods that attend to words (TDSM, Flora). Raises UserError for encoders without tokens and for several draws.
    """
    if not hasattr(encoder, "encode_tokens"):
        raise UserError(f"the encoder {type(encoder).__name__} gives no token states; minilm, sbert and clip do")
    if any(len(line.answers) > 1 for line in lines):
        raise UserError(
            "token states of several draws cannot be averaged: their words differ. Use a source of one draw"
        )
    flat = [draws[0] for units in wrapped_texts(kind, lines) for draws in units]
    states = encoder.encode_tokens(flat, length)  # (K * units, length + 1, width)
    return states.reshape(len(lines), len(kind.units) * (length + 1), states.shape[-1])


def token_units(kind: Kind, length: int) -> list[str]:
    """Names for the second axis of ``encode_tokens``: start.0, start.1, ..., start.pooled, middle.0, ..."""
    return [f"{unit}.{place}" for unit in kind.units for place in (*range(length), "pooled")]


def encode_file(
    kind: Kind,
    lines: Sequence[Answered],
    encoder: TextEncoder | None,
    name: str,
    output: Path,
    tokens: int = 0,
    params: str = "{}",
) -> None:
    """Encode one description file and write ``output`` (HDF5, see storage). tokens: 0 for one vector per unit.

    encoder: None will do for a form, whatever ``name`` says. params: the encoder's parameters as JSON (precision, quick
    GELU, ...), recorded.
    """
    if kind.is_form:
        return encode_form(kind, lines, output)
    if encoder is None:
        raise UserError(f"kind {kind.name!r} consists of texts and needs a text encoder")
    embeddings = encode_tokens(kind, lines, encoder, tokens) if tokens else encode(kind, lines, encoder)
    flat = [text for units in wrapped_texts(kind, lines) for draws in units for text in draws]
    attrs = {
        "kind": kind.name,
        "encoder": name,
        "params": params,
        "revision": encoder.revision,
        "text_hash": text_digest("\n".join(flat)),
        "template": sorted({line.template for line in lines}),
        "author": sorted({line.author for line in lines}),
        "draws": max(len(line.answers) for line in lines),
        "tokens": tokens,
    }
    units = token_units(kind, tokens) if tokens else kind.units
    storage.write_texts(output, [line.name for line in lines], units, embeddings, attrs)


def encode_form(kind: Kind, lines: Sequence[Answered], output: Path) -> None:
    """Write ``forms.statements`` float32 (K, Q, 2) of one file, and those of each author where there are several.

    Raises UserError if a form is incomplete, or if classes have answers of different authors.
    """
    for line in lines:
        for answer in line.answers:
            if wrong := kind.complaints(answer):
                raise UserError(f"class {line.index} ({line.name}) does not answer kind {kind.name!r}: {wrong[0]}")
    quantities = kind.front.quantities
    attrs = {
        "kind": kind.name,
        "encoder": "none",
        "text_hash": text_digest("".join(json_line(line) for line in lines)),
        "template": sorted({line.template for line in lines}),
        "author": sorted({line.author for line in lines}),
        "draws": max(len(line.answers) for line in lines),
        "groups": [q.group for q in quantities.values()],
        "lowest": [q.lowest for q in quantities.values()],
        "highest": [q.highest for q in quantities.values()],
    }
    numbers = forms.statements(quantities, [line.answers for line in lines])
    authors = len(lines[0].by_author)
    for line in lines:
        if len(line.by_author) != authors:
            raise UserError(
                f"class {line.index} ({line.name}) has answers of {len(line.by_author)} authors, the first class of "
                f"{authors}; a source of several authors has answers of each of them to every class"
            )
    apart = [forms.statements(quantities, [line.by_author[a] for line in lines]) for a in range(authors)]
    separate = np.concatenate(apart, 2) if authors > 1 else None
    storage.write_texts(output, [line.name for line in lines], kind.units, numbers, attrs, separate)
