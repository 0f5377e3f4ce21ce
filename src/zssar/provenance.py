"""Where a number comes from: digests of code and files, versions, commit, device, time and memory.

Imported by the Snakefile, so nothing heavy may be imported here at module level.
"""

from __future__ import annotations

import ast
import datetime
import hashlib
import importlib.util
import os
import platform
import resource
import subprocess
import sys
import time
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from zssar.errors import UserError

PACKAGE = Path(__file__).resolve().parent


@cache
def code_digest(*modules: str) -> str:
    """A hash of the syntax trees of modules and of every ``zssar`` module they import, however deep.

    Comments, formatting and docstrings do not count. ``modules`` are dotted names such as ``zssar.alignment.dvta``.
    """
    seen: dict[str, str] = {}
    queue = list(modules)
    while queue:
        name = queue.pop()
        found = None if name in seen else _syntax(name)
        if found is None:
            continue
        seen[name], imported = found
        queue += [n for n in imported if n.split(".")[0] == name.split(".")[0]]
    text = "\n".join(f"{name} {seen[name]}" for name in sorted(seen))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _syntax(module: str) -> tuple[str, list[str]] | None:
    """Syntax tree as text, and what the module imports; None if it is none. Most modules are behind several digests."""
    path = _source(module)
    if path is None:
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return ast.dump(_without_docstrings(tree)), sorted(_imports(tree))


def _source(module: str) -> Path | None:
    if module.split(".")[0] != "zssar":
        spec = importlib.util.find_spec(module)
        return Path(spec.origin) if spec and spec.origin else None
    base = PACKAGE.joinpath(*module.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None  # a name imported from a module, not a module


def _imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file, read in blocks. Raises UserError if there is no such file."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; ask Snakemake for it: snakemake --cores all {path}") from None


def text_digest(text: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def git_commit() -> str:
    """The checked-out commit, with ``+`` if tracked files were changed; ``unknown`` outside a checkout."""

    def ask(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(PACKAGE), *words], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        return ask("rev-parse", "--short=12", "HEAD") + ("+" if ask("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Versions of the packages that can change a number, and of Python."""
    found = {"python": platform.python_version()}
    packages = "zssar torch numpy scipy scikit-learn h5py sentence-transformers open_clip_torch"
    for name in packages.split():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


class RunRecord:
    """Started when a step starts; ``finish`` returns what goes into ``run.json``."""

    def __init__(self, verb: str, params: dict[str, Any], inputs: dict[str, Path | str | list]):
        self.verb, self.params, self.started = verb, params, time.perf_counter()
        self.inputs = {
            key: [file_digest(p) for p in value] if isinstance(value, list) else file_digest(value)
            for key, value in inputs.items()
        }

    def finish(self, **more: Any) -> dict[str, Any]:
        """Everything known about this run; ``more`` is merged in."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        record: dict[str, Any] = {
            "verb": self.verb,
            "command": " ".join(["zssar", *sys.argv[1:]]),
            "params": self.params,
            "inputs": self.inputs,
            "versions": versions(),
            "commit": git_commit(),
            "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform()},
            "seconds": round(time.perf_counter() - self.started, 3),
            "peak_memory_mb": round(peak, 1),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
            record["machine"]["gpu"] = torch.cuda.get_device_name()
            record["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 1e6, 1)
        return {**record, **more}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
