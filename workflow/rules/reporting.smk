# Folders of results/ that hold tables, as a regular expression that also takes none.
FOLDERS = f"({'|'.join(sorted({t.rpartition('/')[0] + '/' for t in config['tables'] if '/' in t}))})?"


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
        found["tables"].append(f"results/{table}.csv")
        for cell in cells_of_table(table):
            imported = "features" in config["backbones"][cell["backbone"]]
            if not imported:
                found["skeletons"].append(f"results/skeletons/{cell['dataset']}.h5")
            files = ["metrics.json", "run.json", "scores.h5"]
            found["runs"] += [run_of_cell(cell, f) for f in files]
            found["texts"] += [
                f"results/texts/{cell['dataset']}/{cell['source']}/{cell['encoder']}/{kind}.h5"
                for kind in METHODS[cell["method"]]["texts"]
            ]
            if not imported and network_of_backbone(cell["backbone"]):
                own = PROTOCOL["validation_backbone"] == "own"
                splits = validation_splits(cell["split"]) if own else []
                found["histories"] += [
                    f"results/backbones/{cell['dataset']}/{one}/{cell['backbone']}-{stream}/history.jsonl"
                    for one in [cell["split"], *splits]
                    for stream in zssar_config.members(cell["stream"])
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
        options=lambda w: options_of_table(w.table),
        code=digest("commands.make_table"),
    shell:
        "zssar make_table --runs {input.runs} --table {wildcards.table} --params {params.options:q}"
        " --csv {output.csv} --markdown {output.markdown} --latex {output.latex} --all-runs {output.runs} > {log} 2>&1"


rule make_figure:
    input:
        unpack(files_of_figure),
    output:
        png=report(
            "results/figures/{table}/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{table}",
            labels={"figure": "{figure}"},
        ),
        pdf="results/figures/{table}/{figure}.pdf",
        svg="results/figures/{table}/{figure}.svg",
    log:
        "logs/make_figure/{table}/{figure}.log",
    benchmark:
        "logs/make_figure/{table}/{figure}.tsv"
    wildcard_constraints:
        figure=rf"({'|'.join(FIGURE_FILES)})(\..+)?",
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        kind=lambda w: figure_of_name(w.figure)[0],
        files=lambda w, input: " ".join(
            f"--{name} {' '.join(files)}" for name, files in files_of_figure(w).items()
        ),
        options=options_of_figure,
        code=digest("commands.make_figure"),
    shell:
        "zssar make_figure --kind {params.kind} {params.files} --params {params.options:q}"
        " --output {output.png} {output.pdf} {output.svg} > {log} 2>&1"


rule compare_methods:
    input:
        runs="results/{table}.runs.csv",
        predictions=lambda w: [
            run_of_cell(c, "predictions.csv") for c in cells_of_table(w.table)
        ],
    output:
        csv="results/{table}.comparison.csv",
        markdown="results/{table}.comparison.md",
        json="results/{table}.comparison.json",
    log:
        "logs/compare_methods/{table}.log",
    benchmark:
        "logs/compare_methods/{table}.tsv"
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=30,
    params:
        reference=lambda w: (
            f"--reference {config['tables'][w.table]['reference']}"
            if "reference" in config["tables"][w.table]
            else ""
        ),
        simulated=lambda w: " ".join(["--simulated", *simulated_of_table(w.table)]),
        code=digest("commands.compare_methods"),
    shell:
        "zssar compare_methods --runs {input.runs} --predictions {input.predictions} {params.reference}"
        " {params.simulated} --csv {output.csv} --markdown {output.markdown} --json {output.json} > {log} 2>&1"


rule compare_validation:
    input:
        "results/{table}.runs.csv",
    output:
        csv="results/{table}.validation.csv",
        markdown="results/{table}.validation.md",
    log:
        "logs/compare_validation/{table}.log",
    benchmark:
        "logs/compare_validation/{table}.tsv"
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        simulated=lambda w: " ".join(["--simulated", *simulated_of_table(w.table)]),
        code=digest("commands.compare_validation"),
    shell:
        "zssar compare_validation --runs {input} {params.simulated} --csv {output.csv} --markdown {output.markdown}"
        " > {log} 2>&1"


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
            {
                table: json.loads(options_of_table(table))
                for table in tables_of_report(w)
            }
        ),
        page=page_digest(),
        code=digest("commands.make_report"),
    shell:
        "zssar make_report --tables {input.tables} --params {params.options:q} --skeletons {input.skeletons}"
        " --histories {input.histories} --texts {input.texts} --output {output} > {log} 2>&1"
