"""Write the features of a trained backbone: seen training clips with labels, test clips without."""

from __future__ import annotations

HELP = "Write features of a trained backbone for seen training clips and all test clips."


def add_arguments(parser) -> None:
    parser.add_argument("--skeletons", required=True, help="skeleton file of preprocess_skeletons")
    parser.add_argument("--split", required=True, help="e.g. purls_22_5 or purls_22_5-val0")
    parser.add_argument(
        "--weights",
        nargs="+",
        default=[],
        help="of pretrain_backbone; several make an ensemble; profile needs none",
    )
    parser.add_argument("--fusion", default="mean", help="of several weights: mean, or concat of their features")
    parser.add_argument("--views", nargs="+", default=["pooled"], help="averages of the network's map, or profile")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--precision", default="auto", help="auto, fp32 or bf16")
    parser.add_argument("--seen-train", required=True, help="output: features and labels of seen training clips")
    parser.add_argument("--test", required=True, help="output: features of all test clips, without labels")
    parser.add_argument("--test-labels", required=True, help="output: labels of the test clips, for evaluate alone")


def run(args) -> None:
    from pathlib import Path

    from zssar import devices, storage
    from zssar.features import extract

    with devices.device(args.device) as device:
        devices.speed_up_cpu(device)
        extractor, data, split, attrs = extract.extract(
            Path(args.skeletons),
            args.split,
            args.weights,
            args.views,
            device,
            args.precision,
            args.fusion,
        )
        rows = extract.write(extractor, data, split, attrs, Path(args.seen_train), Path(args.test))
    storage.write_text(args.test_labels, extract.labels_csv(data, split, rows))
