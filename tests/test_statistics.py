"""Intervals, tests and ranks against textbook values, closed forms and scipy."""

import argparse
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zssar.commands import compare_methods as command
from zssar.errors import UserError
from zssar.evaluation import statistics
from zssar.reporting.runs import COLUMNS
from zssar.storage import read_json


def grid(subjects=10, classes=5, repeats=4):
    subject, label, _ = np.meshgrid(np.arange(subjects), np.arange(classes), np.arange(repeats), indexing="ij")
    return subject.ravel(), label.ravel()


def test_tally_counts_by_subject_and_class_and_averages_seeds():
    right = np.array([[1, 0, 1], [1, 1, 1]])
    table = statistics.tally(right, np.array([7, 7, 9]), np.array([3, 3, 4]))
    assert table.right.tolist() == [[1.5, 0], [0, 1]]
    assert table.count.tolist() == [[2, 0], [0, 1]]


def test_the_standard_error_over_classes_has_its_closed_form():
    subject, label = grid(classes=8)
    accuracy = np.linspace(0, 1, 8)
    right = accuracy[label]
    found = statistics.accuracy_interval(statistics.tally(right, subject, label), "class", draws=20_000)
    assert found.value == pytest.approx(accuracy.mean())
    assert found.error == pytest.approx(accuracy.std() / math.sqrt(8), rel=0.03)
    assert found.low < found.value < found.high


def test_whole_classes_that_flip_make_class_intervals_far_wider_than_subject_intervals():
    subject, label = grid()
    right = (label < 2).astype(float)  # two classes always right, three never: subjects do not matter
    table = statistics.tally(right, subject, label)
    widths = {c: (i := statistics.accuracy_interval(table, c)).high - i.low for c in statistics.CLUSTERS}
    assert widths["subject"] == pytest.approx(0)
    assert widths["class"] > 0.6
    assert widths["both"] >= widths["class"] - 0.05


def test_two_way_intervals_cover_both_sources():
    rng = np.random.default_rng(0)
    subject, label = grid(20, 20, 2)
    chance = 0.5 + 0.3 * rng.standard_normal(20)[subject] + 0.3 * rng.standard_normal(20)[label]
    table = statistics.tally(np.clip(chance, 0, 1), subject, label)
    errors = {c: statistics.accuracy_interval(table, c).error for c in statistics.CLUSTERS}
    assert errors["both"] == pytest.approx(math.hypot(errors["subject"], errors["class"]), rel=0.15)


def test_harmonic_interval_surrounds_the_value_and_collapses_without_variation():
    subject, label = grid(classes=6)
    seen = label < 3
    right = np.where(seen, 0.8, 0.4)
    found = statistics.harmonic_interval(right, subject, label, seen, "both", draws=200)
    assert found.value == pytest.approx(2 * 0.8 * 0.4 / 1.2)
    assert found.low == pytest.approx(found.high)
    varied = right * (label % 3 != 0)
    found = statistics.harmonic_interval(varied, subject, label, seen, "class", draws=500)
    assert found.low < found.value < found.high


def test_unknown_subjects_leave_only_classes_to_resample():
    assert statistics.usable_clusters(np.full(5, -1)) == ("class",)
    assert statistics.usable_clusters(np.array([1, 2])) == statistics.CLUSTERS


def test_paired_permutation_is_exact_for_few_clusters():
    """Five classes, method a better in all of them: only 2 of the 32 sign patterns are as extreme."""
    label = np.repeat(np.arange(5), 10)
    a, b = np.ones(50), np.zeros(50)
    assert statistics.paired_permutation(a, b, label) == pytest.approx(2 / 32)
    assert statistics.paired_permutation(a, a, label) == 1.0
    assert statistics.paired_permutation(a, b, np.zeros(50)) == 1.0


def test_paired_permutation_exchanges_clusters_not_samples():
    """One class flipped as a whole: certain if its 50 samples were independent, nothing at all as one class of four."""
    label = np.repeat(np.arange(4), 50)
    a, b = label >= 0, label != 0
    assert statistics.paired_permutation(a, b, np.arange(200), draws=999) == pytest.approx(0.002)
    assert statistics.paired_permutation(a, b, label) == 1.0


def test_holm_by_hand():
    np.testing.assert_allclose(statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(statistics.holm([0.5, np.nan, 0.9]), [1, np.nan, 1])


def test_signed_rank_is_scipys_and_survives_equal_rows():
    a, b = np.arange(10.0), np.arange(10.0) + np.r_[np.ones(9), -0.5]
    assert statistics.signed_rank(a, b) == pytest.approx(stats.wilcoxon(a, b).pvalue)
    assert statistics.signed_rank(a, a) == 1.0
    assert math.isnan(statistics.signed_rank([1.0], [2.0]))


def test_ranking_by_hand_and_against_demsars_table():
    values = {"a": [3, 3, 3, 3.0], "b": [2, 2, 2, 3.0], "c": [1, 1, 1, 1.0]}
    found = statistics.ranking(values)
    assert found.ranks == {"a": 1.125, "b": 1.875, "c": 3.0}
    # q(0.05, 3) = 2.343 (Demsar 2006, table 5); 4 blocks
    assert found.critical == pytest.approx(2.343 * math.sqrt(3 * 4 / (6 * 4)), abs=0.002)
    assert found.groups == [("a", "b"), ("b", "c")]
    assert found.p == pytest.approx(stats.friedmanchisquare(*values.values()).pvalue)
    # ten methods on thirty blocks: q(0.05, 10) = 3.164
    wide = {str(i): np.random.default_rng(i).random(30) for i in range(10)}
    assert statistics.ranking(wide).critical == pytest.approx(3.164 * math.sqrt(10 * 11 / 180), abs=0.002)


def test_ranking_refuses_what_it_cannot_rank():
    with pytest.raises(UserError, match="two or more splits"):
        statistics.ranking({"a": [1.0], "b": [2.0]})
    with pytest.raises(UserError, match="two or more splits"):
        statistics.ranking({"a": [1.0, math.nan], "b": [2.0, 3.0]})


# --- the command -----------------------------------------------------------------------------------------------------


def write_table(tmp_path, draws=8, classes=5, subjects=6):
    """Method ``good`` is right in four of five classes, ``poor`` in one; every draw moves both a little."""
    rng = np.random.default_rng(0)
    runs, answers = [], []
    for draw in range(draws):
        for method, level in (("good", 4), ("poor", 1)):
            split, run = f"random_5_0_{draw}", f"runs/{draw}/{method}"
            shift = rng.normal(0, 2)
            for seed in range(2):
                key = ["t", "utd_mhad", split, "xsub", "b", "s", "o", "e", method, seed]
                value = 20 * level + shift
                runs += [[*key, "zsl", "last", "top1", value, 60, run]]
                runs += [[*key, "zsl", "oracle", "top1", value + 5, 60, run]]
                for c in range(classes):
                    for s in range(subjects):
                        answer = f"c{c}" if c < level else f"c{(c + 1) % classes}"
                        answers.append(
                            [run, "zsl", "last", seed, f"{draw}-{c}-{s}", s, "unseen", f"c{c}", answer],
                        )
    names = ["run", "setting", "selection", "seed", "sample_id", "subject", "group", "name", "predicted"]
    pd.DataFrame(runs, columns=COLUMNS).to_csv(tmp_path / "runs.csv", index=False)
    pd.DataFrame(answers, columns=names).to_csv(tmp_path / "predictions.csv", index=False)


def call(tmp_path, *more):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = ["--runs", tmp_path / "runs.csv", "--predictions", tmp_path / "predictions.csv", *more]
    words += ["--json", tmp_path / "c.json", "--markdown", tmp_path / "c.md"]
    command.run(parser.parse_args(list(map(str, words))))
    return read_json(tmp_path / "c.json"), (tmp_path / "c.md").read_text()


def test_the_comparison_says_what_holds_and_how_far_it_could(tmp_path):
    write_table(tmp_path)
    found, markdown = call(tmp_path)
    over = found["over_splits"]["ZSL top-1"]
    assert over["reference"] == "good"
    assert over["signed_rank"]["poor"]["p"] == pytest.approx(2 / 2**8)
    assert over["ranks"]["ranks"] == {"good": 1.0, "poor": 2.0}
    within = found["within_splits"]["utd_mhad/random_5_0_0"]["methods"]
    assert within["good"]["top1"] == pytest.approx(80)
    assert within["poor"]["p"] == pytest.approx(2 / 2**3, abs=0.01)  # three classes differ
    assert found["inflation"]["good"]["oracle_minus_main"] == pytest.approx(5)
    assert "5 classes allow no p below 0.062" in markdown
    assert "8 splits allow no p below 0.0078" in markdown


def test_the_comparison_refuses_strangers(tmp_path):
    write_table(tmp_path, draws=2)
    with pytest.raises(UserError, match=r"Did you mean 'good'"):
        call(tmp_path, "--reference", "god")
    text = (tmp_path / "predictions.csv").read_text()
    (tmp_path / "predictions.csv").write_text(text.replace("runs/0/good", "runs/elsewhere"))
    with pytest.raises(UserError, match="elsewhere"):
        call(tmp_path)
