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
def cells_of_table(table):
    """Every run of a table: dataset, split, backbone, stream, source, encoder, method."""
    return zssar_config.cells(config, table)


def run_of_cell(cell, file):
    """A file of one run."""
    place = "{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}"
    return f"results/runs/{place.format(**cell)}/{file}"


def features_of_cell(cell, file):
    """A file of the features that a run reads."""
    place = "{dataset}/{split}/{backbone}-{stream}"
    return f"results/features/{place.format(**cell)}/{file}"


def pairs_of_table(table):
    """(split, method) of every cell."""
    return list(dict.fromkeys((c["split"], c["method"]) for c in cells_of_table(table)))


def run_of_table(table, split, method, file):
    """A file of the first run of a table with that split and method."""
    for cell in cells_of_table(table):
        if (cell["split"], cell["method"]) == (split, method):
            return run_of_cell(cell, file)
    raise WorkflowError(f"table {table} has no run of {method} on {split}")


RUNS_FILES = {
    "accuracy": ["runs.csv"],
    "transductive": ["transductive.runs.csv"],
    "efficiency": ["runs.csv", "efficiency.runs.csv"],
}


def runs_of(table):
    names = RUNS_FILES[config["tables"][table]["setting"]]
    return [run_of_cell(cell, name) for cell in cells_of_table(table) for name in names]


def runs_of_table(wildcards):
    return runs_of(wildcards.table)


def datasets_of_table(table):
    return [d for d, _ in zssar_config.splits_of(config["tables"][table])]


def simulated_of_table(table):
    """The data sets of a table that come from the simulator."""
    return [d for d in datasets_of_table(table) if "simulate" in config["datasets"][d]]


def is_simulated(table):
    """Whether a table's data come from the simulator, which its title and figures then say."""
    return bool(simulated_of_table(table))


def table_options(table):
    """What make_table is told about a table."""
    entry = config["tables"][table]
    passed = ("title", "names", "groups", "published", "published_as", "setting")
    every = entry["methods"] == "all"
    return {
        **{key: entry[key] for key in passed},
        "order": list(config["methods"]) if every else entry["methods"],
        "simulated": simulated_of_table(table),
    }


def figures_of_table(table):
    """What `snakemake` draws unasked: confusion matrices, and the figures that the config names."""
    if config["tables"][table]["setting"] != "accuracy":
        return []
    names = [f"confusion.{s}.{m}" for s, m in pairs_of_table(table)]
    names += list(config["tables"][table]["figures"])
    return [f"results/figures/{table}/{name}.png" for name in dict.fromkeys(names)]


# What figures are drawn from: kind -> the files of `zssar make_figure` it needs.
FIGURE_FILES = {
    **dict.fromkeys(
        ["confusion", "per_class", "class_change", "curves", "validation", "parameter"],
        ["metrics"],
    ),
    **dict.fromkeys(["inflation", "unseen_count", "critical_difference"], ["runs"]),
    **dict.fromkeys(["tsne", "pca"], ["features", "scores", "labels", "texts"]),
    **dict.fromkeys(["similarity", "calibration"], ["scores", "labels", "metrics"]),
    "ranked": ["scores", "labels", "skeletons"],
    "attention": ["attention", "skeletons"],
    "losses": ["records"],
}


def figure_of_name(name):
    """(kind, split or None, methods) of a figure's file name `<kind>[.<split>[.<method>[+<method>...]]]`."""
    kind, _, rest = name.partition(".")
    split, _, methods = rest.partition(".")
    return kind, split or None, methods.split("+") if methods else []


def cells_of_figure(w):
    """The runs behind a figure; a split or methods left out mean all of the table."""
    kind, split, methods = figure_of_name(w.figure)
    found = [
        c
        for c in cells_of_table(w.table)
        if split in (None, c["split"]) and (not methods or c["method"] in methods)
    ]
    lost = set(methods) - {c["method"] for c in found}
    if lost or not found:
        raise WorkflowError(
            f"figure {w.figure}: table {w.table} has no run of {', '.join(sorted(lost)) or 'any method'} on {split}"
        )
    if methods:
        found.sort(key=lambda c: methods.index(c["method"]))
    return found


def files_of_figure(w):
    """Option of make_figure -> files, by the kind of the figure."""
    kind, _, _ = figure_of_name(w.figure)
    cells = cells_of_figure(w)
    one = cells[0]
    texts = f"results/texts/{one['dataset']}/{one['source']}/{one['encoder']}"
    made = {
        "metrics": lambda: [run_of_cell(c, "metrics.json") for c in cells],
        "records": lambda: [run_of_cell(c, "run.json") for c in cells],
        "runs": lambda: [f"results/{w.table}.runs.csv"],
        "scores": lambda: [run_of_cell(c, "scores.h5") for c in cells],
        "labels": lambda: [features_of_cell(one, "test_labels.csv")],
        "features": lambda: [features_of_cell(one, "test.h5")],
        "skeletons": lambda: [f"results/skeletons/{one['dataset']}.h5"],
        "attention": lambda: [run_of_cell(c, "attention.npz") for c in cells],
        "texts": lambda: [
            f"{texts}/{kind}.h5"
            for kind in zssar_config.all_texts(METHODS[one["method"]])
        ],
    }
    return {name: made[name]() for name in FIGURE_FILES[kind]}


def options_of_figure(w):
    options = config["tables"][w.table]["figures"].get(w.figure, {})
    return json.dumps({**options, "simulated": is_simulated(w.table)})


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


# Folders of results/ that hold tables, as a regular expression that also takes none.
FOLDERS = {os.path.dirname(table) for table in config["tables"]} - {""}
FOLDERS = "({})?".format("|".join(os.path.join(name, "") for name in sorted(FOLDERS)))


def tables_of_report(wildcards):
    return [
        t
        for t, entry in config["tables"].items()
        if t.startswith(wildcards.folder) and entry["setting"] == "accuracy"
    ]


def histories_of_cell(cell):
    """Training histories of the networks behind a run, those of its validation splits included."""
    if "features" in config["backbones"][cell["backbone"]]:
        return []
    found = []
    for split in [cell["split"], *validation_splits(cell["split"])]:
        weights = weights_of_split(SimpleNamespace(**{**cell, "split": split}))
        found += [weights] if isinstance(weights, str) else weights
    return [path.replace("model.pt", "history.jsonl") for path in found]


def report_inputs(wildcards):
    """All that the page shows. It finds records, scores and labels by way of the runs files; they are named here so
    that Snakemake knows of them."""
    found = {"tables": [], "runs": [], "skeletons": [], "histories": [], "texts": []}
    for table in tables_of_report(wildcards):
        found["tables"].append(f"results/{table}.csv")
        for cell in cells_of_table(table):
            if "features" not in config["backbones"][cell["backbone"]]:
                found["skeletons"].append(f"results/skeletons/{cell['dataset']}.h5")
            files = ["metrics.json", "run.json", "scores.h5"]
            found["runs"] += [run_of_cell(cell, file) for file in files]
            found["texts"] += texts_of_method(SimpleNamespace(**cell))
            found["histories"] += histories_of_cell(cell)
    return {name: list(dict.fromkeys(files)) for name, files in found.items()}


def page_digest():
    """Hash of the template, style and script of the page, which no module imports."""
    files = sorted((zssar_config.PACKAGE / "reporting" / "page").iterdir())
    return "".join(file_digest(path)[:8] for path in files)


SWEEPS = "|".join(config["sweeps"]) or "no_sweep"


def splits_of_sweep(sweep):
    entry = config["sweeps"][sweep]
    return list(zssar_config.expand_splits(entry["dataset"], entry["splits"]))


def runs_of_sweep(sweep):
    """The runs of a sweep as `zssar sweep_draws` takes them: each method with what config.yaml says about it."""
    found = []
    for run in config["sweeps"][sweep]["runs"]:
        method = config["methods"][run["method"]]
        known = {
            key: method[key] for key in ("module", "texts", "params") if key in method
        }
        own = {key: value for key, value in run.items() if key != "method"}
        found.append({"name": run["method"], **known, **own})
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
