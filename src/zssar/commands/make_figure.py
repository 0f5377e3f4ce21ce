"""zssar make_figure: one figure, as PNG, PDF or SVG."""

from __future__ import annotations

import argparse
import json

HELP = "draw a figure from metrics, runs, space or history files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--kind", required=True, help="a name in zssar.reporting.gallery, e.g. confusion, curves, inflation")
    add("--metrics", nargs="*", default=[], metavar="JSON", help="metrics.json files written by evaluate")
    add("--runs", nargs="*", default=[], metavar="CSV", help="runs files, e.g. results/table1.runs.csv")
    add("--summaries", nargs="*", default=[], metavar="CSV", help="ablation: what summarise_sweep wrote")
    add("--arrays", nargs="*", default=[], metavar="NPZ", help="space files: points, names, anchors, anchor_names")
    add("--features", nargs="*", default=[], metavar="H5", help="spaces: test.h5, with --labels")
    add("--scores", nargs="*", default=[], metavar="H5", help="spaces: scores.h5 of the same split, with --labels")
    add("--labels", nargs="*", default=[], metavar="CSV", help="spaces: test_labels.csv of the split")
    add("--histories", nargs="*", default=[], metavar="JSONL", help="training histories, one JSON object per epoch")
    add("--texts", nargs="*", default=[], metavar="H5", help="tsne, pca: text embeddings of the split's classes")
    add("--skeletons", nargs="*", default=[], metavar="H5", help="ranked, attention: the recordings")
    add("--attention", nargs="*", default=[], metavar="NPZ", help="attention: what attend wrote")
    add("--records", nargs="*", default=[], metavar="JSON", help="losses: run.json files written by align")
    add("--params", type=json.loads, default={}, metavar="JSON", help="options of the kind")
    add("--output", nargs="+", required=True, metavar="FILE", help="one file per format: .png, .pdf, .svg")


def run(args: argparse.Namespace) -> None:
    from zssar.reporting import gallery, style

    sources = ("metrics", "runs", "arrays", "features", "scores", "labels", "histories", "texts", "skeletons")
    files = {name: getattr(args, name) for name in (*sources, "attention", "records", "summaries")}
    style.save(gallery.draw(args.kind, files, args.params), args.output)
