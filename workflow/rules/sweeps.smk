rule sweep_draws:
    input:
        skeletons=lambda w: f"results/skeletons/{config['sweeps'][w.sweep]['dataset']}.h5",
        texts=lambda w: list(texts_of_sweep(w.sweep).values()),
        features=lambda w: [
            os.path.join(folder, file)
            for folder in features_of_sweep(w.sweep).values()
            for file in ("seen_train.h5", "test.h5", "test_labels.csv")
        ],
        form="prompts/profile.md",
    output:
        runs="results/{sweep}.runs.csv",
        classes="results/{sweep}.classes.csv",
        record="results/{sweep}.run.json",
    log:
        "logs/sweep_draws/{sweep}.log",
    benchmark:
        "logs/sweep_draws/{sweep}.tsv"
    wildcard_constraints:
        sweep=SWEEPS,
    threads: 1
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=120,
    params:
        runs=lambda w: json.dumps(runs_of_sweep(w.sweep)),
        splits=lambda w: " ".join(splits_of_sweep(w.sweep)),
        texts=lambda w: " ".join(f"{k}={v}" for k, v in texts_of_sweep(w.sweep).items()),
        features=lambda w: " ".join(
            [
                "--features",
                *(f"{k}={v}" for k, v in features_of_sweep(w.sweep).items()),
            ]
            if features_of_sweep(w.sweep)
            else []
        ),
        validation=lambda w: config["sweeps"][w.sweep]["validation"],
        checkpoints=PROTOCOL["checkpoints"],
        key=lambda w: json.dumps(
            {
                "table": w.sweep,
                **{
                    k: config["sweeps"][w.sweep][k]
                    for k in ("dataset", "backbone", "stream", "encoder")
                },
            }
        ),
        code=lambda w: digest(
            "commands.sweep_draws",
            *(plugin("alignment", r["module"]) for r in runs_of_sweep(w.sweep)),
        ),
    shell:
        "zssar sweep_draws --runs {params.runs:q} --splits {params.splits} --skeletons {input.skeletons}"
        " {params.features} --texts {params.texts} --form {input.form} --validation {params.validation}"
        " --checkpoints {params.checkpoints} --key {params.key:q} --output {output.runs} --classes {output.classes}"
        " --record {output.record} > {log} 2>&1"


rule summarise_sweep:
    input:
        runs=rules.sweep_draws.output.runs,
        classes=rules.sweep_draws.output.classes,
    output:
        csv="results/{sweep}.summary.csv",
        markdown="results/{sweep}.summary.md",
    log:
        "logs/summarise_sweep/{sweep}.log",
    benchmark:
        "logs/summarise_sweep/{sweep}.tsv"
    wildcard_constraints:
        sweep=SWEEPS,
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        reference=lambda w: (
            f"--reference {config['sweeps'][w.sweep]['reference']!r}"
            if config["sweeps"][w.sweep]["reference"]
            else ""
        ),
        title=lambda w: config["sweeps"][w.sweep]["title"],
        code=digest("commands.summarise_sweep"),
    shell:
        "zssar summarise_sweep --runs {input.runs} --classes {input.classes} {params.reference}"
        " --title {params.title:q} --csv {output.csv} --markdown {output.markdown} > {log} 2>&1"
