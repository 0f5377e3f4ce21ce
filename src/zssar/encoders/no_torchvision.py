"""torchvision is never required. open_clip imports it for images; only its text side is used here.

Three cases, told apart before anything that would fail obscurely is imported:

    absent   while open_clip is being imported, empty stand-ins take torchvision's place; they are gone afterwards, and
             building an image transform from one raises an error that says so
    broken   a torchvision built for another torch ("operator torchvision::nms does not exist"); transformers, and with
             it sentence-transformers, cannot be imported beside it: refused with the command that mends it
    sound    nothing is touched
"""

from __future__ import annotations

import contextlib
import enum
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import ModuleSpec
from types import ModuleType

from zssar.errors import UserError

# The modules open_clip 3 imports by name.
_WANTED = ("", ".transforms", ".transforms.functional", ".ops", ".ops.misc")


def present() -> bool:
    """Is there a torchvision, sound or not?"""
    return importlib.util.find_spec("torchvision") is not None


def refuse_broken() -> None:
    """Raise UserError if a torchvision is installed that this torch cannot load."""
    if "torchvision" in sys.modules or not present():
        return
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # RuntimeError, ImportError or OSError, depending on how the two differ
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        raise UserError(
            f"the installed torchvision cannot be loaded beside torch {metadata.version('torch')} ({error}), and the "
            "text encoders cannot be imported next to it. Either remove it, since nothing here needs it (pip uninstall "
            "torchvision), or install the pair that belongs together (pip install 'zssar[clip]')."
        ) from None


@contextlib.contextmanager
def stand_ins() -> Iterator[None]:
    """Inside the block ``import torchvision`` yields stand-ins, unless a real one is installed."""
    refuse_broken()
    if present():
        yield
        return
    # transformers asks once whether torchvision is there and keeps the answer: let it ask before the stand-ins come.
    from transformers.utils import is_torchvision_available

    is_torchvision_available()
    names = [f"torchvision{suffix}" for suffix in _WANTED]
    for name in names:
        module = sys.modules[name] = _StandIn(name)
        parent, _, leaf = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], leaf, module)
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


class _Interpolation(enum.Enum):
    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class _NeedsTorchvision:
    def __init__(self, *args, **kwargs):
        raise RuntimeError("this part of open_clip works on images and needs torchvision, which is not installed")


class _StandIn(ModuleType):
    """A module in which every name is a class that cannot be instantiated."""

    InterpolationMode = _Interpolation

    def __init__(self, name: str):
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, loader=None, is_package=True)
        self.__path__: list[str] = []

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return _NeedsTorchvision
