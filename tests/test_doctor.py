"""doctor: what it says about complete, incomplete, damaged and doubled data sets; the flags that follow from it."""

import csv
import json
import shutil

import numpy as np
import pytest

from zssar import cli
from zssar.datasets import convert, doctor, fakes, ntu_names
from zssar.storage import Skeletons


def said(capsys, *words):
    assert cli.main(["doctor", *map(str, words)]) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def ucla(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ucla") / "all_sqe"
    fakes.write("nw_ucla", folder, subjects=2, frames=20)
    for path in sorted(folder.glob("a02*_v02.json")):  # as in the real release: view 3 is view 2
        text = path.read_text().replace("_v02", "_v03")
        path.with_name(path.name.replace("_v02", "_v03")).write_text(text)
    (folder / "a01_s01_e09_v01.json").write_text('{"skeletons": [[[1')
    return folder


def test_the_whole_report(ucla, capsys, tmp_path):
    text = said(capsys, "--root", ucla, "--output", tmp_path / "doctor.json")
    for words in (
        "reader nw_ucla: NW-UCLA JSON, 20 joints",
        "recordings: 61 listed; 61 read in",
        "official: 61 of 1,484 recordings",
        "problems: 1 (1 recordings unusable)",
        "a01_s01_e09_v01.json:1: not valid JSON",
        "per class: 6 to 6",
        "subjects: 2 of 10 (1: 30, 2: 30)",
        "cameras: 3 of 3",
        "setups: not told by this format",
        "partition xview: 40 train / 20 test, official 1,020 / 464",
        "partition xsub: 30 train / 30 test",
        "frames: 20 to 20, median 20",
        "bodies per recording: 1: 60",
        "head above hips in 100%",
        "duplicates: 2 recordings equal another one, e.g. a02_s01_e02_v02 = a02_s01_e02_v03",
        "drop_duplicates: true",
        "95 files of view 3",
        "needed, disk while preprocessing: about 0.00 GB (free:",
        f"nw_ucla: {{reader: nw_ucla, root: {ucla}, class_names: nw_ucla, recipe: zssar}}",
    ):
        assert words in text, text
    found = json.loads((tmp_path / "doctor.json").read_text())
    assert found["per_class"]["carry"] == 6
    assert len(found["same_content"]) == 2


def test_copies_are_dropped_by_preprocessing(ucla, tmp_path):
    words = ["preprocess_skeletons", "--reader", "nw_ucla", "--root", ucla, "--dataset", "nw_ucla"]
    for flags, count in (([], 60), (["--drop-duplicates"], 58)):
        out = tmp_path / f"{count}.h5"
        more = ["--output", out, "--report", tmp_path / f"{count}.json", *flags]
        assert cli.main([*map(str, words), *map(str, more)]) == 0
        found = Skeletons(out)
        assert len(found) == count
        report = json.loads((tmp_path / f"{count}.json").read_text())
        assert report["files"]["used"] == count
        assert report["files"].get("copies_dropped", 0) == 60 - count
    assert "a02_s01_e02_v02" in found.sample_id
    assert "a02_s01_e02_v03" not in found.sample_id


def test_time_is_kept_and_the_sample_is_spread(tmp_path, capsys):
    fakes.write("uwa3d2", tmp_path / "uwa", subjects=2, frames=10)
    text = said(capsys, "--root", tmp_path / "uwa", "--seconds", 0)
    assert "180 listed; 1 read (of 180; --all reads every one)" in text
    assert "counts below: of the recordings that were read" in text
    assert "classes without" not in text
    assert "180 read in" in said(capsys, "--root", tmp_path / "uwa", "--all", "--seconds", 0)
    order = doctor._spread([str(i) for i in range(1000)])
    assert sorted(map(int, order)) == list(range(1000))
    assert max(np.diff(sorted(map(int, order[:20])))) < 100


def test_official_names_that_are_missing(tmp_path):
    folder = tmp_path / "ntu"
    folder.mkdir()
    names = ntu_names.official("ntu60")
    for name in names[5:]:
        (folder / f"{name}.skeleton").touch()
    job = convert.Job("ntu", {"class_names": doctor.default_classes("ntu60", "ntu")}, "zssar", 2)
    checkup = doctor.examine(job, folder, "ntu60", 0)
    assert doctor.missing_names(checkup) == list(names[:5])
    assert checkup.counted
    assert checkup.read == 1
    assert doctor.partitions(checkup)["xview"] == (37646, 18932 - 5)


def test_suspicious_axes(tmp_path, capsys):
    from zssar.datasets.writers import custom

    written = list(fakes.people("mediapipe33", 2, 2, persons=1))
    upside_down = [s.__class__(**{**vars(s), "joints": s.joints * np.float32([-1, -1, 1])}) for s in written]
    custom.write(tmp_path / "a", upside_down, ["a", "b"])
    with open(tmp_path / "names.csv", "w", newline="") as file:
        csv.writer(file).writerows([["index", "name"], [0, "a"], [1, "b"]])
    words = ["--root", tmp_path / "a", "--class-names", tmp_path / "names.csv"]
    text = said(capsys, *words, "--params", '{"layout": "mediapipe33"}')
    assert "suspicious: is y up?" in text
    assert "suspicious: does x run the right way" in text
    text = said(capsys, *words, "--params", '{"layout": "mediapipe33", "axes": ["-x", "-y", "z"]}')
    assert "suspicious:" not in text


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda f: None, "no known format of recordings"),
        (lambda f: np.save(f / "x.npy", np.zeros((3, 256))), "no precomputed features. Expected"),
        (
            lambda f: [fakes.write(d, f / d, 2, frames=4) for d in ("nw_ucla", "uwa3d2")],
            "holds several formats: uwa3d2, nw_ucla",
        ),
    ],
)
def test_what_cannot_be_examined(tmp_path, capsys, prepare, words):
    prepare(tmp_path)
    assert cli.main(["doctor", "--root", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_fakes_are_not_mixed_with_other_files(tmp_path, capsys):
    words = ["write_fakes", "--dataset", "utd_mhad", "--output", str(tmp_path / "f"), "--subjects", "2"]
    assert cli.main(words) == 0
    assert cli.main(words) == 2
    assert "not an empty folder" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "f")
    assert cli.main([*words[:2], "utd", *words[3:]]) == 2
    assert "Did you mean 'utd_mhad'" in capsys.readouterr().err
