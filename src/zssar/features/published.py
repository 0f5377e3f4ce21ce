"""Published checkpoints of a backbone as the start of training, or as they are (``training: {weights: FILE}``).

Every network names its published parameters in ``published_names``: regular expressions over the keys of the official
state dict, and the key here. Wrappers such as ``module.`` or ``backbone.`` are taken off first. A tensor is reshaped
when its number of values agrees; the head is left as initialised when the file's has other classes.
Files are read as plain tensors (``weights_only``): nothing in them is run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from zssar.backbones.base import Backbone
from zssar.errors import UserError
from zssar.features import weights

NESTED = ("state_dict", "model_state_dict", "model", "net", "state")
PREFIXES = ("module.", "model.", "encoder_q.", "backbone.")


def load(backbone: Backbone, path: Path | str) -> bool:
    """Fill ``backbone`` from a published file; returns whether the head was filled too.

    Raises UserError naming the first keys that are unknown, missing or of another shape.
    """
    state = state_dict(weights.read(path))
    own = backbone.state_dict()
    found = translate(state, backbone.published_names, own.keys(), path)
    head = {key for key in own if key.startswith("head.")}
    wrong = [key for key, value in found.items() if value.numel() != own[key].numel()]
    if set(wrong) - head:
        key = sorted(set(wrong) - head)[0]
        raise UserError(
            f"{path}: {key} has shape {tuple(found[key].shape)}, this network needs {tuple(own[key].shape)}. "
            "Check widths, layout, stream and (for networks with one input norm per person slot) persons: all."
        )
    with_head = not wrong and head <= found.keys()
    fresh = set() if with_head else head
    counters = {key for key in own if key.endswith("num_batches_tracked")}
    missing = sorted(own.keys() - found.keys() - fresh - counters)
    if missing:
        raise UserError(f"{path} lacks {len(missing)} tensors of this network, the first is {missing[0]}")
    filled = {key: value.reshape(own[key].shape).to(own[key].dtype) for key, value in found.items() if key not in fresh}
    backbone.load_state_dict({**own, **filled})
    return with_head


def state_dict(content: Mapping) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, with wrappers of training frameworks taken off."""
    for key in NESTED:
        if isinstance(content.get(key), Mapping):
            return state_dict(content[key])
    state = {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise UserError(f"the weights file holds no tensors at its top level or under {', '.join(NESTED)}")
    for prefix in PREFIXES:
        if any(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def translate(
    state: Mapping[str, torch.Tensor], rules: Sequence[tuple[str, str]], own, path: Path | str
) -> dict[str, torch.Tensor]:
    """Published tensors under our keys. Keys that are ours already stay; a rule with an empty target drops a tensor.

    In a rule the group ``one`` is a number that counts from 1 there and from 0 here; a target that ends in ``#i/n`` is
    part i of n, joined along the first axis.
    """
    found: dict[str, torch.Tensor] = {}
    parts: dict[str, dict[int, torch.Tensor]] = {}
    for key, value in state.items():
        target = key if key in own else _rename(key, rules, path)
        if "#" in target:
            target, place = target.split("#")
            parts.setdefault(target, {})[int(place.split("/")[0])] = value
        elif target in own:
            found[target] = value
        elif target:
            raise UserError(f"{path}: {key} would be {target} here, which this network does not have; check its widths")
    for target, pieces in parts.items():
        ordered = [pieces[i] for i in sorted(pieces)]
        found[target] = torch.cat(ordered) if ordered[0].ndim else ordered[0]
    return found


def _rename(key: str, rules: Sequence[tuple[str, str]], path: Path | str) -> str:
    for pattern, target in rules:
        match = re.fullmatch(pattern, key)
        if match:
            values = {name: int(text) - 1 if name == "one" else text for name, text in match.groupdict().items()}
            return target.format(**values)
    raise UserError(f"{path}: unknown tensor {key}; it is not a published checkpoint of this network")
