"""Splits: complete, published, stable by name, and without leaks."""

import ntu_names
import numpy as np
import pytest

from zssar.datasets import splits
from zssar.datasets.files import class_names
from zssar.datasets.ntu import missing_samples
from zssar.errors import UserError

ALL = [(d, p) for d, entry in splits.table().items() for p in entry["protocols"]]


def columns(classes, subjects=range(1, 9), cameras=(1, 2, 3), setups=(1, 2)):
    """One sample per class, subject and camera."""
    rows = [(c, s, k) for c in range(classes) for s in subjects for k in cameras]
    label, subject, camera = np.array(rows).T
    return {
        "sample_id": np.array([f"a{c}_s{s}_c{k}" for c, s, k in rows]),
        "label": label,
        "subject": subject,
        "camera": camera,
        "setup": np.array(setups)[np.arange(len(rows)) % len(setups)],
        "replication": np.ones_like(label),
    }


@pytest.mark.parametrize(("dataset", "protocol"), ALL)
def test_every_published_split_is_a_partition_of_the_classes(dataset, protocol):
    entry = splits.table()[dataset]
    count, found = entry["classes"], entry["protocols"][protocol]
    unseen = found["unseen"]
    assert unseen == sorted(set(unseen))
    assert all(0 <= c < count for c in unseen)
    numbers = [int(word) for word in protocol.split("_")[1:3]]
    assert numbers == [count - len(unseen), len(unseen)] or protocol == "star_46_5_random_3"
    assert found["source"]
    validation = found.get("validation", [])
    assert not set(validation) & set(unseen)
    assert len(validation) in (0, len(unseen))
    if entry["class_names"]:
        assert len(class_names(entry["class_names"])) == count


def test_the_synse_splits_have_published_validation_classes_and_complete_seen_sets():
    with_list = {p for d, p in ALL if "validation" in splits.table()[d]["protocols"][p]}
    assert with_list == {"synse_55_5", "synse_48_12", "synse_110_10", "synse_96_24"}
    split = splits.resolve("ntu120", "synse_110_10-val0", columns(120))
    assert len(split.seen) == 100  # the published list has 81
    assert split.unseen == (5, 10, 32, 61, 72, 74, 76, 77, 83, 96)


def test_official_partitions():
    meta = columns(60, range(1, 41), setups=(1, 2))
    xsub = splits.resolve("ntu60", "synse_55_5", meta)
    assert set(meta["subject"][xsub.train]) >= {1, 2, 4, 38}
    assert len(set(meta["subject"][xsub.train])) == 20
    assert 3 in meta["subject"][xsub.test]
    xview = splits.resolve("ntu60", "synse_55_5@xview", meta)
    assert set(meta["camera"][xview.test]) == {1}
    xset = splits.resolve("ntu120", "purls_80_40@xset", columns(120, range(1, 3)))
    assert xset.partition == "xset"
    utd = columns(27)
    assert set(utd["subject"][splits.resolve("utd_mhad", "purls_22_5", utd).train]) == {1, 3, 5, 7}
    ucla = splits.resolve("nw_ucla", "purls_8_2", columns(10))
    assert ucla.partition == "xview"
    assert len(splits.table()["ntu120"]["partitions"]["xsub"]["train"]) == 53


@pytest.mark.parametrize(
    ("dataset", "classes", "files", "used", "counts"),
    [
        ("ntu60", 60, 56880, 56578, {"xsub": (40091, 16487), "xview": (37646, 18932)}),
        ("ntu120", 120, 114480, 113945, {"xsub": (63026, 50919), "xset": (54468, 59477)}),
    ],
)
def test_the_official_totals_come_out(dataset, classes, files, used, counts):
    every = [name for name in ntu_names.names() if int(name[-3:]) <= classes]
    assert len(every) == files
    missing = missing_samples()
    left = [name for name in every if name not in missing]
    assert len(left) == used
    meta = {
        key: np.array([int(n[at : at + 3]) for n in left]) for key, at in (("setup", 1), ("camera", 5), ("subject", 9))
    }
    meta |= {"sample_id": np.array(left), "label": np.array([int(n[-3:]) - 1 for n in left])}
    protocol = next(iter(splits.table()[dataset]["protocols"]))
    for partition, (train, test) in counts.items():
        split = splits.resolve(dataset, f"{protocol}@{partition}", meta)
        assert (split.train.sum(), split.test.sum()) == (train, test)


NAMES = ["purls_22_5", "purls_14_13", "random_3_0_1", "purls_22_5@samples", "random_20_5_0"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [0, 1])
def test_a_validation_split_lives_inside_its_parents_training_part(name, number):
    meta = columns(27)
    parent = splits.resolve("utd_mhad", name, meta)
    val = splits.resolve("utd_mhad", f"{name}-val{number}", meta)
    assert set(val.seen) | set(val.unseen) == set(parent.seen)
    assert not set(val.seen) & set(val.unseen)
    assert len(val.unseen) == min(len(parent.unseen), max(2, len(parent.seen) // 4))
    train, test = splits.rows(val, meta["label"])
    assert set(meta["label"][train]) == set(val.seen)
    assert not set(train) & set(test)
    assert parent.train[train].all()
    assert parent.train[test].all()
    assert not set(meta["label"][test]) & set(parent.unseen)
    assert set(meta["label"][test]) == set(val.classes)
    if "@" not in name:
        held = set(meta["subject"][test[np.isin(meta["label"][test], val.seen)]])
        assert len(held) == 1  # a quarter of subjects 1, 3, 5, 7
        assert not held & set(meta["subject"][train])
        assert set(meta["subject"][test[np.isin(meta["label"][test], val.unseen)]]) == {1, 3, 5, 7}


def test_draws_differ_and_are_stable():
    meta = columns(27)
    names = splits.expand("random:5:20:0")
    assert names[0] == "random_5_0_0"
    assert len({splits.resolve("utd_mhad", n, meta).unseen for n in names}) == 20
    assert splits.resolve("utd_mhad", "random_5_0_0", meta).unseen == (4, 8, 9, 15, 23)
    assert splits.expand("purls_22_5@xsub") == ["purls_22_5@xsub"]
    assert splits.expand("random:5:2:7@samples") == ["random_5_7_0@samples", "random_5_7_1@samples"]
    first, second = (splits.resolve("utd_mhad", f"purls_22_5-val{k}", meta) for k in (0, 1))
    assert first.unseen != second.unseen


def test_the_order_of_samples_does_not_matter():
    meta = columns(27)
    order = np.random.default_rng(0).permutation(len(meta["label"]))
    shuffled = {key: values[order] for key, values in meta.items()}
    for name in ("random_5_0_0@samples", "random_5_0_0@samples-val0", "purls_22_5-val1"):
        a, b = splits.resolve("utd_mhad", name, meta), splits.resolve("utd_mhad", name, shuffled)
        np.testing.assert_array_equal(a.train[order], b.train)
        np.testing.assert_array_equal(a.test[order], b.test)


def test_without_subjects_a_quarter_of_each_class_is_held_out():
    meta = columns(12)
    meta["subject"] = np.full_like(meta["subject"], -1)
    split = splits.resolve("mine", "random_3_0_0@samples-val0", meta, num_classes=12)
    train, test = splits.rows(split, meta["label"])
    for c in split.seen:
        assert (meta["label"][train] == c).sum() == 9  # of 12 in the training half
        assert (meta["label"][test] == c).sum() == 3
    assert "subjects unknown" in split.source
    few = np.concatenate([np.flatnonzero(meta["label"] == c)[: 2 * n] for c, n in enumerate([1, 2, 3, 4, 5] + [2] * 7)])
    few = {key: values[few] for key, values in meta.items()}
    split = splits.resolve("mine", "random_3_0_0@samples-val0", few, num_classes=12)
    train, test = splits.rows(split, few["label"])
    held = {c: (few["label"][test] == c).sum() for c in split.seen}
    assert held == {c: {0: 0, 1: 1, 2: 1, 3: 1, 4: 1}.get(c, 1) for c in split.seen}  # of 1, 2, 3, 4, 5, 2 ...
    with pytest.raises(UserError, match="needs the subject of every sample"):
        splits.resolve("mine", "random_3_0_0", meta, num_classes=12)


def test_leaks_are_caught():
    meta = columns(27)
    split = splits.resolve("utd_mhad", "purls_22_5", meta)
    train, _ = splits.rows(split, meta["label"])
    splits.check_no_leak(split, meta["label"], train)
    unseen_row = np.flatnonzero(split.train & np.isin(meta["label"], split.unseen))[:1]
    test_row = np.flatnonzero(split.test & np.isin(meta["label"], split.seen))[:1]
    with pytest.raises(UserError, match="classes that are not seen"):
        splits.check_no_leak(split, meta["label"], np.concatenate([train, unseen_row]))
    with pytest.raises(UserError, match="test partition"):
        splits.check_no_leak(split, meta["label"], np.concatenate([train, test_row]))
    val = splits.resolve("utd_mhad", "purls_22_5-val0", meta)
    with pytest.raises(UserError, match="leak"):
        splits.check_no_leak(val, meta["label"], train)


@pytest.mark.parametrize(
    ("dataset", "name", "message"),
    [
        ("utd_mhad", "purls_22_6", "Did you mean 'purls_22_5'"),
        ("utd_mhad", "purls_22_5@xset", "unknown partition of data set utd_mhad 'xset'"),
        ("utd_mhad", "purls_22_5-vale", "not of the form"),
        ("utd_mhad", "random_26_0_0", "at most 25"),
        ("mine", "random_3_0_0", "not in splits.yaml"),
        ("mine", "purls_22_5", "unknown split of data set mine"),
    ],
)
def test_wrong_names_teach(dataset, name, message):
    with pytest.raises(UserError, match=message):
        splits.resolve(dataset, name, columns(27))


def test_a_shortened_class_list_cannot_use_a_published_split():
    meta = columns(8)
    with pytest.raises(UserError, match="made for the 52 classes"):
        splits.resolve("sim", "sim_44_8", meta, num_classes=8)
    assert len(splits.resolve("sim", "random_2_0_0", meta, num_classes=8).seen) == 6


def test_a_partition_without_test_samples_is_refused():
    with pytest.raises(UserError, match="leaves no test sample"):
        splits.resolve("utd_mhad", "purls_22_5", columns(27, subjects=(1, 3)))
