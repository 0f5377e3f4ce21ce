"""A trained backbone on disk: its tensors, and a card that says how to build and feed it.

A file holds tensors and one JSON text only, so that ``torch.load(weights_only=True)`` reads it and no code in it runs.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from zssar import plugins, storage
from zssar.backbones.base import Backbone
from zssar.errors import UserError
from zssar.skeleton.layouts import Layout, layout

FORMAT = "zssar backbone 1"


@dataclass(frozen=True)
class Card:
    """What is needed to build the network again and to prepare its input, and where it comes from.

    seen: class indices in the order of the head's outputs. recipe: how the skeleton file was preprocessed.
    """

    module: str
    params: dict[str, Any]
    layout: str
    in_channels: int
    bodies: int
    stream: str
    frames: int
    test_crop: float
    normalise: list[str]
    recipe: str
    dataset: str
    split: str
    seen: list[int]
    class_names: list[str]
    training: dict[str, Any]
    seed: int

    def build(self) -> Backbone:
        """The network with fresh weights."""
        return build(self.module, layout(self.layout), self.in_channels, len(self.seen), self.bodies, self.params)


def build(module: str, of: Layout, in_channels: int, classes: int, bodies: int, params: dict[str, Any]) -> Backbone:
    """A backbone by name. Raises UserError for an unknown module or parameter."""
    fixed = {"layout": of, "in_channels": in_channels, "num_classes": classes, "bodies": bodies}
    for key in params.keys() & fixed.keys():
        raise UserError(f"config: backbones.<name>.params.{key} is given by the data and cannot be set")
    return plugins.create("backbones", module, {**fixed, **params})


def save(path: Path | str, backbone: Backbone, card: Card) -> None:
    """Write whole or not at all; the same weights give the same bytes."""
    state = {key: value.detach().cpu().clone().contiguous() for key, value in backbone.state_dict().items()}
    with storage.whole(path) as draft, open(draft, "wb") as file:
        torch.save({"format": FORMAT, "card": json.dumps(asdict(card), sort_keys=True), "state": state}, file)


def load(path: Path | str, device: str = "cpu") -> tuple[Backbone, Card]:
    """The network in evaluation mode and its card. Raises UserError for a file that is not ours or is broken."""
    content = read(path)
    if content.get("format") != FORMAT:
        raise UserError(f"{path} is not a backbone of this package; published weights enter through training.weights")
    card = Card(**json.loads(content["card"]))
    backbone = card.build()
    try:
        backbone.load_state_dict(content["state"])
    except RuntimeError as error:
        raise UserError(
            f"{path}: its tensors do not fit {card.module} as it is now ({str(error).splitlines()[-1].strip()}). "
            "The network's code has changed since; delete the file and run Snakemake again."
        ) from None
    return backbone.to(device).eval(), card


def read(path: Path | str) -> dict[str, Any]:
    """The content of a file written by torch.save, without running code from it."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; ask Snakemake for it: snakemake --cores all {path}") from None
    except Exception as error:  # a broken file can make the reader fail in any way
        raise UserError(
            f"{path} cannot be read as plain tensors ({str(error).split(chr(10))[0][:160]}). A file with code in it is "
            "refused; save a state dict alone."
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, expected a dictionary of tensors")
    return content
