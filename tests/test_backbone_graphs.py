"""Graphs, the shared pass over bodies, and what is special about each network."""

import numpy as np
import pytest
import torch
from small_networks import clips, make, settled

from zssar.backbones import graph
from zssar.errors import UserError
from zssar.skeleton.layouts import LAYOUTS, layout


@pytest.mark.parametrize("of", LAYOUTS)
def test_partitions_cover_the_tree(of):
    skeleton = layout(of)
    distance, direction = graph.distance_partition(skeleton), graph.direction_partition(skeleton)
    links = np.eye(len(skeleton), dtype=bool)
    for a, b in skeleton.edges:
        links[a, b] = links[b, a] = True
    for matrices in (distance, direction):
        assert matrices.shape == (3, len(skeleton), len(skeleton))
        assert ((matrices > 0).sum(0) == links).all()  # every link in exactly one subset
    np.testing.assert_allclose(distance.sum((0, 1)), 1, rtol=1e-6)
    sums = direction.sum(1)
    assert np.isin(np.round(sums, 6), [0, 1]).all()
    assert sums[1].sum() + sums[2].sum() > len(skeleton) - 1


def test_depths_of_the_kinect_skeleton():
    skeleton = layout("kinect25")
    depth = dict(zip(skeleton.joints, graph.depths(skeleton).tolist()))
    assert (depth["spine_shoulder"], depth["neck"], depth["head"], depth["spine_base"]) == (0, 1, 2, 2)
    assert (depth["left_hand"], depth["left_tip"], depth["left_thumb"], depth["right_foot"]) == (4, 5, 5, 6)


def test_inward_edges_lead_to_the_centre():
    skeleton = layout("kinect25")
    _, inward, outward = graph.direction_partition(skeleton)
    elbow, shoulder = skeleton.roles["left_elbow"], skeleton.roles["left_shoulder"]
    assert inward[elbow, shoulder] > 0
    assert outward[shoulder, elbow] == 1
    assert inward[shoulder, elbow] == 0


@pytest.mark.parametrize("name", ["st_gcn"])
def test_empty_bodies_share_one_exact_answer(name):
    network = settled(make(name))
    x, present = clips(6)
    with torch.inference_mode():
        fast = network.maps(x, present)
        slow = network.body(network._normalised(x.permute(0, 4, 3, 1, 2))).unflatten(0, (6, 2))
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-6)
    assert not torch.equal(slow[0, 0], slow[0, 1])


def test_an_absent_body_changes_nothing_where_it_is_left_out():
    network = settled(make("st_gcn", persons="present"))
    x, present = clips(4)
    one = settled(make("st_gcn", persons="present", bodies=1), bodies=1)
    one.load_state_dict(network.state_dict())
    rows = ~present[:, 1]
    with torch.inference_mode():
        torch.testing.assert_close(network(x, present)[rows], one(x[rows][..., :1], present[rows][:, :1]))


def test_batch_statistics_ignore_absent_bodies():
    network = make("st_gcn", persons="present").train()
    x, present = clips(4)
    network(x, present)
    mean = network.data_bn.running_mean.clone()
    other = make("st_gcn", persons="present").train()
    bodies = x.permute(0, 4, 1, 2, 3)[present][..., None]  # (B, C, T, V, 1)
    other(bodies, torch.ones(len(bodies), 1, dtype=torch.bool))
    torch.testing.assert_close(mean, other.data_bn.running_mean)


def test_clips_without_anybody_are_scored():
    for persons in ("all", "present"):
        network = settled(make("st_gcn", persons=persons))
        x, present = torch.zeros(2, 3, 16, 25, 2), torch.zeros(2, 2, dtype=torch.bool)
        assert torch.isfinite(network(x, present)).all()


def test_st_gcn_is_the_sum_over_groups_of_neighbours():
    """The fast graph product against the formula, joint by joint."""
    from zssar.backbones.layers import graph_product

    torch.manual_seed(0)
    y, matrices = torch.randn(2, 12, 3, 5), torch.randn(3, 5, 5)
    slow = torch.zeros(2, 4, 3, 5)
    for k in range(3):
        for v in range(5):
            for w in range(5):
                slow[..., w] += y[:, 4 * k : 4 * k + 4, :, v] * matrices[k, v, w]
    torch.testing.assert_close(graph_product(y, matrices), slow, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("frames", "widths", "expected"), [(64, "full", 16), (300, "small", 75), (50, "small", 13)])
def test_map_shapes_of_the_dossier(frames, widths, expected):
    network = make("st_gcn", widths=widths).eval()
    with torch.inference_mode():
        x, present = clips(1, frames=frames)
        assert network.pool(network.maps(x, present), present).shape == (1, 256, expected, 25)


def test_messages_for_wrong_parameters():
    with pytest.raises(UserError, match="Did you mean 'small'"):
        make("st_gcn", widths="smal")
    with pytest.raises(UserError, match="stride"):
        make("st_gcn", widths=[[8]])
    with pytest.raises(UserError, match="all, present"):
        make("st_gcn", persons="some")
