"""Every cell of a table is recomputed from its runs file; titles, notes and errors say what they must."""

import argparse
import json
import math

import numpy as np
import pandas as pd
import pytest

from zssar.commands import make_table as command
from zssar.errors import UserError
from zssar.reporting.published import published
from zssar.reporting.runs import COLUMNS, cell, column_group, read_runs

KEY = {
    "backbone": "st_gcn",
    "stream": "joint",
    "source": "frozen",
    "encoder": "minilm",
    "partition": "xsub",
    "table": "",
}


def lines_of(method, split="purls_22_5", dataset="utd_mhad", validated=True, seeds=3, base=40.0, **more):
    rng = np.random.default_rng([len(method), len(split), *map(ord, split[-2:] + method[:1])])
    rows = []
    for seed in range(seeds):
        key = {
            **KEY,
            **more,
            "dataset": dataset,
            "split": split,
            "method": method,
            "seed": seed,
            "run": f"{split}/{method}",
        }

        def add(setting, selection, key=key, **values):
            for metric, value in values.items():
                rows.append(
                    {**key, "setting": setting, "selection": selection, "metric": metric, "value": value, "n": 80}
                )

        for selection in ("last", "validated", "oracle") if validated else ("last", "oracle"):
            a, b, s, u, h, area = base + 10 * rng.random(6)
            add("zsl", selection, top1=a, per_class=b)
            add("gzsl", selection, seen=s, unseen=u, harmonic=h, ausuc=area)
        add("zsl", "last", chance=20.0)
    return pd.DataFrame(rows)[COLUMNS]


def make(tmp_path, *frames, **params):
    paths = []
    for i, frame in enumerate(frames):
        paths.append(tmp_path / f"{i}.csv")
        frame.to_csv(paths[-1], index=False, float_format="%.4f")
    out = {name: tmp_path / f"table1.{name}" for name in ("csv", "md", "tex", "runs.csv")}
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = ["--runs", *paths, "--table", "table1", "--params", json.dumps(params), "--csv", out["csv"]]
    words += ["--markdown", out["md"], "--latex", out["tex"], "--all-runs", out["runs.csv"]]
    command.run(parser.parse_args(list(map(str, words))))
    return pd.read_csv(out["csv"]), out["md"].read_text(), out["tex"].read_text(), pd.read_csv(out["runs.csv"])


def recompute(runs, group, setting, metric, selection):
    """The documented rule, written a second time with plain loops."""
    dataset, column = group.split("/", 1)
    lines = [r for r in runs.to_dict("records") if r["dataset"] == dataset and column_group(r["split"]) == column]
    lines = [r for r in lines if r["setting"] == setting]
    if selection == "main":
        selection = "validated" if any(r["selection"] == "validated" for r in lines) else "last"
    lines = [r for r in lines if r["selection"] == selection and r["metric"] == metric]
    draws = {}
    for line in lines:
        draws.setdefault(line["split"], []).append(line["value"])
    means = [sum(v) / len(v) for v in draws.values()]
    sample = means if len(means) > 1 else next(iter(draws.values()))
    centre = sum(means) / len(means)
    spread = math.sqrt(sum((v - sum(sample) / len(sample)) ** 2 for v in sample) / (len(sample) - 1))
    return centre, spread


def test_every_cell_of_the_csv_follows_from_the_runs_file(tmp_path):
    frames = [lines_of(m, s) for m in ("dvta", "purls") for s in ("purls_22_5", "random_5_0_0", "random_5_0_1")]
    frames += [lines_of("eszsl", s, validated=False) for s in ("purls_22_5", "random_5_0_0", "random_5_0_1")]
    wide, markdown, _, runs = make(tmp_path, *frames)
    checked = 0
    for _, row in wide.iterrows():
        mine = runs[runs["method"] == row["method"]]
        for name in wide.columns:
            words = name.split(" ")
            if words[-1] not in ("mean", "sd"):
                continue
            value = recompute(mine, *words[:4])[words[4] == "sd"]
            assert row[name] == pytest.approx(value, abs=1e-3), name
            checked += 1
            if words[-1] == "mean":
                assert f"{row[name]:.1f}" in markdown
    assert checked == 3 * 2 * 9 * 2
    assert set(wide["utd_mhad/random_5_0 main selection"]) == {"validated", "last"}


def test_runs_file_is_sorted_stable_and_complete(tmp_path):
    frames = [lines_of("purls"), lines_of("dvta")]
    _, _, _, runs = make(tmp_path, *frames)
    again = tmp_path / "again"
    again.mkdir()
    _, _, _, other = make(again, *frames[::-1])
    pd.testing.assert_frame_equal(runs, other)
    assert len(runs) == sum(map(len, frames))
    assert set(runs["table"]) == {"table1"}


def test_simulated_data_is_named_in_every_title(tmp_path):
    _, markdown, latex, _ = make(tmp_path, lines_of("dvta", dataset="sim", split="sim_44_8"))
    assert "sim (simulated data)" in markdown.splitlines()[0]
    assert "sim (simulated data)" in latex.split("caption")[1].splitlines()[0]
    wide = pd.read_csv(tmp_path / "table1.csv")
    assert wide["data"].tolist() == ["sim (simulated data)"]
    _, markdown, latex, _ = make(tmp_path, lines_of("dvta"))
    assert "simulated" not in markdown + latex
    _, markdown, latex, _ = make(tmp_path, lines_of("dvta", dataset="made"), simulated=["made"])
    assert "made (simulated data)" in markdown.splitlines()[0]


def test_markdown_tells_the_story(tmp_path):
    frames = [lines_of("dvta"), lines_of("zest", base=60), lines_of("purls", split="purls_18_9")]
    wide, markdown, _, _ = make(tmp_path, *frames, order=["zest", "dvta"], names={"zest": "ZEST"})
    assert wide["method"].tolist() == ["zest", "dvta", "purls"]  # the keys of the runs file
    title = markdown.splitlines()[0]
    assert "3 seeds" in title
    assert "chance" in title
    assert "purls_22_5 20.0" in title
    assert "ZSL top-1 (chance 20.0)" in markdown
    overview = markdown.split("## Overview")[1].split("##")[0]
    body = [line for line in overview.splitlines() if line.startswith("| ")][1:]
    assert [line.split("|")[1].strip() for line in body] == ["ZEST", "dvta", "purls"]
    block = markdown.split("## utd_mhad/purls_22_5")[1]
    zest, dvta = (next(line for line in block.splitlines() if line.startswith(f"| {m}")) for m in ("ZEST", "dvta"))
    assert zest.count("**") == 12
    assert "**" not in dvta
    assert "upper bound" in markdown


def test_what_varies_becomes_a_row_label(tmp_path):
    frames = [lines_of("dvta", source=s) for s in ("gpt", "frozen")]
    wide, markdown, _, _ = make(tmp_path, *frames)
    assert wide["source"].tolist() == ["frozen", "gpt"]
    assert "backbone st_gcn" in markdown


def test_published_values_stand_beside_ours_where_the_split_is_the_same(tmp_path):
    frames = [lines_of(m) for m in ("purls", "devise", "eszsl")]
    wide, markdown, latex, _ = make(tmp_path, *frames, published=["PURLS supp. T8"])
    values = dict(zip(wide["method"], wide["utd_mhad/purls_22_5 zsl top1 published"]))
    assert values["purls"] == 57.5
    assert values["devise"] == 12.5
    assert math.isnan(values["eszsl"])
    assert "published" in markdown
    assert "57.5" in markdown
    assert "Shift-GCN; CLIP ViT-B/32" in markdown
    assert "57.5" in latex
    with pytest.raises(UserError, match=r"PURLS supp\. T8"):
        make(tmp_path, *frames, published=["PURLS supp T8"])


def test_published_values_are_percent_and_carry_a_source():
    assert len(published()) > 700
    assert all(0 <= p.value <= 100 and p.source and p.dataset for p in published())


def test_without_a_validation_split_the_table_says_why_columns_are_missing(tmp_path):
    frame = lines_of("dvta", validated=False)
    keep = ~((frame["setting"] == "gzsl") & (frame["selection"] == "last") & (frame["metric"] != "ausuc"))
    _, markdown, _, _ = make(tmp_path, frame[keep])
    assert "GZSL H" not in markdown
    assert "No validation split" in markdown
    assert "AUSUC" in markdown


def test_one_seed_has_no_spread(tmp_path):
    _, markdown, _, _ = make(tmp_path, lines_of("dvta", seeds=1))
    assert "1 seed;" in markdown
    assert "nan" not in markdown
    assert "± " not in markdown.split("##")[1].split("Percent")[0]


def test_cell_by_hand():
    runs = lines_of("dvta", seeds=2)
    runs = runs[(runs["metric"] == "top1") & (runs["selection"] == "validated")].assign(value=[10.0, 20.0])
    found = cell(runs, "zsl", "top1", "main")
    assert (found.mean, found.seeds, found.draws, found.selection) == (15.0, 2, 1, "validated")
    assert found.spread == pytest.approx(math.sqrt(50))
    assert cell(runs, "zsl", "top1", "last") is None


@pytest.mark.parametrize(
    ("split", "group"),
    [
        ("random_5_7_0", "random_5_7"),
        ("random_5_7_12@xview", "random_5_7@xview"),
        ("purls_22_5", "purls_22_5"),
        ("a", "both"),
    ],
)
def test_column_groups(split, group):
    assert column_group(split, {"both": ["a", "b"]}) == group


def test_errors_teach(tmp_path):
    good = lines_of("dvta")
    with pytest.raises(UserError, match=r"two lines for utd_mhad/purls_22_5, method dvta"):
        make(tmp_path, good, good)
    with pytest.raises(UserError, match=r"0\.csv:1: columns"):
        make(tmp_path, good.rename(columns={"value": "values"}))
    with pytest.raises(UserError, match=r"0\.csv:2: value"):
        make(tmp_path, good.assign(value=math.nan))
    with pytest.raises(UserError, match="Known parameters: title"):
        make(tmp_path, good, titel="x")
    with pytest.raises(UserError, match="does not exist"):
        read_runs([tmp_path / "none.csv"])
