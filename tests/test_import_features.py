"""Precomputed features: each folder layout written, recognised by content, turned into our files; what does not fit."""

import csv
import json

import numpy as np
import pytest

from zssar import cli, storage
from zssar.datasets import splits
from zssar.datasets.files import class_names
from zssar.errors import UserError
from zssar.features import imported

NAMES = class_names("ntu60")
ENTRY = splits.table()["ntu60"]["protocols"]["synse_55_5"]
UNSEEN, PSEUDO = ENTRY["unseen"], ENTRY["validation"]
SEEN = [c for c in range(60) if c not in UNSEEN]
KEPT = [c for c in SEEN if c not in PSEUDO]
RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(60, 32)).astype(np.float32)


def rows(classes, each):
    labels = np.repeat(classes, each)
    return CENTRES[labels] + 0.1 * RNG.normal(size=(len(labels), 32)).astype(np.float32), labels


def save(folder, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def write_synse(root, logits=True):
    """A SynSE tree with the folders of 55/5 and its validation, under names that say nothing."""
    x, y = rows(SEEN, 6)
    g, gy = rows(range(60), 3)
    z = np.isin(gy, UNSEEN)
    out = {"train_out": RNG.normal(size=(len(x), 60)), "gtest_out": RNG.normal(size=(len(g), 60))} if logits else {}
    save(root / "one", train=x, train_label=y, gtest=g, g_label=gy, ztest=g[z], z_label=gy[z], **out)
    x, y = rows(KEPT, 6)
    v, vy = rows(KEPT, 2)
    p, py = rows(PSEUDO, 2)
    save(root / "two", train=x, train_label=y, val=v, val_label=vy, ztest=p, z_label=py)
    x, y = rows([c for c in range(60) if c not in (1, 2)], 2)  # another split
    t, ty = rows([1, 2], 2)
    save(root / "three", train=x, train_label=y, ztest=t, z_label=ty)


def run(root, out, split, *more):
    words = ["import_features", "--root", root, "--dataset", "ntu60", "--split", split, *more]
    words += ["--seen-train", out / "seen_train.h5", "--test", out / "test.h5", "--test-labels", out / "labels.csv"]
    code = cli.main([str(w) for w in [*words, "--report", out / "import.json"]])
    return code


def read(out):
    with storage.open_features(out / "seen_train.h5") as (train, labels, _):
        x, attrs, views = train["pooled"], train.attrs, set(train.views)
    with storage.open_features(out / "test.h5") as (test, none, sample_ids):
        assert none is None
        t = test["pooled"]
    with open(out / "labels.csv") as file:
        table = list(csv.DictReader(file))
    assert [row["sample_id"] for row in table] == list(sample_ids)
    return x, labels, t, table, attrs, views


def test_synse_folders(tmp_path, capsys):
    write_synse(tmp_path / "in")
    assert run(tmp_path / "in", tmp_path, "synse_55_5@xview") == 0
    x, labels, t, table, attrs, views = read(tmp_path)
    source = np.load(tmp_path / "in" / "one" / "train.npy")
    np.testing.assert_array_equal(x, source)
    np.testing.assert_array_equal(labels, np.load(tmp_path / "in" / "one" / "train_label.npy"))
    np.testing.assert_array_equal(t, np.load(tmp_path / "in" / "one" / "gtest.npy"))
    assert set(labels) == set(attrs["seen"]) == set(SEEN)
    assert {row["name"] for row in table if row["group"] == "unseen"} == {NAMES[c] for c in UNSEEN}
    assert {row["subject"] for row in table} == {"-1"}
    assert (attrs["split"], attrs["partition"], attrs["backbone"]) == ("synse_55_5@xview", "xview", "imported")
    assert views == {"pooled", "seen_logits"}
    text = capsys.readouterr().out
    for words in (
        "one: 32 dimensions; train 330 rows of 55 classes",
        "the files do not tell",
        "names, subjects, cameras",
    ):
        assert words in text
    assert json.loads((tmp_path / "import.json").read_text())["test"]["drink water"] == 3


def test_the_doctor_says_what_features_fit(tmp_path, capsys):
    write_synse(tmp_path / "in")
    assert cli.main(["doctor", "--root", str(tmp_path / "in")]) == 0
    text = capsys.readouterr().out
    one, three, two = (text.index(f"in/{name}: 32 dimensions") for name in ("one", "three", "two"))
    assert "fits: ntu60 synse_55_5\n" in text[one:three]
    assert "fits: no published split" in text[three:two]
    assert "fits: ntu60 synse_55_5-val0\n" in text[two:]
    assert "impossible: intervals by subject" in text
    assert "dataset: ntu60, splits: [synse_55_5], backbone: imported" in text


def test_the_validation_split_has_features_of_its_own(tmp_path):
    write_synse(tmp_path / "in")
    assert run(tmp_path / "in", tmp_path, "synse_55_5-val0") == 0
    x, labels, t, _, attrs, _ = read(tmp_path)
    assert len(x) == len(KEPT) * 6
    assert len(t) == (len(KEPT) + len(PSEUDO)) * 2
    assert set(labels) == set(KEPT)
    assert attrs["unseen"] == PSEUDO
    assert attrs["weights_split"] == "synse_55_5-val0"
    assert "made for this split" in attrs["imported"]


def test_without_such_features_it_is_cut_from_the_training_rows(tmp_path):
    write_synse(tmp_path / "in")
    assert run(tmp_path / "in", tmp_path, "synse_55_5-val1") == 0
    x, labels, t, table, attrs, _ = read(tmp_path)
    assert attrs["weights_split"] == "synse_55_5"
    assert "backbone has seen the pseudo-unseen classes" in attrs["imported"]
    known = {row.tobytes() for row in np.load(tmp_path / "in" / "one" / "train.npy")}
    assert all(row.tobytes() in known for row in (*x, *t))
    assert not {row.tobytes() for row in x} & {row.tobytes() for row in t}
    pseudo = {NAMES[c] for c in attrs["unseen"]}
    assert pseudo == {row["name"] for row in table if row["group"] == "unseen"}
    assert not set(attrs["unseen"]) & set(UNSEEN)
    assert not set(labels) & set(attrs["unseen"])
    assert {row["group"] for row in table} == {"seen", "unseen"}


def test_smie_and_flora_layouts(tmp_path):
    x, y = rows(SEEN, 3)
    t, ty = rows(UNSEEN, 2)
    g, gy = rows(range(60), 2)
    save(tmp_path / "a", train=x, train_label=y, test=t, test_label=ty)
    assert run(tmp_path / "a", tmp_path, "synse_55_5") == 0
    assert "generalised zero-shot is impossible" in read(tmp_path)[4]["imported"]
    skeletons = {"seen_train_data": np.zeros((3, 3, 50, 25, 2)), "seen_train_label": np.zeros(3, int)}
    save(tmp_path / "b", **skeletons)
    with pytest.raises(UserError, match="no precomputed features"):
        imported.bundles(tmp_path / "b")
    save(tmp_path / "b", seen_train_data=x, seen_train_label=y, unseen_data=t, unseen_label=ty[:, None])
    assert run(tmp_path / "b", tmp_path, "synse_55_5") == 0
    one_hot = np.eye(60)[gy]
    np.savez(tmp_path / "f.npz", x_train=x, y_train=y, x_test=g, y_test=one_hot)
    assert run(tmp_path / "f.npz", tmp_path, "synse_55_5") == 0
    assert len(read(tmp_path)[2]) == 120


def bad_nan(folder, x, y, t, ty):
    x = x.copy()
    x[4, 2] = np.nan
    save(folder, train=x, train_label=y, ztest=t, z_label=ty)


CASES = {
    "1 rows with NaN or Inf, the first is row 4": bad_nan,
    "seem to count from 1": lambda f, x, y, t, ty: save(f, train=x, train_label=y + 1, ztest=t, z_label=ty + 1),
    "165 rows of features, 164 labels": lambda f, x, y, t, ty: save(f, train=x, train_label=y[1:], ztest=t, z_label=ty),
    "features differ in their width": lambda f, x, y, t, ty: save(
        f, train=x, train_label=y, ztest=t[:, 1:], z_label=ty
    ),
    "lacking: [0]": lambda f, x, y, t, ty: save(f, train=x[y > 0], train_label=y[y > 0], ztest=t, z_label=ty),
    "not seen: [10]": lambda f, x, y, t, ty: save(f, train=x, train_label=np.r_[10, y[1:]], ztest=t, z_label=ty),
    "no class numbers": lambda f, x, y, t, ty: save(f, train=x, train_label=y + 0.5, ztest=t, z_label=ty),
    "no precomputed features": lambda f, x, y, t, ty: save(f, train=x, train_label=y),
}


@pytest.mark.parametrize("words", CASES)
def test_what_does_not_fit_is_said(tmp_path, capsys, words):
    CASES[words](tmp_path / "in", *rows(SEEN, 3), *rows(UNSEEN, 2))
    assert run(tmp_path / "in", tmp_path, "synse_55_5") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "seen_train.h5").exists()


def test_two_fitting_folders_are_listed(tmp_path, capsys):
    for name in ("a", "b"):
        write_synse(tmp_path / "in" / name)
    assert run(tmp_path / "in", tmp_path, "synse_55_5") == 2
    text = capsys.readouterr().err
    assert "2 bundles fit split synse_55_5" in text
    assert "in/a/one" in text
    assert run(tmp_path / "in" / "a", tmp_path, "synse_55_5") == 0
    assert run(tmp_path / "none", tmp_path, "synse_55_5") == 2


def test_from_imported_features_to_metrics(tmp_path):
    write_synse(tmp_path / "in")
    texts = CENTRES[:, None, :16] + 0.05 * RNG.normal(size=(60, 1, 16))
    storage.write_texts(tmp_path / "label.h5", NAMES, ["label"], texts, {"kind": "label"})
    for split, folder in (("synse_55_5", tmp_path / "test"), ("synse_55_5-val0", tmp_path / "val")):
        assert run(tmp_path / "in", folder, split) == 0
        words = ["align", "--method", "eszsl", "--params", "{}", "--kinds", "label", "--texts", tmp_path / "label.h5"]
        words += ["--seen-train", folder / "seen_train.h5", "--test", folder / "test.h5", "--seeds", "0"]
        words += ["--checkpoints", "1", "--device", "cpu", "--scores", folder / "scores.h5"]
        words += ["--model", folder / "model.pt", "--record", folder / "run.json"]
        assert cli.main(list(map(str, words))) == 0
    words = ["evaluate", "--scores", "test/scores.h5", "--labels", "test/labels.csv", "--val-scores", "val/scores.h5"]
    words += ["--val-labels", "val/labels.csv", "--metrics", "metrics.json", "--runs", "runs.csv"]
    words = [str(tmp_path / w) if "/" in w or "." in w else w for w in words]
    assert cli.main(words) == 0
    with open(tmp_path / "runs.csv") as file:
        found = {(r["setting"], r["selection"], r["metric"]): float(r["value"]) for r in csv.DictReader(file)}
    assert found["zsl", "last", "top1"] > 60  # five classes; chance is 20
