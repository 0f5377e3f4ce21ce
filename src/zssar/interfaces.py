"""What the floors hand to each other: frozen dataclasses and small abstract classes, nothing else.

Shape letters: n samples, M persons, T frames, V joints, C or D channels, P body parts, Z phases, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zssar.errors import UserError

UNKNOWN = -1  # subject, camera, setup or replication that a format does not tell


@dataclass(frozen=True)
class SkeletonSequence:
    """One recording of one action.

    joints: float32 (M, T, V, 3), metres, x right / y up / z away from the sensor; zeros where a person is absent
    (two-dimensional formats use the third channel as stated by their layout). present: bool (M, T).
    label: index into the data set's ``class_names``, or UNKNOWN.
    """

    sample_id: str
    joints: np.ndarray
    present: np.ndarray
    layout: str
    label: int = UNKNOWN
    subject: int = UNKNOWN
    camera: int = UNKNOWN
    setup: int = UNKNOWN
    replication: int = UNKNOWN

    def __post_init__(self) -> None:
        if self.joints.ndim != 4 or self.joints.shape[:2] != self.present.shape:
            raise ValueError(
                f"{self.sample_id}: joints {self.joints.shape} and present {self.present.shape} "
                "must be (M, T, V, C) and (M, T)"
            )


@dataclass(frozen=True)
class Problem:
    """A raw file, or part of one, that could not be used: where, and why. ``line`` counts from 1; 0 means the file."""

    path: str
    reason: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}{f':{self.line}' if self.line else ''}: {self.reason}"


class SkeletonDataset(ABC):
    """A raw format on disk. One subclass per reader module in ``zssar.datasets``; the module name is the reader's name.

    ``sequences`` yields a SkeletonSequence for every good recording and a Problem for every bad one, in a fixed order.
    """

    layout: str
    class_names: Sequence[str]

    @abstractmethod
    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Read everything below ``root``. Raises UserError if nothing there has this format."""


@dataclass(frozen=True)
class Split:
    """Which classes are unseen and which subjects, cameras or setups are held out for testing.

    name: e.g. ``purls_22_5`` or, for a validation split cut from its seen classes, ``purls_22_5-val0``.
    classes: the class indices this split knows of (a validation split does not know the parent's unseen classes).
    """

    name: str
    seen: tuple[int, ...]
    unseen: tuple[int, ...]
    train: np.ndarray  # bool (n,): samples of the training partition, before the choice of classes
    test: np.ndarray  # bool (n,): samples of the test partition, before the choice of classes
    partition: str = "xsub"
    source: str = ""

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple(sorted(self.seen + self.unseen))


class Features:
    """Views of the same n samples. Arrays may be lazy (h5py datasets); index them to read.

    pooled (n, D); part2, part4, part6, parts_purls (n, P, D); phases (n, Z, D); grid (n, D, T', V);
    seen_logits (n, S); profile (n, Q), the measured kinematic quantities, NaN where unknown. ``memo``: what methods
    computed from these samples alone and want to find again, under keys that say what it is; it lives as long as this
    object, so the caller who keeps the object decides how much memory it takes.
    """

    def __init__(self, views: Mapping[str, Any], layout: str, attrs: Mapping[str, Any] | None = None):
        if not views:
            raise ValueError("Features needs at least one view")
        lengths = {name: len(view) for name, view in views.items()}
        if len(set(lengths.values())) != 1:
            raise UserError(f"feature views differ in their number of samples: {lengths}")
        self.views, self.layout, self.attrs = dict(views), layout, dict(attrs or {})
        self.memo: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(next(iter(self.views.values())))

    def __getitem__(self, view: str) -> np.ndarray:
        """The whole view as an array in memory."""
        return np.asarray(self._view(view)[...])

    def batch(self, view: str, rows) -> np.ndarray:
        """The given rows (a slice, or indices in any order, repeated or not); reads only those rows' chunks."""
        array = self._view(view)
        if isinstance(array, np.ndarray) or isinstance(rows, slice):
            return np.asarray(array[rows])
        order, back = np.unique(np.asarray(rows), return_inverse=True)
        return array[order][back]

    def select(self, rows) -> Features:
        """The same views of some samples, in memory."""
        return Features({name: self.batch(name, rows) for name in self.views}, self.layout, self.attrs)

    def _view(self, view: str):
        if view not in self.views:
            raise UserError(
                f"features have no view {view!r} (there are: {', '.join(sorted(self.views))}). "
                "Add it under `views:` of the method in config.yaml, so that extract_features writes it."
            )
        return self.views[view]


@dataclass(frozen=True)
class ClassTexts:
    """Text embeddings of an ordered list of classes: ``texts[kind]`` is float32 (K, units, dim), unnormalised."""

    names: tuple[str, ...]
    embeddings: Mapping[str, np.ndarray]
    units: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise UserError(f"class names repeat: {sorted(n for n in set(self.names) if self.names.count(n) > 1)}")
        for kind, array in self.embeddings.items():
            if array.ndim != 3 or len(array) != len(self.names):
                raise UserError(f"texts of kind {kind!r}: shape {array.shape} does not fit {len(self.names)} classes")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, kind: str) -> np.ndarray:
        if kind not in self.embeddings:
            raise UserError(
                f"no texts of kind {kind!r} (there are: {', '.join(sorted(self.embeddings))}). "
                "Add it under `texts:` of the method in config.yaml."
            )
        return self.embeddings[kind]

    def select(self, names: Sequence[str]) -> ClassTexts:
        """The given classes in the given order."""
        at = {name: i for i, name in enumerate(self.names)}
        missing = [name for name in names if name not in at]
        if missing:
            raise UserError(f"no texts for the classes {missing}")
        rows = [at[name] for name in names]
        return ClassTexts(tuple(names), {k: e[rows] for k, e in self.embeddings.items()}, self.units)


class TextEncoder(ABC):
    """Sentences to vectors. One subclass per module in ``zssar.encoders``."""

    dim: int
    revision: str  # what identifies the weights: a file hash or a hub revision

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 (n, dim), order kept, unnormalised."""


AfterEpoch = Callable[["AlignmentMethod", int], None]


class AlignmentMethod(ABC):
    """Connects skeleton features with class texts. One subclass per module in ``zssar.alignment``.

    ``__init__`` takes keyword arguments only, all with the paper's values as defaults, among them ``texts`` (the kinds
    used), ``seed`` and ``device``, and stores them under their own names. What is learned ends in an underscore.

    pairwise: a class's score does not depend on which other classes are asked (False: generative methods that train
    a classifier for the classes asked). uses_unseen_texts: ``fit`` takes the texts of all classes as ``all_texts=``.
    transductive: scores depend on the other test samples; such methods have a table of their own.
    reads_forms: takes forms (K, Q, 2) as they are; for other methods a form is made one vector per class.
    """

    views: tuple[str, ...] = ("pooled",)
    pairwise: bool = True
    uses_unseen_texts: bool = False
    transductive: bool = False
    reads_forms: bool = False

    @abstractmethod
    def fit(
        self, features: Features, labels: np.ndarray, texts: ClassTexts, after_epoch: AfterEpoch | None = None
    ) -> AlignmentMethod:
        """Learn from seen classes: labels (n,) index ``texts.names``. Calls ``after_epoch(self, epoch)`` per epoch.

        Epochs count from 1. Forgets any earlier fit. Closed-form methods call ``after_epoch`` once, with 1.
        """

    @abstractmethod
    def score(self, features: Features, texts: ClassTexts) -> np.ndarray:
        """float32 (n, K): larger is better, column j belongs to ``texts.names[j]``.

        A sample's scores depend on that sample and the classes asked, on nothing else.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What was learned, as a flat dict of tensors, numbers and strings."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Take over what ``state`` returned."""
