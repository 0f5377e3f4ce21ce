# Lookups shared by the rules: what a wildcard means in config.yaml. No logic beyond that.
import json
import os
from functools import cache
from types import SimpleNamespace

from snakemake.exceptions import WorkflowError

from zssar import config as zssar_config
from zssar.errors import UserError
from zssar.provenance import code_digest, file_digest

try:
    zssar_config.check(
        config,
        workflow.source_path("../schemas/config.schema.yaml"),
        prompts="prompts",
        base="config.yaml",
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


# Candidates of methods with `choose`; they run on validation splits only.
METHODS = {**config["methods"], **zssar_config.candidates(config["methods"])}
CHOOSERS = (
    "|".join(m for m, entry in config["methods"].items() if "choose" in entry) or "(?!)"
)


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    split=r"[a-z0-9_]+(@[a-z]+)?(-val\d+)?",
    backbone="|".join(config["backbones"]),
    stream="joint|bone|joint_motion|bone_motion|joint_bone_motion|four_streams",
    source="|".join(config["sources"]),
    encoder="|".join(config["encoders"]),
    kind=r"[a-z0-9_]+",
    method="|".join(sorted(METHODS, key=len, reverse=True)),
    table="|".join(config["tables"]),
    backbone_table="|".join(config["backbone_tables"]) or "$none",


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
    entry = (METHODS if section == "methods" else config[section])[name]
    return json.dumps(entry.get(key, {}), sort_keys=True)


def weights_of_split(wildcards):
    """A validation split may borrow its parent's network; config.yaml says so, and run.json records it.

    Nothing for a backbone without a network; one network per stream for an ensemble.
    """
    if not network_of_backbone(wildcards.backbone):
        return []
    split = wildcards.split
    if PROTOCOL["validation_backbone"] == "shared":
        split = split.split("-val")[0]
    return [
        f"results/backbones/{wildcards.dataset}/{split}/{wildcards.backbone}-{stream}/model.pt"
        for stream in zssar_config.members(wildcards.stream)
    ]


def weights_option(wildcards, files):
    """Of extract_features: one file, several with their fusion, or nothing for a backbone without a network."""
    option = f"--weights {files}" if files else ""
    if len(zssar_config.members(wildcards.stream)) > 1:
        option += f" --fusion {config['backbones'][wildcards.backbone]['fusion']}"
    return option


def of_backbone_table(wildcards, place=None, file=None):
    """That file of every backbone of the table, in its order; without a file Snakemake's timing of the pretraining."""
    entry = config["backbone_tables"][wildcards.backbone_table]
    ends = [
        f"{entry['dataset']}/{entry['split']}/{name}-{entry['stream']}"
        for name in entry["backbones"]
    ]
    if file is None:
        return [f"logs/pretrain_backbone/{end}.tsv" for end in ends]
    return [f"results/{place}/{end}/{file}" for end in ends]


def texts_of_method(wildcards):
    folder = f"results/texts/{wildcards.dataset}/{wildcards.source}/{wildcards.encoder}"
    kinds = zssar_config.all_texts(METHODS[wildcards.method])
    return [f"{folder}/{kind}.h5" for kind in kinds]


def folder_of_run(w, split=None, method=None):
    """The folder of a run, of this one or of the same run on another split or with another method."""
    split, method = split or w.split, method or w.method
    return f"results/runs/{w.dataset}/{split}/{w.backbone}-{w.stream}/{w.source}/{w.encoder}/{method}"


def validation_splits(split):
    return [f"{split}-val{k}" for k in range(PROTOCOL["validation"])]


def chosen_of_method(w):
    """Parameters picked on the validation splits of the parent, for methods with `choose`."""
    if "choose" not in METHODS[w.method]:
        return []
    return [f"{folder_of_run(w, w.split.split('-val')[0])}/chosen.json"]


def candidates_of_method(method):
    return [m for m in METHODS if m.startswith(f"{method}.choice")]


def logits_for_gate(w, splits):
    """Test features of these splits, whose seen_logits the classifier gate reads; nothing without that gate."""
    if "classifier" not in PROTOCOL["gates"]:
        return []
    return [
        f"results/features/{w.dataset}/{split}/{w.backbone}-{w.stream}/test.h5"
        for split in splits
    ]


def validation_runs(wildcards, file):
    """That file of the same method on every validation split; labels and features belong to no run."""
    w = wildcards
    if file in ("test_labels.csv", "test.h5"):
        return [
            f"results/features/{w.dataset}/{split}/{w.backbone}-{w.stream}/{file}"
            for split in validation_splits(w.split)
        ]
    return [f"{folder_of_run(w, split)}/{file}" for split in validation_splits(w.split)]


def evaluate_options():
    """What evaluate is told about the protocol; borrowed networks of validation splits are recorded with the run."""
    options = {"gates": PROTOCOL["gates"], "skip_unsuited": True}
    if PROTOCOL["validation_backbone"] != "own":
        options["validation_backbone"] = PROTOCOL["validation_backbone"]
    return json.dumps(options)


def key_of_run(wildcards):
    """The columns of the runs file that identify a run, as JSON."""
    w = wildcards
    partition = w.split.split("-val")[0].partition("@")[2]
    partition = partition or zssar_config.default_partition(w.dataset)
    return json.dumps(
        {**dict(w.items()), "partition": partition, "run": folder_of_run(w)},
        sort_keys=True,
    )


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
