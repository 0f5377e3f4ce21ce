"""Size and speed of a trained method's scoring: learnable numbers, operations per sample, samples per second."""

from __future__ import annotations

import json

HELP = "Parameters, operations and speed of a trained alignment method (DVTA, Table 9)."
SAMPLES = 256  # samples scored for the measurement, or all of a smaller test set
REPEATS = 5  # the fastest counts


def add_arguments(parser) -> None:
    parser.add_argument("--model", required=True, help="model.pt of align")
    parser.add_argument("--test", required=True, help="test.h5 of the same split")
    parser.add_argument("--kinds", nargs="+", required=True, help="description kinds, in the order of --texts")
    parser.add_argument("--texts", nargs="+", required=True, help="one text embedding file per kind")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--key", type=json.loads, default={}, metavar="JSON", help="columns of the runs file")
    parser.add_argument("--metrics", required=True, help="output: the numbers and the device they hold for (JSON)")
    parser.add_argument("--runs", required=True, help="output: rows of the long runs file, setting efficiency")


def run(args) -> None:
    import torch

    from zssar import devices, plugins, storage
    from zssar.alignment.runner import Classes
    from zssar.commands.evaluate import _csv
    from zssar.evaluation.protocols import KEY, RUN_COLUMNS

    saved = torch.load(args.model, map_location="cpu", weights_only=True)
    seed, state = next(iter(saved["seeds"].items()))
    texts = storage.read_texts(dict(zip(args.kinds, args.texts)))
    with devices.device(args.device) as device:
        devices.speed_up_cpu(device)  # as in align, whose speed is asked for
        method = plugins.create("alignment", saved["method"], {**json.loads(saved["params"]), "device": device})
        method.restore({k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in state.items()})
        with storage.open_features(args.test, method.views) as (features, _, ids):
            classes = Classes.of(features.attrs)
            few = features.select(slice(0, min(SAMPLES, len(ids))))
        found = _measure(method, few, texts.select(classes.unseen), torch, device)
    found["parameters_m"] = sum(v.numel() for v in state.values() if isinstance(v, torch.Tensor)) / 1e6
    row = {**{name: args.key.get(name, "") for name in KEY}, "seed": int(seed), "setting": "efficiency"}
    row |= {"selection": "last", "n": len(few), "run": args.key.get("run", "")}
    rows = [{**row, "metric": name, "value": float(value)} for name, value in sorted(found.items())]
    storage.write_text(args.runs, _csv(rows, RUN_COLUMNS))
    storage.write_json(args.metrics, {"key": args.key, "device": str(device), "samples": len(few), **found})


def _measure(method, features, texts, torch, device) -> dict[str, float]:
    """Operations (a multiplication and an addition are two) that torch counts, and speed; features lie in memory."""
    import time

    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        method.score(features, texts)
    seconds = []
    for _ in range(REPEATS):
        features.memo.clear()  # reading the input is part of what is measured
        start = time.perf_counter()
        method.score(features, texts)
        if str(device) == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    count = len(features)
    return {"mflops": counter.get_total_flops() / count / 1e6, "samples_per_second": count / min(seconds)}
