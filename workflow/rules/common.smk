# Lookups shared by the rules: what a wildcard means in config.yaml. No logic beyond that.
import json
import os
from functools import cache

from snakemake.exceptions import WorkflowError

from zssar import config as zssar_config
from zssar.errors import UserError
from zssar.provenance import code_digest, file_digest

try:
    zssar_config.check(
        config,
        workflow.source_path("../schemas/config.schema.yaml"),
        prompts="prompts",
    )
except UserError as error:
    raise WorkflowError(str(error))

GPU = int(
    config["device"] == "cuda"
    or (config["device"] == "auto" and zssar_config.has_gpu())
)
PROTOCOL = config["protocol"]
# Backbones that are folders of precomputed features, and networks of ours, as regular expressions (or one for nothing).
IMPORTED, NETWORKS = (
    "|".join(
        b
        for b, entry in config["backbones"].items()
        if ("features" in entry) == imported
    )
    or "(?!)"
    for imported in (True, False)
)


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    split=r"[a-z0-9_]+(@[a-z]+)?(-val\d+)?",
    backbone="|".join(config["backbones"]),
    stream="joint|bone|joint_motion|bone_motion|joint_bone_motion",
    source="|".join(config["sources"]),
    encoder="|".join(config["encoders"]),
    kind=r"[a-z0-9_]+",
    method="|".join(config["methods"]),
    table="|".join(config["tables"]),


def recordings_of_dataset(wildcards):
    """The simulated files, where the data set is simulated; folders of users are parameters, not inputs."""
    simulated = "simulate" in config["datasets"][wildcards.dataset]
    return [f"results/raw/{wildcards.dataset}"] if simulated else []


def root_of_dataset(wildcards):
    entry = config["datasets"][wildcards.dataset]
    if "simulate" in entry:
        return f"results/raw/{wildcards.dataset}"
    try:
        return zssar_config.folder(entry, wildcards.dataset)
    except UserError as error:
        raise WorkflowError(str(error))


def folder_of_features(wildcards):
    key = f"backbones.{wildcards.backbone}.features"
    try:
        return zssar_config.expanded(
            config["backbones"][wildcards.backbone]["features"], key
        )
    except UserError as error:
        raise WorkflowError(str(error))


def params_json(section, name, key="params"):
    """Keyword arguments of one config entry as one JSON text; a changed value reruns the jobs that use it."""
    return json.dumps(config[section][name].get(key, {}), sort_keys=True)


def weights_of_split(wildcards):
    """A validation split may borrow its parent's network; config.yaml says so, and run.json records it.

    Nothing for a backbone without a network.
    """
    if not network_of_backbone(wildcards.backbone):
        return []
    split = wildcards.split
    if PROTOCOL["validation_backbone"] == "shared":
        split = split.split("-val")[0]
    return f"results/backbones/{wildcards.dataset}/{split}/{wildcards.backbone}-{wildcards.stream}/model.pt"


def texts_of_method(wildcards):
    folder = f"results/texts/{wildcards.dataset}/{wildcards.source}/{wildcards.encoder}"
    return [
        f"{folder}/{kind}.h5" for kind in config["methods"][wildcards.method]["texts"]
    ]


def validation_runs(wildcards, file):
    """That file of the same method on every validation split; labels belong to the features, not to a run."""
    w = wildcards
    labels = file == "test_labels.csv"
    place = "features" if labels else "runs"
    tail = [] if labels else [w.source, w.encoder, w.method]
    return [
        "/".join(
            [
                "results",
                place,
                w.dataset,
                f"{w.split}-val{k}",
                f"{w.backbone}-{w.stream}",
                *tail,
                file,
            ]
        )
        for k in range(PROTOCOL["validation"])
    ]


def key_of_run(wildcards):
    """The columns of the runs file that identify a run, as JSON."""
    w = wildcards
    partition = w.split.split("-val")[0].partition("@")[2]
    partition = partition or zssar_config.default_partition(w.dataset)
    run = f"results/runs/{w.dataset}/{w.split}/{w.backbone}-{w.stream}/{w.source}/{w.encoder}/{w.method}"
    return json.dumps(
        {**dict(w.items()), "partition": partition, "run": run}, sort_keys=True
    )


def pairs_of_table(table):
    """(split, method) of every cell."""
    entry = config["tables"][table]
    methods = list(config["methods"]) if entry["methods"] == "all" else entry["methods"]
    return [
        (s, m)
        for s in zssar_config.expand_splits(entry["dataset"], entry["splits"])
        for m in methods
    ]


def run_of_table(table, split, method, file):
    entry = config["tables"][table]
    place = f"{entry['dataset']}/{split}/{entry['backbone']}-{entry['stream']}/{entry['source']}/{entry['encoder']}"
    return f"results/runs/{place}/{method}/{file}"


def runs_of(table):
    return [run_of_table(table, *pair, "runs.csv") for pair in pairs_of_table(table)]


def runs_of_table(wildcards):
    return runs_of(wildcards.table)


def is_simulated(table):
    """Whether a table's data come from the simulator, which its title and figures then say."""
    return "simulate" in config["datasets"][config["tables"][table]["dataset"]]


def figures_of_table(table):
    return [
        f"results/figures/{table}/confusion.{split}.{method}.png"
        for split, method in pairs_of_table(table)
    ]


@cache
def digest(*modules):
    """Hash of these modules and all they import: editing one method reruns that method alone."""
    return code_digest(
        *(f"zssar.{m}" if not m.startswith("!") else m[1:] for m in modules)
    )


def plugin(floor, name):
    return f"!{name}" if "." in name else f"{floor}.{name}"


def network_of_backbone(name):
    """The plugin of a backbone as a list; empty for `module: none`."""
    found = config["backbones"][name]["module"]
    return [] if found == zssar_config.NO_NETWORK else [plugin("backbones", found)]


def names_of_dataset(wildcards):
    """The class list of a data set: a CSV of the user's, or one that ships with the package."""
    return zssar_config.class_names_file(
        config["datasets"][wildcards.dataset].get("class_names", wildcards.dataset)
    )


def frozen_name(wildcards):
    """The folder of prompts/frozen is that of the class list: data sets with the same list share their texts."""
    name = os.path.basename(names_of_dataset(wildcards)).removesuffix(".csv")
    alone = os.path.isdir(f"prompts/frozen/{name}")
    return name if alone else zssar_config.LONGER.get(name, name)


def frozen_of_kind(wildcards):
    """The committed answers, if there are any; describe_classes says what to do where there are none."""
    source = config["sources"][wildcards.source]
    if not is_frozen(source):
        return []
    start = f"prompts/frozen/{frozen_name(wildcards)}/{wildcards.kind}"
    authors = source.get("answers", [""])
    paths = [
        f"{start}.{author}.jsonl" if author else f"{start}.jsonl" for author in authors
    ]
    return [path for path in paths if os.path.exists(path)]


def is_frozen(source):
    """Whether a source reads committed answers."""
    return not set(source) - {"answers"}


SWEEPS = "|".join(config["sweeps"]) or "no_sweep"


def splits_of_sweep(sweep):
    entry = config["sweeps"][sweep]
    return list(zssar_config.expand_splits(entry["dataset"], entry["splits"]))


def runs_of_sweep(sweep):
    """The runs of a sweep as `zssar sweep_draws` takes them: each method with what config.yaml says about it."""
    found = []
    for run in config["sweeps"][sweep]["runs"]:
        method = config["methods"][run["method"]]
        own = {key: value for key, value in run.items() if key != "method"}
        found.append({"name": run["method"], **method, **own})
    return found


def texts_of_sweep(sweep):
    """source/kind -> file."""
    entry = config["sweeps"][sweep]
    return {
        f"{run.get('source', 'frozen')}/{kind}": (
            f"results/texts/{entry['dataset']}/{run.get('source', 'frozen')}/{entry['encoder']}/{kind}.h5"
        )
        for run in runs_of_sweep(sweep)
        for kind in run["texts"]
    }


def features_of_sweep(sweep):
    """split -> folder of its features; empty where no network is used."""
    entry = config["sweeps"][sweep]
    if not network_of_backbone(entry["backbone"]):
        return {}
    held = [""] + [f"-val{k}" for k in range(entry["validation"])]
    return {
        f"{split}{val}": f"results/features/{entry['dataset']}/{split}{val}/{entry['backbone']}-{entry['stream']}"
        for split in splits_of_sweep(sweep)
        for val in held
    }
