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
