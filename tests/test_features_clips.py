"""Clips on the device against the array functions of the skeleton floor, and augmentation that keeps bodies whole."""

import numpy as np
import pytest
import small_skeletons
import torch

from zssar.features import clips as clips_module
from zssar.features.clips import Clips, augment, rotations
from zssar.skeleton import streams, transforms
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons

BODY = layout("utd20")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return Skeletons(small_skeletons.write(tmp_path_factory.mktemp("clips") / "s.h5"))


@pytest.mark.parametrize("frames", [1, 7, 16, 64])
@pytest.mark.parametrize("crop", [1.0, 0.95, 0.5])
@pytest.mark.parametrize("sampling", transforms.SAMPLINGS)
def test_windows_equal_those_of_the_skeleton_floor(data, frames, crop, sampling):
    rows = np.array([3, 0, 17, 40])
    x, present = Clips(data, rows, BODY).windows(torch.tensor([0, 1, 2, 3]), frames, crop, None, sampling)
    expected, there = transforms.windows(data, rows, frames, crop, None, sampling)
    np.testing.assert_allclose(x.numpy(), expected, atol=1e-6)
    assert (present.numpy() == there).all()
    assert there[:, 1].any()
    assert not there[:, 1].all()


def test_whole_clips_are_normalised_once(data):
    rows = np.array([5, 11])
    lengths = np.diff(data.offsets)[rows]
    plain, turned = Clips(data, rows, BODY), Clips(data, rows, BODY, ("align_view", "scale_torso"))
    for i, frames in enumerate(lengths.tolist()):
        at = torch.tensor([i])
        x = plain.windows(at, frames)[0].numpy()
        expected = transforms.normalise(x, ("align_view", "scale_torso"), BODY)
        np.testing.assert_allclose(turned.windows(at, frames)[0].numpy(), expected, atol=1e-5)


def test_training_windows_stay_inside_their_clip_and_follow_the_generator(data):
    clips = Clips(data, np.arange(len(data)), BODY)
    clips.joints = torch.arange(len(clips.joints)).float()[:, None, None, None].expand(-1, 2, 20, 3)  # frame numbers
    clips.present = torch.ones(len(clips.joints), 2, dtype=torch.bool)
    rows = torch.arange(len(data))
    x, _ = clips.windows(rows, 16, 0.5, torch.Generator().manual_seed(1))
    again, _ = clips.windows(rows, 16, 0.5, torch.Generator().manual_seed(1))
    other, _ = clips.windows(rows, 16, 0.5, torch.Generator().manual_seed(2))
    assert torch.equal(x, again)
    assert not torch.equal(x, other)
    low, high = x.amin((1, 2, 3, 4)), x.amax((1, 2, 3, 4))
    assert (low >= clips.offsets[:-1]).all()
    assert (high <= clips.offsets[1:] - 1).all()
    drawn, _ = clips.windows(rows, 16, 1.0, torch.Generator().manual_seed(1), "uniform")
    assert torch.equal(drawn, drawn.floor())  # frames as they are, nothing blended
    assert (drawn.diff(dim=2) >= 0).all()
    assert (drawn.amin((1, 2, 3, 4)) >= clips.offsets[:-1]).all()
    assert (drawn.amax((1, 2, 3, 4)) <= clips.offsets[1:] - 1).all()
    share = (high - low + 1) / (clips.offsets[1:] - clips.offsets[:-1])
    assert share.min() < 0.65
    assert share.max() > 0.85


def test_augmentation_turns_and_scales_whole_clips(data):
    x, _ = Clips(data, np.arange(8), BODY).windows(torch.arange(8), 12)
    turned = augment(x, 0.3, 0.1, torch.Generator().manual_seed(0), planar=False)
    before = (x - x[:, :, :, :1]).norm(dim=1)
    after = (turned - turned[:, :, :, :1]).norm(dim=1)
    ratio = after[before > 0.01] / before[before > 0.01]
    assert 0.9 <= ratio.min() < ratio.max() <= 1.1001
    per_clip = (after.flatten(1).sum(1) / before.flatten(1).sum(1))[:, None, None, None]
    torch.testing.assert_close(after, before * per_clip, rtol=1e-3, atol=1e-4)
    assert (turned[x == 0] == 0).all()  # an absent body stays absent
    assert not torch.allclose(turned, x, atol=0.01)


def test_planar_clips_turn_in_the_image_and_keep_their_third_channel():
    x = torch.randn(6, 3, 4, 17, 1)
    turned = augment(x, 0.3, 0.1, torch.Generator().manual_seed(0), planar=True)
    torch.testing.assert_close(turned[:, 2], x[:, 2])
    assert not torch.allclose(turned[:, :2], x[:, :2], atol=0.01)
    assert augment(x, 0, 0, torch.Generator(), planar=True) is x


def test_rotations_are_rotations():
    matrix = rotations(torch.rand(20, 3))
    torch.testing.assert_close(matrix @ matrix.transpose(1, 2), torch.eye(3).expand(20, 3, 3), rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(20), rtol=0, atol=1e-5)
    quarter = rotations(torch.tensor([[0.0, torch.pi / 2, 0.0]]))[0]
    torch.testing.assert_close(quarter @ torch.tensor([0.0, 0, 1]), torch.tensor([1.0, 0, 0]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("stream", sorted(streams.STREAMS))
def test_streams_of_tensors_equal_streams_of_arrays(data, stream):
    x, _ = Clips(data, np.arange(6), BODY).windows(torch.arange(6), 10)
    found = streams.stream(x, stream, BODY)
    np.testing.assert_allclose(found.numpy(), streams.stream(x.numpy(), stream, BODY), atol=1e-6)
    assert found.shape[1] == clips_module.stream_channels(stream)
