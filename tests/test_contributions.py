"""The terms of a stored model are those of its scores; a method that has none, and a model of an earlier version."""

import json

import numpy as np
import pytest
import torch

from zssar import storage
from zssar.alignment import contributions, profile
from zssar.errors import UserError
from zssar.interfaces import ClassTexts, Features

CLASSES = [f"class {i}" for i in range(6)]
SEEN, UNSEEN = [0, 1, 2, 3], [4, 5]
NAMES = ("speed", "jump", "turn")


@pytest.fixture
def run(tmp_path):
    """model.pt, test.h5 and the text file of a fitted profile, and the method itself."""
    rng = np.random.default_rng(0)
    statements = np.stack([rng.normal(size=(6, 3)), np.ones((6, 3))], -1)  # (K, Q, 2)
    storage.write_texts(tmp_path / "profile.h5", CLASSES, NAMES, statements, {"kind": "profile"})
    texts = storage.read_texts({"profile": tmp_path / "profile.h5"})
    labels = np.repeat(np.arange(4), 10)
    attrs = {"layout": "kinect25", "class_names": CLASSES, "seen": SEEN, "unseen": UNSEEN, "profile": list(NAMES)}
    train = Features({"profile": statements[labels, :, 0] + rng.normal(0, 0.1, (40, 3))}, "kinect25", attrs)
    method = profile.Profile().fit(train, labels, texts.select(CLASSES[:4]))
    ids = [f"s{i}" for i in range(8)]
    storage.write_features(tmp_path / "test.h5", {"profile": rng.normal(size=(8, 3))}, ids, attrs)
    saved = {"method": "profile", "params": json.dumps({"texts": ["profile"]}), "seeds": {"0": method.state()}}
    torch.save(saved, tmp_path / "model.pt")
    return tmp_path, method, texts


def test_terms_are_those_of_the_asked_samples_in_their_order(run):
    folder, method, texts = run
    wanted = ["s5", "s0", "s3"]
    found = contributions.read(folder / "model.pt", 0, folder / "test.h5", {"profile": folder / "profile.h5"}, wanted)
    assert found.classes == ("class 4", "class 5")
    assert set(found.names) <= set(NAMES)
    with storage.open_features(folder / "test.h5", ["profile"]) as (features, _, _):
        few = features.select(np.array([0, 3, 5]))
    scores = method.score(few, ClassTexts(texts.names, texts.embeddings, texts.units).select(CLASSES[4:]))
    assert found.terms.sum(-1) == pytest.approx(scores[[2, 0, 1]], abs=1e-5)


def test_a_method_that_is_no_sum_explains_nothing(run):
    folder, *_ = run
    torch.save({"method": "devise", "params": "{}", "seeds": {}}, folder / "model.pt")
    assert contributions.read(folder / "model.pt", 0, folder / "test.h5", {}, ["s0"]) is None


def test_a_model_of_an_earlier_version_says_so(run):
    folder, *_ = run
    saved = torch.load(folder / "model.pt", weights_only=True)
    del saved["seeds"]["0"]["names"]
    torch.save(saved, folder / "model.pt")
    with pytest.raises(UserError, match=r"model\.pt lacks 'names'.*run align again"):
        contributions.read(folder / "model.pt", 0, folder / "test.h5", {"profile": folder / "profile.h5"}, ["s0"])
