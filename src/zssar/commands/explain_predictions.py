"""Say, for each test sample, which quantities spoke for the predicted class and which for the runner-up."""

from __future__ import annotations

HELP = "Explain the predictions of a saved profile method, quantity by quantity."


def add_arguments(parser) -> None:
    parser.add_argument("--model", required=True, help="what `zssar align --model` wrote")
    parser.add_argument("--kinds", nargs="+", required=True, help="description kinds, in the order of --texts")
    parser.add_argument("--texts", nargs="+", required=True, help="one text embedding file per kind")
    parser.add_argument("--test", required=True, help="features of the samples to explain (test.h5)")
    parser.add_argument("--classes", choices=("unseen", "all"), default="unseen", help="candidates: ZSL or GZSL")
    parser.add_argument("--seed", type=int, help="which run of the model; default: the first")
    parser.add_argument("--first", type=int, default=0, help="explain only that many samples (0: all)")
    parser.add_argument("--output", required=True, help="CSV to write: one row per sample and quantity")


def run(args) -> None:
    from zssar import storage
    from zssar.alignment import explain, runner
    from zssar.errors import UserError

    if len(args.kinds) != len(args.texts):
        raise UserError(f"--kinds names {len(args.kinds)} kinds, --texts {len(args.texts)} files; they must match")
    method = explain.load(args.model, args.seed)
    texts = storage.read_texts(dict(zip(args.kinds, args.texts)))
    with storage.open_features(args.test, method.views) as (features, _, sample_id):
        classes = runner.Classes.of(features.attrs)
        asked = texts.select(classes.unseen if args.classes == "unseen" else classes.both)
        count = args.first or len(features)
        rows = explain.explain_scores(method, features.select(slice(0, count)), asked)
    explain.write(rows, list(sample_id), args.output)
