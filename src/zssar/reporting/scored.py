"""Figures drawn from the scores themselves: similarity matrices, calibration curves, recordings with ranked answers.

Functions take paths: score files, the test_labels.csv of their split and, for some, metrics.json files that say which
epoch is the main number of each seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from zssar.errors import UserError
from zssar.evaluation.transductive import standardised
from zssar.evaluation.trials import Trial, load_trial
from zssar.reporting import style, viewer
from zssar.reporting.figures import Metrics, renamed, run_labels
from zssar.reporting.runs import is_simulated
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons, read_json

Paths = Sequence[Path | str]


def _load(
    scores: Paths, labels: Paths, metrics: Paths, names: Mapping[str, str] | None
) -> tuple[list[Trial], list[Metrics]]:
    if len(labels) != 1 or len(scores) != len(metrics):
        raise UserError(
            f"give one --labels file and as many --metrics as --scores files, not {len(labels)}, {len(metrics)} and "
            f"{len(scores)}"
        )
    return [load_trial(path, labels[0]) for path in scores], [renamed(read_json(path), names) for path in metrics]


def main_epochs(metrics: Metrics, setting: str = "zsl") -> dict[int, int]:
    """seed -> epoch of the main number."""
    found: dict[int, int] = {}
    for selection in ("last", "validated"):  # the later one wins
        for outcome in metrics["outcomes"]:
            if (outcome["setting"], outcome["selection"]) == (setting, selection):
                found[int(outcome["seed"])] = int(outcome["epoch"])
    return found


def similarity_matrix(trial: Trial, epochs: dict[int, int]) -> np.ndarray:
    """(U, U): mean score of the samples of each unseen class (rows) for each unseen class, seeds averaged.

    Scores are standardised per sample over the unseen classes, so that methods on other scales can be compared.
    """
    labels, unseen = trial.labels[~trial.seen_sample], trial.unseen
    by_seed = []
    for seed, epoch in epochs.items():
        scores = standardised(trial.unseen_scores(seed, epoch)[~trial.seen_sample])
        rows = [scores[labels == c].mean(0) if (labels == c).any() else np.full(len(unseen), np.nan) for c in unseen]
        by_seed.append(np.stack(rows))
    return np.mean(by_seed, axis=0)


def similarity(scores: Paths, labels: Paths, metrics: Paths, names: Mapping[str, str] | None = None) -> Figure:
    """One matrix per run (e.g. each module of a method alone, and together): unseen classes against their texts."""
    trials, found = _load(scores, labels, metrics, names)
    matrices = [similarity_matrix(t, main_epochs(m)) for t, m in zip(trials, found)]
    classes = [trials[0].classes[c] for c in trials[0].unseen]
    reach = max(float(np.nanmax(np.abs(m))) for m in matrices)
    small = float(np.clip(110 / len(classes), 3.5, 7))
    with style.paper():
        side = float(np.clip(0.6 + 0.16 * len(classes), 1.7, 3.2))
        left = 0.055 * max(map(len, classes)) * small / 7
        size = (side * len(matrices) + left + 1.2, side + 0.9)
        figure, grid = plt.subplots(1, len(matrices), figsize=size, squeeze=False, sharey=True)
        for axes, matrix, label in zip(grid.flat, matrices, run_labels(found)):
            image = axes.imshow(matrix, cmap=style.TWO_SIDED, vmin=-reach, vmax=reach, interpolation="nearest")
            # Columns are numbered: classes would need more room than the matrices.
            axes.set_xticks(range(len(classes)), range(1, len(classes) + 1), fontsize=small)
            axes.set_yticks(range(len(classes)), [f"{n} ({i})" for i, n in enumerate(classes, 1)], fontsize=small)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            own, others = np.nanmean(np.diag(matrix)), np.nanmean(matrix[~np.eye(len(classes), dtype=bool)])
            axes.set_title(f"{label}\nown text {own:+.2f}\nothers {others:+.2f}", fontsize=7)
            axes.set_xlabel("text of class")
        grid[0, 0].set_ylabel("recordings of")
        bar = figure.colorbar(image, ax=grid, fraction=0.03, pad=0.02)
        bar.set_label("mean standardised score")
        bar.outline.set_visible(False)
        style.simulated_note(figure, is_simulated(str(trials[0].scores.attrs.get("dataset", ""))))
    return figure


def calibration(scores: Paths, labels: Paths, metrics: Paths, names: Mapping[str, str] | None = None) -> Figure:
    """S, U and H against the calibration factor (STAR, Fig. 3 a and b), one panel per run, seeds averaged.

    Dashed: the factor fitted on validation splits (mean over seeds). The factor counts standard deviations of a
    sample's own scores over the seen classes (evaluation/calibration.py).
    """
    trials, found = _load(scores, labels, metrics, names)
    style.require_few("runs", len(trials))
    with style.paper():
        figure, grid = plt.subplots(1, len(trials), figsize=(2.3 * len(trials) + 0.8, 2.7), squeeze=False, sharey=True)
        for axes, trial, m, label in zip(grid.flat, trials, found, run_labels(found)):
            style.require(bool(m["gzsl"]), f"{label}: the test set has no sample of a seen class, so there is no GZSL")
            epochs = main_epochs(m, "gzsl")
            curves = [trial.curve(trial.duel(seed, epoch, "sample")) for seed, epoch in epochs.items()]
            ends = np.concatenate([np.quantile(c.breaks, [0.01, 0.99]) for c in curves])
            gammas = np.linspace(min(0.0, ends.min()), ends.max(), 300)
            lines = (("S, seen", "seen"), ("U, unseen", "unseen"), ("H", "harmonic"))
            for (name, key), colour, dashes in zip(lines, style.CATEGORIES, ("-", "--", "-")):
                mean = 100 * np.mean([getattr(c, key)[c.at(gammas)] for c in curves], axis=0)
                axes.plot(gammas, mean, dashes, color=colour, linewidth=1.6 if key == "harmonic" else 1.0, label=name)
            fitted = [o["gamma"] for o in m["outcomes"] if o["setting"] == "gzsl" and "gamma" in o
                      and o["selection"] != "oracle" and epochs[o["seed"]] == o["epoch"]]  # fmt: skip
            if fitted:
                axes.axvline(np.mean(fitted), color="0.4", linestyle="--", linewidth=0.8, label="chosen on validation")
            axes.set(title=label, xlabel="calibration factor")
        grid[0, 0].set(ylabel="accuracy (%)", ylim=(0, None))  # once all are drawn: the panels share the axis
        style.legend(figure, *grid[0, 0].get_legend_handles_labels())
        style.simulated_note(figure, is_simulated(str(trials[0].scores.attrs.get("dataset", ""))))
    return figure


def ranked(
    scores: Paths, labels: Paths, skeletons: Paths, right: int = 3, wrong: int = 3, top: int = 5, poses: int = 5
) -> Figure:
    """Recordings of unseen classes with the best ``top`` answers of one run (DVTA, Fig. 8).

    Not the prettiest ones: the middle one, by the lead of its answer, of the right and of the wrong answers to every
    class; classes in order of their names. First seed, last epoch.
    """
    style.require(len(scores) == 1 and len(labels) == 1 and len(skeletons) == 1, "ranked needs one file of each kind")
    trial, data = load_trial(scores[0], labels[0]), Skeletons(skeletons[0])
    seed = trial.scores.seeds[0]
    rows = np.flatnonzero(~trial.seen_sample)
    values = standardised(trial.unseen_scores(seed, trial.scores.epochs(seed)[-1])[rows])
    names = [trial.classes[c] for c in trial.unseen]
    truth = np.array([list(trial.unseen).index(c) for c in trial.labels[rows]])
    shown = _examples(values, truth, names, True, right) + _examples(values, truth, names, False, wrong)
    style.require(bool(shown), f"{scores[0]} has no sample of an unseen class")
    at = {str(name): i for i, name in enumerate(data.sample_id)}
    with style.paper():
        figure = plt.figure(figsize=(style.PAGE, 1.25 * len(shown) + 0.3))
        grid = figure.add_gridspec(len(shown), poses + 4)
        for row, i in enumerate(shown):
            one = data.sequence(at[str(trial.scores.sample_id[rows[i]])])
            frames = np.flatnonzero(one.present.any(0))
            frames = frames[np.linspace(0, len(frames) - 1, poses + 2).round().astype(int)[1:-1]]
            for column, t in enumerate(frames):
                axes = figure.add_subplot(grid[row, column])
                viewer._pose(axes, one, layout(one.layout), int(t), "front")
            axes = figure.add_subplot(grid[row, poses + 1 :])
            _answers(axes, values[i], int(truth[i]), names, top)
        figure.suptitle(
            f"{Path(scores[0]).parent.name}: unseen recordings and their {top} best answers (standardised score)"
        )
        style.simulated_note(figure, is_simulated(str(trial.scores.attrs.get("dataset", ""))))
    return figure


def _examples(values: np.ndarray, truth: np.ndarray, names: list[str], right: bool, count: int) -> list[int]:
    """Per class the sample with the median lead among its right (or wrong) answers, up to ``count`` classes."""
    answer, best = values.argmax(1), np.sort(values, axis=1)
    lead = best[:, -1] - best[:, -2]
    found = []
    for k in sorted(range(len(names)), key=names.__getitem__):
        mine = np.flatnonzero((truth == k) & ((answer == truth) == right))
        if len(mine):
            found.append(int(mine[np.argsort(lead[mine], kind="stable")[len(mine) // 2]]))
    return found[:count]


def _answers(axes, values: np.ndarray, truth: int, names: list[str], top: int) -> None:
    order = np.argsort(-values, kind="stable")[:top]
    low = min(0.0, float(values[order].min()))
    colours = [style.CATEGORIES[0] if k == truth else "0.75" for k in order]
    axes.barh(range(len(order)), values[order], color=colours)
    axes.set_yticks(range(len(order)), [f"{names[k]} (true)" if k == truth else names[k] for k in order], fontsize=6)
    axes.set(ylim=(len(order) - 0.5, -0.5), xlim=(low, None))
    axes.tick_params(axis="x", labelsize=5)
    if truth not in order:
        place = 1 + int((values > values[truth]).sum())
        axes.set_xlabel(f"true: {names[truth]}, rank {place} of {len(names)}", fontsize=6)
