"""Maps of feature and text spaces (t-SNE or PCA) and learning curves.

A space file is an ``.npz`` with ``points`` (n, D), ``names`` (n,) class of each point and, where a panel shows texts
too, ``anchors`` (K, D) and ``anchor_names`` (K,); ``title`` and ``dataset`` are optional. ``space_of_features`` makes a
space from the features of a split (before alignment), ``space_of_scores`` from the scores of a run (after it).
"""

from __future__ import annotations

import csv
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from zssar.errors import UserError, unknown
from zssar.reporting import style
from zssar.reporting.runs import is_simulated

METHODS = ("tsne", "pca")
LEGEND_CLASSES = 20
SEEN = "seen classes"  # drawn in grey
POINTS = 2000  # more are thinned out evenly: t-SNE takes minutes beyond, and paper cannot show them


@dataclass(frozen=True)
class Space:
    """Points (n, D) with the class name of each, and anchors (K, D), e.g. the texts of those classes."""

    title: str
    points: np.ndarray
    names: np.ndarray
    anchors: np.ndarray
    anchor_names: np.ndarray
    dataset: str = ""

    @classmethod
    def plain(cls, title: str, points: np.ndarray, names: np.ndarray, dataset: str) -> Space:
        """A space without anchors."""
        return cls(title, points, names, np.zeros((0, points.shape[1])), np.zeros(0, "U1"), dataset)


def read_space(path: Path | str) -> Space:
    """Read an ``.npz``. Raises UserError if arrays are missing or do not fit."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable .npz file ({error})") from None
    for key in ("points", "names"):
        if key not in arrays:
            raise UserError(f"{path} has no array {key!r}; a space file holds points and names")
    points, names = arrays["points"].astype(float), arrays["names"].astype(str)
    anchors = arrays.get("anchors", np.zeros((0, points.shape[1]))).astype(float)
    anchor_names = arrays.get("anchor_names", np.zeros(0, "U1")).astype(str)
    if len(points) != len(names) or len(anchors) != len(anchor_names) or anchors.shape[1] != points.shape[1]:
        raise UserError(f"{path}: points, names, anchors and anchor_names do not fit each other")
    title, dataset = str(arrays.get("title", Path(path).stem)), str(arrays.get("dataset", ""))
    return Space(title, points, names, anchors, anchor_names, dataset)


def space_of_features(features_path: Path | str, labels_path: Path | str, view: str, group: str = "unseen") -> Space:
    """The samples of seen or unseen classes in one view of a test file; other axes of a view are averaged to (n, D)."""
    from zssar.storage import open_features

    with open_features(features_path, [view]) as (features, _, ids):
        points, dataset = features[view].astype(float), str(features.attrs.get("dataset", ""))
    if points.ndim == 4:  # grid (n, D, T', V)
        points = points.mean(axis=(2, 3))
    elif points.ndim == 3:  # parts or phases (n, P, D)
        points = points.mean(axis=1)
    with open(labels_path, newline="", encoding="utf-8") as file:
        rows = {row["sample_id"]: row for row in csv.DictReader(file)}
    keep = [i for i, name in enumerate(ids) if rows.get(str(name), {}).get("group") == group]
    if not keep:
        raise UserError(f"{labels_path} names no sample of group {group!r} that is in {features_path}")
    names = np.array([rows[str(ids[i])]["name"] for i in keep])
    return Space.plain(f"before: {view} features", points[keep], names, dataset)


def space_of_scores(scores_path: Path | str, labels_path: Path | str, name: str = "", seed: int | None = None) -> Space:
    """Unseen samples with their scores over all K classes as coordinates, each sample's scores standardised.

    The last epoch; ``seed``: default the first; name: of the method, default its folder. Where similarity to the texts
    is all that a method hands on, this is the space in which it decides.
    """
    from zssar.evaluation.transductive import standardised
    from zssar.evaluation.trials import load_trial

    trial = load_trial(scores_path, labels_path)
    seed = trial.scores.seeds[0] if seed is None else seed
    scores = trial.all_scores(seed, trial.scores.epochs(seed)[-1])[~trial.seen_sample]
    names = np.array(trial.classes)[trial.labels[~trial.seen_sample]]
    title = f"after: scores of {name or Path(scores_path).parent.name}, seed {seed}"
    return Space.plain(title, standardised(scores), names, _dataset(trial))


def space_of_texts(paths: Sequence[Path | str], scores_path: Path | str, labels_path: Path | str) -> Space:
    """The texts of the classes of a split before alignment: every kind's units averaged to unit length, side by side.

    Seen classes are named SEEN.
    """
    from zssar.evaluation.trials import load_trial
    from zssar.storage import read_texts

    trial = load_trial(scores_path, labels_path)
    texts = read_texts({Path(path).stem: path for path in paths}).select(trial.classes)
    kinds = [texts[kind].mean(axis=1) for kind in texts.embeddings]
    points = np.hstack([k / np.maximum(np.linalg.norm(k, axis=1, keepdims=True), 1e-12) for k in kinds])
    names = np.where(trial.seen, SEEN, np.array(trial.classes))
    return Space.plain(f"texts before: {', '.join(texts.embeddings)}", points, names, _dataset(trial))


def space_of_columns(
    scores_path: Path | str, labels_path: Path | str, name: str = "", seed: int | None = None
) -> Space:
    """The classes after alignment: how each class text scores all test samples (per-sample standardised), (K, n)."""
    from zssar.evaluation.transductive import standardised
    from zssar.evaluation.trials import load_trial

    trial = load_trial(scores_path, labels_path)
    seed = trial.scores.seeds[0] if seed is None else seed
    scores = standardised(trial.all_scores(seed, trial.scores.epochs(seed)[-1]))
    names = np.where(trial.seen, SEEN, np.array(trial.classes))
    return Space.plain(f"texts after: {name or Path(scores_path).parent.name}", scores.T, names, _dataset(trial))


def _dataset(trial) -> str:
    return str(trial.scores.attrs.get("dataset", ""))


def project(space: Space, method: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points and anchors in the plane, mapped together; deterministic."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if method not in METHODS:
        raise unknown("projection", method, METHODS)
    both = np.vstack([space.points, space.anchors])
    flat = PCA(min(50 if method == "tsne" else 2, *both.shape), random_state=seed).fit_transform(both)
    if method == "tsne":
        perplexity = float(np.clip((len(both) - 1) / 3, 2, 30))
        flat = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(flat)
    return flat[: len(space.points)], flat[len(space.points) :]


def spaces(panels: Sequence[Space], method: str = "tsne", rows: int = 1) -> Figure:
    """One panel per space, in ``rows`` rows, classes in the same colours everywhere; a star marks a class's text."""
    classes = sorted({str(n) for p in panels for n in (*p.names, *p.anchor_names)} - {SEEN})
    looks = {SEEN: ("0.8", "."), **{name: _look(i) for i, name in enumerate(classes)}}
    columns = -(-len(panels) // rows)
    with style.paper():
        size = (max(style.COLUMN, 2.7 * columns), 2.6 * rows + 0.8)
        figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, panel in zip(grid.flat, panels):
            panel = _thin(panel)
            points, anchors = project(panel, method)
            few = 28 if len(points) <= LEGEND_CLASSES * 6 else 7  # texts are few: larger marks
            for name in [SEEN, *classes]:
                colour, marker = looks[name]
                mine = panel.names == name
                axes.scatter(*points[mine].T, s=few, c=colour, marker=marker, linewidths=0, alpha=0.75, label=name)
                text = anchors[panel.anchor_names == name]
                axes.scatter(*text.T, s=70, c=colour, marker="*", edgecolors="black", linewidths=0.7, zorder=3)
            axes.set(xticks=[], yticks=[], title=textwrap.fill(panel.title, 44))
            axes.set_box_aspect(1)
            axes.spines[:].set_visible(True)
        if len(classes) <= LEGEND_CLASSES:
            handles = dict(zip(*grid[0, 0].get_legend_handles_labels()[::-1]))
            if not any((p.names == SEEN).any() for p in panels):
                handles.pop(SEEN)
            style.legend(figure, list(handles.values()), list(handles), markerscale=1.6)
        name = "t-SNE" if method == "tsne" else "PCA"
        star = "; stars: texts" if any(len(p.anchors) for p in panels) else ""
        figure.suptitle(f"{name} of unseen classes{star}", fontsize=8, fontweight="bold")
        style.simulated_note(figure, any(is_simulated(p.dataset) for p in panels))
    return figure


def _thin(space: Space) -> Space:
    step = max(1, -(-len(space.points) // POINTS))
    return replace(space, points=space.points[::step], names=space.names[::step])


def _look(i: int) -> tuple[str, str]:
    """Colour and marker of the i-th class: the palette first, then the palette again with other markers."""
    colours = style.CATEGORIES
    return colours[i % len(colours)], style.MARKERS[(i // len(colours)) % len(style.MARKERS)]


# --- learning curves -------------------------------------------------------------------------------------------------


def read_history(path: Path | str) -> list[dict[str, Any]]:
    """Lines of a history file, one JSON object with ``epoch`` per line. Raises UserError naming a broken line."""
    lines = []
    for number, text in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}:{number}: not valid JSON ({error.msg})") from None
        if not isinstance(entry, dict) or "epoch" not in entry:
            raise UserError(f"{path}:{number}: a line of a history file is an object with the key 'epoch'")
        lines.append(entry)
    if not lines:
        raise UserError(f"{path} is empty")
    return lines


def history_of_record(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Training loss per epoch and seed from the run.json of align. Raises UserError if the method recorded none."""
    lines = [
        {"seed": entry["seed"], "epoch": i + 1, "training_loss": value}
        for entry in record.get("seeds", [])
        for i, value in enumerate(entry.get("losses", []))
    ]
    style.require(bool(lines), f"{record.get('params', {}).get('method', 'this run')} recorded no losses (closed form)")
    return lines


def losses(
    histories: Mapping[str, list[dict[str, Any]]], fields: Sequence[str] | None = None, log: bool = False
) -> Figure:
    """Learning curves, one panel per field (default: every field with ``loss`` in its name), one line per history."""
    present = sorted({k for h in histories.values() for e in h for k, v in e.items() if isinstance(v, int | float)})
    chosen = list(fields) if fields else [k for k in present if "loss" in k]
    for name in chosen:
        if name not in present:
            raise unknown("field", name, present, "history files")
    # Few lines get thinner one by one: one that runs over another does not hide it.
    widths = np.linspace(3.0, 1.0, len(histories)) if 1 < len(histories) <= 4 else np.ones(len(histories))
    style.require(bool(chosen), f"no field has 'loss' in its name; name some under `fields` (there are: {present})")
    with style.paper():
        size = (max(style.COLUMN, 2.6 * len(chosen) + 0.6), 2.6)
        figure, grid = plt.subplots(1, len(chosen), figsize=size, squeeze=False)
        for axes, name in zip(grid.flat, chosen):
            for i, (label, history) in enumerate(histories.items()):
                seeds = sorted({e.get("seed", 0) for e in history})
                for j, seed in enumerate(seeds):
                    mine = [e for e in history if e.get("seed", 0) == seed and name in e]
                    x, y = [e["epoch"] for e in mine], [e[name] for e in mine]
                    colour = style.CATEGORIES[i % len(style.CATEGORIES)]
                    dashes = ("-", "--", "-.", ":")[(i // len(style.CATEGORIES)) % 4]
                    axes.plot(x, y, dashes, color=colour, linewidth=widths[i], label=label if j == 0 else None)
            axes.set(xlabel="epoch", ylabel=name.replace("_", " "))
            axes.xaxis.get_major_locator().set_params(integer=True)
            if log:
                axes.set_yscale("log")
        style.legend(figure, *grid[0, 0].get_legend_handles_labels())
    return figure
