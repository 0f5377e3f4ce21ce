rule make_table:
    input:
        runs=runs_of_table,
    output:
        csv=report(
            "results/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
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


rule make_class_table:
    input:
        lambda w: [run_of_cell(c, "metrics.json") for c in cells_of_table(w.table)],
    output:
        csv="results/{table}.classes.csv",
        markdown="results/{table}.classes.md",
    log:
        "logs/make_class_table/{table}.log",
    benchmark:
        "logs/make_class_table/{table}.tsv"
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        names=lambda w: json.dumps(config["tables"][w.table]["names"]),
        simulated=lambda w: " ".join(["--simulated", *simulated_of_table(w.table)]),
        code=digest("commands.make_class_table"),
    shell:
        "zssar make_class_table --metrics {input} --title {wildcards.table} --names {params.names:q}"
        " {params.simulated} --csv {output.csv} --markdown {output.markdown} > {log} 2>&1"


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
