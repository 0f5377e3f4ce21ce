"""Makes alignment/profile_prior.csv, .txt: `python benchmarks/profile_prior.py --skeletons results/skeletons/sim.h5`.

Statistics of the motion profile over all classes of the simulated data set; never of a real recording.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from zssar import storage
from zssar.alignment import published
from zssar.alignment.quantities import Judge
from zssar.errors import UserError
from zssar.features import profiles
from zssar.storage import Skeletons
from zssar.text import forms
from zssar.text.answers import read_answers
from zssar.text.prompts import read_kind

PROMPTS = Path(__file__).parents[1] / "prompts"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skeletons", type=Path, required=True, help="skeleton file of the simulated data set")
    parser.add_argument("--output", type=Path, default=published.FILE)
    args = parser.parse_args()
    data = Skeletons(args.skeletons)
    if data.attrs["dataset"] != "sim":
        raise UserError(f"{args.skeletons} is of {data.attrs['dataset']}; the prior may come from sim alone")
    kind = read_kind(PROMPTS / "profile.md")
    answers = read_answers(PROMPTS / "frozen" / "sim" / "profile.jsonl")
    numbers = forms.statements(kind.front.quantities, [line.answers for line in answers]).astype(float)
    names = list(kind.units)
    at = [profiles.names().index(name) for name in names]
    found = np.concatenate([block[:, at] for _, block in profiles.blocks(data, np.arange(len(data)))]).astype(float)
    judge = Judge.fit(numbers[..., 0], numbers[..., 1], found, data.label, prior=0.5, strength=5.0)
    storage.write_text(args.output.with_suffix(".txt"), "".join(f"{line.name}\n" for line in answers))
    with storage.whole(args.output) as draft, open(draft, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["quantity", *published.COLUMNS])
        for q, name in enumerate(names):
            writer.writerow([name, *(f"{getattr(judge, column)[q]:.4g}" for column in published.COLUMNS)])


if __name__ == "__main__":
    main()
