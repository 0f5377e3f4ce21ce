"""Every network on every layout: shapes, gradients, independence of the batch, order of persons, save and load."""

import numpy as np
import pytest
import torch
from small_networks import GRAPHS, NETWORKS, SMALL, clips, make, settled

from zssar import plugins
from zssar.errors import UserError
from zssar.features import weights
from zssar.skeleton.layouts import LAYOUTS, layout

CASES = [(name, {"persons": persons}) for name in GRAPHS for persons in ("all", "present")] + [("posec3d", {})]

# With 60 classes. Shift-GCN's published 693,107 hold a second displacement per shifted channel that is never trained.
COUNTS = {
    ("st_gcn", "kinect25"): 3_098_832,
    ("st_gcn", "kinect25", "small"): 836_800,
    ("shift_gcn", "kinect25"): 693_107 - 2 * (4 * 64 + 3 * 128 + 3 * 256),
    ("ctr_gcn", "kinect25"): 1_446_672,
    ("aa_gcn", "kinect25"): 3_781_668,
    ("dg_stgcn", "kinect25"): 1_701_172,
    ("posec3d", "coco17"): 2_024_860,  # published as 2.0 M
}


@pytest.mark.parametrize("key", COUNTS)
def test_parameter_counts_of_the_papers(key):
    name, of, *widths = key
    fixed = {"layout": layout(of), "in_channels": 3, "num_classes": 60}
    network = plugins.create("backbones", name, fixed | ({"widths": widths[0]} if widths else {}))
    assert sum(p.numel() for p in network.parameters()) == COUNTS[key]


def test_every_network_has_its_published_count():
    assert {key[0] for key in COUNTS} == set(NETWORKS)


@pytest.mark.parametrize("of", LAYOUTS)
@pytest.mark.parametrize(("name", "params"), CASES)
def test_shapes_and_gradients_on_every_layout(name, of, params):
    network = make(name, of, **params)
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


@pytest.mark.parametrize(("name", "params"), CASES)
def test_a_clip_scores_the_same_alone_and_in_a_batch(name, params):
    network = settled(make(name, **params))
    x, present = clips(5)
    with torch.inference_mode():
        together = network(x, present)
        alone = torch.cat([network(x[i : i + 1], present[i : i + 1]) for i in range(5)])
    assert together.std() > 1e-3
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_order_of_persons_does_not_matter_where_absent_ones_are_left_out(name):
    network = settled(make(name, **({"persons": "present"} if name in GRAPHS else {})))
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
