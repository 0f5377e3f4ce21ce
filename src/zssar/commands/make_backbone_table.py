"""zssar make_backbone_table: networks side by side, by their answers on seen classes for test subjects."""

from __future__ import annotations

import argparse

HELP = "accuracy of trained networks on seen classes, with parameters and time, as CSV and Markdown"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--records", nargs="+", required=True, metavar="JSON", help="run.json of pretrain_backbone, one per network")
    add("--histories", nargs="+", required=True, metavar="JSONL", help="history.jsonl of the same, same order")
    add("--timings", nargs="*", default=[], metavar="TSV", help="Snakemake's benchmark files of the same, same order")
    add("--features", nargs="+", required=True, metavar="H5", help="test.h5 with seen_logits, same order")
    add("--labels", nargs="+", required=True, metavar="CSV", help="test_labels.csv, same order")
    add("--title", default="Backbones", help="first line of the Markdown")
    add("--csv", required=True, help="output: one line per network")
    add("--markdown", required=True, help="output: mean and standard deviation over seeds")


def run(args: argparse.Namespace) -> None:
    from zssar import storage
    from zssar.reporting import networks

    table = networks.rows(args.records, args.histories, args.features, args.labels, args.timings)
    storage.write_text(args.csv, table.to_csv(index=False, float_format="%.4f"))
    storage.write_text(args.markdown, networks.markdown(table, args.title))
