"""What the texts can tell apart before anything is trained: similarities of classes, nearest pairs, separability.

Similarity of two classes: the cosine of their embeddings, averaged over the units of the kind.
Separability: the mean distance (1 - cosine) of a class to its nearest neighbour, divided by the mean distance of all
pairs. 0: every class has a twin; 1: all classes are equally far from each other. The division makes encoders
comparable whose cosines all lie high (CLIP) or low (MiniLM). It describes the texts; it promises no accuracy.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zssar import storage
from zssar.errors import UserError
from zssar.interfaces import ClassTexts

POOLED = ".pooled"


@dataclass(frozen=True)
class TextSet:
    """Embeddings of one description kind: ``embeddings`` (K, units, dim)."""

    title: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    embeddings: np.ndarray

    def similarity(self, unit: int | None = None) -> np.ndarray:
        """(K, K) cosines of one unit, or averaged over the units."""
        chosen = self.embeddings if unit is None else self.embeddings[:, [unit]]
        unit_length = chosen / np.maximum(np.linalg.norm(chosen, axis=-1, keepdims=True), 1e-12)
        return np.einsum("iud,jud->ij", unit_length, unit_length) / chosen.shape[1]


def read_text_set(path: Path | str, title: str) -> TextSet:
    """One text file. Of token states only the pooled ones are kept; a form becomes one vector of its numbers."""
    texts: ClassTexts = storage.read_texts({"it": path})
    units, embeddings = texts.units["it"], texts["it"]
    with storage.open_h5(path) as file:
        scale = [np.array(json.loads(file.attrs[key]), float) for key in ("lowest", "highest") if key in file.attrs]
    if scale:
        units, embeddings = ("form",), _form_vectors(embeddings, *scale)
    pooled = [i for i, unit in enumerate(units) if unit.endswith(POOLED)]
    if pooled:
        units, embeddings = tuple(units[i].removesuffix(POOLED) for i in pooled), embeddings[:, pooled]
    if len(texts) < 2:
        raise UserError(f"{path}: similarities need two classes or more")
    return TextSet(title, texts.names, units, embeddings.astype(np.float64))


def _form_vectors(statements: np.ndarray, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """(K, 1, Q) of (K, Q, 2) values and weights: places on the scale, -1 to 1, less their mean over the classes (what
    all classes share tells none apart), times the weight."""
    places = 2.0 * (statements[..., 0] - lowest) / (highest - lowest) - 1.0
    weights = statements[..., 1]
    mean = (places * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-12)
    return ((places - mean) * weights)[:, None]


def separability(similarity: np.ndarray) -> dict[str, float]:
    """mean and nearest-neighbour cosine, and the separability defined above, of a (K, K) similarity."""
    distance = 1.0 - similarity
    others = distance[~np.eye(len(distance), dtype=bool)].reshape(len(distance), -1)
    mean = others.mean()
    return {
        "mean_cosine": 1.0 - mean,
        "nearest_cosine": 1.0 - others.min(axis=1).mean(),
        "separability": float(others.min(axis=1).mean() / mean) if mean > 1e-12 else 0.0,
    }


def summary(sets: Sequence[TextSet]) -> pd.DataFrame:
    """One row per text set (unit ``all``) and one per unit where there are several."""
    rows = []
    for texts in sets:
        rows.append({"texts": texts.title, "unit": "all", **separability(texts.similarity())})
        if len(texts.units) > 1:
            for i, unit in enumerate(texts.units):
                rows.append({"texts": texts.title, "unit": unit, **separability(texts.similarity(i))})
    return pd.DataFrame(rows)


def nearest_pairs(texts: TextSet, count: int = 10) -> pd.DataFrame:
    """The most similar pairs of classes, most similar first."""
    similarity = texts.similarity()
    i, j = np.triu_indices(len(similarity), 1)
    order = np.argsort(-similarity[i, j], kind="stable")[:count]
    return pd.DataFrame(
        {
            "texts": texts.title,
            "class_a": [texts.names[k] for k in i[order]],
            "class_b": [texts.names[k] for k in j[order]],
            "cosine": similarity[i, j][order],
        }
    )


def heat_map(texts: TextSet) -> bytes:
    """PNG of the similarities, classes ordered so that similar ones stand together."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    similarity = texts.similarity()
    condensed = squareform(np.maximum(1.0 - similarity, 0.0), checks=False)
    order = leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed))
    shown = similarity[np.ix_(order, order)]
    off_diagonal = shown[~np.eye(len(shown), dtype=bool)]
    size = min(16.0, 3.5 + 0.13 * len(shown))
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shown, cmap="viridis", vmin=off_diagonal.min(), vmax=off_diagonal.max())
    labels = [texts.names[i] for i in order]
    font = float(np.clip(420 / len(labels), 3.5, 8))
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=font)
    axes.set_yticks(range(len(labels)), labels, fontsize=font)
    axes.set_title(f"{texts.title}: cosine between classes", fontsize=10)
    figure.colorbar(image, ax=axes, shrink=0.6)
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
        return buffer.getvalue()


def write_report(paths: Mapping[str, Path], folder: Path, pairs: int = 10) -> None:
    """Write into ``folder``: texts.html (a fragment, pictures inside), pairs.csv, separability.csv and a PNG per set.

    paths: title -> text file. pairs: how many nearest pairs to list per set.
    """
    sets = [read_text_set(path, title) for title, path in paths.items()]
    scores, tables = summary(sets), [nearest_pairs(texts, pairs) for texts in sets]
    images = [heat_map(texts) for texts in sets]
    storage.write_text(folder / "separability.csv", scores.to_csv(index=False, float_format="%.4f"))
    storage.write_text(folder / "pairs.csv", pd.concat(tables).to_csv(index=False, float_format="%.4f"))
    for texts, image in zip(sets, images, strict=True):
        with storage.whole(folder / f"{_file_name(texts.title)}.png") as draft:
            draft.write_bytes(image)
    storage.write_text(folder / "texts.html", _fragment(sets, scores, tables, images))


def _file_name(title: str) -> str:
    return "".join(c if c.isalnum() or c in "_-." else "_" for c in title)


def _fragment(
    sets: Sequence[TextSet], scores: pd.DataFrame, tables: Sequence[pd.DataFrame], images: Sequence[bytes]
) -> str:
    parts = [
        '<section class="texts">',
        "<h2>What the texts tell apart</h2>",
        "<p>Cosine similarity of class texts, averaged over the units of a kind. Separability is the mean distance to "
        "the nearest class over the mean distance of all pairs: 0 where every class has a twin, 1 where all are "
        "equally far apart.</p>",
        scores.to_html(index=False, float_format=lambda value: f"{value:.3f}", border=0),
    ]
    for texts, table, image in zip(sets, tables, images, strict=True):
        title = html.escape(texts.title)
        data = base64.b64encode(image).decode()
        parts += [
            f"<h3>{title}</h3>",
            f'<img alt="similarity of classes, {title}" src="data:image/png;base64,{data}">',
            table.drop(columns="texts").to_html(index=False, float_format=lambda value: f"{value:.3f}", border=0),
        ]
    return "\n".join([*parts, "</section>"]) + "\n"
