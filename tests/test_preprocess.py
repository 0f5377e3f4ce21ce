"""The verb preprocess_skeletons: output, report, bad input, several processes, resuming."""

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skeleton_text import one_person

from zssar import storage
from zssar.commands import preprocess_skeletons
from zssar.datasets import convert
from zssar.errors import UserError

CLASSES = 4


@pytest.fixture
def raw(tmp_path):
    """4 classes, 3 subjects, 2 cameras: 24 files, and their class list."""
    rng, folder = np.random.default_rng(0), tmp_path / "raw"
    folder.mkdir()
    for subject in range(1, 4):
        for camera in (1, 2):
            for action in range(1, CLASSES + 1):
                name = f"S001C{camera:03d}P{subject:03d}R001A{action:03d}.skeleton"
                (folder / name).write_bytes(one_person(rng, 12 + subject)[0])
    rows = "\n".join(f"{i},class {i}" for i in range(CLASSES))
    (tmp_path / "classes.csv").write_text(f"index,name\n{rows}\n")
    return folder


def run(root, name="out", *more):
    parser = argparse.ArgumentParser()
    preprocess_skeletons.add_arguments(parser)
    output, report = root.parent / f"{name}.h5", root.parent / f"{name}.json"
    words = ["--reader", "ntu", "--root", str(root), "--dataset", "mine", "--recipe", "zssar", "--output", str(output)]
    words += ["--report", str(report), "--class-names", str(root.parent / "classes.csv"), *more]
    preprocess_skeletons.run(parser.parse_args(words))
    return storage.Skeletons(output), json.loads(report.read_text())


def test_output_and_report(raw, capsys):
    skeletons, report = run(raw)
    assert len(skeletons) == 24
    assert skeletons.joints.shape[1:] == (2, 25, 3)
    assert (skeletons.attrs["dataset"], skeletons.layout, skeletons.attrs["recipe"]) == ("mine", "kinect25", "zssar")
    assert skeletons.class_names == [f"class {i}" for i in range(CLASSES)]
    assert skeletons.attrs["provenance"]["input"] == report["input_digest"]
    assert report["files"] == {"found": 24, "used": 24, "bad": 0, "skipped": {}}
    assert report["per_class"] == {f"class {i}": 6 for i in range(CLASSES)}
    assert report["per_subject"] == {"1": 8, "2": 8, "3": 8}
    assert report["per_camera"] == {"1": 12, "2": 12}
    assert report["frames"]["total"] == 8 * (13 + 14 + 15) == len(skeletons.joints)
    assert report["bodies"] == {"1": 24}
    assert [p.name for p in raw.parent.iterdir() if p.name.endswith(".parts")] == []
    error = capsys.readouterr().err
    assert "24/24 files" in error
    assert "files/s" in error
    assert "24 used, 0 bad" in error


def test_bad_files_are_counted_listed_and_skipped(raw, capsys):
    for i, path in enumerate(sorted(raw.iterdir())[:11]):
        path.write_bytes(path.read_bytes()[: 100 * i])
    _, report = run(raw)
    assert report["files"]["bad"] == 11
    assert len(report["problems"]) == 11
    assert {"path", "line", "reason"} == set(report["problems"][0])
    assert report["problems"][1]["line"] > 0
    error = capsys.readouterr().err
    assert error.count("truncated") == 10
    assert "and 1 more problems" in error


def test_more_bad_than_good_files_is_fatal(raw):
    for path in sorted(raw.iterdir())[:13]:
        path.write_bytes(b"x")
    with pytest.raises(UserError, match=r"13 of 24 recordings .* more than half.*A001.skeleton:1: not an unsigned"):
        run(raw)
    assert not (raw.parent / "out.h5").exists()


def test_no_usable_file_is_fatal(raw):
    for path in raw.iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"no recording below .* can be used"):
        run(raw)


def test_a_class_without_recordings_is_fatal_unless_allowed(raw):
    for path in raw.glob("*A002.skeleton"):
        path.unlink()
    with pytest.raises(UserError, match="1 of 4 classes have no recording: class 1"):
        run(raw)
    skeletons, report = run(raw, "out", "--allow-missing-classes")
    assert report["per_class"]["class 1"] == 0
    assert 1 not in skeletons.label


def test_equal_recordings_are_reported(raw):
    files = sorted(raw.iterdir())
    files[5].write_bytes(files[0].read_bytes())
    _, report = run(raw)
    assert report["same_content"] == [[files[0].stem, files[5].stem]]


def equal(a, b):
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("joints", "present", "offsets", "sample_id"))


def test_workers_and_parts_do_not_change_the_result(raw, monkeypatch):
    one, first = run(raw)
    monkeypatch.setattr(convert, "PART", (5, 5))
    two, second = run(raw, "two", "--workers", "2")
    assert equal(one, two)
    assert first["input_digest"] == second["input_digest"]


def test_a_killed_run_resumes_with_what_was_done(raw, monkeypatch, capsys):
    whole, _ = run(raw)
    monkeypatch.setattr(convert, "PART", (5, 5))
    real = convert.convert_part
    calls = []

    def dies(job, units, work, index, *more):
        if index == 2:
            raise KeyboardInterrupt
        calls.append(index)
        return real(job, units, work, index, *more)

    monkeypatch.setattr(convert, "convert_part", dies)
    with pytest.raises(KeyboardInterrupt):
        run(raw, "again")
    assert not (raw.parent / "again.h5").exists()
    monkeypatch.setattr(convert, "convert_part", lambda *a: calls.append(a[3]) or real(*a))
    resumed, _ = run(raw, "again")
    assert calls == [0, 1, 2, 3, 4]
    assert equal(whole, resumed)
    assert "resuming: 10 of 24" in capsys.readouterr().err


def test_changed_input_starts_anew(raw, monkeypatch):
    monkeypatch.setattr(convert, "PART", (5, 5))
    real = convert.convert_part
    monkeypatch.setattr(convert, "convert_part", lambda *a: None if a[3] == 4 else real(*a))
    with pytest.raises(FileNotFoundError):
        run(raw)
    calls = []
    monkeypatch.setattr(convert, "convert_part", lambda *a: calls.append(a[3]) or real(*a))
    first = sorted(raw.iterdir())[0]
    first.write_bytes(one_person(np.random.default_rng(9), 50)[0])
    skeletons, _ = run(raw)
    assert calls == [0, 1, 2, 3, 4]
    assert skeletons.sequence(0).joints.shape[1] == 50


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--params", "{"], "not valid JSON"),
        (["--params", "[]"], "JSON object"),
        (["--params", '{"layuot": 1}'], "unknown parameter of datasets.ntu"),
        (["--recipe", "zsar"], "Did you mean 'zssar'"),
        (["--reader", "ntuu"], "Did you mean 'ntu'"),
        (["--workers", "0"], "at least 1"),
        (["--class-names", "nowhere.csv"], "does not exist"),
    ],
)
def test_wrong_options_teach(raw, words, message):
    with pytest.raises(UserError, match=message):
        run(raw, "out", *words)


class Foreign:
    """A stranger's reader that only offers ``sequences``."""

    layout, class_names, persons = "kinect25", ["a", "b"], 1

    def sequences(self, root):
        from zssar.interfaces import Problem, SkeletonSequence

        for i in range(5):
            joints = np.random.default_rng(i).normal(size=(1, 4, 25, 3)).astype(np.float32)
            yield SkeletonSequence(str(i), joints, np.ones((1, 4), bool), self.layout, label=i % 2)
        yield Problem("somewhere", "broken", 3)


@pytest.mark.parametrize("block", [1, 64e6])
def test_a_reader_without_a_listing_works(tmp_path, monkeypatch, block):
    (tmp_path / "raw").mkdir()
    monkeypatch.setattr(convert, "BLOCK", block)
    monkeypatch.setattr(convert.plugins, "load", lambda *a: Foreign)
    monkeypatch.setattr(convert.plugins, "create", lambda *a: Foreign())
    monkeypatch.setattr(convert.Job, "code", lambda self: "")
    skeletons, report = run(tmp_path / "raw")
    assert len(skeletons) == 5
    assert report["files"]["used"] == 5
    assert report["problems"] == [{"path": "somewhere", "line": 3, "reason": "broken"}]
    for i in range(5):
        x = np.random.default_rng(i).normal(size=(1, 4, 25, 3)).astype(np.float32)
        np.testing.assert_allclose(skeletons.sequence(i).joints, x - x[0, 0, 1], atol=1e-6)


class Uneven(Foreign):
    """A reader whose recordings differ in their joints."""

    def sequences(self, root):
        for i, item in enumerate(super().sequences(root)):
            yield replace(item, joints=item.joints[:, :, : 25 - i]) if i < 5 else item


def test_recordings_of_different_shapes_are_refused(tmp_path, monkeypatch):
    (tmp_path / "raw").mkdir()
    monkeypatch.setattr(convert.plugins, "load", lambda *a: Uneven)
    monkeypatch.setattr(convert.plugins, "create", lambda *a: Uneven())
    monkeypatch.setattr(convert.Job, "code", lambda self: "")
    with pytest.raises(UserError, match=r"1: persons, joints, channels are \(1, 24, 3\), but \(1, 25, 3\)"):
        run(tmp_path / "raw")


def test_the_reader_shown_in_the_documentation_works(tmp_path, monkeypatch):
    page = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "recordings.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    raw = tmp_path / "raw"
    raw.mkdir()
    for i in range(6):
        joints = np.random.default_rng(i).normal(size=(9, 25, 3))
        joints[4] = np.nan
        np.save(raw / f"class {i % 2}_{i}_1.npy", joints)
    np.save(raw / "other_1_1.npy", joints)
    (tmp_path / "classes.csv").write_text("index,name\n0,class 0\n1,class 1\n")
    skeletons, report = run(raw, "out", "--reader", "mylab.recordings")
    assert skeletons.joints.shape == (6 * 9, 1, 25, 3)
    assert np.isfinite(skeletons.joints).all()
    assert report["per_subject"] == {str(i): 1 for i in range(6)}
    assert report["problems"][0]["reason"] == "class 'other' is not in the list"
