"""Text encoders, one module each: ``minilm`` (embedded), ``sbert``, ``clip``, ``joined``, ``precomputed``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from zssar import plugins
from zssar.interfaces import TextEncoder


def create(name: str, params: Mapping[str, Any], device: str) -> TextEncoder:
    """The encoder of a config line. ``device`` is passed on to encoders that take one and do not set it themselves."""
    params = dict(params)
    if "device" in inspect.signature(plugins.load("encoders", name)).parameters:
        params.setdefault("device", device)
    return plugins.create("encoders", name, params)
