def table_options(table):
    """What make_table is told about a table."""
    entry = config["tables"][table]
    return {
        "title": entry["title"],
        "order": list(config["methods"]),
        "simulated": [entry["dataset"]] if is_simulated(table) else [],
    }


# Folders of results/ that hold tables, as a regular expression that also takes none.
FOLDERS = f"({'|'.join(sorted({t.rpartition('/')[0] + '/' for t in config['tables'] if '/' in t}))})?"


def validation_splits(split, wanted=True):
    return [f"{split}-val{k}" for k in range(PROTOCOL["validation"]) if wanted]


def page_digest():
    """Hash of the template, style and script of the page, which no module imports."""
    files = sorted((zssar_config.PACKAGE / "reporting" / "page").iterdir())
    return "".join(file_digest(path)[:8] for path in files)


def tables_of_report(wildcards):
    return [t for t in config["tables"] if t.startswith(wildcards.folder)]


def report_inputs(wildcards):
    """All that the page shows. It finds records, scores and labels by way of the runs files; they are named here so
    that Snakemake knows of them."""
    found = {"tables": [], "runs": [], "skeletons": [], "histories": [], "texts": []}
    for table in tables_of_report(wildcards):
        entry = config["tables"][table]
        found["tables"].append(f"results/{table}.csv")
        imported = "features" in config["backbones"][entry["backbone"]]
        if not imported:
            found["skeletons"].append(f"results/skeletons/{entry['dataset']}.h5")
        for split, method in pairs_of_table(table):
            files = ["metrics.json", "run.json", "scores.h5"]
            found["runs"] += [run_of_table(table, split, method, f) for f in files]
            found["texts"] += [
                f"results/texts/{entry['dataset']}/{entry['source']}/{entry['encoder']}/{kind}.h5"
                for kind in config["methods"][method]["texts"]
            ]
            if not imported and network_of_backbone(entry["backbone"]):
                network = f"{entry['backbone']}-{entry['stream']}"
                own = PROTOCOL["validation_backbone"] == "own"
                found["histories"] += [
                    f"results/backbones/{entry['dataset']}/{one}/{network}/history.jsonl"
                    for one in [split, *validation_splits(split, own)]
                ]
    return {name: list(dict.fromkeys(files)) for name, files in found.items()}


rule make_table:
    input:
        runs=runs_of_table,
    output:
        csv=report(
            "results/{table}.csv", caption="../report/table.rst", category="Tables"
        ),
        markdown="results/{table}.md",
        latex="results/{table}.tex",
        runs="results/{table}.runs.csv",
    log:
        "logs/make_table/{table}.log",
    benchmark:
        "logs/make_table/{table}.tsv"
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        options=lambda w: json.dumps(table_options(w.table)),
        code=digest("commands.make_table"),
    shell:
        "zssar make_table --runs {input.runs} --table {wildcards.table} --params {params.options:q}"
        " --csv {output.csv} --markdown {output.markdown} --latex {output.latex} --all-runs {output.runs} > {log} 2>&1"


rule make_figure:
    input:
        lambda w: run_of_table(w.table, w.split, w.method, "metrics.json"),
    output:
        png=report(
            "results/figures/{table}/confusion.{split}.{method}.png",
            caption="../report/confusion.rst",
            category="Confusion of unseen classes",
            labels={"split": "{split}", "method": "{method}"},
        ),
        pdf="results/figures/{table}/confusion.{split}.{method}.pdf",
    log:
        "logs/make_figure/{table}/confusion.{split}.{method}.log",
    benchmark:
        "logs/make_figure/{table}/confusion.{split}.{method}.tsv"
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        options=lambda w: json.dumps({"simulated": is_simulated(w.table)}),
        code=digest("commands.make_figure"),
    shell:
        "zssar make_figure --kind confusion --metrics {input} --params {params.options:q} --output {output.png} {output.pdf} > {log} 2>&1"


rule make_report:
    # results/report.html holds every table of the config, results/<folder>/report.html those of that folder.
    input:
        unpack(report_inputs),
    output:
        report(
            "results/{folder}report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"page": "everything in one file"},
        ),
    log:
        "logs/make_report/{folder}report.log",
    benchmark:
        "logs/make_report/{folder}report.tsv"
    wildcard_constraints:
        folder=FOLDERS,
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=30,
    params:
        options=lambda w: json.dumps(
            {table: table_options(table) for table in tables_of_report(w)}
        ),
        page=page_digest(),
        code=digest("commands.make_report"),
    shell:
        "zssar make_report --tables {input.tables} --params {params.options:q} --skeletons {input.skeletons}"
        " --histories {input.histories} --texts {input.texts} --output {output} > {log} 2>&1"
