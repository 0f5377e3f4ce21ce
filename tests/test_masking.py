"""The view ``pooled_masked``: which frames stay, and what the backbone makes of them (SMIE, section on temporal
constraint)."""

import numpy as np
import pytest
import torch

from zssar import plugins
from zssar.features import masking
from zssar.skeleton.layouts import layout


def test_of_fifty_frames_35_stay_and_then_20_as_in_the_paper():
    assert masking.counts(50) == (35, 20)
    assert masking.masked(torch.randn(2, 3, 50, 25, 2), 0).shape == (2, 3, 20, 25, 2)
    assert masking.counts(64) == (45, 26)
    assert masking.counts(1) == (1, 1)


def test_activity_is_the_sum_of_forward_and_backward_squared_differences():
    x = torch.zeros(1, 1, 5, 2, 1)
    x[0, 0, :, 0, 0] = torch.tensor([0.0, 1.0, 1.0, 4.0, 4.0])  # steps 1, 0, 3, 0; the other joint stands still
    expected = torch.tensor([[1.0, 1.0, 9.0, 9.0, 0.0]]) / 2
    torch.testing.assert_close(masking.activity(x), expected)


def test_the_least_active_frames_stay_in_their_order(monkeypatch):
    monkeypatch.setattr(masking, "LEFT", masking.QUIET)  # nothing dropped at random
    at = torch.zeros(2, 10)
    at[0, 3:6] = torch.tensor([5.0, -5.0, 5.0])  # clip 0 moves at frames 2 to 6
    at[1, 8] = 9.0  # clip 1 at frames 7 to 9
    x = (at + 0.001 * torch.arange(10))[:, None, :, None, None].expand(2, 3, 10, 4, 2)
    kept = masking.masked(x, 0)[:, 0, :, 0, 0]
    assert kept.shape == (2, 7)
    # Clip 0: frames 0, 1, 7, 8, 9 are still; 2 and 6 have one big neighbour and come next.
    torch.testing.assert_close(kept[0], (at[0] + 0.001 * torch.arange(10))[[0, 1, 2, 6, 7, 8, 9]])
    torch.testing.assert_close(kept[1], 0.001 * torch.arange(7.0))


def test_positions_dropped_at_random_are_common_to_all_clips_and_differ_between_draws():
    x = torch.arange(50.0)[None, None, :, None, None].expand(3, 3, 50, 5, 2).clone()  # equal speed: ties keep order
    draws = [masking.masked(x, draw) for draw in range(masking.DRAWS)]
    for draw, found in enumerate(draws):
        assert (found == found[:1]).all()
        assert (found[0, 0, 1:, 0, 0] > found[0, 0, :-1, 0, 0]).all()
        assert torch.equal(masking.positions(50, draw), masking.positions(50, draw))
    assert len({tuple(masking.positions(50, draw).tolist()) for draw in range(masking.DRAWS)}) == masking.DRAWS
    assert not torch.equal(draws[0], draws[1])


def test_a_clip_is_masked_alone_as_in_a_batch():
    x = torch.randn(4, 3, 32, 20, 2, generator=torch.Generator().manual_seed(0))
    together = masking.masked(x, 1)
    assert torch.equal(together, torch.cat([masking.masked(clip[None], 1) for clip in x]))


NARROW = {  # the networks' smallest sizes that keep their structure
    "st_gcn": {"widths": [[8, 1], [12, 2]]},
    "posec3d": {"size": 16, "width": 4, "blocks": [1, 1, 1]},
}


@pytest.mark.parametrize("name", plugins.names("backbones"))
def test_every_backbone_reads_the_shorter_clips(name):
    kind = plugins.load("backbones", name)
    params = NARROW.get(name, {"widths": [[16, 1], [32, 2]]})
    network = kind(layout("kinect25"), 3, 5, **params).eval()
    x, present = torch.randn(2, 3, 32, 25, 2), torch.ones(2, 2, dtype=torch.bool)
    with torch.inference_mode():
        whole, short = (network.pool(network.maps(y, present), present) for y in (x, masking.masked(x, 0)))
    assert short.shape[:2] == whole.shape[:2]
    assert np.isfinite(short.numpy()).all()
