"""Every quantity of the motion profile on movements whose answer is known, from any side, with noise and gaps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_movements import FRAMES, KNOWN, LEFT, OVERHEAD, RIGHT, T, one_hand, standing_feet, stroke
from moving_bodies import AHEAD, BACK, SHOULDER, G, L, body, hanging, lifted, ramp, recording, through, time, together

from zssar.skeleton import kinematics
from zssar.skeleton.layouts import LAYOUTS, layout

THREE = [name for name, of in LAYOUTS.items() if of.dimensions == 3]


def measure(*people, of="kinect25", rate=30.0, **seen):
    """Quantities by name of one clip."""
    return numbers(recording(people, of, **seen), of, rate)[0]


def measure_all(of="kinect25", change=None, **seen):
    """movement -> quantities by name, of all known movements, measured together."""
    clips = [recording([roles], of, **seen) for roles, _ in KNOWN.values()]
    for clip in clips if change else ():
        change(clip)
    return dict(zip(KNOWN, numbers(together(*clips), of)))


def numbers(clips, of, rate=30.0):
    rows = kinematics.measure_clips(clips, np.arange(len(clips.offsets) - 1), layout(of), rate)
    return [dict(zip(kinematics.names(), row.tolist())) for row in rows]


PARTNER = {"approach", "contact", "partner_motion", "facing"}  # two persons: tested below


def test_every_quantity_has_a_known_answer_here_and_a_definition():
    asked = {quantity for _, wanted in KNOWN.values() for quantity in wanted}
    mirrored = {q.replace("left", "right") for q in asked} | {q.replace("right", "left") for q in asked}
    assert mirrored | PARTNER == set(kinematics.names())
    assert tuple(kinematics.definitions()) == kinematics.names()
    assert all(unit and rule for unit, rule in kinematics.definitions().values())


def test_the_documentation_has_every_definition():
    text = (Path(__file__).parents[1] / "docs" / "profiles.md").read_text(encoding="utf-8")
    for name, (unit, rule) in kinematics.definitions().items():
        both = (
            name.replace("left_", "right/left_", 1)
            if name.startswith("left_")
            else name.replace("right_", "right/left_", 1)
        )
        row = next(line for line in text.splitlines() if line.startswith((f"| `{name}` |", f"| `{both}` |")))
        assert row.endswith(f"| {unit} | {rule} |"), name


def complaints(found):
    wrong = []
    for movement, (_, wanted) in KNOWN.items():
        for quantity, (value, off) in wanted.items():
            if not abs(found[movement][quantity] - value) <= off:
                wrong.append(f"{movement}: {quantity} is {found[movement][quantity]:.3f}, wanted {value:.3f} +- {off}")
    return "\n".join(wrong)


@pytest.fixture(scope="module")
def plain():
    return measure_all()


@pytest.mark.parametrize("of", THREE)
def test_known_movements(of):
    assert complaints(measure_all(of)) == ""


@pytest.mark.parametrize(
    "seen",
    [
        {"view": 1.2},
        {"view": -2.5},
        {"view": 0.5, "tilt": 0.3},
        {"scale": 0.75, "shift": (-2, 1, 4)},
        {"scale": 1.25, "view": 3.1},
    ],
    ids=["from the left", "from behind", "tilted sensor", "child", "tall"],
)
def test_the_sensor_and_the_size_of_the_person_do_not_matter(seen, plain):
    found = measure_all(**seen)
    assert complaints(found) == ""
    for movement in KNOWN:
        for name, value in plain[movement].items():
            assert found[movement][name] == pytest.approx(value, abs=0.02, nan_ok=True), (movement, name)


def test_the_vertical_axis_can_be_another_one(plain):
    def lay_down(clip):
        clip.joints = clip.joints[..., [0, 2, 1]] * np.array([1, -1, 1], np.float32)  # y up becomes z up

    clips = [recording([roles]) for roles, _ in KNOWN.values()]
    for clip in clips:
        lay_down(clip)
    rows = kinematics.measure_clips(together(*clips), np.arange(len(clips)), layout("kinect25"), vertical=2)
    wanted = np.array([list(plain[movement].values()) for movement in KNOWN])
    np.testing.assert_allclose(rows, wanted, atol=1e-3)


def blurred(seed):
    """Jitter of 1 cm on every joint, a jump of half a metre in one frame of each limb, a tenth of the frames gone."""

    def change(clip):
        rng = np.random.default_rng(seed)
        clip.joints += rng.normal(0, 0.01, clip.joints.shape).astype(np.float32)
        for v in (7, 11, 15, 19):
            clip.joints[rng.integers(3, len(clip.joints) - 3), :, v] += 0.5
        lost = rng.permutation(np.arange(1, len(clip.joints) - 1))[: len(clip.joints) // 10]
        clip.present[lost] = False
        clip.joints[lost] = 0

    return change


def test_noise_jumps_and_lost_frames_change_little(plain):
    """Movements keep their differences: correlation over all known movements, for three draws of noise."""
    clean = np.array([list(plain[movement].values()) for movement in KNOWN])
    for seed in range(3):
        noisy = np.array([list(found.values()) for found in measure_all(change=blurred(seed)).values()])
        for column, name in enumerate(kinematics.names()):
            if name in PARTNER | {"two_people"}:
                continue
            correlation = np.corrcoef(clean[:, column], noisy[:, column])[0, 1]
            assert correlation > (0.7 if name in ("hold", "legs_alternation") else 0.85), (name, correlation)


def test_a_clip_counts_alone_as_among_others(plain):
    for movement in ("wave", "kick", "sit down"):
        assert measure(KNOWN[movement][0]) == pytest.approx(plain[movement], abs=1e-5, nan_ok=True)


def test_the_length_of_a_clip_does_not_matter_but_its_speed_does():
    def swipe(frames):
        t, rest = time(frames), hanging("right")
        stops = [(0, rest), (0.4, RIGHT), (0.5, RIGHT), (0.6, LEFT), (0.65, LEFT), (1, rest)]
        return body(frames, {"right": through(t, stops)})

    short, long, slow = (measure(swipe(n), rate=rate) for n, rate in ((60, 20), (240, 80), (240, 40)))
    for name in kinematics.names():
        assert long[name] == pytest.approx(short[name], abs=0.17, nan_ok=True), name
    assert np.expm1(slow["speed"]) == pytest.approx(np.expm1(long["speed"]) / 2, rel=1e-3)


def test_very_short_clips_give_numbers():
    for frames in (1, 2, 5):
        found = measure(body(frames))
        assert {name for name, value in found.items() if np.isnan(value)} == PARTNER


def phases(roles):
    """Quantities by name of start, middle and end; the clip stands between two others."""
    clips = together(*(recording([part]) for part in (KNOWN["wave"][0], roles, KNOWN["kick"][0])))
    found = kinematics.measure_phases(clips, np.array([1]), layout("kinect25"))
    assert found.shape == (1, 3, len(kinematics.names()))
    return [dict(zip(kinematics.names(), row.tolist())) for row in found[0]]


def test_phases_tell_when_a_quantity_happens():
    sitting = body(FRAMES, pelvis=ramp(T, 0.36, 0.64) * [0, -0.4, 0], ankles=standing_feet())
    start, middle, end = phases(sitting)
    assert middle["pelvis_change"] == pytest.approx(-0.4 / G, abs=0.05)
    assert start["pelvis_change"] == pytest.approx(0, abs=0.02)
    assert end["pelvis_change"] == pytest.approx(0, abs=0.02)
    late = phases(body(FRAMES, pelvis=ramp(T, 0.7, 0.97) * AHEAD))
    assert [part["travel"] for part in late] == pytest.approx([0, 0, 1 / G], abs=0.06)


def test_a_phase_is_measured_as_a_clip_of_its_own():
    thirds = [slice(0, FRAMES // 3), slice(FRAMES // 3, 2 * FRAMES // 3), slice(2 * FRAMES // 3, FRAMES)]
    for found, part in zip(phases(KNOWN["swipe to the left"][0]), thirds):
        alone = recording([{role: path[part] for role, path in KNOWN["swipe to the left"][0].items()}])
        assert found == pytest.approx(numbers(alone, "kinect25")[0], abs=1e-4, nan_ok=True)


def test_clips_shorter_than_their_phases_still_have_three():
    found = kinematics.measure_phases(recording([body(2)]), np.array([0]), layout("kinect25"))
    assert np.isfinite(found[0, :, kinematics.names().index("right_hand_top")]).all()


# --- what is unknown -------------------------------------------------------------------------------------------------


def test_joints_that_a_layout_lacks_are_unknown_and_never_zero(monkeypatch):
    of = layout("kinect25")
    lame = replace(of, name="lame", roles={k: v for k, v in of.roles.items() if "wrist" not in k or "left" in k})
    monkeypatch.setitem(LAYOUTS, "lame", lame)
    found = numbers(recording([KNOWN["kick"][0]], "kinect25"), "lame")[0]
    unknown = {name for name, value in found.items() if np.isnan(value)} - PARTNER
    right_hand = {name for name in kinematics.names() if name.startswith("right_hand")}
    assert right_hand | {"right_elbow_bend", "hands_apart", "arms_symmetry"} <= unknown
    assert not {name for name in unknown if "foot" in name or "knee" in name or name.startswith("left_hand_top")}
    assert found["right_foot_lift"] == pytest.approx(0.5 / G, abs=0.06)


@pytest.mark.parametrize("of", ["openpose18", "coco17"])
def test_depth_is_unknown_on_image_coordinates(of):
    found = measure(KNOWN["swipe to the left"][0], of=of)
    assert found["right_hand_sweep"] == pytest.approx(-1.4, abs=0.3)
    assert found["right_hand_top"] > 0.3
    for name in ("right_hand_thrust", "left_hand_forward", "travel", "turn", "trunk_twist", "trunk_bend"):
        assert np.isnan(found[name]), name
    known = measure(KNOWN["squat"][0], of=of)
    assert known["pelvis_drop"] == pytest.approx(0.4 / G, abs=0.15)


# --- two persons -----------------------------------------------------------------------------------------------------


def facing(distance, wrists=None):
    """A second person opposite the first; distance (T, 1) or a number."""
    other = body(FRAMES, wrists)
    there = np.broadcast_to(distance, (FRAMES, 1)) * AHEAD
    return {role: path * [-1, 1, -1] + there for role, path in other.items()}


def test_one_person_has_no_partner():
    found = measure(body(FRAMES))
    assert found["two_people"] == 0
    assert all(np.isnan(found[name]) for name in PARTNER)


def test_approach_and_contact():
    come = facing(2 - 1.2 * ramp(T, 0.2, 0.7))
    found = measure(body(FRAMES), come, view=0.4, tilt=0.2)
    assert found["two_people"] == 1
    assert found["approach"] == pytest.approx(-1.2 / L, abs=0.05)
    assert measure(body(FRAMES), facing(1 + 0.8 * ramp(T, 0.2, 0.7)))["approach"] == pytest.approx(0.8 / L, abs=0.05)
    assert measure(body(FRAMES), facing(1.5))["approach"] == pytest.approx(0, abs=0.02)
    far = measure(body(FRAMES), facing(3))
    assert far["contact"] == pytest.approx(-1.2)
    push = stroke([0.2, SHOULDER - 0.2, 0.1], [0.2, SHOULDER - 0.05, 0.55])
    assert measure(push, facing(0.6))["contact"] > -0.2


def test_who_moves():
    wave, still = one_hand(OVERHEAD), body(FRAMES)
    assert measure(wave, facing(2))["partner_motion"] == pytest.approx(0, abs=0.02)
    both = {"right": lifted(T, "right", OVERHEAD)}
    assert measure(wave, facing(2, both))["partner_motion"] == pytest.approx(1, abs=0.05)
    assert measure(still, facing(2, both))["partner_motion"] == pytest.approx(1.5)


def beside(distance, heading=0.0):
    """A second person to the right of the first, turned to the left by ``heading`` rad."""
    other = body(FRAMES, heading=np.full((FRAMES, 1), heading))
    return {role: path + np.array([distance, 0, 0]) for role, path in other.items()}


def behind(distance):
    return {role: path - distance * AHEAD for role, path in body(FRAMES).items()}


def test_facing():
    """Face to face, side by side, one behind the other, back to back, from several viewpoints; and turning away."""
    still = body(FRAMES)
    away = {role: path * [-1, 1, -1] + 2 * BACK for role, path in body(FRAMES).items()}
    known = [(facing(2), 1), (beside(1), 0), (behind(1.5), 0), (away, -1), (beside(1, np.pi / 2), 0.5)]
    for view in (0.0, 0.9, 2.5):
        for other, wanted in known:
            assert measure(still, other, view=view)["facing"] == pytest.approx(wanted, abs=0.03)
    leaving = body(FRAMES, heading=np.pi * ramp(T, 0.45, 0.55))  # face to face for one half, turned away for the other
    assert measure(leaving, facing(2))["facing"] == pytest.approx(0.5, abs=0.05)
    both = numbers(recording([still, facing(2)], "openpose18"), "openpose18")[0]
    assert np.isnan(both["facing"])  # depth is unknown on image coordinates


def test_a_partner_who_comes_late_is_there_for_a_share_of_the_time():
    clip = recording([body(FRAMES), facing(1.5)])
    clip.present[: FRAMES // 3, 1] = False
    clip.joints[: FRAMES // 3, 1] = 0
    found = numbers(clip, "kinect25")[0]
    assert found["two_people"] == pytest.approx(2 / 3, abs=0.01)
    assert found["approach"] == pytest.approx(0, abs=0.02)
