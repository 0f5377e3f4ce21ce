"""The house keeps its walls: imports go downward, files and functions stay small, nothing local leaks into the tree."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "zssar"
MODULES = sorted(SOURCE.rglob("*.py"))

FLOORS = {"skeleton": 1, "datasets": 2, "backbones": 3, "features": 4, "text": 4, "encoders": 4, "alignment": 5}
FLOORS |= {"evaluation": 6, "sweeps": 7, "reporting": 7, "commands": 8, "cli": 8}
APART = [
    ({"text", "encoders"}, {"features", "backbones", "datasets", "skeleton"}),
    ({"alignment"}, {"text", "encoders"}),
]
APART += [({"alignment"}, {"features", "backbones", "datasets"}), ({"features"}, {"text", "encoders"})]
LIGHT = {"evaluation": {"torch"}, "reporting": {"torch"}, "skeleton": {"torch", "pandas"}}


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path, top_level_only: bool = False):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_downward(path):
    here = room(path)
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "snakemake" or (parts[0] == "h5py" and here != "storage"):
            pytest.fail(f"{path.name} imports {name}: the package never sees Snakemake, and only storage.py opens HDF5")
        assert parts[0] not in LIGHT.get(here, ()), f"{here} does without {parts[0]}"
        if parts[0] != "zssar" or len(parts) < 2:
            continue
        there = parts[1]
        assert FLOORS.get(there, 0) <= FLOORS.get(here, 0), f"{path.name} on floor {here} imports {name}"
        for some, others in APART:
            assert not (here in some and there in others), f"{here} and {there} do not meet: {name}"


def test_siblings_do_not_import_each_other():
    from zssar import plugins

    for floor in ("alignment", "backbones", "encoders"):
        leaves = set(plugins.names(floor))
        for leaf in leaves:
            for name in imported(SOURCE / floor / f"{leaf}.py"):
                other = name.removeprefix(f"zssar.{floor}.").split(".")[0]
                assert other == leaf or other not in leaves or not name.startswith(f"zssar.{floor}."), (leaf, name)


def test_commands_start_fast():
    heavy = {"torch", "pandas", "numba", "matplotlib", "sentence_transformers", "sklearn", "scipy", "h5py"}
    for path in [
        *(SOURCE / "commands").glob("*.py"),
        SOURCE / "cli.py",
        SOURCE / "config.py",
        SOURCE / "provenance.py",
    ]:
        for name in imported(path, top_level_only=True):
            assert name.split(".")[0] not in heavy, f"{path.name} imports {name} before it is needed"


def test_every_command_is_a_complete_verb():
    import importlib

    from zssar import cli

    for verb in cli.verbs():
        module = importlib.import_module(f"zssar.commands.{verb}")
        assert module.HELP.strip()
        assert callable(module.run)
        assert callable(module.add_arguments)
    cli.parser()


def test_files_and_functions_stay_small():
    for path in (*MODULES, *(ROOT / "tests").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") < 400, f"{path} has 400 lines or more"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = node.end_lineno - node.lineno + 1
                assert length <= 60, f"{path.name}: {node.name} has {length} lines"


def test_rules_have_the_snakemake_directives_and_a_verb():
    from zssar import cli

    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.M | re.S):
            assert name in cli.verbs(), f"rule {name} has no verb of its name"
            for directive in ("log:", "benchmark:", "threads:", "gpu=", "mem_mb=", "runtime=", "code="):
                assert directive in body, f"rule {name} lacks {directive}"


def test_nothing_private_is_named():
    hosts = ["pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", "deb" + r"\.debian"]
    private = re.compile("|".join([*hosts, "sk-" + "[A-Za-z0-9]{20,}"]))
    endings = {".py", ".smk", ".md", ".yaml", ".yml", ".toml", ".lock", ".json", ".jsonl"}
    for pattern in ("src/**/*", "workflow/**/*", "tests/**/*", "docs/**/*", "benchmarks/**/*", "prompts/**/*", "*"):
        for path in ROOT.glob(pattern):
            if path.is_file() and path.suffix in endings:
                match = private.search(path.read_text(encoding="utf-8"))
                assert not match, f"{path} names {match.group()}"
