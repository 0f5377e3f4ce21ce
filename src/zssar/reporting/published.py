"""Values printed in papers, with their source, to stand beside ours where the class split is the same."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from zssar.errors import UserError, unknown

METRICS = {"acc": "top1", "S": "seen", "U": "unseen", "H": "harmonic"}


@dataclass(frozen=True)
class Published:
    """A printed value in percent. ``method`` may carry a variant in brackets or after a comma, as in the source."""

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
    """Every accuracy in published.csv."""
    text = files("zssar.reporting").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(
        Published(
            *(row[c] for c in ("method", "dataset", "protocol", "backbone", "text_encoder")),
            row["setting"].lower(),
            METRICS[row["metric"]],
            float(row["value"]),
            row["source"],
        )
        for row in csv.DictReader(text.splitlines())
        if row["metric"] in METRICS
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find(sources: Sequence[str], method: str, group: str) -> dict[str, Published]:
    """``"zsl top1" -> value`` of a method on ``dataset/split``. Raises UserError for an unknown source."""
    known = {p.source for p in published()}
    for source in sources:
        if source not in known:
            raise unknown("source of published values", source, known, "table parameter published")
    dataset, split = group.split("/", 1)
    found: dict[str, Published] = {}
    for p in published():
        same = (p.source in sources, _plain(p.method) == _plain(method), p.dataset == dataset, p.split == split)
        if not all(same):
            continue
        what = f"{p.setting} {p.metric}"
        if what in found and found[what].value != p.value:
            raise UserError(
                f"published.csv has two values of {p.method} on {group}, {what}: {found[what].source} and {p.source}; "
                "name one source."
            )
        found[what] = p
    return found
