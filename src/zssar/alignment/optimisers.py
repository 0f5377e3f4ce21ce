"""Adam and SGD by PyTorch's fused kernels, called directly, and the rule that lowers a learning rate.

``torch.optim`` computes the same with the same kernels (tests compare bit by bit), but making its first optimiser
imports the compiler, which takes a second of processor time in a process that often needs no more than three, and every
step sorts all parameters anew. Here a kernel's lists are made once, and again when other parameters have gradients.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class _Fused:
    """``param_groups`` as in torch.optim: dicts with ``params``, ``lr`` and ``weight_decay``, which may change."""

    def __init__(self, parameters: Iterable, lr: float, weight_decay: float):
        given = list(parameters)
        groups = given if given and isinstance(given[0], dict) else [{"params": given}]
        self.param_groups: list[dict[str, Any]] = [
            {"lr": lr, "weight_decay": weight_decay, **group, "params": list(group["params"])} for group in groups
        ]
        self._lists: list[tuple[list[torch.Tensor], ...]] = [([],)] * len(groups)
        self._state: dict[int, tuple[torch.Tensor, ...]] = {}  # by the position of a parameter

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        first = 0
        for i, group in enumerate(self.param_groups):
            there = [p for p in group["params"] if p.grad is not None]
            if len(there) != len(self._lists[i][0]) or any(a is not b for a, b in zip(there, self._lists[i][0])):
                at = [first + j for j, p in enumerate(group["params"]) if p.grad is not None]
                self._lists[i] = (there, *map(list, zip(*(self._of(j, p) for j, p in zip(at, there)))))
            if there:
                self._update(group, [p.grad for p in there], *self._lists[i])
            first += len(group["params"])

    def _of(self, at: int, parameter: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if at not in self._state:
            self._state[at] = self._start(parameter)
        return self._state[at]

    def _start(self, parameter: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raise NotImplementedError

    def _update(self, group, gradients, parameters, *state) -> None:
        raise NotImplementedError


class Adam(_Fused):
    """Kingma and Ba, ICLR 2015, with the constants of the paper; weight decay is added to the gradient."""

    def __init__(self, parameters: Iterable, lr: float, weight_decay: float = 0.0):
        super().__init__(parameters, lr, weight_decay)

    def _start(self, parameter):
        count = torch.zeros((), dtype=torch.float32, device=parameter.device)
        return torch.zeros_like(parameter), torch.zeros_like(parameter), count

    def _update(self, group, gradients, parameters, means, squares, counts):
        torch._foreach_add_(counts, 1)
        torch._fused_adam_(
            parameters, gradients, means, squares, [], counts,
            lr=group["lr"], beta1=0.9, beta2=0.999, weight_decay=group["weight_decay"], eps=1e-8,
            amsgrad=False, maximize=False,
        )  # fmt: skip


class SGD(_Fused):
    """Gradient descent with Nesterov momentum; the first gradient starts the momentum, weight decay is added to it."""

    def __init__(self, parameters: Iterable, lr: float, momentum: float = 0.9, weight_decay: float = 0.0):
        super().__init__(parameters, lr, weight_decay)
        self.momentum = momentum

    def _start(self, parameter):
        return (torch.zeros_like(parameter),)  # zero momentum plus the first gradient is the first gradient

    def _update(self, group, gradients, parameters, momenta):
        torch._fused_sgd_(
            parameters, gradients, momenta,
            lr=group["lr"], weight_decay=group["weight_decay"], momentum=self.momentum, dampening=0.0,
            nesterov=True, maximize=False, is_first_step=False,
        )  # fmt: skip


class Plateau:
    """The rule of ReduceLROnPlateau (a test compares): a factor of 0.1 after ``patience`` values without improvement.

    Improvement is relative, 1e-4; after a reduction ``cooldown`` values do not count. mode: min or max. The factor
    stops falling where the next step would change it by less than 1e-8.
    """

    def __init__(self, mode: str, patience: int, cooldown: int):
        self.mode, self.patience, self.cooldown = mode, patience, cooldown
        self.factor, self.bad, self.resting = 1.0, 0, 0
        self.best = float("inf") if mode == "min" else -float("inf")

    def __call__(self, value: float) -> float:
        """The factor after one more value."""
        better = value < self.best * (1 - 1e-4) if self.mode == "min" else value > self.best * (1 + 1e-4)
        self.best, self.bad = (value, 0) if better else (self.best, self.bad + 1)
        if self.resting > 0:
            self.resting, self.bad = self.resting - 1, 0
        if self.bad > self.patience:
            if self.factor - self.factor * 0.1 > 1e-8:
                self.factor *= 0.1
            self.resting, self.bad = self.cooldown, 0
        return self.factor
