"""The file from which killed training goes on. It lies outside the workflow's outputs and goes when they are there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from zssar import provenance, storage
from zssar.errors import UserError
from zssar.features import weights


def settings_hash(*parts: Any) -> str:
    """A hash of everything that must be the same for training to be continued."""
    return provenance.text_digest(json.dumps(parts, sort_keys=True, default=str))


def save(path: Path | str, state: dict[str, Any]) -> None:
    """Replace the checkpoint, whole or not at all. The history travels as JSON."""
    with storage.whole(path) as draft:
        torch.save({**state, "history": json.dumps(state["history"])}, draft)


def load(path: Path | str, settings: str) -> dict[str, Any] | None:
    """The checkpoint if it belongs to these settings, else None with a line that says why it is ignored."""
    if not Path(path).exists():
        return None
    try:
        state = weights.read(path)
    except UserError as error:
        print(f"checkpoint ignored, training starts anew: {error}", file=sys.stderr)
        return None
    if state.get("settings") != settings:
        print(f"checkpoint {path} is of other settings, data or code; training starts anew", file=sys.stderr)
        return None
    state["history"] = json.loads(state["history"])
    print(f"training goes on after {state['epoch']} epochs and {state['step']} batches", file=sys.stderr)
    return state
