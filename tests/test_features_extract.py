"""Feature files: the right rows, no test labels, every view, a clip alone as in a batch, and no wrong weights."""

import csv
import json

import numpy as np
import pytest
import small_skeletons
import torch

from zssar import cli, plugins, storage
from zssar.datasets import splits
from zssar.errors import UserError
from zssar.features import extract, masking, views, weights
from zssar.features.clips import Clips
from zssar.features.pretrain import training_rows
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons

SPLIT = "random_2_0_0"
NAMES = [*views.VIEWS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """skeletons.h5 and model.pt with random weights."""
    place = tmp_path_factory.mktemp("extract")
    small_skeletons.write(place / "skeletons.h5")
    save_network(place / "model.pt", place / "skeletons.h5")
    return place


def save_network(path, skeletons, split_name=SPLIT, **changes):
    torch.manual_seed(0)
    data = Skeletons(skeletons)
    split, _ = training_rows(data, split_name)
    card = weights.Card(
        **{
            "module": "st_gcn", "params": {"widths": [[8, 1], [12, 2]]}, "layout": "utd20", "in_channels": 3,
            "bodies": 2, "stream": "joint", "frames": 16, "test_crop": 1.0, "normalise": [], "recipe": "zssar",
            "dataset": "own", "split": split_name, "seen": list(split.seen),
            "class_names": list(small_skeletons.CLASSES), "training": {}, "seed": 0,
        } | changes
    )  # fmt: skip
    network = card.build().train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, 16, 20, 2), torch.ones(4, 2, dtype=torch.bool))
    weights.save(path, network, card)


def arguments(folder, out, names=NAMES, split=SPLIT, model="model.pt", skeletons="skeletons.h5"):
    return [
        "extract_features", "--skeletons", f"{folder}/{skeletons}", "--split", split, "--weights", f"{folder}/{model}",
        "--views", *names, "--device", "cpu", "--precision", "fp32", "--seen-train", f"{out}/seen_train.h5",
        "--test", f"{out}/test.h5", "--test-labels", f"{out}/test_labels.csv",
    ]  # fmt: skip


def test_the_files_hold_what_they_promise(folder, tmp_path):
    assert cli.main(arguments(folder, tmp_path)) == 0
    data = Skeletons(folder / "skeletons.h5")
    split, train = training_rows(data, SPLIT)
    test = splits.rows(split, data.label)[1]
    with storage.open_features(tmp_path / "seen_train.h5") as (features, labels, ids):
        assert ids.tolist() == data.sample_id[train].tolist()
        assert labels.tolist() == data.label[train].tolist()
        assert set(labels.tolist()) == set(split.seen)
        n = len(ids)
        assert features["pooled"].shape == (n, 12)
        assert features["grid"].shape == (n, 12, 8, 20)
        assert features["grid"].dtype == np.float16
        assert features["phases"].shape == (n, 3, 12)
        shapes = {name: features[name].shape for name in views.PARTS}
        assert shapes == {g: (n, len(layout("utd20").parts(g)), 12) for g in views.PARTS}
        assert features["seen_logits"].shape == (n, len(split.seen))
        assert features["pooled_masked"].shape == (n, masking.DRAWS, 12)
        np.testing.assert_allclose(features["grid"].astype(float).mean((2, 3)), features["pooled"], atol=2e-3)
        assert features["pooled"].std(0).min() > 0
        assert features.attrs["seen"] == list(split.seen)
        assert features.attrs["unseen"] == list(split.unseen)
        keys = {"dataset", "split", "partition", "backbone", "stream", "layout", "class_names", "weights"}
        assert keys <= features.attrs.keys()
    with storage.open_features(tmp_path / "test.h5") as (features, labels, ids):
        assert labels is None
        assert ids.tolist() == data.sample_id[test].tolist()
    with open(tmp_path / "test_labels.csv") as file:
        rows = list(csv.DictReader(file))
    assert [r["sample_id"] for r in rows] == data.sample_id[test].tolist()
    assert [int(r["label"]) for r in rows] == data.label[test].tolist()
    assert {r["group"] for r in rows} == {"seen", "unseen"}
    assert all((int(r["label"]) in split.unseen) == (r["group"] == "unseen") for r in rows)
    assert [r["name"] for r in rows] == [small_skeletons.CLASSES[int(r["label"])] for r in rows]


def test_test_labels_appear_nowhere_else(folder, tmp_path):
    """Other labels on the test samples leave both feature files byte for byte as they are, but for the rows' choice."""
    import h5py

    data = Skeletons(folder / "skeletons.h5")
    split, _ = training_rows(data, SPLIT)
    test = splits.rows(split, data.label)[1]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    copy = tmp_path / "shuffled.h5"
    copy.write_bytes((folder / "skeletons.h5").read_bytes())
    with h5py.File(copy, "r+") as file:
        label = file["label"][...]
        label[test] = np.roll(label[test], 5)
        file["label"][...] = label
    assert cli.main(arguments(folder, tmp_path / "a")) == 0
    assert cli.main(arguments(tmp_path, tmp_path / "b", skeletons="shuffled.h5", model=f"{folder}/model.pt")) == 2
    (tmp_path / "model.pt").write_bytes((folder / "model.pt").read_bytes())
    assert cli.main(arguments(tmp_path, tmp_path / "b", skeletons="shuffled.h5")) == 0
    for name in ("seen_train.h5", "test.h5"):
        with (
            storage.open_features(tmp_path / "a" / name) as (one, _, _),
            storage.open_features(tmp_path / "b" / name) as (other, _, _),
        ):
            for view in NAMES:
                assert np.array_equal(one[view], other[view]), (name, view)


def test_masked_features_are_those_of_clips_without_their_most_active_frames(folder):
    """By the network itself, clip by clip; the fixture's map is 8 steps long, the masked one's shorter."""
    network, card = weights.load(folder / "model.pt")
    data, rows = Skeletons(folder / "skeletons.h5"), np.arange(0, 40, 5)
    extractor = extract.Extractor(network, card, card.seen, ["pooled", "pooled_masked"], "cpu", None)
    found = [block["pooled_masked"] for block in extractor.blocks(data, rows)]
    clips = Clips(data, rows, layout("utd20"), card.normalise)
    x, present = clips.windows(torch.arange(len(rows)), card.frames, card.test_crop)
    assert masking.masked(x, 0).shape[2] == round(0.4 * card.frames)
    with torch.inference_mode():
        for draw in range(masking.DRAWS):
            maps = network.pool(network.maps(masking.masked(x, draw), present), present)
            np.testing.assert_allclose(np.concatenate(found)[:, draw], maps.mean((2, 3)), rtol=1e-3, atol=1e-5)


def test_a_clip_alone_gives_what_it_gives_in_a_batch(folder):
    network, card = weights.load(folder / "model.pt")
    data = Skeletons(folder / "skeletons.h5")
    extractor = extract.Extractor(network, card, card.seen, NAMES, "cpu", None)
    rows = np.arange(0, len(data), 3)
    together = [found["pooled"] for found in extractor.blocks(data, rows)]
    alone = [found["pooled"] for row in rows for found in extractor.blocks(data, np.array([row]))]
    np.testing.assert_allclose(np.concatenate(together), np.concatenate(alone), atol=1e-5)


def test_statistics_of_the_batch_norms_do_not_move(folder):
    network, card = weights.load(folder / "model.pt")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    data = Skeletons(folder / "skeletons.h5")
    list(extract.Extractor(network, card, card.seen, NAMES, "cpu", None).blocks(data, np.arange(20)))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_a_validation_split_may_borrow_its_parents_network(folder, tmp_path):
    data = Skeletons(folder / "skeletons.h5")
    split, _ = training_rows(data, f"{SPLIT}-val0")
    parent, _ = training_rows(data, SPLIT)
    assert cli.main(arguments(folder, tmp_path, split=f"{SPLIT}-val0")) == 0
    with storage.open_features(tmp_path / "test.h5") as (features, _, _):
        assert features["seen_logits"].shape[1] == len(split.seen)
        assert features.attrs["weights_split"] == SPLIT
        assert features.attrs["split"] == f"{SPLIT}-val0"
        narrow = features["seen_logits"]
    network, card = weights.load(folder / "model.pt")
    rows = splits.rows(split, data.label)[1]
    wide = np.concatenate(
        [f["seen_logits"] for f in extract.Extractor(network, card, card.seen, NAMES, "cpu", None).blocks(data, rows)]
    )
    columns = [parent.seen.index(c) for c in split.seen]
    np.testing.assert_allclose(narrow, wide[:, columns], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "random_2_0_1"}, "trained for split random_2_0_1"),
        ({"dataset": "other"}, "another data set"),
        ({"recipe": "aimclr"}, "another recipe"),
        ({"bodies": 1}, "another person slots"),
        ({"class_names": ["a"]}, "another class list"),
        ({"seen": [0, 1, 2]}, "the split was changed since"),
    ],
)
def test_weights_of_something_else_are_refused(folder, tmp_path, change, message):
    save_network(tmp_path / "model.pt", folder / "skeletons.h5", **change)
    with pytest.raises(UserError, match=message):
        extract.extract(folder / "skeletons.h5", SPLIT, [tmp_path / "model.pt"], ["pooled"], "cpu", "fp32")


@pytest.mark.parametrize("fusion", ["mean", "concat"])
def test_four_streams_are_fused(folder, tmp_path, fusion):
    streams = ["joint", "bone", "joint_motion", "bone_motion"]
    single = []
    for stream in streams:
        save_network(tmp_path / f"{stream}.pt", folder / "skeletons.h5", stream=stream)
        words = arguments(folder, tmp_path / stream)
        words[words.index("--weights") + 1] = f"{tmp_path}/{stream}.pt"
        assert cli.main(words) == 0
        with storage.open_features(tmp_path / stream / "test.h5") as (features, _, _):
            single.append({name: features[name] for name in NAMES})
    words = arguments(folder, tmp_path / "four")
    at = words.index("--weights")
    words[at + 1 : at + 2] = [f"{tmp_path}/{stream}.pt" for stream in streams]
    assert cli.main([*words, "--fusion", fusion]) == 0
    with storage.open_features(tmp_path / "four" / "test.h5") as (features, _, _):
        assert features.attrs["stream"] == "+".join(streams)
        assert len(features.attrs["weights"].split("+")) == 4
        mean = {n: np.tensordot([0.3, 0.3, 0.2, 0.2], np.stack([s[n] for s in single]), 1) for n in NAMES}
        np.testing.assert_allclose(features["seen_logits"], mean["seen_logits"], atol=1e-4)
        if fusion == "mean":
            for name in NAMES:
                np.testing.assert_allclose(features[name], mean[name], atol=3e-3 if name == "grid" else 1e-4)
        else:
            assert features["pooled"].shape[1] == 48
            assert features["grid"].shape[1:] == (48, 8, 20)
            np.testing.assert_allclose(features["parts4"][..., 12:24], single[1]["parts4"], atol=1e-5)


def test_a_wrong_view_stops_before_any_file_is_written(folder, tmp_path, capsys):
    assert cli.main(arguments(folder, tmp_path, names=["pooled", "parts3"])) == 2
    assert "Did you mean" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_features_are_read_lazily_in_small_chunks(tmp_path):
    """A shuffled batch must not read the whole grid: chunks hold about a megabyte."""
    import h5py

    grid = np.zeros((40, 256, 16, 25), np.float16)
    storage.write_features(
        tmp_path / "f.h5",
        {"grid": grid, "pooled": np.zeros((40, 256))},
        [str(i) for i in range(40)],
        {"layout": "utd20"},
    )
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["views/grid"].chunks == (5, 256, 16, 25)
        assert file["views/pooled"].chunks == (64, 256)


def test_views_that_are_not_asked_for_are_not_read(tmp_path, monkeypatch):
    """A method of pooled vectors never touches the grid, and opening a file reads no view at all."""
    import h5py

    views = {"grid": np.ones((9, 8, 4, 25), np.float16), "pooled": np.ones((9, 8))}
    storage.write_features(tmp_path / "f.h5", views, [str(i) for i in range(9)], {"layout": "utd20"})
    read, plain = [], h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, key: read.append(self.name) or plain(self, key))
    with storage.open_features(tmp_path / "f.h5", ["pooled"]) as (features, _, _):
        assert "/views/pooled" not in read
        assert features["pooled"][[1, 4]].shape == (2, 8)
        assert "grid" not in features.views
    assert "/views/pooled" in read
    assert "/views/grid" not in read


def test_part_views_of_a_network_without_joints_are_refused(folder):
    network, card = weights.load(folder / "model.pt")
    network.pool = lambda maps, present: maps.mean(1).mean(3, keepdim=True)
    with pytest.raises(UserError, match="parts4 needs a map"):
        extract.Extractor(network, card, card.seen, ["parts4"], "cpu", None)
    extract.Extractor(network, card, card.seen, ["pooled", "phases"], "cpu", None)


def test_every_backbone_names_a_paper_recipe():
    from zssar.features.recipe import Training

    for name in plugins.names("backbones"):
        recipe = plugins.load("backbones", name).paper_recipe
        assert Training.of({"recipe": "paper"}, recipe).optimiser == "sgd"
        json.dumps(recipe)
