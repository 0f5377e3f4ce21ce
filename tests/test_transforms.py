"""Recipes, windows, normalisations and streams."""

import numpy as np
import pytest
import torch
from skeleton_text import person

from zssar.errors import UserError
from zssar.interfaces import SkeletonSequence
from zssar.skeleton import bodies, recipes, streams, transforms
from zssar.skeleton.layouts import LAYOUTS, layout
from zssar.skeleton.rotations import about_vertical, between, rotate


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def sequence(tracks, present=None, name="kinect25"):
    joints = np.stack(tracks).astype(np.float32)
    present = np.ones(joints.shape[:2], bool) if present is None else np.asarray(present, bool)
    return SkeletonSequence("x", joints * present[:, :, None, None], present, name, label=3, subject=2)


def spans(frames, *ranges):
    present = np.zeros((len(ranges), frames), bool)
    for row, (first, last) in zip(present, ranges):
        row[first : last + 1] = True
    return present


# --- bodies ----------------------------------------------------------------------------------------------------------


def test_furniture_and_short_tracks_are_dropped_and_the_main_actor_comes_first(rng):
    still, mover = person(rng, 40), person(rng, 40)
    mover += np.linspace(0, 1, 40)[:, None, None].astype(np.float32)
    table = person(rng, 40)[:, :, [1, 0, 2]] * np.array([3, 1, 1], np.float32)  # wide, low
    x = sequence([still, mover, table, person(rng, 40)], spans(40, (0, 39), (0, 39), (0, 39), (5, 15)))
    assert bodies.denoise(x.joints, x.present) == [1, 0]


def test_the_last_track_is_never_dropped(rng):
    table = person(rng, 40)[:, :, [1, 0, 2]] * np.array([3, 1, 1], np.float32)
    assert bodies.denoise(*_jp(sequence([table]))) == [0]
    assert len(bodies.denoise(*_jp(sequence([table, table + 1])))) == 1
    short = sequence([person(rng, 40)] * 2, spans(40, (0, 3), (10, 16)))
    assert bodies.denoise(*_jp(short)) == [1]


def _jp(x):
    return x.joints, x.present


def test_a_person_under_a_new_id_is_stitched_and_a_third_body_dropped(rng):
    x = sequence([person(rng, 60) for _ in range(4)], spans(60, (0, 25), (30, 59), (0, 59), (10, 40)))
    joints, present = bodies.actors(x.joints, x.present, [0, 1, 2, 3])
    assert present[0].sum() == 26 + 30
    np.testing.assert_array_equal(joints[0, 30:], x.joints[1, 30:])
    np.testing.assert_array_equal(joints[1], x.joints[2])


# --- recipes ---------------------------------------------------------------------------------------------------------


def test_the_default_recipe_fills_gaps_trims_and_centres(rng):
    a = person(rng, 30)
    present = np.zeros((1, 30), bool)
    present[0, 5:12] = present[0, 15:25] = True
    x = recipes.zssar(sequence([a], present))
    assert x.joints.shape == (2, 20, 25, 3)
    assert x.present[0].all()
    assert not x.joints[1].any()
    origin = a[5, 1]
    np.testing.assert_allclose(x.joints[0, :7], a[5:12] - origin, atol=1e-6)
    np.testing.assert_allclose(x.joints[0, 10:], a[15:25] - origin, atol=1e-6)  # later frames keep their time
    np.testing.assert_allclose(x.joints[0, 8], (a[11] + (a[15] - a[11]) * 2 / 4) - origin, atol=1e-6)
    assert (x.label, x.subject, x.sample_id) == (3, 2, "x")


def test_an_absent_second_actor_stays_zero_after_centring(rng):
    x = recipes.zssar(sequence([person(rng, 40) * 2, person(rng, 40)], spans(40, (0, 39), (0, 19))))
    assert x.present.sum(1).tolist() == [40, 20]
    assert not x.joints[1, 20:].any()
    assert x.joints[1, :20].any()


@pytest.mark.parametrize("name", ["zssar", "ctrgcn"])
def test_both_actors_are_moved_by_the_same_origin(name, rng):
    a, b = person(rng, 40) * 2, person(rng, 40, (1, 0, 3))
    x = recipes.recipe(name)(sequence([a, b]))
    np.testing.assert_allclose(x.joints, np.stack([a, b]) - a[0, 1], atol=1e-6)


def test_one_person_per_clip_gives_one_slot(rng):
    x = recipes.zssar(sequence([person(rng, 12)[:, :20]], name="utd20"), persons=1)
    assert x.joints.shape == (1, 12, 20, 3)
    np.testing.assert_array_equal(x.joints[0, 0, 2], 0)  # utd20's spine


def test_ctrgcn_removes_empty_frames(rng):
    a = person(rng, 30)
    present = np.zeros((1, 30), bool)
    present[0, 5:12] = present[0, 15:25] = True
    x = recipes.ctrgcn(sequence([a], present))
    np.testing.assert_allclose(x.joints[0], (a - a[5, 1])[present[0]], atol=1e-6)


def test_shiftgcn_centres_every_frame_and_turns_the_first_pose(rng):
    x = recipes.shiftgcn(sequence([person(rng, 50), person(rng, 50, (1, 0, 3))]))
    assert x.joints.shape == (2, 300, 25, 3)
    np.testing.assert_allclose(x.joints[0, :, 1], 0, atol=1e-6)
    np.testing.assert_allclose(x.joints[:, 50:100], x.joints[:, :50])  # filled by repetition
    across = x.joints[0, 0, 8] - x.joints[0, 0, 4]
    np.testing.assert_allclose(across[1:] / np.linalg.norm(across), 0, atol=1e-6)
    assert across[0] > 0


def test_aimclr_gives_fifty_frames_with_level_shoulders(rng):
    x = recipes.aimclr(sequence([person(rng, 80)], spans(80, (3, 70))))
    assert x.joints.shape == (2, 50, 25, 3)
    np.testing.assert_allclose(x.joints[0, :, 20], 0, atol=1e-6)
    across = x.joints[0, :, 8] - x.joints[0, :, 4]
    kept = x.present[0]
    np.testing.assert_allclose(across[kept, 2], 0, atol=1e-6)


def test_pyskl_puts_the_actor_with_more_frames_first(rng):
    a, b = person(rng, 40) * 3, person(rng, 40, (1, 0, 3))
    x = recipes.pyskl(sequence([a, b], spans(40, (0, 14), (0, 39))))
    assert x.present.sum(1).tolist() == [40, 15]
    np.testing.assert_allclose(x.joints[0, 0, 1], 0, atol=1e-6)


@pytest.mark.parametrize("name", recipes.RECIPES)
@pytest.mark.parametrize("of", ["kinect25", "utd20", "kinect20", "uwa15", "mediapipe33"])
def test_every_recipe_takes_every_layout_and_odd_presence(name, of, rng):
    tracks = [rng.normal(size=(30, len(layout(of)), 3)) for _ in range(3)]
    for present in (spans(30, (0, 29), (4, 9), (20, 29)), rng.random((3, 30)) < 0.3):
        for persons in (1, 2):
            x = recipes.recipe(name)(sequence(tracks, present, of), persons)
            assert x.joints.shape[0] == persons
            assert x.joints.dtype == np.float32
            assert np.isfinite(x.joints).all()
            assert not x.joints[~x.present].any()
    with pytest.raises(recipes.NoBody):
        recipes.recipe(name)(sequence(tracks, np.zeros((3, 30)), of))


def test_unknown_recipe():
    with pytest.raises(UserError, match="Did you mean 'ctrgcn'"):
        recipes.recipe("ctr-gcn")


def test_recipes_do_not_change_their_input(rng):
    x = sequence([person(rng, 30), person(rng, 30)], spans(30, (2, 25), (5, 9)))
    before = x.joints.copy(), x.present.copy()
    for name in recipes.RECIPES:
        recipes.recipe(name)(x)
    np.testing.assert_array_equal(x.joints, before[0])
    np.testing.assert_array_equal(x.present, before[1])


# --- rotations -------------------------------------------------------------------------------------------------------


def test_rotations_are_rotations(rng):
    for _ in range(20):
        a, b = rng.normal(size=(2, 3))
        r = between(a, b)
        np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(r @ a / np.linalg.norm(a), b / np.linalg.norm(b), atol=1e-12)
    a = np.array([0.0, 0, 2])
    np.testing.assert_allclose(between(a, -a) @ a, -a, atol=1e-12)
    np.testing.assert_array_equal(between(a * 0, a), np.eye(3))
    across = rng.normal(size=(5, 3))
    turned = rotate(across[:, None], about_vertical(across))[:, 0]
    np.testing.assert_allclose(turned[:, 0], np.hypot(across[:, 0], across[:, 2]), rtol=1e-5)
    np.testing.assert_allclose(turned[:, 1:], np.stack([across[:, 1], 0 * across[:, 1]], 1), atol=1e-6)


# --- windows ---------------------------------------------------------------------------------------------------------


class Ragged:
    def __init__(self, clips, presents):
        self.joints = np.concatenate([np.moveaxis(c, 0, 1) for c in clips]).astype(np.float32)
        self.present = np.concatenate([p.T for p in presents])
        self.offsets = np.cumsum([0, *[c.shape[1] for c in clips]])


def ragged(rng, lengths, persons=2, joints=25):
    clips = [rng.normal(size=(persons, n, joints, 3)) for n in lengths]
    return Ragged(clips, [np.ones((persons, n), bool) for n in lengths]), clips


def test_windows_equal_bilinear_resizing(rng):
    data, clips = ragged(rng, [40, 7, 64, 1, 200])
    x, present = transforms.windows(data, [4, 0, 1, 2, 3], 64)
    assert x.shape == (5, 3, 64, 25, 2)
    assert present.all()
    for got, i in zip(x, [4, 0, 1, 2, 3]):
        clip = torch.tensor(clips[i]).permute(3, 0, 2, 1).reshape(1, 150, -1)  # C M V, T
        expected = torch.nn.functional.interpolate(clip, 64, mode="linear", align_corners=False)
        expected = expected.reshape(3, 2, 25, 64).permute(0, 3, 2, 1).numpy()
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_window_of_the_own_length_is_the_clip(rng):
    data, clips = ragged(rng, [12, 12])
    x, _ = transforms.windows(data, [1], 12)
    np.testing.assert_allclose(x[0], clips[1].transpose(3, 1, 2, 0), atol=1e-6)


def test_the_centred_crop_leaves_the_ends_out(rng):
    data, clips = ragged(rng, [100])
    x, _ = transforms.windows(data, [0], 95, crop=0.95)
    np.testing.assert_allclose(x[0], clips[0].transpose(3, 1, 2, 0)[:, 2:97], atol=1e-6)


def test_random_crops_stay_inside_their_clip(rng):
    clips = [np.full((1, n, 2, 3), n, float) for n in (30, 1, 50, 2)]
    data = Ragged(clips, [np.ones((1, c.shape[1]), bool) for c in clips])
    for _ in range(50):
        x, _ = transforms.windows(data, [0, 1, 2, 3], 16, crop=0.5, rng=rng)
        np.testing.assert_allclose(x.min((1, 2, 3, 4)), [30, 1, 50, 2])
        np.testing.assert_allclose(x.max((1, 2, 3, 4)), [30, 1, 50, 2])


def test_absent_frames_are_not_blended_into_present_ones(rng):
    clip = np.full((2, 20, 4, 3), 5.0)
    present = np.ones((2, 20), bool)
    present[1, 10:] = False
    clip[1, 10:] = 0
    data = Ragged([clip, clip], [present, np.array([[True] * 20, [False] * 20])])
    data.joints[20:, 1] = 0
    x, there = transforms.windows(data, [0, 1], 33)
    assert set(np.unique(x[0, ..., 1].round(4))) == {0.0, 5.0}
    assert there.tolist() == [[True, True], [True, False]]
    assert not x[1, ..., 1].any()


def test_uniform_sampling_takes_one_frame_of_each_segment(rng):
    numbered = [np.arange(n, dtype=float)[None, :, None, None] * np.ones((1, n, 2, 3)) for n in (40, 4, 1, 90)]
    data = Ragged(numbered, [np.ones((1, c.shape[1]), bool) for c in numbered])
    middle, _ = transforms.windows(data, [0, 1, 2, 3], 8, sampling="uniform")
    assert middle[0, 0, :, 0, 0].tolist() == [2, 7, 12, 17, 22, 27, 32, 37]
    assert middle[1, 0, :, 0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert not middle[2].any()
    drawn = [transforms.windows(data, [0, 3], 8, 1.0, rng, "uniform")[0][:, 0, :, 0, 0] for _ in range(200)]
    for clip, length in ((0, 40), (1, 90)):
        taken = np.array([d[clip] for d in drawn])
        assert (np.floor(taken * 8 / length + 1e-9).astype(int) <= np.arange(8)).all()
        assert (np.diff(taken, axis=1) >= 0).all()
        assert set(taken.ravel().astype(int)) == set(range(length))
    with pytest.raises(UserError, match="unknown sampling 'uniformly'"):
        transforms.windows(data, [0], 4, sampling="uniformly")


def test_a_crop_must_be_a_share(rng):
    data, _ = ragged(rng, [5])
    with pytest.raises(UserError, match="crop 0"):
        transforms.windows(data, [0], 4, crop=0)


def standing(of, facing=0.7, size=2.0):
    """A window of a person turned by ``facing`` about the vertical, torso ``size`` long: (1, 3, 8, V, 2)."""
    at = of.roles
    pose = np.zeros((len(of), 3))
    for side, sign in (("left", -1), ("right", 1)):
        pose[at[f"{side}_shoulder"]] = [0.2 * sign, size, 0]
        pose[at[f"{side}_hip"]] = [0.15 * sign, 0, 0]
    c, s = np.cos(facing), np.sin(facing)
    pose = pose @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
    x = np.zeros((1, 3, 8, len(of), 2), np.float32)
    x[0, :, :, :, 0] = pose.T[:, None]
    return x


@pytest.mark.parametrize("of", [x for x in LAYOUTS.values() if x.dimensions == 3], ids=lambda x: x.name)
def test_normalisations(of):
    x = standing(of)
    y = transforms.normalise(x, ["align_view", "scale_torso"], of)
    at = of.roles
    np.testing.assert_allclose(y[0, 2], 0, atol=1e-6)  # the body lies in the x-y plane
    assert (y[0, 0, :, at["right_shoulder"], 0] > 0).all()
    np.testing.assert_allclose(y[0, 1, :, at["left_shoulder"], 0], 1, rtol=1e-5)
    assert not y[..., 1].any()
    np.testing.assert_allclose(transforms.align_view(standing(of, 0.0), of), standing(of, 0.0), atol=1e-6)


def test_normalisations_of_nothing_and_of_two_dimensions():
    x = np.zeros((2, 3, 4, 25, 2), np.float32)
    np.testing.assert_array_equal(transforms.normalise(x, ["align_view", "scale_torso"], layout("kinect25")), x)
    with pytest.raises(UserError, match="three dimensions"):
        transforms.align_view(np.zeros((1, 3, 4, 17, 1)), layout("coco17"))
    with pytest.raises(UserError, match="unknown normalisation"):
        transforms.normalise(x, ["scale"], layout("kinect25"))


# --- streams ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", LAYOUTS.values(), ids=lambda x: x.name)
@pytest.mark.parametrize("name", streams.STREAMS)
def test_streams_in_numpy_and_torch(of, name, rng):
    x = rng.normal(size=(2, 3, 6, len(of), 2)).astype(np.float32)
    x[1, ..., 1] = 0  # an absent person
    x[0, :, 4:, :, 1] = 0  # one who leaves
    y = streams.stream(x, name, of)
    z = streams.stream(torch.tensor(x), name, of)
    np.testing.assert_allclose(y, z.numpy(), atol=1e-6)
    assert y.shape[1] == streams.channels(name)
    assert not y[1, ..., 1].any()
    assert not y[0, :, 4:, :, 1].any()


def test_what_the_streams_mean(rng):
    of = layout("kinect25")
    x = rng.normal(size=(1, 3, 5, 25, 1)).astype(np.float32)
    bone = streams.stream(x, "bone", of)
    np.testing.assert_allclose(bone[..., 5, :], x[..., 5, :] - x[..., 4, :], atol=1e-6)
    assert not bone[:, :, :, of.root].any()
    motion = streams.stream(x, "joint_motion", of)
    np.testing.assert_allclose(motion[:, :, 2], x[:, :, 3] - x[:, :, 2], atol=1e-6)
    assert not motion[:, :, -1].any()
    three = streams.stream(x, "joint_bone_motion", of)
    np.testing.assert_array_equal(three, np.concatenate([x, bone, motion], 1))
    np.testing.assert_allclose(
        streams.stream(x, "bone_motion", of), streams.stream(bone, "joint_motion", of), atol=1e-6
    )
    x[0, :, 3] = 0  # the person is lost for a frame: no jump to zero and back
    motion = streams.stream(x, "joint_motion", of)
    assert not motion[:, :, 2:4].any()
    with pytest.raises(UserError, match="unknown stream"):
        streams.stream(x, "bones", of)
