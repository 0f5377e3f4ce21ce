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
    conda:
        "zssar"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        options=lambda w: json.dumps({"title": config["tables"][w.table]["title"]}),
        code=digest("commands.make_table"),
    shell:
        "zssar make_table --runs {input.runs} --table {wildcards.table} --params {params.options:q}"
        " --csv {output.csv} --markdown {output.markdown} --latex {output.latex} --all-runs {output.runs} > {log} 2>&1"


rule make_figure:
    input:
        metrics=lambda w: runs_of_table(w, "metrics.json"),
    output:
        png=report(
            "results/{table}.confusion.png",
            caption="../report/confusion.rst",
            category="Figures",
        ),
        pdf="results/{table}.confusion.pdf",
    log:
        "logs/make_figure/{table}.confusion.log",
    benchmark:
        "logs/make_figure/{table}.confusion.tsv"
    localrule: True
    conda:
        "zssar"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        code=digest("commands.make_figure"),
    shell:
        "zssar make_figure --kind confusion --metrics {input.metrics} --output {output.png} {output.pdf} > {log} 2>&1"
