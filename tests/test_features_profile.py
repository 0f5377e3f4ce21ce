"""The view ``profile`` in feature files: with a network and without, named columns, and what is refused."""

import numpy as np
import pytest
import small_skeletons
from test_features_extract import SPLIT, arguments, save_network

from zssar import cli, storage
from zssar.skeleton import kinematics
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("profile")
    small_skeletons.write(place / "skeletons.h5")
    save_network(place / "model.pt", place / "skeletons.h5")
    return place


def without_network(folder, out, *views):
    words = arguments(folder, out, views)
    at = words.index("--weights")
    return [*words[:at], *words[at + 2 :]]


def read(path):
    with storage.open_features(path) as (features, _, ids):
        return {name: features[name] for name in features.views}, features.attrs, ids


def test_the_profile_is_measured_with_and_without_a_network(folder, tmp_path):
    (tmp_path / "bare").mkdir()
    assert cli.main(without_network(folder, tmp_path / "bare", "profile")) == 0
    assert cli.main(arguments(folder, tmp_path, ["pooled", "profile"])) == 0
    data = Skeletons(folder / "skeletons.h5")
    for name in ("seen_train.h5", "test.h5"):
        alone, attrs, ids = read(tmp_path / "bare" / name)
        beside, with_network, _ = read(tmp_path / name)
        assert set(alone) == {"profile"}
        assert set(beside) == {"pooled", "profile"}
        rows = np.array([data.sample_id.tolist().index(i) for i in ids])
        truth = kinematics.measure_clips(data, rows, layout(data.layout))
        np.testing.assert_allclose(alone["profile"], truth, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(alone["profile"], beside["profile"])
        assert attrs["quantities"] == with_network["quantities"] == list(kinematics.names())
        assert attrs["backbone"] == "none"
        assert attrs["seen"] == with_network["seen"]
        assert np.isnan(alone["profile"][:, kinematics.names().index("approach")]).any()  # clips of one person


def test_other_views_need_a_network(folder, tmp_path, capsys):
    assert cli.main(without_network(folder, tmp_path, "profile", "pooled")) == 2
    assert "pooled need a network: give --weights" in capsys.readouterr().err
    assert not (tmp_path / "test.h5").exists()


def test_a_misspelt_view_names_the_profile(folder, tmp_path, capsys):
    assert cli.main(arguments(folder, tmp_path, ["profil"])) == 2
    assert "'profile'" in capsys.readouterr().err


def test_the_split_is_the_same_without_a_network(folder, tmp_path):
    assert cli.main(without_network(folder, tmp_path, "profile")) == 0
    _, attrs, _ = read(tmp_path / "seen_train.h5")
    assert attrs["split"] == SPLIT
    assert len(attrs["unseen"]) == 2


@pytest.mark.parametrize("recipe", ["aimclr", "shiftgcn"])
def test_recipes_that_remove_movement_are_refused(folder, tmp_path, recipe, capsys):
    import h5py

    (tmp_path / "skeletons.h5").write_bytes((folder / "skeletons.h5").read_bytes())
    with h5py.File(tmp_path / "skeletons.h5", "r+") as file:
        file.attrs["recipe"] = recipe
    assert cli.main(without_network(tmp_path, tmp_path, "profile")) == 2
    assert f"recipe {recipe!r}" in " ".join(capsys.readouterr().err.split())
