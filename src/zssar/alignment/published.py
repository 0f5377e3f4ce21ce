"""Statistics of the motion profile that come with zssar, for profiles without, or with very few, seen classes.

``profile_prior.csv``: per quantity, centre and spread of measurement and statement and the agreement of the two over
all classes of the simulated data set, in the units of ``skeleton/kinematics.py``. Made once by
``benchmarks/profile_prior.py``, from no real recording. The simulated motion and the form come from the same hands: a
prior to start from, not evidence.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zssar.alignment import vocabulary

FILE = Path(__file__).with_name("profile_prior.csv")
CLASSES = FILE.with_suffix(".txt")  # what they were made from, one name a line
COLUMNS = ("centre", "spread", "stated_centre", "stated_spread", "agreement")


def statistics(names: Sequence[str]) -> dict[str, np.ndarray]:
    """Column -> float64 (Q,) of the named quantities. Raises UserError naming those without published statistics."""
    rows = _rows()
    vocabulary.positions(list(rows), names, f"the published statistics ({FILE.name})")
    return _columns(rows, names)


def belief(names: Sequence[str], classes: Sequence[str]) -> dict[str, np.ndarray] | None:
    """The same, NaN for quantities without, as a belief to start from when these ``classes`` are seen.

    None where all of them are simulated ones: the unseen ones would be too, and the belief was made from them.
    """
    told = set(CLASSES.read_text(encoding="utf-8").splitlines())
    return None if told.issuperset(classes) else _columns(_rows(), names)


def _rows() -> dict[str, dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return {row["quantity"]: row for row in csv.DictReader(file)}


def _columns(rows: dict[str, dict[str, str]], names: Sequence[str]) -> dict[str, np.ndarray]:
    return {column: np.array([float(rows.get(name, {}).get(column, "nan")) for name in names]) for column in COLUMNS}
