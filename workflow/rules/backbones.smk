rule pretrain_backbone:
    input:
        rules.preprocess_skeletons.output.skeletons,
    output:
        weights="results/backbones/{dataset}/{split}/{backbone}-{stream}/model.pt",
        record="results/backbones/{dataset}/{split}/{backbone}-{stream}/run.json",
        history="results/backbones/{dataset}/{split}/{backbone}-{stream}/history.jsonl",
    log:
        "logs/pretrain_backbone/{dataset}/{split}/{backbone}-{stream}.log",
    benchmark:
        "logs/pretrain_backbone/{dataset}/{split}/{backbone}-{stream}.tsv"
    wildcard_constraints:
        backbone=NETWORKS,
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=720,
    params:
        module=lambda w: config["backbones"][w.backbone]["module"],
        network=lambda w: params_json("backbones", w.backbone),
        training=lambda w: params_json("backbones", w.backbone, "training"),
        seed=lambda w: config["backbones"][w.backbone]["seed"],
        device=config["device"],
        precision=config["precision"],
        # Kept outside `output:`, which Snakemake deletes before a rerun: a killed job resumes from here.
        checkpoint="results/checkpoints/{dataset}/{split}/{backbone}-{stream}.pt",
        code=lambda w: digest(
            "commands.pretrain_backbone",
            plugin("backbones", config["backbones"][w.backbone]["module"]),
        ),
    shell:
        "zssar pretrain_backbone --skeletons {input} --split {wildcards.split} --backbone {params.module}"
        " --params {params.network:q} --training {params.training:q} --stream {wildcards.stream}"
        " --seed {params.seed} --device {params.device} --precision {params.precision}"
        " --output {output.weights} --record {output.record} --history {output.history}"
        " --checkpoint {params.checkpoint} > {log} 2>&1"


rule extract_features:
    input:
        skeletons=rules.preprocess_skeletons.output.skeletons,
        weights=weights_of_split,
    output:
        seen_train="results/features/{dataset}/{split}/{backbone}-{stream}/seen_train.h5",
        test="results/features/{dataset}/{split}/{backbone}-{stream}/test.h5",
        labels="results/features/{dataset}/{split}/{backbone}-{stream}/test_labels.csv",
    log:
        "logs/extract_features/{dataset}/{split}/{backbone}-{stream}.log",
    benchmark:
        "logs/extract_features/{dataset}/{split}/{backbone}-{stream}.tsv"
    wildcard_constraints:
        backbone=NETWORKS,
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=120,
    params:
        views=lambda w: " ".join(config["backbones"][w.backbone]["views"]),
        weights=lambda w, input: weights_option(w, input.weights),
        device=config["device"],
        precision=config["precision"],
        code=lambda w: digest(
            "commands.extract_features",
            *network_of_backbone(w.backbone),
        ),
    shell:
        "zssar extract_features --skeletons {input.skeletons} --split {wildcards.split} {params.weights}"
        " --views {params.views} --device {params.device} --precision {params.precision}"
        " --seen-train {output.seen_train} --test {output.test} --test-labels {output.labels} > {log} 2>&1"


rule import_features:
    output:
        seen_train="results/features/{dataset}/{split}/{backbone}-{stream}/seen_train.h5",
        test="results/features/{dataset}/{split}/{backbone}-{stream}/test.h5",
        labels="results/features/{dataset}/{split}/{backbone}-{stream}/test_labels.csv",
        report="results/features/{dataset}/{split}/{backbone}-{stream}/import.json",
    log:
        "logs/import_features/{dataset}/{split}/{backbone}-{stream}.log",
    benchmark:
        "logs/import_features/{dataset}/{split}/{backbone}-{stream}.tsv"
    wildcard_constraints:
        backbone=IMPORTED,
    threads: 1
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=30,
    params:
        root=folder_of_features,
        names=names_of_dataset,
        code=digest("commands.import_features"),
    shell:
        "zssar import_features --root {params.root:q} --dataset {wildcards.dataset} --split {wildcards.split}"
        " --class-names {params.names} --seen-train {output.seen_train} --test {output.test}"
        " --test-labels {output.labels} --report {output.report} > {log} 2>&1"


rule make_backbone_table:
    input:
        records=lambda w: of_backbone_table(w, "backbones", "run.json"),
        histories=lambda w: of_backbone_table(w, "backbones", "history.jsonl"),
        timings=lambda w: of_backbone_table(w),
        features=lambda w: of_backbone_table(w, "features", "test.h5"),
        labels=lambda w: of_backbone_table(w, "features", "test_labels.csv"),
    output:
        csv="results/{backbone_table}.csv",
        markdown="results/{backbone_table}.md",
    log:
        "logs/make_backbone_table/{backbone_table}.log",
    benchmark:
        "logs/make_backbone_table/{backbone_table}.tsv"
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        title=lambda w: config["backbone_tables"][w.backbone_table]["title"],
        code=digest("commands.make_backbone_table"),
    shell:
        "zssar make_backbone_table --records {input.records} --histories {input.histories}"
        " --timings {input.timings}"
        " --features {input.features} --labels {input.labels} --title {params.title:q}"
        " --csv {output.csv} --markdown {output.markdown} > {log} 2>&1"
