# Lookups of what is made of many runs: tables, figures, the report, sweeps. Those of single jobs are in common.smk.


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
    """Snakemake does not miss an input behind a finished output: where a run is gone, the table is forced as by `-f`."""
    runs, table = runs_of(wildcards.table), f"results/{wildcards.table}.csv"
    if os.path.exists(table) and not all(map(os.path.exists, runs)):
        workflow.dag.forcefiles.add(table)
    return runs


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
    """Those of the config, and what the table calls its methods; figures of a whole table follow its order."""
    entry = config["tables"][w.table]
    # Of the methods drawn only: another method in the table redraws no figure but those of all.
    names = {
        c["method"]: entry["names"].get(c["method"], c["method"])
        for c in cells_of_figure(w)
    }
    options = entry["figures"].get(w.figure, {})
    return json.dumps({"names": names, "simulated": is_simulated(w.table), **options})


# Folders of results/ that hold tables, as a regular expression that also takes none.
FOLDERS = {os.path.dirname(table) for table in config["tables"]} - {""}
FOLDERS = "({})?".format("|".join(os.path.join(name, "") for name in sorted(FOLDERS)))


def tables_of_report(wildcards):
    return [t for t in config["tables"] if t.startswith(wildcards.folder)]


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
