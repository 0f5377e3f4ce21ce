rule simulate_recordings:
    output:
        directory("results/raw/{dataset}"),
    log:
        "logs/simulate_recordings/{dataset}.log",
    benchmark:
        "logs/simulate_recordings/{dataset}.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=30,
    params:
        options=lambda w: " ".join(
            f"--{key} {value}"
            for key, value in sorted(config["datasets"][w.dataset]["simulate"].items())
        ),
        code=digest("commands.simulate_recordings"),
    shell:
        "zssar simulate_recordings --output {output} {params.options} > {log} 2>&1"


rule preprocess_skeletons:
    input:
        recordings_of_dataset,
    output:
        skeletons="results/skeletons/{dataset}.h5",
        report="results/skeletons/{dataset}.report.json",
    log:
        "logs/preprocess_skeletons/{dataset}.log",
    benchmark:
        "logs/preprocess_skeletons/{dataset}.tsv"
    threads: 8
    resources:
        gpu=0,
        mem_mb=lambda w, threads: 1000 + 600 * threads,
        runtime=120,
    params:
        root=root_of_dataset,
        reader=lambda w: config["datasets"][w.dataset]["reader"],
        recipe=lambda w: config["datasets"][w.dataset]["recipe"],
        options=lambda w: params_json("datasets", w.dataset),
        names=lambda w: " ".join(
            (f"--class-names {entry['class_names']}" if "class_names" in entry else "")
            + (" --allow-missing-classes" if entry["allow_missing_classes"] else "")
            + (" --drop-duplicates" if entry["drop_duplicates"] else "")
            for entry in [config["datasets"][w.dataset]]
        ),
        code=lambda w: digest(
            "commands.preprocess_skeletons",
            plugin("datasets", config["datasets"][w.dataset]["reader"]),
        ),
    shell:
        "zssar preprocess_skeletons --reader {params.reader} --root {params.root:q} --dataset {wildcards.dataset}"
        " --recipe {params.recipe} --params {params.options:q} {params.names} --workers {threads}"
        " --output {output.skeletons} --report {output.report} > {log} 2>&1"
