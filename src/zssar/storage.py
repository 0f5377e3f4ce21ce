"""Files in and out of the interfaces. The only module that imports h5py. Outputs appear whole or not at all.

Skeleton file ``results/skeletons/{dataset}.h5``: ragged, frames of all samples one after another.
    joints float32 (F, M, V, C), present bool (F, M), offsets int64 (n + 1,), sample_id, label, subject, camera, setup,
    replication (n,); attributes dataset, layout, class_names, recipe, provenance (JSON). Written by preprocessing also:
    frames, bodies (ids in the raw recording) and content (32 hex digits: hash of its raw joints), (n,) each.
Feature file: one dataset per view (n, ...), sample_id (n,), and for seen_train ``label`` (n,) as class indices.
Text file: ``embeddings`` float32 (K, units, dim); attributes names, units, kind.
Score file: ``seed{s}/epoch{e}`` float32 (n, K) and, for methods that are not pairwise, ``seed{s}/epoch{e}_unseen``.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features, SkeletonSequence

CHUNK_ROWS, CHUNK_BYTES = 64, 2**20  # of feature files: a shuffled batch reads little more than its own rows
META = ("label", "subject", "camera", "setup", "replication")


@contextlib.contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends well and vanishes when it does not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON with sorted keys; numpy scalars and paths are allowed."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, default=_plain) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON. Raises UserError naming file, line and column if it is broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not valid JSON ({error.msg}, column {error.colno})") from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value)} does not go into JSON")


@contextlib.contextmanager
def open_h5(path: Path | str) -> Iterator[h5py.File]:
    """Open for reading. Raises UserError saying which rule writes the file if it is missing or broken."""
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; ask Snakemake for it: snakemake --cores all {path}") from None
    except OSError as error:
        raise UserError(f"{path} is not a readable HDF5 file ({error}); delete it and run Snakemake again") from None
    with file:
        yield file


def _set_attrs(target, attrs: Mapping[str, Any]) -> None:
    for key, value in attrs.items():
        plain = isinstance(value, str | int | float | np.generic)
        target.attrs[key] = value if plain else json.dumps(value, default=_plain)


def _get_attrs(source) -> dict[str, Any]:
    result = {}
    for key, value in source.attrs.items():
        if isinstance(value, str) and value[:1] in "[{":
            value = json.loads(value)
        result[key] = value.item() if isinstance(value, np.generic) else value
    return result


# --- skeletons -------------------------------------------------------------------------------------------------------


def write_skeletons(
    path: Path | str,
    sequences: Iterable[SkeletonSequence],
    attrs: Mapping[str, Any],
    columns: Mapping[str, np.ndarray] | None = None,
) -> int:
    """Stream sequences into one ragged file; memory is bounded by a block of about 64 MB. Returns the sample count.

    All sequences must share M, V and C. attrs must hold dataset, layout and class_names. columns: more facts about
    each sample, (n,) numbers or bytes. Not compressed: noise of the sensor fills the digits (docs/data.md).
    """
    with whole(path) as draft, h5py.File(draft, "w") as file:
        meta: dict[str, list] = {key: [] for key in ("sample_id", *META)}
        offsets, block, size = [0], [], 0
        for sequence in sequences:
            block.append(sequence)
            size += sequence.joints.nbytes
            offsets.append(offsets[-1] + sequence.joints.shape[1])
            meta["sample_id"].append(sequence.sample_id)
            for key in META:
                meta[key].append(getattr(sequence, key))
            if size > 64e6:
                _append_block(file, block)
                block, size = [], 0
        if block:
            _append_block(file, block)
        if len(offsets) == 1:
            raise UserError(f"{path}: no usable recording was left to write")
        file["offsets"] = np.array(offsets, np.int64)
        file["sample_id"] = np.array(meta.pop("sample_id"), dtype=h5py.string_dtype())
        for key, values in meta.items():
            file[key] = np.array(values, np.int32)
        for key, column in (columns or {}).items():
            if len(column) != len(offsets) - 1:
                raise ValueError(f"{path}: column {key} has {len(column)} values for {len(offsets) - 1} samples")
            file[key] = column
        _set_attrs(file, attrs)
        return len(offsets) - 1


def _append_block(file: h5py.File, block: Sequence[SkeletonSequence]) -> None:
    clips = [np.moveaxis(s.joints, 0, 1) for s in block]
    joints = np.empty((sum(map(len, clips)), *clips[0].shape[1:]), np.float32)  # (F, M, V, C), in this order in memory
    np.concatenate(clips, out=joints, casting="same_kind")
    present = np.concatenate([s.present.T for s in block])  # (F, M)
    for name, new in (("joints", joints), ("present", present)):
        if name not in file:
            chunks = (max(1, min(len(new), 256)), *new.shape[1:])
            file.create_dataset(name, data=new, maxshape=(None, *new.shape[1:]), chunks=chunks)
        else:
            data = file[name]
            data.resize(len(data) + len(new), axis=0)
            data[-len(new) :] = new


class Skeletons:
    """A skeleton file in memory: metadata as arrays, sequences by index."""

    def __init__(self, path: Path | str):
        with open_h5(path) as file:
            self.attrs = _get_attrs(file)
            self.joints, self.present = file["joints"][...], file["present"][...]
            self.offsets = file["offsets"][...]
            self.sample_id = file["sample_id"].asstr()[...]
            self.meta = {key: file[key][...] for key in META}
        self.layout: str = self.attrs["layout"]
        self.class_names: list[str] = self.attrs["class_names"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def label(self) -> np.ndarray:
        return self.meta["label"]

    def sequence(self, i: int) -> SkeletonSequence:
        """Sample i with joints (M, T, V, C)."""
        rows = slice(self.offsets[i], self.offsets[i + 1])
        return SkeletonSequence(
            str(self.sample_id[i]),
            np.moveaxis(self.joints[rows], 0, 1),
            self.present[rows].T,
            self.layout,
            **{key: int(values[i]) for key, values in self.meta.items()},
        )


def skeleton_meta(path: Path | str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Attributes and per-sample columns of a skeleton file, without reading a joint."""
    with open_h5(path) as file:
        meta = {key: file[key][...] for key in META}
        return _get_attrs(file), {"sample_id": file["sample_id"].asstr()[...], **meta}


# --- features --------------------------------------------------------------------------------------------------------


class FeatureWriter:
    """Takes views of consecutive samples; use inside ``with feature_writer(path, ...)``."""

    def __init__(self, file: h5py.File):
        self.file, self.count = file, 0

    def add(self, views: Mapping[str, np.ndarray]) -> None:
        """The same views, (m, ...) each, of the next m samples. A chunk holds about a megabyte of whole samples."""
        for name, view in views.items():
            data = view.astype(np.float16 if name == "grid" else np.float32, copy=False)
            if f"views/{name}" not in self.file:
                rows = max(1, min(CHUNK_ROWS, CHUNK_BYTES // max(1, data[:1].nbytes)))
                shape = data.shape[1:]
                self.file.create_dataset(
                    f"views/{name}", (0, *shape), data.dtype, maxshape=(None, *shape), chunks=(rows, *shape)
                )
            target = self.file[f"views/{name}"]
            target.resize(self.count + len(data), axis=0)
            target[self.count :] = data
        self.count += len(next(iter(views.values())))


@contextlib.contextmanager
def feature_writer(
    path: Path | str, sample_id: Sequence[str], attrs: Mapping[str, Any], label: np.ndarray | None = None
) -> Iterator[FeatureWriter]:
    """Write a feature file piece by piece. Raises UserError if fewer or more samples were added than there are ids."""
    with whole(path) as draft, h5py.File(draft, "w") as file:
        file["sample_id"] = np.array(list(sample_id), dtype=h5py.string_dtype())
        if label is not None:
            file["label"] = np.asarray(label, np.int32)
        _set_attrs(file, attrs)
        writer = FeatureWriter(file)
        yield writer
        if writer.count != len(sample_id):
            raise UserError(f"{path}: {writer.count} samples written for {len(sample_id)} ids")


def write_features(
    path: Path | str,
    views: Mapping[str, np.ndarray],
    sample_id: Sequence[str],
    attrs: Mapping[str, Any],
    label: np.ndarray | None = None,
) -> None:
    """Views of the same samples in one go. The grid is float16."""
    with feature_writer(path, sample_id, attrs, label) as writer:
        writer.add(views)


@contextlib.contextmanager
def open_features(
    path: Path | str, views: Sequence[str] | None = None
) -> Iterator[tuple[Features, np.ndarray | None, np.ndarray]]:
    """(features, labels or None, sample ids); the views stay on disk until indexed and die with the block."""
    with open_h5(path) as file:
        attrs = _get_attrs(file)
        wanted = views if views is not None else list(file["views"])
        missing = [name for name in wanted if name not in file["views"]]
        if missing:
            raise UserError(
                f"{path} has no view {missing} (there are: {', '.join(file['views'])}). "
                "Add it to `views:` of the backbone in config.yaml and run Snakemake again. Imported features have "
                "pooled and seen_logits at most: choose methods, or parameters of the method (smie: temporal: false), "
                "that read those."
            )
        labels = file["label"][...] if "label" in file else None
        features = Features({name: file["views"][name] for name in wanted}, attrs["layout"], attrs)
        yield features, labels, file["sample_id"].asstr()[...]


# --- texts -----------------------------------------------------------------------------------------------------------


def write_texts(
    path: Path | str,
    names: Sequence[str],
    units: Sequence[str],
    embeddings: np.ndarray,
    attrs: Mapping[str, Any],
    authors: np.ndarray | None = None,
) -> None:
    """Embeddings (K, units, dim) of one kind; authors: of each author of a form (K, units, authors * dim)."""
    with whole(path) as draft, h5py.File(draft, "w") as file:
        file["embeddings"] = embeddings.astype(np.float32)
        if authors is not None:
            file["authors"] = authors.astype(np.float32)
        _set_attrs(file, {"names": list(names), "units": list(units), **attrs})


def read_texts(paths: Mapping[str, Path | str]) -> ClassTexts:
    """ClassTexts from one file per kind. All must hold the same classes; the order of the first one is kept.

    What each author of a form answered, where there are several, stands under ``<kind>.authors``.
    """
    embeddings, units, names = {}, {}, None
    for kind, path in paths.items():
        with open_h5(path) as file:
            attrs = _get_attrs(file)
            arrays = {kind: file["embeddings"][...]}
            if "authors" in file:
                arrays[f"{kind}.authors"] = file["authors"][...]
        if names is None:
            names = attrs["names"]
        if set(attrs["names"]) != set(names):
            raise UserError(f"{path}: its classes differ from those of {next(iter(paths.values()))}")
        at = {name: i for i, name in enumerate(attrs["names"])}
        for key, array in arrays.items():
            embeddings[key] = array[[at[name] for name in names]]
            units[key] = tuple(attrs["units"])
    if names is None:
        raise UserError("no text files were given")
    return ClassTexts(tuple(names), embeddings, units)


# --- scores ----------------------------------------------------------------------------------------------------------


class ScoreWriter:
    """Collects scores (n, K) of several seeds and epochs; use inside ``with score_writer(path, ...)``."""

    def __init__(self, file: h5py.File):
        self.file = file

    def add(self, seed: int, epoch: int, scores: np.ndarray, unseen: np.ndarray | None = None) -> None:
        """``unseen``: scores (n, U) of a method that answers differently when only the unseen classes are asked."""
        for suffix, array in (("", scores), ("_unseen", unseen)):
            if array is not None:
                self.file.create_dataset(
                    f"seed{seed}/epoch{epoch:06d}{suffix}", data=array.astype(np.float32), compression="lzf"
                )


@contextlib.contextmanager
def score_writer(path: Path | str, sample_id: Sequence[str], attrs: Mapping[str, Any]) -> Iterator[ScoreWriter]:
    """attrs must hold classes (names, in column order), unseen (names, in order) and seen."""
    with whole(path) as draft, h5py.File(draft, "w") as file:
        file["sample_id"] = np.array(list(sample_id), dtype=h5py.string_dtype())
        _set_attrs(file, attrs)
        yield ScoreWriter(file)


class Scores:
    """A score file: ``sample_id``, ``attrs``, ``seeds``, ``epochs(seed)`` and ``read(seed, epoch, unseen)``."""

    def __init__(self, path: Path | str):
        self.path = path
        with open_h5(path) as file:
            self.attrs, self.sample_id = _get_attrs(file), file["sample_id"].asstr()[...]
            self._epochs = {
                int(group[4:]): sorted(int(e[5:]) for e in file[group] if not e.endswith("_unseen"))
                for group in file
                if group.startswith("seed")
            }

    @property
    def seeds(self) -> list[int]:
        return sorted(self._epochs)

    def epochs(self, seed: int) -> list[int]:
        return self._epochs[seed]

    def read(self, seed: int, epoch: int, unseen: bool = False) -> np.ndarray:
        """(n, K) over all classes, or (n, U) over the unseen ones in their own order."""
        name = f"seed{seed}/epoch{epoch:06d}"
        with open_h5(self.path) as file:
            if unseen and f"{name}_unseen" in file:
                return file[f"{name}_unseen"][...]
            scores = file[name][...]
        if not unseen:
            return scores
        at = {c: j for j, c in enumerate(self.attrs["classes"])}
        return scores[:, [at[c] for c in self.attrs["unseen"]]]
