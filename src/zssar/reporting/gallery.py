"""The kinds of figures by name, what each is drawn from, and the options it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from zssar.errors import UserError, unknown
from zssar.reporting import attention, curves, figures, overviews, scored, spaces, style
from zssar.reporting.runs import in_order, read_runs
from zssar.storage import read_json


@dataclass(frozen=True)
class Kind:
    """draw: takes what the ``source`` files hold (several: their paths), and options. least, most: how many."""

    draw: Callable[..., Figure]
    source: str | tuple[str, ...]
    least: int = 1
    most: int = 1000


KINDS = {
    "confusion": Kind(lambda runs: figures.confusion(runs[0]), "metrics", 1, 1),
    "per_class": Kind(figures.per_class, "metrics"),
    "class_change": Kind(figures.class_change, "metrics", 2, 2),
    "curves": Kind(figures.curves, "metrics"),
    "validation": Kind(figures.validation, "metrics"),
    "parameter": Kind(figures.parameter, "metrics"),
    "similarity": Kind(scored.similarity, ("scores", "labels", "metrics")),
    "calibration": Kind(scored.calibration, ("scores", "labels", "metrics")),
    "ranked": Kind(scored.ranked, ("scores", "labels", "skeletons")),
    "attention": Kind(attention.attention, ("attention", "skeletons")),
    "inflation": Kind(overviews.inflation, "runs"),
    "unseen_count": Kind(overviews.unseen_count, "runs"),
    "critical_difference": Kind(overviews.critical_difference, "runs"),
    "ablation": Kind(curves.ablation, "summaries"),
    "spaces": Kind(spaces.spaces, "arrays"),
    "tsne": Kind(spaces.spaces, "arrays"),
    "pca": Kind(spaces.spaces, "arrays"),
    "losses": Kind(spaces.losses, "histories"),
}


def draw(kind: str, files: dict[str, Sequence[str]], options: dict[str, Any]) -> Figure:
    """The figure ``kind`` from ``files[source]``. Raises UserError for unknown kinds and options and missing files.

    Every kind takes the options ``simulated`` (true: the figure says that its data are simulated) and ``names`` (method
    -> as the table prints it).
    """
    if kind not in KINDS:
        raise unknown("kind of figure", kind, KINDS, "--kind")
    options = dict(options)
    simulated, names = options.pop("simulated", False), options.pop("names", {})
    with style.paper():
        figure = _draw(kind, files, options, names)
        style.simulated_note(figure, simulated)
    return figure


def _draw(kind: str, files: dict[str, Sequence[str]], options: dict[str, Any], names: dict[str, str]) -> Figure:
    entry = KINDS[kind]
    if kind in ("spaces", "tsne", "pca"):
        return _draw_spaces(files, options if kind == "spaces" else {**options, "method": kind}, names)
    if kind == "losses" and files.get("records"):
        return _draw_losses(files["records"], options, names)
    if isinstance(entry.source, tuple):
        for name in entry.source:
            if not files.get(name):
                raise UserError(f"a {kind} figure needs files after --{', --'.join(entry.source)}; --{name} has none")
        _check(kind, options, [])
        takes = "names" in inspect.signature(entry.draw).parameters
        return entry.draw(*(files[name] for name in entry.source), **options, **({"names": names} if takes else {}))
    paths = files.get(entry.source) or []
    if not entry.least <= len(paths) <= entry.most:
        many = str(entry.least) if entry.least == entry.most else f"at least {entry.least}"
        raise UserError(f"a {kind} figure needs {many} file(s) after --{entry.source}, not {len(paths)}")
    _check(kind, options, [])
    if kind == "ablation":  # its names are labels of runs of a sweep
        options = {**options, **({"names": names} if names else {})}
    return entry.draw(_read(entry.source, paths, names), **options)


def _check(kind: str, options: dict[str, Any], more: list[str]) -> None:
    source = KINDS[kind].source
    given = len(source) if isinstance(source, tuple) else 1
    taken = [*list(inspect.signature(KINDS[kind].draw).parameters)[given:], *more]
    for name in options:
        if name not in taken:
            raise unknown(f"option of {kind}", name, taken, "--params")


def _draw_spaces(files: dict[str, Sequence[str]], options: dict[str, Any], names: dict[str, str]) -> Figure:
    """Panels: views of a features file (option ``views``), then runs by their scores, then space files."""
    _check("spaces", options, ["views", "group"])
    views, group = options.pop("views", ["pooled"]), options.pop("group", "unseen")
    labels = list(files.get("labels") or [])
    features, scores = files.get("features") or [], files.get("scores") or []
    if (features or scores) and len(labels) != 1:
        raise UserError("a spaces figure of features or scores needs one test_labels.csv after --labels")
    panels = [spaces.space_of_features(path, labels[0], view, group) for path in features for view in views]
    called = {path: names.get(Path(path).parent.name, Path(path).parent.name) for path in scores}
    panels += [spaces.space_of_scores(path, labels[0], called[path]) for path in scores]
    panels += _read("arrays", files.get("arrays") or [], names)
    texts = files.get("texts") or []
    if texts and scores:  # a second row: the texts before, and after alignment as each run sees them
        options = {**options, "rows": 2}
        panels.append(spaces.space_of_texts(texts, scores[0], labels[0]))
        panels += [spaces.space_of_columns(path, labels[0], called[path]) for path in scores]
    if not panels:
        raise UserError("a spaces figure needs files after --features, --scores or --arrays")
    return spaces.spaces(panels, **options)


def _draw_losses(paths: Sequence[str], options: dict[str, Any], names: dict[str, str]) -> Figure:
    """Training losses that align recorded in run.json, one line per run and seed."""
    _check("losses", options, [])
    called = ["/".join(names.get(part, part) for part in name.split("/")) for name in _short_names(paths)]
    histories = {name: spaces.history_of_record(read_json(path)) for name, path in zip(called, paths)}
    return spaces.losses(histories, **options)


def _read(source: str, paths: Sequence[str], names: dict[str, str]):
    if source == "metrics":
        return [figures.renamed(read_json(path), names) for path in paths]
    if source == "runs":
        lines = in_order(read_runs(paths), list(names))
        return lines.assign(method=lines["method"].map(lambda method: names.get(method, method)))
    if source == "summaries":
        return curves.read_summaries(paths)
    if source == "arrays":
        return [spaces.read_space(path) for path in paths]
    return {name: spaces.read_history(path) for name, path in zip(_short_names(paths), paths)}


def _short_names(paths: Sequence[str]) -> list[str]:
    """The part of each path that tells it from the others."""
    parts = [Path(p).parts for p in paths]
    depth = max(map(len, parts))
    padded = [("",) * (depth - len(p)) + p for p in parts]
    differs = [i for i in range(depth) if len({p[i] for p in padded}) > 1]
    return ["/".join(p[i] for i in differs) or Path(q).stem for p, q in zip(padded, paths)]
