rule align:
    input:
        seen_train="results/features/{dataset}/{split}/{backbone}-{stream}/seen_train.h5",
        test="results/features/{dataset}/{split}/{backbone}-{stream}/test.h5",
        texts=texts_of_method,
        chosen=chosen_of_method,
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
        module=lambda w: METHODS[w.method]["module"],
        options=lambda w: params_json("methods", w.method),
        kinds=lambda w: " ".join(zssar_config.all_texts(METHODS[w.method])),
        chosen=lambda w, input: f"--chosen {input.chosen}" if input.chosen else "",
        seeds=" ".join(map(str, PROTOCOL["seeds"])),
        checkpoints=PROTOCOL["checkpoints"],
        device=config["device"],
        code=lambda w: digest(
            "commands.align",
            plugin("alignment", METHODS[w.method]["module"]),
        ),
    shell:
        "zssar align --method {params.module} --params {params.options:q} {params.chosen} --kinds {params.kinds}"
        " --texts {input.texts} --seen-train {input.seen_train} --test {input.test} --seeds {params.seeds}"
        " --checkpoints {params.checkpoints} --device {params.device}"
        " --scores {output.scores} --model {output.model} --record {output.record} > {log} 2>&1"


rule choose_params:
    input:
        scores=lambda w: [
            f"{folder_of_run(w, split, m)}/scores.h5"
            for m in candidates_of_method(w.method)
            for split in validation_splits(w.split)
        ],
        labels=lambda w: validation_runs(w, "test_labels.csv"),
    output:
        "results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/chosen.json",
    log:
        "logs/choose_params/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.log",
    benchmark:
        "logs/choose_params/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.tsv"
    wildcard_constraints:
        method=CHOOSERS,
        split=r"[a-z0-9_]+(@[a-z]+)?",
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        choose=lambda w: json.dumps(METHODS[w.method]["choose"]),
        code=digest("commands.choose_params"),
    shell:
        "zssar choose_params --choose {params.choose:q} --scores {input.scores} --labels {input.labels}"
        " --output {output} > {log} 2>&1"


rule evaluate:
    input:
        scores=rules.align.output.scores,
        record=rules.align.output.record,
        labels="results/features/{dataset}/{split}/{backbone}-{stream}/test_labels.csv",
        val_scores=lambda w: validation_runs(w, "scores.h5"),
        val_labels=lambda w: validation_runs(w, "test_labels.csv"),
        logits=lambda w: logits_for_gate(w, [w.split]),
        val_logits=lambda w: logits_for_gate(w, validation_splits(w.split)),
    output:
        metrics="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/metrics.json",
        runs="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/runs.csv",
        predictions="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/predictions.csv",
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
        options=evaluate_options(),
        logits=lambda w, input: (
            f"--logits {input.logits} --val-logits {input.val_logits}"
            if input.logits
            else ""
        ),
        code=digest("commands.evaluate"),
    shell:
        "zssar evaluate --scores {input.scores} --labels {input.labels} --val-scores {input.val_scores}"
        " --val-labels {input.val_labels} --record {input.record} --key {params.key:q}"
        " --params {params.options:q} {params.logits} --metrics {output.metrics} --runs {output.runs}"
        " --predictions {output.predictions} > {log} 2>&1"


rule evaluate_transductive:
    input:
        scores=rules.align.output.scores,
        features="results/features/{dataset}/{split}/{backbone}-{stream}/test.h5",
        labels="results/features/{dataset}/{split}/{backbone}-{stream}/test_labels.csv",
        val_scores=lambda w: validation_runs(w, "scores.h5"),
        val_features=lambda w: validation_runs(w, "test.h5"),
        val_labels=lambda w: validation_runs(w, "test_labels.csv"),
    output:
        metrics="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/transductive.json",
        runs="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/transductive.runs.csv",
    log:
        "logs/evaluate_transductive/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.log",
    benchmark:
        "logs/evaluate_transductive/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=30,
    params:
        key=key_of_run,
        code=digest("commands.evaluate_transductive"),
    shell:
        "zssar evaluate_transductive --scores {input.scores} --features {input.features} --labels {input.labels}"
        " --val-scores {input.val_scores} --val-features {input.val_features} --val-labels {input.val_labels}"
        " --key {params.key:q} --metrics {output.metrics} --runs {output.runs} > {log} 2>&1"


rule attend:
    input:
        model=rules.align.output.model,
        test="results/features/{dataset}/{split}/{backbone}-{stream}/test.h5",
        labels="results/features/{dataset}/{split}/{backbone}-{stream}/test_labels.csv",
        texts=texts_of_method,
    output:
        "results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/attention.npz",
    log:
        "logs/attend/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.log",
    benchmark:
        "logs/attend/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=30,
    params:
        kinds=lambda w: " ".join(zssar_config.all_texts(METHODS[w.method])),
        code=digest("commands.attend"),
    shell:
        "zssar attend --model {input.model} --test {input.test} --labels {input.labels}"
        " --kinds {params.kinds} --texts {input.texts} --output {output} > {log} 2>&1"


rule measure_efficiency:
    input:
        model=rules.align.output.model,
        test="results/features/{dataset}/{split}/{backbone}-{stream}/test.h5",
        texts=texts_of_method,
    output:
        metrics="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/efficiency.json",
        runs="results/runs/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}/efficiency.runs.csv",
    log:
        "logs/measure_efficiency/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.log",
    benchmark:
        "logs/measure_efficiency/{dataset}/{split}/{backbone}-{stream}/{source}/{encoder}/{method}.tsv"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=30,
    params:
        kinds=lambda w: " ".join(zssar_config.all_texts(METHODS[w.method])),
        key=key_of_run,
        device=config["device"],
        code=digest("commands.measure_efficiency"),
    shell:
        "zssar measure_efficiency --model {input.model} --test {input.test} --kinds {params.kinds}"
        " --texts {input.texts} --device {params.device} --key {params.key:q} --metrics {output.metrics}"
        " --runs {output.runs} > {log} 2>&1"
