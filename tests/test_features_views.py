"""Views are averages over the right axes; none mixes persons, time, joints or channels."""

import numpy as np
import pytest
import torch

from zssar.errors import UserError
from zssar.features import views
from zssar.skeleton.layouts import LAYOUTS, layout

BODY = layout("kinect25")


def test_every_view_equals_its_loop():
    torch.manual_seed(0)
    grid, logits = torch.randn(2, 5, 6, 25), torch.randn(2, 3)
    found = views.views(grid, logits, views.VIEWS, BODY)
    array = grid.numpy()
    np.testing.assert_allclose(found["pooled"], array.mean((2, 3)), atol=1e-6)
    for grouping in views.PARTS:
        parts = BODY.parts(grouping)
        assert found[grouping].shape == (2, len(parts), 5)
        for p, joints in enumerate(parts.values()):
            np.testing.assert_allclose(found[grouping][:, p], array[..., list(joints)].mean((2, 3)), atol=1e-6)
    for z in range(3):
        third = array[:, :, 2 * z : 2 * z + 2].mean((2, 3))
        np.testing.assert_allclose(found["phases"][:, z], third, atol=1e-6)
    assert found["grid"].dtype == torch.float16
    assert torch.equal(found["seen_logits"], logits)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 8, 13, 16, 75])
def test_phases_are_even_and_in_order(frames):
    matrix = views.phase_matrix(frames)
    torch.testing.assert_close(matrix.sum(0), torch.ones(3))
    torch.testing.assert_close(matrix.sum(1), torch.full((frames,), 3 / frames))  # every frame counts the same
    centre = (torch.arange(frames)[:, None] * matrix).sum(0)
    assert (centre.diff() >= 0).all()
    assert frames == 1 or centre[2] > centre[0]


def test_the_person_mean_is_over_persons():
    """One published code averages a mixture of persons, channels, frames and joints here."""
    from small_networks import make

    network = make("st_gcn").eval()
    maps = torch.zeros(1, 2, 12, 4, 25)
    maps[0, 0] += torch.arange(12.0)[:, None, None]
    maps[0, 1] += 100 * torch.arange(25.0)
    pooled = network.pool(maps, torch.ones(1, 2, dtype=torch.bool))
    expected = (torch.arange(12.0)[:, None, None] + 100 * torch.arange(25.0)) / 2
    torch.testing.assert_close(pooled[0], expected.expand(12, 4, 25))


@pytest.mark.parametrize("of", LAYOUTS)
@pytest.mark.parametrize("grouping", views.PARTS)
def test_part_matrices_average(of, grouping):
    matrix = views.part_matrix(layout(of), grouping)
    torch.testing.assert_close(matrix.sum(0), torch.ones(matrix.shape[1]))


def test_messages():
    views.check(["pooled", "parts4"], BODY, 25)
    with pytest.raises(UserError, match="Did you mean 'parts4'"):
        views.check(["part4"], BODY, 25)
    with pytest.raises(UserError, match="map over the 25 joints"):
        views.check(["parts4"], BODY, 1)
