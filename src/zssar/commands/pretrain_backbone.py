"""Train a backbone on the seen classes of the training partition."""

from __future__ import annotations

import json

HELP = "Train a backbone on the seen classes of the training partition."


def add_arguments(parser) -> None:
    parser.add_argument("--skeletons", required=True, help="skeleton file of preprocess_skeletons")
    parser.add_argument("--split", required=True, help="e.g. purls_22_5 or purls_22_5-val0")
    parser.add_argument("--backbone", required=True, help="module of zssar.backbones, or a dotted name")
    parser.add_argument("--params", default="{}", help="keyword arguments of the network as JSON")
    parser.add_argument("--training", default="{}", help="keyword arguments of features.recipe.Training as JSON")
    parser.add_argument("--stream", default="joint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--precision", default="auto", help="auto, fp32 or bf16")
    parser.add_argument("--output", required=True, help="output: the weights")
    parser.add_argument("--record", required=True, help="output: run.json")
    parser.add_argument("--history", required=True, help="output: one JSON line per epoch")
    parser.add_argument("--checkpoint", required=True, help="where a killed run goes on; removed at the end")


def run(args) -> None:
    from pathlib import Path

    from zssar import devices, storage
    from zssar.features import distributed, pretrain, weights
    from zssar.provenance import RunRecord

    asked = {"split": args.split, "stream": args.stream, "seed": args.seed, "precision": args.precision}
    asked |= {"params": json.loads(args.params), "training": json.loads(args.training)}
    record = RunRecord("pretrain_backbone", {"backbone": args.backbone, **asked}, {"skeletons": args.skeletons})
    choose = distributed.group if distributed.launched() else devices.device
    with choose(args.device) as device:
        devices.speed_up_cpu(device)
        request = pretrain.Request(Path(args.skeletons), record.inputs["skeletons"], module=args.backbone, **asked)
        result = pretrain.pretrain(request, device, Path(args.checkpoint))
        if distributed.rank():
            return
        weights.save(args.output, result.backbone, result.card)
        storage.write_text(args.history, "".join(json.dumps(line) + "\n" for line in result.history))
        storage.write_json(args.record, record.finish(**result.notes))
        Path(args.checkpoint).unlink(missing_ok=True)
