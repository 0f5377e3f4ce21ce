"""Recordings straight from zip archives, good and bad ones."""

import zipfile

import numpy as np
import pytest
from scipy.io import savemat
from skeleton_text import one_person

from zssar.datasets import archives, convert
from zssar.datasets.ntu import NTU
from zssar.datasets.utd_mhad import UTDMHAD
from zssar.errors import UserError
from zssar.interfaces import Problem, SkeletonSequence

NAMES = [f"S001C001P{p:03d}R001A{a:03d}.skeleton" for p in (1, 2) for a in (1, 2, 3)]


@pytest.fixture
def contents():
    return {name: one_person(np.random.default_rng(i), 5)[0] for i, name in enumerate(NAMES)}


def pack(path, contents, **more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**contents, **more}.items():
            archive.writestr(name, content)
    return path


def read(root, reader=None):
    found = list((reader or NTU()).sequences(root))
    return [x for x in found if isinstance(x, SkeletonSequence)], [x for x in found if isinstance(x, Problem)]


def test_a_zip_reads_like_the_folder(tmp_path, contents):
    folder = tmp_path / "unpacked"
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    inside = {f"nturgb+d_skeletons/{name}": content for name, content in contents.items()}
    inside |= {"__MACOSX/._S001.skeleton": b"x", "nturgb+d_skeletons/._S001C001P001R001A001.skeleton": b"x"}
    archive = pack(tmp_path / "all.zip", inside)
    loose, packed = read(folder)[0], read(archive)
    assert not packed[1]
    assert len(packed[0]) == len(loose) == 6
    for a, b in zip(loose, packed[0]):
        assert a.sample_id == b.sample_id
        np.testing.assert_array_equal(a.joints, b.joints)
    both = NTU().list_files(tmp_path)
    assert len(both.units) == 6
    assert not any("::" in unit for unit in both.units)
    assert both.skipped == {archives.IN_ARCHIVE: 6}


def test_two_archives_in_one_folder(tmp_path, contents):
    pack(tmp_path / "a.zip", {n: contents[n] for n in NAMES[:3]})
    pack(tmp_path / "b.zip", {n: contents[n] for n in NAMES[2:]})
    sequences, problems = read(tmp_path)
    assert len(sequences) == 6
    assert "second recording of the name" in problems[0].reason


@pytest.mark.parametrize("name", ["/abs/", "../", "a/../../", "C:/x/", "C:\\x\\", "\\\\server\\", "a\\..\\..\\"])
def test_names_that_leave_the_folder_are_refused(tmp_path, contents, name):
    bad = name + "S001C001P009R001A001.skeleton"
    _, problems = read(pack(tmp_path / "a.zip", contents, **{bad: contents[NAMES[0]]}))
    assert len(problems) == 1
    assert "refused" in problems[0].reason
    assert problems[0].path.endswith(f"a.zip::{bad}")


def test_a_damaged_member_is_named_and_the_rest_is_read(tmp_path, contents):
    path = pack(tmp_path / "a.zip", contents)
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.infolist()[2].header_offset
    raw[start + 200 : start + 260] = bytes(60)
    path.write_bytes(raw)
    sequences, problems = read(path)
    assert len(sequences) == 5
    assert str(problems[0]).startswith(f"{path}::{NAMES[2]}: cannot be read")


def test_a_bomb_is_not_unpacked(tmp_path, contents, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST", 10_000_000)
    path = pack(tmp_path / "a.zip", contents, **{"S001C001P009R001A001.skeleton": bytes(20_000_000)})
    sequences, problems = read(path)
    assert len(sequences) == 6
    assert "larger than" in problems[0].reason


def test_what_is_no_archive(tmp_path, contents):
    pack(tmp_path / "good.zip", contents)
    whole = (tmp_path / "good.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    sequences, problems = read(tmp_path)
    assert len(sequences) == 6
    assert "not a readable zip archive" in problems[0].reason
    with pytest.raises(UserError, match="neither a folder nor a zip archive"):
        read(tmp_path / "cut.zip")
    with pytest.raises(UserError, match=r"Found: 1 x \.txt"):
        read(pack(tmp_path / "other.zip", {"a.txt": b"x"}))


def test_forked_workers_read_the_same_archive(tmp_path, contents, monkeypatch):
    monkeypatch.setattr(convert, "PART", (1, 1))
    path = pack(tmp_path / "a.zip", contents)
    job = convert.Job("ntu", {}, "zssar", 2)
    listing = convert.list_units(job.dataset(), path)
    tally = convert.convert(job, listing, tmp_path / "work", 2, lambda n: None)
    assert [s[0] for s in tally.samples] == [name[:20] for name in NAMES]
    assert not tally.problems
    assert len(list(convert.join(job, tmp_path / "work"))) == 6


def test_utd_mhad_from_its_zip(tmp_path):
    skeleton = np.random.default_rng(0).normal(size=(20, 3, 7))
    savemat(tmp_path / "a1_s1_t1_skeleton.mat", {"d_skel": skeleton})
    content = (tmp_path / "a1_s1_t1_skeleton.mat").read_bytes()
    path = pack(tmp_path / "Skeleton.zip", {"Skeleton/a1_s1_t1_skeleton.mat": content, "x/a2_s1_t1_skeleton.mat": b""})
    sequences, problems = read(path, UTDMHAD())
    np.testing.assert_array_equal(sequences[0].joints[0, 0], skeleton[:, :, 0].astype(np.float32))
    assert "not a readable MATLAB file" in problems[0].reason
