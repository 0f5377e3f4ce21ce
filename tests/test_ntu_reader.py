"""Folders of `.skeleton` files: names, nesting, the official list, bad files among good ones."""

import numpy as np
import pytest
from skeleton_text import one_person, text

from zssar import plugins
from zssar.datasets import ntu
from zssar.datasets.files import class_names
from zssar.errors import UserError
from zssar.interfaces import Problem, SkeletonSequence

NAME = "S003C002P015R001A034"


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def write(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.skeleton"
    path.write_bytes(content)
    return path


def read(root, **params):
    found = list(ntu.NTU(**params).sequences(root))
    return [x for x in found if isinstance(x, SkeletonSequence)], [x for x in found if isinstance(x, Problem)]


def test_metadata_comes_from_the_name_and_nesting_does_not_matter(tmp_path, rng):
    content, xyz = one_person(rng)
    write(tmp_path / "a" / "b c", NAME, content)
    write(tmp_path / "z", "S001C001P001R002A120", content)
    sequences, problems = read(tmp_path)
    assert not problems
    assert [s.sample_id for s in sequences] == ["S001C001P001R002A120", NAME]
    assert sequences[0].label == 119  # three digits of the action
    s = sequences[1]
    assert (s.setup, s.camera, s.subject, s.replication, s.label) == (3, 2, 15, 1, 33)
    np.testing.assert_array_equal(s.joints[0], xyz)
    assert s.layout == "kinect25"


def test_bad_files_do_not_stop_the_others(tmp_path, rng):
    content, _ = one_person(rng, 3)
    write(tmp_path, NAME, content)
    write(tmp_path, "S001C001P001R001A001", content[:500])
    write(tmp_path, "S001C001P001R001A002", b"0\r\n")
    write(tmp_path, "S001C001P001R001A1", content)
    write(tmp_path, "S001C001P001R001A121", content)
    write(tmp_path / "again", NAME, content)
    write(tmp_path, "S001C001P001R001A003", text([[], []]))
    write(tmp_path, "S001C001P001R001A004", content.replace(content.split(b"\r\n")[4].split(b" ")[0], b"NaN"))
    sequences, problems = read(tmp_path)
    assert [s.sample_id for s in sequences] == ["S001C001P001R001A004", NAME]
    reasons = {p.path.rsplit("A", 1)[1]: str(p) for p in problems}
    assert "truncated" in reasons["001.skeleton"]
    assert "A002.skeleton:1: zero frames" in reasons["002.skeleton"]
    assert "no frame has a body" in reasons["003.skeleton"]
    assert "A004.skeleton:5: NaN or Inf in 1 bodies" in reasons["004.skeleton"]
    assert "three digits" in reasons["1.skeleton"]
    assert "A121 is outside the list of 120 classes" in reasons["121.skeleton"]
    assert "second recording of the name" in reasons["034.skeleton"]
    assert not sequences[0].present[0, 0]


def test_the_official_list_applies_to_official_classes_only(tmp_path, rng):
    assert len(ntu.missing_samples()) == 535
    assert sum(int(name[-3:]) <= 60 for name in ntu.missing_samples()) == 302
    content, _ = one_person(rng, 3)
    write(tmp_path, "S001C002P005R002A008", content)  # on the list
    write(tmp_path, "S018C001P041R001A061", content)  # NTU 120 only
    write(tmp_path, NAME, content)
    listing = ntu.NTU(class_names=class_names("ntu60")).list_files(tmp_path)
    assert [u[-29:-9] for u in listing.units] == [NAME]
    assert listing.skipped == {ntu.INCOMPLETE: 1, ntu.OTHER_CLASSES: 1}
    assert not listing.problems
    assert len(ntu.NTU(missing_list=False).list_files(tmp_path).units) == 3
    own = ntu.NTU(class_names=class_names("sim")).list_files(tmp_path)
    assert len(own.units) == 2  # names of the simulator may be on the list
    assert "A061 is outside the list of 52" in own.problems[0].reason


@pytest.mark.parametrize("make", [lambda p: p / "absent", lambda p: p, lambda p: p / "x.txt"])
def test_a_wrong_root_says_what_was_expected(tmp_path, make):
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(UserError, match=r"SsssCcccPpppRrrrAaaa\.skeleton"):
        read(make(tmp_path))


def test_is_found_as_a_plugin():
    assert plugins.load("datasets", "ntu") is ntu.NTU
    assert {"ntu", "utd_mhad"} <= set(plugins.names("datasets"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("index,name\n0,a\n2,b\n", ":3: expected index 1"),
        ("index,name\n0,a\n1,a\n", ":3: the class name 'a' occurs twice"),
        ("a\nb\n", ":1: the first line"),
        ("index,name\n", "lists no class"),
    ],
)
def test_broken_class_lists(tmp_path, content, message):
    path = tmp_path / "own.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        class_names(path)


def test_class_lists():
    assert len(class_names("ntu60")) == 60
    assert class_names("ntu120")[:60] == class_names("ntu60")
    with pytest.raises(UserError, match="Did you mean 'ntu60'"):
        class_names("ntu6")
