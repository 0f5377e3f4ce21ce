"""The module name is the registry: ``load("alignment", "dvta")`` returns the one class that module offers.

A name with a dot (``mylab.method``) is imported as it stands, so that strangers' plugins need no fork.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

from zssar import interfaces
from zssar.errors import UserError, unknown

PROMISES = {
    "alignment": "AlignmentMethod",
    "backbones": "Backbone",
    "datasets": "SkeletonDataset",
    "encoders": "TextEncoder",
}


def names(floor: str) -> list[str]:
    """The modules of a floor that hold a plugin, sorted. Imports them: not for the Snakefile."""
    package = importlib.import_module(f"zssar.{floor}")
    found = sorted(m.name for m in pkgutil.iter_modules(package.__path__))
    return [name for name in found if _plugin_class(importlib.import_module(f"zssar.{floor}.{name}"), floor)]


def load(floor: str, name: str) -> type[Any]:
    """The class behind a config line. Raises UserError with the known names if there is none."""
    target = name if "." in name else f"zssar.{floor}.{name}"
    try:
        module = importlib.import_module(target)
    except ModuleNotFoundError as error:
        if error.name is None or not (target == error.name or target.startswith(error.name + ".")):
            raise
        raise unknown(f"{floor} module", name, names(floor)) from None
    found = _plugin_class(module, floor)
    if found is None:
        raise UserError(f"{target} defines no {PROMISES[floor]}; known {floor} modules: {', '.join(names(floor))}")
    return found


def create(floor: str, name: str, params: dict[str, Any]) -> Any:
    """An instance with those parameters; a parameter that the class does not take is a UserError naming the others."""
    cls = load(floor, name)
    taken = {p for p in inspect.signature(cls).parameters if p != "self"}
    for key in params:
        if key not in taken:
            raise unknown(f"parameter of {floor}.{name}", key, taken)
    return cls(**params)


def keywords(floor: str, name: str) -> list[str]:
    """The parameters of a plugin of ours, read from its source without importing it: light enough for the Snakefile.

    Empty where they cannot be told: a stranger's module, a class without ``__init__`` of its own.
    """
    path = Path(__file__).parent / floor / f"{name}.py"
    if "." in name or not path.is_file():
        return []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and any(ast.unparse(b).endswith(PROMISES[floor]) for b in node.bases):
            made = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
            return [a.arg for f in made for a in (*f.args.args[1:], *f.args.kwonlyargs) if f.args.kwarg is None]
    return []


def _plugin_class(module, floor: str) -> type[Any] | None:
    if floor == "backbones":
        promise = importlib.import_module("zssar.backbones.base").Backbone
    else:
        promise = getattr(interfaces, PROMISES[floor])
    for value in vars(module).values():
        own = inspect.isclass(value) and value.__module__ == module.__name__
        if own and issubclass(value, promise) and not inspect.isabstract(value):
            return value
    return None
