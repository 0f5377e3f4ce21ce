onstart:
    # Not a parameter: Snakemake would remember it and run the rule once more without it.
    zssar_config.remember_forced(workflow.dag_settings.forcerun)


rule describe_classes:
    input:
        # ancient: editing a template never spends money by itself; regenerate with -R describe_classes.
        kind=ancient("prompts/{kind}.md"),
        frozen=frozen_of_kind,
    output:
        "results/descriptions/{dataset}/{source}/{kind}.jsonl",
    log:
        "logs/describe_classes/{dataset}/{source}/{kind}.log",
    benchmark:
        "logs/describe_classes/{dataset}/{source}/{kind}.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=60,
        llm_calls=lambda w: int("model" in config["sources"][w.source]),
    params:
        names=names_of_dataset,
        frozen=lambda w: f"prompts/frozen/{frozen_name(w)}",
        source=lambda w: json.dumps(config["sources"][w.source], sort_keys=True),
        # Editing code never asks a language model again: that is for -R describe_classes alone.
        code=lambda w: (
            digest("commands.describe_classes")
            if is_frozen(config["sources"][w.source])
            else ""
        ),
    shell:
        "zssar describe_classes --kind {input.kind} --class-names {params.names} --source {wildcards.source}"
        " --source-params {params.source:q} --frozen {params.frozen} --output {output} > {log} 2>&1"


rule encode_texts:
    input:
        descriptions=rules.describe_classes.output,
        kind="prompts/{kind}.md",
    output:
        "results/texts/{dataset}/{source}/{encoder}/{kind}.h5",
    log:
        "logs/encode_texts/{dataset}/{source}/{encoder}/{kind}.log",
    benchmark:
        "logs/encode_texts/{dataset}/{source}/{encoder}/{kind}.tsv"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=60,
    params:
        module=lambda w: config["encoders"][w.encoder]["module"],
        options=lambda w: params_json("encoders", w.encoder),
        device=config["device"],
        code=lambda w: digest(
            "commands.encode_texts",
            plugin("encoders", config["encoders"][w.encoder]["module"]),
        ),
    shell:
        "zssar encode_texts --descriptions {input.descriptions} --kind {input.kind} --encoder {params.module}"
        " --params {params.options:q} --device {params.device} --output {output} > {log} 2>&1"
