"""torch.optim's fused Adam and SGD, without their import of the compiler.

The first optimiser of a process imports ``torch._dynamo``, only to tell the compiler to keep out: a second of processor
time where fitting a method often takes no more than three. The subclasses below run the undecorated methods of the same
classes; where a version of PyTorch has none, they are the classes themselves, and as slow.
"""

from __future__ import annotations

import inspect

import torch

DECORATED = ("add_param_group", "zero_grad")


def _without_compiler(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in DECORATED}
    return type(kind.__name__, (kind,), {**plain, "step": torch.no_grad()(inspect.unwrap(kind.step))})


Adam = _without_compiler(torch.optim.Adam)
SGD = _without_compiler(torch.optim.SGD)
