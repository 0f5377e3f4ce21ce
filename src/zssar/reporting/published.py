"""Values printed in papers, with their source, to stand beside ours where the class split is the same."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from zssar.errors import UserError, unknown

# published.csv writes some data sets, partitions and draws in its sources' own ways.
DATASETS = {"nwucla": "nw_ucla", "uwa3dii": "uwa3d2", "pku51": "pku_mmd"}
METRICS = {"acc": "top1", "S": "seen", "U": "unseen", "H": "harmonic"}


@dataclass(frozen=True)
class Published:
    """A printed value in percent. ``method`` may carry a variant in brackets or after a comma, as in the source.

    setting: zsl, gzsl (calibrated stacking, or a source that does not say) or gzsl_gate (answered through a gate).
    """

    method: str
    dataset: str
    split: str
    backbone: str
    encoder: str
    setting: str
    metric: str
    value: float
    source: str

    def __str__(self) -> str:
        return f"{self.source} ({self.backbone}; {self.encoder})"


@cache
def published() -> tuple[Published, ...]:
    """Every accuracy in published.csv, data sets and splits under this package's names."""
    text = files("zssar.reporting").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(
        Published(
            row["method"],
            *_place(row["dataset"], row["protocol"]),
            row["backbone"],
            row["text_encoder"],
            row["setting"].lower().replace(" ", "_"),
            METRICS[row["metric"]],
            float(row["value"]),
            row["source"],
        )
        for row in csv.DictReader(text.splitlines())
        if row["metric"] in METRICS
    )


def _place(dataset: str, split: str) -> tuple[str, str]:
    dataset, _, partition = re.sub(r"_(xsub|xview|xset)$", r"@\1", dataset).partition("@")
    split = re.sub(r"_r(\d)$", r"_\1", split)
    suffix = f"@{partition}" if partition not in ("", "xsub") else ""
    return DATASETS.get(dataset, dataset), split + suffix


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find(
    sources: Sequence[str],
    method: str,
    group: str,
    row: Mapping[str, str] | None = None,
    varying: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
) -> dict[str, Published]:
    """``"zsl top1" -> value`` of a method on ``dataset/split``.

    row: backbone and encoder of ours. Where they vary within the table (``varying``) only values that state the same
    ones match; elsewhere they decide between several values. names: our method, backbone or encoder -> its printed
    name. Raises UserError for an unknown source, or for two values that differ in nothing that could decide.
    """
    known = {p.source for p in published()}
    for source in sources:
        if source not in known:
            raise unknown("source of published values", source, known, "table parameter published")
    names = names or {}
    dataset, split = group.split("/", 1)
    ours = {f: _plain(names.get(v, v)) for f, v in (row or {}).items() if f in ("backbone", "encoder")}
    found: dict[str, list[Published]] = {}
    for p in published():
        same = p.source in sources and _plain(p.method) == _plain(names.get(method, method))
        here = same and p.dataset == dataset and p.split == split
        if here and all(_plain(getattr(p, f)) == ours[f] for f in varying if f in ours):
            found.setdefault(f"{p.setting} {p.metric}", []).append(p)
    return {what: _only(several, ours, what, group) for what, several in found.items()}


def _only(several: list[Published], ours: Mapping[str, str], what: str, group: str) -> Published:
    """The value itself, or of several different ones that with our backbone and encoder."""
    if len({p.value for p in several}) > 1:
        alike = [p for p in several if all(_plain(getattr(p, f)) == name for f, name in ours.items())]
        several = alike or several
    if len({p.value for p in several}) > 1:
        raise UserError(
            f"published.csv has two values of {several[0].method} on {group}, {what}: {several[0]} and {several[-1]}; "
            "name one source, or give our backbone and encoder their printed names (published_as)."
        )
    return several[0]
