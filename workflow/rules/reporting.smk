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
        options=lambda w: json.dumps(
            {
                "title": config["tables"][w.table]["title"],
                "order": list(config["methods"]),
                "simulated": (
                    [config["tables"][w.table]["dataset"]]
                    if is_simulated(w.table)
                    else []
                ),
            }
        ),
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
