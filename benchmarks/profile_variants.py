"""Variants of the profile method on random draws of classes, without touching a test set (docs/profiles.md).

`python benchmarks/profile_variants.py --skeletons results/skeletons/sim.h5 --unseen 8 16 26 42`
`python benchmarks/profile_variants.py --skeletons results/skeletons/utd_mhad.h5 --seen-of purls_14_13 --unseen 5 9`

Odd subjects train, even ones test. With --seen-of only the seen classes of that split exist, and only its training
subjects: the first half of them trains, the second tests, and the other way round. With --publish half of the classes,
drawn anew each time, only publish their statistics (``alignment/published.py``; those of the package are made from the
simulated set), and the other half is the data set. Every source named by --answers is a run of its own on the same
draws; names joined by + are one source of several authors, the empty name being the first answers. With --spoil the
authors of such a source are made unlike: shares of their answers from 0 to this one, in random order, become those of
other classes, anew in each draw. A cell: mean over draws, standard deviation, mean difference from the first line with
its standard error.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from zssar.alignment import published
from zssar.alignment.profile import Profile
from zssar.alignment.quantities import Judge
from zssar.datasets import splits
from zssar.features import profiles
from zssar.interfaces import ClassTexts, Features
from zssar.storage import Skeletons
from zssar.text import forms
from zssar.text.answers import read_answers
from zssar.text.describe import together
from zssar.text.prompts import read_kind

PROMPTS = Path(__file__).parents[1] / "prompts"
VARIANTS: dict[str, dict] = {
    "seen": {"statistics": "seen"},
    "shrunk (default)": {},
    "shrunk, 3 classes": {"prior_classes": 3.0},
    "shrunk, 10 classes": {"prior_classes": 10.0},
    "transfer": {"transfer": True},
    "cosine": {"compare": "cosine"},
    "gaussian": {"compare": "gaussian"},
    "monotone": {"calibration": "monotone"},
    "two seen classes": {"seen_limit": 2},
    "four seen classes": {"seen_limit": 4},
    "published": {"statistics": "published"},
    "apart": {"authors": "apart"},  # these two for sources of several authors
    "weighed": {"authors": "weighed"},
}
ALONE = [name for name, params in VARIANTS.items() if "authors" not in params]


def top1(params, features, texts, label, seen, unseen, train, test) -> float:
    """Percent of the unseen test samples named right among the unseen classes."""
    fit, ask = (np.flatnonzero(rows & np.isin(label, of)) for rows, of in ((train, seen), (test, unseen)))
    named = [texts.select([texts.names[k] for k in of]) for of in (seen, unseen)]
    method = Profile(**params).fit(features.select(fit), np.searchsorted(seen, label[fit]), named[0])
    return 100 * (method.score(features.select(ask), named[1]).argmax(1) == np.searchsorted(unseen, label[ask])).mean()


def statistics_of(form, found, label, classes) -> dict[str, np.ndarray]:
    """What ``benchmarks/profile_prior.py`` would publish of these classes."""
    rows = np.flatnonzero(np.isin(label, classes))
    value, weight = (form[classes, :, k].astype(float) for k in (0, 1))
    judge = Judge.fit(value, weight, found[rows], np.searchsorted(classes, label[rows]), prior=0.5, strength=5.0)
    return {column: getattr(judge, column) for column in published.COLUMNS}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skeletons", type=Path, required=True)
    parser.add_argument("--unseen", type=int, nargs="+", required=True, help="numbers of unseen classes")
    parser.add_argument("--seen-of", help="a published split whose seen classes are all there is")
    parser.add_argument("--publish", action="store_true", help="half of the classes publish their statistics")
    parser.add_argument("--answers", nargs="+", default=[""], help="sources, e.g. '' second +second+third")
    parser.add_argument("--spoil", type=float, default=0.0, help="share of wrong answers of the worst author")
    parser.add_argument("--seen-limit", type=int, default=0, help="only that many seen classes")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=ALONE, metavar="NAME")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    data, kind = Skeletons(args.skeletons), read_kind(PROMPTS / "profile.md")
    dataset, subject = data.attrs["dataset"], data.meta["subject"]
    classes, sides = np.arange(len(data.class_names)), [(subject % 2 == 1, subject % 2 == 0)]
    rows = np.arange(len(data))
    if args.seen_of:
        split = splits.resolve(dataset, args.seen_of, data.meta)
        classes, known = np.array(split.seen), np.unique(subject[split.train])
        halves = [np.isin(subject, half) for half in (known[: len(known) // 2], known[len(known) // 2 :])]
        rows, sides = np.flatnonzero(split.train & np.isin(data.label, classes)), [tuple(halves), tuple(halves[::-1])]
    found = np.full((len(data), len(profiles.names())), np.nan)  # of nothing but the rows that may be looked at
    found[rows] = np.concatenate([block for _, block in profiles.blocks(data, rows)])
    features = Features({"profile": found}, data.layout, {"quantities": list(profiles.names())})
    texts = [texts_of(kind, dataset, source) for source in args.answers]
    limit = {"seen_limit": args.seen_limit} if args.seen_limit else {}
    at = [profiles.names().index(name) for name in kind.units]
    results: dict[tuple[str, int], list[float]] = {(name, n): [] for name in args.variants for n in args.unseen}
    for count in args.unseen:
        rng = np.random.default_rng([args.seed, count])
        for _ in range(args.draws):
            own = classes
            if args.publish:
                order = rng.permutation(classes)
                publishers, own = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
                told = statistics_of(texts[0]["profile"], found[:, at], data.label, publishers)
                published.belief = lambda names, seen, told=told: told
            unseen = np.sort(rng.choice(own, count, replace=False))
            if args.spoil:
                texts = [texts_of(kind, dataset, source, args.spoil, rng) for source in args.answers]
            for name in args.variants:
                runs = [
                    top1(limit | VARIANTS[name], features, t, data.label, np.setdiff1d(own, unseen), unseen, *side)
                    for t in texts
                    for side in sides
                ]
                results[name, count].append(float(np.mean(runs)))
    print(f"{'':20}", *(f"{count:4d} of {len(own):3d}{'':14}" for count in args.unseen))
    for name in args.variants:
        cells = [cell(results[name, count], results[args.variants[0], count]) for count in args.unseen]
        print(f"{name:20}", *cells, flush=True)


def texts_of(kind, dataset: str, source: str, spoil: float = 0.0, rng=None) -> ClassTexts:
    files = [f"profile.{name}.jsonl" if name else "profile.jsonl" for name in source.split("+")]
    authors = [read_answers(PROMPTS / "frozen" / dataset / file) for file in files]
    if spoil:
        for lines, share in zip(authors, rng.permutation(np.linspace(0, spoil, len(authors)))):
            mix_up(lines, share, rng)
    lines, quantities = together(authors), kind.front.quantities
    texts = {"profile": forms.statements(quantities, [line.answers for line in lines])}
    if len(files) > 1:
        apart = [forms.statements(quantities, [line.answers for line in own]) for own in authors]
        texts["profile.authors"] = np.concatenate(apart, 2)
    return ClassTexts(tuple(line.name for line in lines), texts, dict.fromkeys(texts, kind.units))


def mix_up(lines, share: float, rng) -> None:
    """A share of one author's answers become that author's answers to other classes, in place."""
    before = [[dict(answer) for answer in line.answers] for line in lines]
    for k, line in enumerate(lines):
        for name in line.answers[0]:
            if rng.random() < share:
                other = rng.choice([c for c in range(len(lines)) if c != k])
                for answer, foreign in zip(line.answers, before[other]):
                    answer[name] = foreign[name]


def cell(runs: list[float], base: list[float]) -> str:
    gap = np.subtract(runs, base)
    return (
        f"{np.mean(runs):5.1f}+-{np.std(runs):4.1f} ({gap.mean():+.1f}+-{gap.std() / max(len(gap) - 1, 1) ** 0.5:.1f})"
    )


if __name__ == "__main__":
    main()
