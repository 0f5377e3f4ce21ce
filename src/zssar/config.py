"""config.yaml checked before anything runs: a closed schema, names that exist, and messages that say what to do.

Light on purpose: the Snakefile imports it, and every job parses the Snakefile again.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from zssar import plugins
from zssar.errors import UserError, unknown

PACKAGE = Path(__file__).resolve().parent
NO_NETWORK = "none"  # the module of a backbone that is none: views measured on the skeletons only
FOUR_STREAMS = ("joint", "bone", "joint_motion", "bone_motion")


def check(
    config: dict[str, Any], schema_file: Path | str, prompts: Path | str = "prompts", base: Path | str | None = None
) -> dict[str, Any]:
    """Validate and fill in defaults, in place; returns the config. Raises UserError at the first key that is wrong.

    base: config.yaml, whose order the methods then have.
    """
    import jsonschema

    schema = yaml.safe_load(Path(schema_file).read_text(encoding="utf-8"))
    _inherit(config.get("methods"))
    validator = jsonschema.Draft202012Validator(schema)
    for error in sorted(validator.iter_errors(config), key=lambda e: -len(e.absolute_path)):
        raise _explain(error)
    _fill(config, schema)
    if base is not None:
        _order_methods(config, Path(base))
    _check_names(config, Path(prompts))
    return config


def _inherit(methods: Any) -> None:
    """Fill in entries with ``like: <method>``: everything of that method that they do not say themselves.

    Done after all configuration files were joined, so that an ablation has the budget of its method whichever file
    sets it. Parameters are joined one by one.
    """
    if not isinstance(methods, dict):
        return

    def resolved(name: str, asked: tuple[str, ...]) -> dict[str, Any]:
        entry = methods[name]
        if not isinstance(entry, dict) or "like" not in entry:
            return entry
        own = {key: value for key, value in entry.items() if key != "like"}
        place, other = f"config: methods.{name}.like", entry["like"]
        if other not in methods:
            raise unknown("method", other, methods, place)
        if other in asked:
            raise UserError(f"{place}: goes round in a circle: {' -> '.join([*asked, other])}")
        base = resolved(other, (*asked, other))
        if not isinstance(base, dict):
            return own  # the schema names what is wrong
        return {**base, **own, "params": {**base.get("params", {}), **own.get("params", {})}}

    for name in list(methods):
        methods[name] = resolved(name, (name,))


def _order_methods(config: dict[str, Any], base: Path) -> None:
    """Methods of config.yaml first, in its order, then those that other files add, in the order of these files.

    Snakemake puts what ``--configfile`` names before config.yaml, so that a file which changes one parameter of one
    method would move that method to the top of every table with ``methods: all``.
    """
    known = yaml.safe_load(base.read_text(encoding="utf-8"))["methods"]
    place = {name: i for i, name in enumerate(known)}
    names = sorted(config["methods"], key=lambda name: place.get(name, len(place)))
    config["methods"] = {name: config["methods"][name] for name in names}


def _explain(error) -> UserError:
    place = "config: " + (".".join(map(str, error.absolute_path)) or "top level")
    if error.validator == "additionalProperties" and error.schema.get("additionalProperties") is False:
        allowed = list(error.schema["properties"])
        wrong = next(key for key in error.instance if key not in allowed)
        return unknown("key", wrong, allowed, place)
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return UserError(f"{place}: {', '.join(missing)} is missing")
    if error.validator == "enum":
        return unknown("value", error.instance, error.validator_value, place)
    about = error.schema.get("description", "")
    return UserError(f"{place}: {error.message}. {about}")


def _fill(value: Any, schema: dict[str, Any]) -> None:
    """Write the schema's defaults into objects that lack them."""
    if not isinstance(value, dict):
        return
    known = schema.get("properties", {})
    for key, part in known.items():
        if key not in value and "default" in part:
            value[key] = part["default"]
        if key in value:
            _fill(value[key], part)
    rest = schema.get("additionalProperties")
    if isinstance(rest, dict):
        for key in value.keys() - known.keys():
            _fill(value[key], rest)


def _check_names(config: dict[str, Any], prompts: Path) -> None:
    for floor, key in (
        ("datasets", "reader"),
        ("backbones", "module"),
        ("encoders", "module"),
        ("alignment", "module"),
    ):
        section = "methods" if floor == "alignment" else floor
        known = sorted(p.stem for p in (PACKAGE / floor).glob("*.py") if p.stem != "__init__")
        for name, entry in config[section].items():
            if section == "backbones" and ("features" in entry) == ("module" in entry):
                raise UserError(f"config: backbones.{name}: give either module, a network, or features, a folder")
            if section == "backbones" and entry.get(key) == NO_NETWORK:
                _check_no_network(name, entry)
            elif key in entry and "." not in entry[key] and entry[key] not in known:
                raise unknown(f"{floor} module", entry[key], known, f"config: {section}.{name}.{key}")
    kinds = sorted(p.stem for p in prompts.glob("*.md"))
    for name, entry in config["methods"].items():
        for kind in entry["texts"]:
            if kind not in kinds:
                raise unknown("description kind", kind, kinds, f"config: methods.{name}.texts")
    _check_choices(config, kinds)
    _check_params(config)
    for table, entry in config["tables"].items():
        _check_table(config, table, entry)
    _check_backbone_tables(config)
    for sweep, entry in config["sweeps"].items():
        _check_sweep(config, entry, f"config: sweeps.{sweep}")
    if config["protocol"]["gates"] and not config["protocol"]["validation"]:
        raise UserError(
            "config: protocol.gates: gates are fitted on validation splits; none are set (protocol.validation)"
        )
    if "classifier" in config["protocol"]["gates"]:
        for name in {b for entry in config["tables"].values() for b in listed(entry["backbone"])}:
            if "seen_logits" not in config["backbones"][name]["views"] and "module" in config["backbones"][name]:
                raise UserError(
                    f"config: protocol.gates: the classifier gate needs seen_logits in backbones.{name}.views"
                )


def _check_params(config: dict[str, Any]) -> None:
    """Else a misspelt parameter of a method would stop its job after all networks were trained."""
    for section, floor in (("methods", "alignment"), ("backbones", "backbones"), ("encoders", "encoders")):
        for name, entry in config[section].items():
            given = {key: part for part in ("params", "choose") for key in entry.get(part, {})}
            known = plugins.keywords(floor, entry.get("module", "")) if given else []
            for key, part in given.items():
                if known and key not in known:
                    raise unknown(f"parameter of {entry['module']}", key, known, f"config: {section}.{name}.{part}")


def _check_choices(config: dict[str, Any], kinds: list[str]) -> None:
    for name, entry in config["methods"].items():
        if "choose" in entry and not config["protocol"]["validation"]:
            raise UserError(
                f"config: methods.{name}.choose: parameters are picked on validation splits, and there are none"
            )
        for texts in entry.get("choose", {}).get("texts", []):
            for kind in texts:
                if kind not in kinds:
                    raise unknown("description kind", kind, kinds, f"config: methods.{name}.choose.texts")


def _check_table(config: dict[str, Any], table: str, entry: dict[str, Any]) -> None:
    place = f"config: tables.{table}"
    if isinstance(entry["splits"], list) and "dataset" not in entry:
        raise UserError(f"{place}: dataset is missing (or write splits as a mapping from data set to its list)")
    if entry["setting"] == "transductive" and not config["protocol"]["validation"]:
        raise UserError(f"{place}.setting: the weight of the adaptation is picked on validation splits; none are set")
    for dataset, splits in splits_of(entry):
        if dataset not in config["datasets"]:
            raise unknown("dataset", dataset, config["datasets"], f"{place}.dataset")
        for split in expand_splits(dataset, splits, f"{place}.splits"):
            _check_views(config["datasets"][dataset].get("simulate"), split, dataset, place)
    for key, section in (("backbone", "backbones"), ("source", "sources"), ("encoder", "encoders")):
        for name in listed(entry[key]):
            if name not in config[section]:
                raise unknown(key, name, config[section], f"{place}.{key}")
    named = [] if entry["methods"] == "all" else entry["methods"]
    for name in listed(entry["backbone"]) if entry["setting"] == "transductive" else []:
        if "pooled" not in config["backbones"][name]["views"] and "module" in config["backbones"][name]:
            raise UserError(f"{place}.setting: transductive answers need the view pooled in backbones.{name}.views")
    for method in [*named, *([entry["reference"]] if "reference" in entry else [])]:
        if method not in config["methods"]:
            raise unknown("method", method, config["methods"], f"{place}.methods")


def _check_views(simulate: dict[str, Any] | None, split: str, dataset: str, place: str) -> None:
    """A simulated stage must have what the partition of a split divides: several cameras, several setups."""
    for partition, key in (("xview", "cameras"), ("xset", "setups")):
        number = 1 if simulate is None else simulate.get(key, 1)
        if simulate is not None and split.endswith(f"@{partition}") and number < 2:
            raise UserError(
                f"{place}.splits: {split} trains on some {key} and tests on the others, but {dataset} is simulated "
                f"with one; set datasets.{dataset}.simulate.{key} (see workflow/experiments/sim_setups.yaml)"
            )


def listed(value: Any) -> list[Any]:
    """A value that may be one or several, as a list."""
    return value if isinstance(value, list) else [value]


def splits_of(entry: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """(data set, splits) of a table, splits as written."""
    return list(entry["splits"].items()) if isinstance(entry["splits"], dict) else [(entry["dataset"], entry["splits"])]


def cells(config: dict[str, Any], table: str) -> list[dict[str, str]]:
    """Every run of a table: dataset, split, backbone, stream, source, encoder, method."""
    entry = config["tables"][table]
    methods = list(config["methods"]) if entry["methods"] == "all" else entry["methods"]
    splits = [(d, s) for d, names in splits_of(entry) for s in expand_splits(d, names)]
    factors = [listed(entry[key]) for key in ("backbone", "source", "encoder")]
    return [
        {"dataset": d, "split": s, "backbone": b, "stream": entry["stream"], "source": o, "encoder": e, "method": m}
        for (d, s), m, b, o, e in itertools.product(splits, methods, *factors)
    ]


def candidates(methods: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """``<method>.choice<i>`` -> method entry, one per combination of the values under ``choose``."""
    found = {}
    for name, entry in methods.items():
        named = entry.get("choose", {})
        for i, values in enumerate(itertools.product(*named.values()) if named else ()):
            picked = dict(zip(named, values))
            texts = picked.pop("texts", entry["texts"])
            own = {"module": entry["module"], "texts": texts, "params": {**entry.get("params", {}), **picked}}
            found[f"{name}.choice{i}"] = own
    return found


def all_texts(entry: dict[str, Any]) -> list[str]:
    """The description kinds a method may read: its own, or those of every candidate."""
    several = entry.get("choose", {}).get("texts") or [entry["texts"]]
    return list(dict.fromkeys(kind for texts in several for kind in texts))


def _check_backbone_tables(config: dict[str, Any]) -> None:
    for table, entry in config["backbone_tables"].items():
        place = f"config: backbone_tables.{table}"
        if table in config["tables"]:
            raise UserError(f"{place}: tables has an entry of the same name, and both would write results/{table}.csv")
        if entry["dataset"] not in config["datasets"]:
            raise unknown("dataset", entry["dataset"], config["datasets"], f"{place}.dataset")
        for _ in expand_splits(entry["dataset"], [entry["split"]], f"{place}.split"):
            pass
        for name in entry["backbones"]:
            if name not in config["backbones"]:
                raise unknown("backbone", name, config["backbones"], f"{place}.backbones")
            backbone = config["backbones"][name]
            if backbone.get("module", NO_NETWORK) == NO_NETWORK or "seen_logits" not in backbone["views"]:
                raise UserError(f"{place}.backbones: {name} is no network with seen_logits among its views")


def members(stream: str) -> tuple[str, ...]:
    """The streams of an ensemble, one network each; a plain stream has one member."""
    return FOUR_STREAMS if stream == "four_streams" else (stream,)


def _check_sweep(config: dict[str, Any], entry: dict[str, Any], place: str) -> None:
    for key in ("dataset", "backbone", "encoder"):
        if entry[key] not in config[f"{key}s"]:
            raise unknown(key, entry[key], config[f"{key}s"], f"{place}.{key}")
    for number, run in enumerate(entry["runs"]):
        for key, section in (("method", "methods"), ("source", "sources")):
            if run.get(key, "frozen") not in config[section]:
                raise unknown(key, run[key], config[section], f"{place}.runs.{number}.{key}")
    for _ in expand_splits(entry["dataset"], entry["splits"], f"{place}.splits"):
        pass


def _check_no_network(name: str, entry: dict[str, Any]) -> None:
    if entry["views"] != ["profile"]:
        raise UserError(
            f"config: backbones.{name}.views: a backbone with `module: {NO_NETWORK}` gives the view profile only; "
            "write `views: [profile]`, or name a network"
        )


@cache
def _splits() -> dict[str, Any]:
    return yaml.safe_load((PACKAGE / "datasets" / "splits.yaml").read_text(encoding="utf-8"))


def published_splits(dataset: str) -> list[str]:
    """Names of the class splits that ship for a data set (none for a user's own)."""
    return sorted(_splits().get(dataset, {}).get("protocols", {}))


def default_partition(dataset: str) -> str:
    """The partition of a split whose name gives none."""
    return _splits().get(dataset, {}).get("default_partition", "xsub")


def expand_splits(dataset: str, splits: list[str], place: str = "") -> Iterator[str]:
    """Split names of a table; ``random:<unseen>:<draws>:<seed>`` becomes one name per draw."""
    known = published_splits(dataset)
    for entry in splits:
        protocol, _, partition = entry.partition("@")
        suffix = f"@{partition}" if partition else ""
        partitions = _splits().get(dataset, {}).get("partitions", {})
        if partition and partitions and partition not in (*partitions, "samples"):
            raise unknown(f"partition of {dataset}", partition, [*partitions, "samples"], place)
        if protocol.startswith("random:"):
            try:
                unseen, draws, seed = map(int, protocol.split(":")[1:])
            except ValueError:
                raise UserError(f"{place}: {entry!r} should read random:<unseen>:<draws>:<seed>") from None
            yield from (f"random_{unseen}_{seed}_{draw}{suffix}" for draw in range(draws))
        elif protocol in known:
            yield entry
        else:
            raise unknown("split", entry, [*known, "random:<unseen>:<draws>:<seed>"], place)


def folder(entry: dict[str, Any], name: str) -> str:
    """The root of a data set with variables expanded. Raises UserError if there is none or a variable is not set."""
    if not entry.get("root"):
        raise UserError(f"config: datasets.{name}.root is missing: the folder that holds the recordings")
    return expanded(entry["root"], f"datasets.{name}.root")


def expanded(path: str, key: str) -> str:
    """A folder of the config with variables expanded. Raises UserError naming the key if a variable is not set."""
    found = os.path.expanduser(os.path.expandvars(path))
    if "$" in found:
        variable = found[found.index("$") + 1 :].strip("{").split("}")[0].split("/")[0]
        raise UserError(
            f"config: {key} is {path!r}, but the environment variable {variable} is not set. "
            f"Set it (export {variable}=/folder/of/data) or write the folder into the config."
        )
    return found


# Class lists that are the beginning of a longer one: they share its committed answers.
LONGER = {"ntu60": "ntu120", "kinetics200": "kinetics400"}


def class_names_file(name: str) -> str:
    """Path of a class list: a file as it stands, else one of those in src/zssar/datasets/class_names by name."""
    shipped = PACKAGE / "datasets" / "class_names"
    if os.path.exists(name):
        return name
    if not (shipped / f"{name}.csv").exists():
        known = [p.stem for p in shipped.glob("*.csv")]
        raise unknown("class list", name, known, "config: datasets.*.class_names (or give a CSV file)")
    return os.path.relpath(shipped / f"{name}.csv")


def remember_forced(names: Iterable[Any]) -> None:
    """Hand what ``snakemake -R`` names to the jobs: the one order by which a language model is asked again."""
    os.environ["ZSSAR_ASK_AGAIN"] = " ".join(map(str, names))


def is_forced(*names: str) -> bool:
    """Whether ``snakemake -R`` named one of these rules or files."""
    return bool(set(names) & set(os.environ.get("ZSSAR_ASK_AGAIN", "").split()))


def has_gpu() -> bool:
    """Whether this machine shows an NVIDIA device, without importing torch."""
    return os.path.exists("/dev/nvidia0") or os.path.exists("/dev/nvidiactl")
