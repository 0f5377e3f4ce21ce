"""Texts to vectors: every unit of every class, wrapped in its kind's phrase; several draws averaged after encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zssar import plugins, storage
from zssar.errors import UserError
from zssar.interfaces import TextEncoder
from zssar.provenance import text_digest
from zssar.text.answers import Answered
from zssar.text.prompts import Kind


def make_encoder(name: str, params: Mapping[str, Any], device: str) -> TextEncoder:
    """The encoder of a config line. ``device`` is passed on to encoders that take one and do not set it themselves."""
    import inspect

    cls = plugins.load("encoders", name)
    params = dict(params)
    if "device" in inspect.signature(cls).parameters:
        params.setdefault("device", device)
    return plugins.create("encoders", name, params)


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


def encode(kind: Kind, lines: Sequence[Answered], encoder: TextEncoder) -> tuple[np.ndarray, str]:
    """(embeddings float32 (K, units, dim), hash of the texts). Equal texts are encoded once."""
    texts = wrapped_texts(kind, lines)
    flat = [text for units in texts for draws in units for text in draws]
    unique = list(dict.fromkeys(flat))
    vectors = np.asarray(encoder.encode(unique), np.float32)
    if len(vectors) != len(unique):
        raise ValueError(f"{type(encoder).__name__}.encode gave {len(vectors)} vectors for {len(unique)} texts")
    at = {text: i for i, text in enumerate(unique)}
    embeddings = np.stack(
        [np.stack([vectors[[at[text] for text in draws]].mean(axis=0) for draws in units]) for units in texts]
    )
    return embeddings, text_digest("\n".join(flat))


def encode_file(kind: Kind, lines: Sequence[Answered], encoder: TextEncoder, name: str, output: Path) -> None:
    """Encode one description file and write ``output`` (HDF5, see storage)."""
    embeddings, digest = encode(kind, lines, encoder)
    attrs = {
        "kind": kind.name,
        "encoder": name,
        "revision": encoder.revision,
        "text_hash": digest,
        "template": sorted({line.template for line in lines}),
        "author": sorted({line.author for line in lines}),
        "draws": max(len(line.answers) for line in lines),
    }
    storage.write_texts(output, [line.name for line in lines], kind.units, embeddings, attrs)
