"""The budgets of config.yaml for small data, and workflow/paper_budgets.yaml, which takes them back."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import yaml

from zssar import plugins

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
PAPER = yaml.safe_load((ROOT / "workflow" / "paper_budgets.yaml").read_text(encoding="utf-8"))["methods"]
# Not budgets: docs/methods.md says why.
CHOSEN = {("eszsl", "gamma"), ("eszsl", "lam"), ("smie", "temporal"), ("star", "text_norm")}


def defaults(module: str) -> dict:
    cls = type(plugins.create("alignment", module, {}))
    return {key: value.default for key, value in inspect.signature(cls.__init__).parameters.items()}


@pytest.mark.parametrize("name", [n for n, m in CONFIG["methods"].items() if m["module"] != "profile"])
def test_paper_budgets_restore_every_default_that_config_yaml_changes(name):
    method = CONFIG["methods"][name]
    changed = {key for key in method.get("params", {}) if (name, key) not in CHOSEN}
    restored = PAPER.get(name, {"params": {}})["params"]
    assert changed <= set(restored)
    known = defaults(method["module"])
    for key in set(restored) - {"text_norm"}:
        value = tuple(restored[key]) if isinstance(restored[key], list) else restored[key]
        assert value == known[key], key


def test_the_default_table_has_every_method():
    assert CONFIG["tables"]["table1"]["methods"] == "all"
    modules = {m["module"] for m in CONFIG["methods"].values()}
    assert modules == set(plugins.names("alignment"))
