"""``zssar encode_texts``: description files to text embeddings. Several files at once load the encoder once."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from zssar.errors import UserError

HELP = "encode descriptions with a text encoder; several files in one call load the encoder once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--descriptions", type=Path, nargs="+", required=True, help="description files, .jsonl")
    parser.add_argument("--kind", type=Path, nargs="+", required=True, help="their templates, in the same order")
    parser.add_argument("--encoder", required=True, help="module of zssar.encoders, or a dotted module of your own")
    parser.add_argument("--params", default="{}", help="the encoder's parameters, JSON")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--tokens", type=int, default=0, help="token states of this many tokens per unit; 0: none")
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="HDF5 files to write, in the same order")


def run(args: argparse.Namespace) -> None:
    from zssar import encoders
    from zssar.devices import device, speed_up_cpu
    from zssar.text.answers import read_answers
    from zssar.text.encode import encode_file
    from zssar.text.prompts import read_kind

    if not len(args.descriptions) == len(args.kind) == len(args.output):
        raise UserError("--descriptions, --kind and --output must list as many files each, in the same order")
    try:
        params = json.loads(args.params)
    except json.JSONDecodeError as error:
        raise UserError(f"--params is not JSON: {error}") from None
    kinds = [read_kind(path) for path in args.kind]
    lines = [read_answers(path) for path in args.descriptions]
    with device(args.device) as where:
        speed_up_cpu(where)
        needed = not all(kind.is_form for kind in kinds)  # forms are numbers: no weights are loaded for them
        encoder = encoders.create(args.encoder, params, where) if needed else None
        for kind, answers, output in zip(kinds, lines, args.output, strict=True):
            encode_file(kind, answers, encoder, args.encoder, output, args.tokens, json.dumps(params, sort_keys=True))
