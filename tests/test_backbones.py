"""Every network on every layout: shapes, gradients, independence of the batch, order of persons, save and load."""

import numpy as np
import pytest
import torch
from small_networks import NETWORKS, SMALL, clips, make, settled

from zssar import plugins
from zssar.errors import UserError
from zssar.features import weights
from zssar.skeleton.layouts import LAYOUTS, layout

COUNTS = {
    ("st_gcn", ""): 3_098_832,
    ("st_gcn", "small"): 836_800,
}


@pytest.mark.parametrize(("name", "widths"), COUNTS)
def test_parameter_counts_of_the_papers(name, widths):
    params = {"widths": widths} if widths else {}
    fixed = {"layout": layout("kinect25"), "in_channels": 3, "num_classes": 60}
    network = plugins.create("backbones", name, {**fixed, **params})
    assert sum(p.numel() for p in network.parameters()) == COUNTS[name, widths]


def test_every_network_has_its_published_count():
    assert {name for name, _ in COUNTS} == set(NETWORKS)


@pytest.mark.parametrize("persons", ["all", "present"])
@pytest.mark.parametrize("of", LAYOUTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_and_gradients_on_every_layout(name, of, persons):
    network = make(name, of, persons=persons)
    x, present = clips(3, of)
    maps = network.maps(x, present)
    pooled = network.pool(maps, present)
    assert maps.shape[0] == 3
    assert maps.shape[2] == network.out_channels == pooled.shape[1]
    assert pooled.shape[2:] == maps.shape[3:]
    logits = network(x, present)
    assert logits.shape == (3, 5)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{key} does not take part"
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("persons", ["all", "present"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_clip_scores_the_same_alone_and_in_a_batch(name, persons):
    network = settled(make(name, persons=persons))
    x, present = clips(5)
    with torch.inference_mode():
        together = network(x, present)
        alone = torch.cat([network(x[i : i + 1], present[i : i + 1]) for i in range(5)])
    assert together.std() > 1e-3
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_order_of_persons_does_not_matter_where_absent_ones_are_left_out(name):
    network = settled(make(name, persons="present"))
    x, present = clips(4)
    with torch.inference_mode():
        torch.testing.assert_close(network(x, present), network(x.flip(4), present.flip(1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_swapping_the_maps_of_two_persons_leaves_the_pooled_map(name):
    network = settled(make(name))
    x, present = clips(4)
    with torch.inference_mode():
        maps = network.maps(x, present)
        swapped = network.pool(maps.flip(1), present)
        torch.testing.assert_close(network.pool(maps, present), swapped)


@pytest.mark.parametrize("name", NETWORKS)
def test_other_streams_and_one_body(name):
    network = settled(make(name, "utd20", in_channels=9, bodies=1), "utd20", channels=9, bodies=1)
    x, present = clips(3, "utd20", channels=9, bodies=1)
    assert network(x, torch.ones_like(present)).shape == (3, 5)


@pytest.mark.parametrize("name", NETWORKS)
def test_saved_and_loaded(name, tmp_path):
    network = settled(make(name))
    card = weights.Card(
        name, SMALL.get(name, {}), "kinect25", 3, 2, "joint", 16, 1.0, [], "zssar", "sim", "random_1_0_0",
        [0, 1, 2, 3, 4], list("abcdef"), {}, 0,
    )  # fmt: skip
    weights.save(tmp_path / "a.pt", network, card)
    weights.save(tmp_path / "b.pt", network, card)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    again, found = weights.load(tmp_path / "a.pt")
    assert found == card
    x, present = clips(3)
    with torch.inference_mode():
        assert torch.equal(again(x, present), network(x, present))


def test_weights_that_are_not_ours_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "stranger.pt")
    with pytest.raises(UserError, match=r"training\.weights"):
        weights.load(tmp_path / "stranger.pt")
    torch.save({"code": np.polynomial.Polynomial([1, 2])}, tmp_path / "pickle.pt")
    with pytest.raises(UserError, match="code in it is refused"):
        weights.load(tmp_path / "pickle.pt")
    (tmp_path / "short.pt").write_bytes((tmp_path / "stranger.pt").read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be read"):
        weights.load(tmp_path / "short.pt")
    with pytest.raises(UserError, match="does not exist"):
        weights.load(tmp_path / "none.pt")


def test_parameters_given_by_the_data_cannot_be_set():
    with pytest.raises(UserError, match="given by the data"):
        weights.build("st_gcn", layout("utd20"), 3, 4, 1, {"num_classes": 7})
    with pytest.raises(UserError, match="Did you mean 'dropout'"):
        weights.build("st_gcn", layout("utd20"), 3, 4, 1, {"dropuot": 0.1})
