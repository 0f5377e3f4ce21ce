rule align:
    input:
        seen_train="results/features/{dataset}/{split}/{backbone}-{stream}/seen_train.h5",
        test="results/features/{dataset}/{split}/{backbone}-{stream}/test.h5",
        texts=texts_of_method,
    output:
        scores="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/scores.h5",
        model="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/model.pt",
        record="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/run.json",
    log:
        "logs/align/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.log",
    benchmark:
        "logs/align/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.tsv"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=240,
    params:
        module=lambda w: config["methods"][w.method]["module"],
        options=lambda w: params_json("methods", w.method),
        kinds=lambda w: " ".join(config["methods"][w.method]["texts"]),
        seeds=" ".join(map(str, PROTOCOL["seeds"])),
        checkpoints=PROTOCOL["checkpoints"],
        device=config["device"],
        code=lambda w: digest(
            "commands.align",
            plugin("alignment", config["methods"][w.method]["module"]),
        ),
    shell:
        "zssar align --method {params.module} --params {params.options:q} --kinds {params.kinds}"
        " --texts {input.texts} --seen-train {input.seen_train} --test {input.test} --seeds {params.seeds}"
        " --checkpoints {params.checkpoints} --device {params.device}"
        " --scores {output.scores} --model {output.model} --record {output.record} > {log} 2>&1"


rule evaluate:
    input:
        scores=rules.align.output.scores,
        record=rules.align.output.record,
        labels="results/features/{dataset}/{split}/{backbone}-{stream}/test_labels.csv",
        val_scores=lambda w: validation_runs(w, "scores.h5"),
        val_labels=lambda w: validation_runs(w, "test_labels.csv"),
    output:
        metrics="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/metrics.json",
        runs="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/runs.csv",
    log:
        "logs/evaluate/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.log",
    benchmark:
        "logs/evaluate/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=30,
    params:
        key=key_of_run,
        code=digest("commands.evaluate"),
    shell:
        "zssar evaluate --scores {input.scores} --labels {input.labels} --val-scores {input.val_scores}"
        " --val-labels {input.val_labels} --record {input.record} --key {params.key:q}"
        " --metrics {output.metrics} --runs {output.runs} > {log} 2>&1"
