"""The benchmarks can be listed, and what they compare gives equal results: the scanner's chain and the plain one."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from zssar import plugins
from zssar.datasets.files import class_names
from zssar.datasets.ntu import NTU
from zssar.skeleton import recipes

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def listed(*words):
    return subprocess.run([sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True)


def test_listed_with_what_they_measure():
    done = listed("--list")
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert {"preprocess", "large_tree", "encode_texts"} <= set(lines)
    assert not {"ntu_files", "plain_parser", "__main__"} & set(lines)
    assert all(len(what) > 20 for what in lines.values())


def test_an_unknown_name_lists_the_others():
    done = listed("preproces")
    assert done.returncode == 2
    assert "no benchmark preproces; there are: " in done.stderr


def test_the_plain_chain_and_ours_agree_to_the_last_bit(tmp_path, scripts):
    from ntu_files import make
    from plain_parser import chain, read

    make(tmp_path, 24, seed=3)
    paths = sorted(tmp_path.rglob("*.skeleton"))
    assert len(paths) == 24
    reader = NTU(class_names=class_names("ntu60"), missing_list=False)
    bodies = []
    for path in paths:
        clip = recipes.ctrgcn(reader.read(str(path))[-1]).joints.transpose(1, 0, 2, 3)
        np.testing.assert_array_equal(clip, chain(path))
        one, other = read(path), read(path, "list")
        bodies.append(len(one))
        assert all(np.array_equal(one[key]["joints"], other[key]["joints"]) for key in other)
    assert max(bodies) >= 2


def test_methods_are_given_every_view_they_read(scripts, capsys):
    import methods

    modules = [name for name in plugins.names("alignment") if name not in methods.SKIPPED]
    assert len(modules) >= 15
    for module in modules:
        method = methods.method_of(module, "cpu")
        assert len(methods.features_of(3, method.views)) == 3
        assert set(method.texts) <= set(methods.UNITS)
    methods.grid(["nearest_mean"], Namespace(grid_samples=300, dim=16, device="cpu", jobs=1))
    assert "1 methods x 4 splits x 3 seeds, 1 at a time" in capsys.readouterr().out


def test_a_tree_of_official_names(tmp_path, scripts, monkeypatch):
    from ntu_files import make_official

    from zssar.datasets import ntu, ntu_names

    few = ("S001C001P001R001A001", "S018C002P041R002A115")
    monkeypatch.setattr(ntu_names, "official", lambda dataset: few)
    monkeypatch.setattr(ntu, "missing_samples", lambda: frozenset({"S001C002P005R002A008", "S019C001P050R001A090"}))
    assert make_official(tmp_path / "a", "ntu60", different=2) == 3
    assert make_official(tmp_path / "b", "ntu120", different=2) == 4
    assert sorted(p.stem for p in (tmp_path / "b" / "raw").rglob("*.skeleton")) == sorted(
        [*few, "S001C002P005R002A008", "S019C001P050R001A090"]
    )


def test_rules_for_the_epoch(scripts, capsys):
    import epoch_choice
    import pandas as pd

    columns = ["name", *epoch_choice.KEYS, "test", "validation"]
    of_seed = {0: ([10, 50, 30, 20], [40, 40, 60, 60]), 1: ([20, 60, 40, 10], [10, 90, 30, 20])}  # test, validation
    rows = [
        ("one", split, "dvta", seed, epoch, test + add, seen)
        for split, add in (("a", 0), ("b", 5))
        for seed, kinds in of_seed.items()
        for epoch, test, seen in zip((5, 10, 15, 20), *kinds)
    ]
    found = pd.DataFrame(rows, columns=columns)
    rules = epoch_choice.chosen(found[found["split"] == "a"])
    # Seed 0: a tie, the later epoch has 20; seed 1: epoch 10 has 60. Pooled: (25, 65, 45, 40), epoch 10 for both.
    assert rules == {"last": 15, "validated": 40, "pooled": 55, "oracle": 55}
    epoch_choice.show("top-1", epoch_choice.top1(found))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "| top-1 | last | validated, one | pooled, one | oracle |"
    assert lines[3] == "| dvta | 17.5 | 42.5 | 57.5 | 57.5 |"
    assert lines[5].startswith(
        "| minus last, ± deviation over 2 splits | +0.00 ± 0.00 | +25.00 ± 0.00 | +40.00 ± 0.00 |"
    )
    more = pd.concat([found, found[found["split"] == "a"].assign(name="three")])
    with pytest.raises(epoch_choice.UserError, match="differ in splits or methods"):
        epoch_choice.show("top-1", epoch_choice.top1(more))


def test_factors_are_kept_and_replaced(scripts, tmp_path, capsys):
    import epoch_choice

    table = ROOT / "results" / "reference" / "utd_mhad" / "table1.runs.csv"
    found = epoch_choice.factors("one", table)
    assert set(found["split"]) == {"purls_22_5", "purls_18_9", "purls_14_13"}
    epoch_choice.keep(found, tmp_path / "factors.csv")
    epoch_choice.keep(found[found["split"] == "purls_22_5"].assign(last=1.0), tmp_path / "factors.csv")
    again = epoch_choice.pd.read_csv(tmp_path / "factors.csv")
    assert len(again) == len(found)
    assert (again["last"] == 1).sum() == len(found) / 3
    epoch_choice.show("H", epoch_choice.harmonic(again))
    assert "| H | last, one | validated, one | oracle |" in capsys.readouterr().out


@pytest.mark.parametrize(("prefix", "row"), [("random_5", "| five unseen |"), ("random_13", "| thirteen unseen |")])
def test_the_documented_worth_of_validation_follows_from_the_committed_curves(scripts, prefix, row):
    import epoch_choice
    from scipy.stats import wilcoxon

    read = epoch_choice.pd.read_csv
    folder = ROOT / "results" / "reference" / "utd_mhad" / "epochs"
    curves, factors = (read(folder / f"{kind}.csv") for kind in ("curves", "factors"))

    def cells(table, first, shown):
        means = table[table.index.get_level_values(0).str.startswith(prefix)].groupby(level=0).mean()
        yield f"{means[first].mean():.1f}"
        for column in shown:
            gain = means[column] - means[first]
            p = wilcoxon(gain.round(6)).pvalue
            yield f"{means[column].mean():.1f} ({gain.mean():+.1f} ± {gain.std():.1f}, p {p:.{3 if p < 0.05 else 2}f})"

    lines = [line for line in (ROOT / "docs" / "evaluation.md").read_text("utf-8").splitlines() if line.startswith(row)]
    rules = ["validated, one", "validated, three", "validated, shared", "pooled, three"]
    top1 = epoch_choice.top1(curves[curves["split"].str.startswith(prefix)])
    harmonic = epoch_choice.harmonic(factors[factors["split"].str.startswith(prefix)])
    for line, found in zip(
        lines, (cells(top1, "last", rules), cells(harmonic, "last, one", ["last, three", "last, shared"]))
    ):
        assert line.startswith(f"{row} {' | '.join(found)} |")
