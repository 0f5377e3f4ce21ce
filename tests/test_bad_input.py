"""Bad input of every sort in one NTU folder: named with file and line, counted, left out or fatal as documented."""

import argparse
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from skeleton_text import one_person

from zssar import storage
from zssar.commands import preprocess_skeletons
from zssar.errors import UserError

FRAMES = 12
GOOD = [f"S001C00{c}P00{p}R001A00{a}" for c in (1, 2, 3) for p in (1, 2, 3) for a in (1, 2)]


def text(seed=0):
    return one_person(np.random.default_rng(seed), FRAMES)[0]


def lines(seed=0):
    return text(seed).split(b"\r\n")


def changed(line, old, new):
    """The text with one word of one line (from 1) replaced; old None: the first word."""
    found = lines()
    words = found[line - 1].split()
    words[0 if old is None else words.index(old)] = new
    found[line - 1] = b" ".join(words)
    return b"\r\n".join(found)


# name of the sample -> (content, line that is named, words of the reason)
BROKEN = {
    "S001C001P004R001A001": (b"\r\n".join(lines()[:60])[:-9], 59, "truncated"),
    "S001C001P005R001A001": (changed(7, None, b"0.1x"), 7, "number"),
    "S001C001P006R001A001": (b"0\r\n", 1, "zero frames"),
    "S001C001P007R001A001": (changed(4, None, b"24"), 4, "'24' joints, not 25"),
    "S001C001P008R001A001": (b"", 1, "truncated"),
    "S001C001P009R001A003": (text(3), 0, "A003 is outside the list of 2 classes"),
    "S001C001P01R001A001": (text(4), 0, "the name is not"),
}
NAN = "S001C001P003R001A002"  # stays in use, but for one body of one frame


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    (folder / "more").mkdir(parents=True)
    for seed, name in enumerate(GOOD):
        (folder / f"{name}.skeleton").write_bytes(text(10 + seed))
    for name, (content, _, _) in BROKEN.items():
        (folder / f"{name}.skeleton").write_bytes(content)
    (folder / f"{NAN}.skeleton").write_bytes(changed(37, None, b"NaN"))
    (folder / "more" / f"{GOOD[0]}.skeleton").write_bytes(text(99))
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("../S001C001P010R001A001.skeleton", text(5))
        archive.writestr("/S001C001P011R001A001.skeleton", text(6))
        archive.writestr("x/S001C001P012R001A001.skeleton", text(7))
        archive.writestr("x/S001C001P013R001A001.skeleton", text(8))
    content = (folder / "a.zip").read_bytes()
    (folder / "a.zip").write_bytes(content.replace(text(7)[80:90], b"x" * 10, 1))  # its checksum is wrong now
    (tmp_path / "classes.csv").write_text("index,name\n0,one\n1,two\n")
    return folder


def run(raw, *more):
    parser = argparse.ArgumentParser()
    preprocess_skeletons.add_arguments(parser)
    output = raw.parent / "out.h5"
    words = ["--reader", "ntu", "--root", str(raw), "--dataset", "mine", "--output", str(output)]
    words += ["--report", str(raw.parent / "r.json"), "--class-names", str(raw.parent / "classes.csv"), *more]
    preprocess_skeletons.run(parser.parse_args(words))
    return storage.Skeletons(output), json.loads((raw.parent / "r.json").read_text())


def test_every_sort_is_named_counted_and_left_out(raw):
    skeletons, report = run(raw)
    problems = {(Path(re.split("::", p["path"])[-1]).stem, p["line"]): p["reason"] for p in report["problems"]}
    for name, (_, line, reason) in BROKEN.items():
        assert re.search(reason, problems[name, line]), (name, problems)
    assert "absolute or leaves its folder" in problems["S001C001P010R001A001", 0]
    assert "absolute or leaves its folder" in problems["S001C001P011R001A001", 0]
    assert "cannot be read (Bad CRC-32" in problems["S001C001P012R001A001", 0]
    assert "second recording of the name" in problems[GOOD[0], 0]
    assert "NaN or Inf in 1 bodies" in problems[NAN, 37]
    assert set(skeletons.sample_id) == {*GOOD, "S001C001P013R001A001"}
    assert report["files"] == {"found": 30, "used": 19, "bad": 11, "skipped": {}}
    assert len(problems) == 12  # the recording with a NaN is used
    at = list(skeletons.sample_id).index(NAN)
    assert np.isfinite(skeletons.joints).all()
    assert np.diff(skeletons.offsets)[at] == FRAMES  # the frame is interpolated, not dropped
    assert len(skeletons.attrs["provenance"]["input"]) == 64


def test_a_class_without_a_sample_is_fatal_unless_allowed(raw):
    (raw.parent / "classes.csv").write_text("index,name\n0,one\n1,two\n2,three\n3,four\n")
    with pytest.raises(UserError, match="1 of 4 classes have no recording: four"):
        run(raw)
    assert not (raw.parent / "out.h5").exists()
    _, report = run(raw, "--allow-missing-classes")
    assert report["per_class"]["four"] == 0


def test_nothing_finished_is_lost(raw, capsys):
    """A run that a rule made fatal leaves its parts behind; with the rule lifted nothing is read again."""
    (raw.parent / "classes.csv").write_text("index,name\n0,one\n1,two\n2,three\n3,four\n")
    with pytest.raises(UserError):
        run(raw)
    run(raw, "--allow-missing-classes")
    assert re.search(r"resuming: (\d+) of \1 files were done before", capsys.readouterr().err)
