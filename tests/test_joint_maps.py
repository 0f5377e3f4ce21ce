"""Joints of one layout from those of another: what is taken over, what is a stand-in, and how far off that is."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from test_custom import NAMES, people, read

from zssar.datasets import fakes
from zssar.datasets.writers import custom as writer
from zssar.errors import UserError
from zssar.skeleton.joint_maps import convert, joint_map
from zssar.skeleton.layouts import LAYOUTS, layout

SOURCES = ("kinect25", "kinect20", "mediapipe33", "coco17", "openpose18")
PAIRS = [(a, b) for a, b in itertools.product(LAYOUTS, LAYOUTS) if layout(a).dimensions == layout(b).dimensions]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_joint_has_a_place_on_its_own_side(source, target):
    found = joint_map(source, target)
    np.testing.assert_allclose(found.weights.sum(1), 1, rtol=1e-6)
    assert (found.weights >= 0).all()
    mirror = {"left": "right", "right": "left"}
    at = {name: v for v, name in enumerate(found.target.joints)}
    of = {name: v for v, name in enumerate(found.source.joints)}
    for joint, v in at.items():
        side, _, rest = joint.partition("_")
        if side not in mirror:
            continue
        swapped = [of.get(f"{mirror.get(n.partition('_')[0], '')}_{n.partition('_')[2]}", i) for n, i in of.items()]
        other = found.weights[at[f"{mirror[side]}_{rest}"]]
        np.testing.assert_array_equal(other[swapped], found.weights[v])
        assert not any(name.startswith(mirror[side]) for name in np.array(found.source.joints)[found.weights[v] > 0])
    if source == target:
        assert not found.stand_ins
        np.testing.assert_array_equal(found.weights, np.eye(len(found.target)))


@pytest.mark.parametrize("source", ["kinect20", "mediapipe33", "uwa15", "utd20"])
def test_stand_ins_lie_near_the_true_joint(source):
    """The simulator knows all joints of the Kinect v2; a conversion back may not stray from them."""
    true = list(fakes.people("kinect25", (0, 7, 30), 2))
    for s, seen in zip(true, fakes.people(source, (0, 7, 30), 2)):
        back = convert(seen, "kinect25")
        off = np.linalg.norm(back.joints - s.joints, axis=-1)[s.present]
        stand_ins = set(joint_map(source, "kinect25").stand_ins)
        taken = [v for v, name in enumerate(layout("kinect25").joints) if name not in stand_ins]
        assert len(taken) >= 10
        assert off[:, taken].max() < 0.06  # a shoulder centre or a hand is not the same point for every sensor
        assert off.mean(0).max() < 0.18  # the tip of a foot whose ankle alone is known
        assert (back.joints[~back.present] == 0).all()


def test_what_is_said_about_a_map():
    words = str(joint_map("mediapipe33", "kinect25"))
    assert "spine_base on left_hip + right_hip" in words
    assert "head on left_ear + right_ear" in words
    assert "mediapipe33 to kinect25: 16 of 25 joints taken over" in words
    assert str(joint_map("openpose18", "coco17")).endswith("17 of 17 joints taken over; stand-ins: none")
    assert "spine_mid" in joint_map("kinect20", "kinect25").stand_ins  # Kinect v1's lies elsewhere
    assert "spine_mid" not in joint_map("kinect20", "utd20").stand_ins


def test_an_image_does_not_become_space():
    with pytest.raises(UserError, match="coco17 has 2 dimensions, kinect25 has 3"):
        joint_map("coco17", "kinect25")


@pytest.mark.parametrize("source", SOURCES)
def test_own_recordings_are_read_as_another_layout(tmp_path, source):
    flat = layout(source).dimensions == 2
    target = "openpose18" if flat else "kinect25"
    writer.write(tmp_path, people(source), NAMES)
    more = {"image": [1920, 1080]} if flat else {}
    plain, _ = read(tmp_path, layout=source, **more)
    found, problems = read(tmp_path, layout=source, convert_to=target, **more)
    assert not problems
    for a, b in zip(plain, found, strict=True):
        assert b.layout == target
        np.testing.assert_array_equal(convert(a, target).joints, b.joints)
    with pytest.raises(UserError, match="dimensions"):
        read(tmp_path, layout=source, convert_to="kinect20" if flat else "coco17", **more)


def test_the_documentation_lists_what_the_maps_do():
    page = (Path(__file__).resolve().parents[1] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+) \|$", page, re.MULTILINE)
    assert {a for a, _, _ in rows} >= set(SOURCES)
    for source, target, told in rows:
        assert joint_map(source, target).told() == told
