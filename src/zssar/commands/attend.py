"""Where PURLS looks: mean attention over joints and time, per unseen class and description."""

from __future__ import annotations

import json

HELP = "Attention of a trained PURLS over joints and time, for the figure `attention`."


def add_arguments(parser) -> None:
    parser.add_argument("--model", required=True, help="model.pt of align (method purls, adaptive partition)")
    parser.add_argument("--test", required=True, help="test.h5 of the same split, with the view grid")
    parser.add_argument("--labels", required=True, help="its test_labels.csv: which samples are of which unseen class")
    parser.add_argument("--kinds", nargs="+", required=True, help="description kinds, in the order of --texts")
    parser.add_argument("--texts", nargs="+", required=True, help="one text embedding file per kind")
    parser.add_argument("--output", required=True, help="output: .npz for make_figure --kind attention")


def run(args) -> None:
    import csv

    import numpy as np
    import torch

    from zssar import plugins, storage
    from zssar.alignment import statements
    from zssar.alignment.runner import Classes
    from zssar.errors import UserError

    saved = torch.load(args.model, map_location="cpu", weights_only=True)
    params = json.loads(saved["params"])
    if saved["method"] != "purls" or params.get("partition", "adaptive") != "adaptive":
        raise UserError(f"{args.model} is of {saved['method']}; attention is drawn for purls with partition='adaptive'")
    method = plugins.create("alignment", saved["method"], {**params, "device": "cpu"})
    seed, state = next(iter(saved["seeds"].items()))
    method.restore(state)
    texts = storage.read_texts(dict(zip(args.kinds, args.texts)))
    with open(args.labels, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["group"] == "unseen"]
    names = sorted({row["name"] for row in rows})
    with storage.open_features(args.test, method.views) as (features, _, ids):
        at = {str(name): i for i, name in enumerate(ids)}
        texts = statements.as_vectors(texts, Classes.of(features.attrs).seen)
        weights = []
        for name in names:
            mine = np.sort([at[row["sample_id"]] for row in rows if row["name"] == name])
            weights.append(_attention(method, features.select(mine), texts.select((name,)), torch))
        layout, dataset = features.layout, str(features.attrs.get("dataset", ""))
    kinds = [kind for kind, on in zip(method.kinds, (method.parts, method.phases, True)) if on]
    units = [unit for kind in kinds for unit in texts.units[kind]]
    example = [next(row["sample_id"] for row in rows if row["name"] == name) for name in names]
    arrays = {"attention": np.stack(weights), "classes": np.array(names), "units": np.array(units)}
    arrays |= {"layout": np.array(layout), "dataset": np.array(dataset), "sample_id": np.array(example)}
    with storage.whole(args.output) as draft, draft.open("wb") as file:
        np.savez_compressed(file, seed=np.array(int(seed)), **arrays)


def _attention(method, features, texts, torch):
    """Mean over samples of Eq. 1's weights for the class's own sentences: (slots, bins, V), each slot sums to 1."""
    from zssar.alignment.nodes import unit_nodes

    network, joints = method.network_, features["grid"].shape[3]
    with torch.inference_mode():
        queries = network.queries(method._classes(texts, network.dim)[0])  # (slots, D)
        nodes = unit_nodes(features, method.bins, "cpu", network.channels).float()
        weights = torch.softmax(network.factor * queries @ nodes.transpose(1, 2), -1).mean(0)
    return weights.reshape(-1, method.bins, joints).numpy()
