"""Variants of the profile method on random draws of classes, without touching a test set (docs/profiles.md).

`python benchmarks/profile_variants.py --skeletons results/skeletons/sim.h5 --unseen 8 16 26 42`
`python benchmarks/profile_variants.py --skeletons results/skeletons/utd_mhad.h5 --seen-of purls_14_13 --unseen 5 9`

Odd subjects train, even ones test. With --seen-of only the seen classes of that split exist, and only its training
subjects: the first half of them trains, the second tests.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from zssar.alignment.profile import Profile
from zssar.datasets import splits
from zssar.features import profiles
from zssar.interfaces import ClassTexts, Features
from zssar.storage import Skeletons
from zssar.text import forms
from zssar.text.answers import read_answers
from zssar.text.prompts import read_kind

PROMPTS = Path(__file__).parents[1] / "prompts"
VARIANTS: dict[str, dict] = {
    "joint": {},
    "cosine": {"compare": "cosine"},
    "gaussian": {"compare": "gaussian"},
    "monotone": {"calibration": "monotone"},
    "prior_classes 2": {"prior_classes": 2.0},
    "prior_classes 10": {"prior_classes": 10.0},
    "two seen classes": {"seen_limit": 2},
    "four seen classes": {"seen_limit": 4},
    "published": {"statistics": "published"},
}


def top1(params, features, texts, label, seen, unseen, train, test) -> float:
    """Percent of the unseen test samples named right among the unseen classes."""
    fit, ask = (np.flatnonzero(rows & np.isin(label, of)) for rows, of in ((train, seen), (test, unseen)))
    named = [texts.select([texts.names[k] for k in of]) for of in (seen, unseen)]
    method = Profile(**params).fit(features.select(fit), np.searchsorted(seen, label[fit]), named[0])
    return 100 * (method.score(features.select(ask), named[1]).argmax(1) == np.searchsorted(unseen, label[ask])).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skeletons", type=Path, required=True)
    parser.add_argument("--unseen", type=int, nargs="+", required=True, help="numbers of unseen classes")
    parser.add_argument("--seen-of", help="a published split whose seen classes are all there is")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    data, kind = Skeletons(args.skeletons), read_kind(PROMPTS / "profile.md")
    dataset, subject = data.attrs["dataset"], data.meta["subject"]
    answers = read_answers(PROMPTS / "frozen" / dataset / "profile.jsonl")
    form = forms.statements(kind.front.quantities, [line.answers for line in answers])
    texts = ClassTexts(tuple(line.name for line in answers), {"profile": form}, {"profile": kind.units})
    found = np.concatenate([block for _, block in profiles.blocks(data, np.arange(len(data)))])
    features = Features({"profile": found}, data.layout, {"quantities": list(profiles.names())})
    classes, train, test = np.arange(len(texts)), subject % 2 == 1, subject % 2 == 0
    if args.seen_of:
        split = splits.resolve(dataset, args.seen_of, data.meta)
        classes, known = np.array(split.seen), np.unique(subject[split.train])
        train, test = np.isin(subject, known[: len(known) // 2]), np.isin(subject, known[len(known) // 2 :])
    print(f"{'':18}", *(f"{count:4d} of {len(classes):3d}" for count in args.unseen))
    for name, params in VARIANTS.items():
        cells = []
        for count in args.unseen:
            rng, runs = np.random.default_rng([args.seed, count]), []
            for _ in range(args.draws):
                unseen = np.sort(rng.choice(classes, count, replace=False))
                seen = np.setdiff1d(classes, unseen)
                runs.append(top1(params, features, texts, data.label, seen, unseen, train, test))
            cells.append(f"{np.mean(runs):5.1f}+-{np.std(runs):4.1f}")
        print(f"{name:18}", *cells, flush=True)


if __name__ == "__main__":
    main()
