"""``zssar describe``: ``describe_classes`` for people, with names from config.yaml in place of files and JSON.

Not a rule: Snakemake calls ``describe_classes`` itself. This is for what Snakemake does not do by itself: say what a
language model would cost, and ask it again on purpose.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from typing import Any

from zssar.errors import UserError, unknown

HELP = "ask the language model of a source in config.yaml: --dry-run (cost), --only or --again (ask again)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, nargs="+", default=[Path("config.yaml")], help="as given to Snakemake")
    parser.add_argument("--source", help="key of sources; default: the one that has a model, if it is the only one")
    parser.add_argument("--dataset", help="key of datasets; default: those of the tables that use the source")
    parser.add_argument("--kind", nargs="+", default=[], help="kinds; default: those of the methods in these tables")
    parser.add_argument("--only", nargs="+", default=[], help='ask again about these classes only: "kick,wave"')
    parser.add_argument("--again", action="store_true", help="ask about all classes again")
    parser.add_argument("--dry-run", action="store_true", help="say what asking would take, ask nothing, write nothing")


def run(args: argparse.Namespace) -> None:
    from zssar.commands import describe_classes

    config = _merged(args.config)
    source = _source(config, args.source)
    tables = [table for table in config["tables"].values() if table.get("source") == source]
    datasets = [args.dataset] if args.dataset else list(dict.fromkeys(table["dataset"] for table in tables))
    kinds = args.kind or list(dict.fromkeys(kind for table in tables for kind in _kinds(config, table)))
    for name, found in (("--dataset", datasets), ("--kind", kinds)):
        if not found:
            raise UserError(f"no table in {args.config[-1]} uses the source {source!r}; say {name}")
    parser = argparse.ArgumentParser()
    describe_classes.add_arguments(parser)
    for dataset in datasets:
        for kind in kinds:
            words = _words(config, source, dataset, kind)
            words += ["--only", *args.only] if args.only else []
            words += [f"--{flag}" for flag, on in (("again", args.again), ("dry-run", args.dry_run)) if on]
            describe_classes.run(parser.parse_args(words))


def _merged(paths: list[Path]) -> dict[str, Any]:
    """config.yaml and the files that change it, merged as Snakemake does: sections by key, the later one wins."""
    import yaml

    merged: dict[str, Any] = {}
    for path in paths if paths[0] == Path("config.yaml") else [Path("config.yaml"), *paths]:
        try:
            merged = _update(merged, yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        except FileNotFoundError:
            raise UserError(f"{path} does not exist; run this in the folder of the Snakefile") from None
        except yaml.YAMLError as error:
            raise UserError(f"{path} is not YAML: {error}") from None
    missing = [key for key in ("datasets", "sources", "methods", "tables") if not isinstance(merged.get(key), dict)]
    if missing:
        raise UserError(f"{paths[-1]} has no section {missing[0]}")
    return merged


def _update(base: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    base = copy.copy(base)
    for key, value in new.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        base[key] = _update(base[key], value) if both else value
    return base


def _source(config: dict[str, Any], name: str | None) -> str:
    sources = config["sources"]
    models = [key for key, params in sources.items() if "model" in (params or {})]
    if name is None:
        if len(models) == 1:
            return models[0]
        what = (
            f"several sources have a model ({', '.join(models)}); say --source"
            if models
            else (
                "no source in config.yaml has a model: add one under `sources:`, such as "
                "`gpt4o-1: {model: gpt-4o}` (docs/descriptions.md, Language models)"
            )
        )
        raise UserError(what)
    if name not in sources:
        raise unknown("source", name, sources, "--source")
    if name not in models:
        raise UserError(
            f"the source {name!r} has no `model:`, so there is nothing to ask; Snakemake reads it by itself"
        )
    return name


def _kinds(config: dict[str, Any], table: dict[str, Any]) -> list[str]:
    methods = config["methods"]
    names = list(methods) if table["methods"] == "all" else table["methods"]
    return [kind for name in names for kind in methods.get(name, {}).get("texts", [])]


def _words(config: dict[str, Any], source: str, dataset: str, kind: str) -> list[str]:
    from zssar import config as zssar_config

    if dataset not in config["datasets"]:
        raise unknown("dataset", dataset, config["datasets"], "--dataset")
    names = zssar_config.class_names_file(config["datasets"][dataset].get("class_names", dataset))
    return [
        *("--kind", f"prompts/{kind}.md", "--class-names", str(names), "--source", source),
        *("--source-params", json.dumps(config["sources"][source], sort_keys=True), "--frozen", "prompts/frozen"),
        *("--output", f"results/descriptions/{dataset}/{source}/{kind}.jsonl"),
    ]
