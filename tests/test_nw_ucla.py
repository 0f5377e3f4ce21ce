"""NW-UCLA: written, read, compared; broken files named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from zssar.datasets import fakes
from zssar.datasets.nw_ucla import NWUCLA
from zssar.datasets.writers import nw_ucla as writer
from zssar.errors import UserError
from zssar.interfaces import Problem, SkeletonSequence


def read(root, **params):
    found = list(NWUCLA(**params).sequences(root))
    return [x for x in found if isinstance(x, SkeletonSequence)], [x for x in found if isinstance(x, Problem)]


def content(frames=4, **more):
    return {"skeletons": np.random.default_rng(0).normal(size=(frames, 20, 3)).tolist(), **more}


def save(folder, name, value):
    folder.mkdir(parents=True, exist_ok=True)
    text = value if isinstance(value, str) else json.dumps(value)
    (folder / f"{name}.json").write_text(text)


def test_write_read_compare(tmp_path):
    written = list(fakes.people("kinect20", 10, 2, 3, persons=1))
    writer.write(tmp_path / "all_sqe", written)
    sequences, problems = read(tmp_path)
    assert not problems
    assert len(sequences) == 60
    by_id = {s.sample_id: s for s in sequences}
    for s in written:
        found = by_id[f"a{writer.ACTIONS[s.label]:02d}_s{s.subject:02d}_e{s.replication:02d}_v{s.camera:02d}"]
        assert (found.label, found.subject, found.camera, found.replication) == (
            s.label,
            s.subject,
            s.camera,
            s.replication,
        )
        np.testing.assert_allclose(found.joints, s.joints, rtol=5e-6, atol=1e-7)
        assert found.present.all()


def test_a_gap_in_the_file_numbers_is_none_in_the_labels(tmp_path):
    save(tmp_path, "a12_s10_e00_v03", content(label=10, file_name="a12_s10_e00_v03"))
    sequences, _ = read(tmp_path)
    assert (sequences[0].label, sequences[0].camera, sequences[0].replication) == (9, 3, 0)
    assert read(tmp_path, class_names=[f"c{i}" for i in range(10)])[0][0].label == 9


def test_a_shorter_official_list_leaves_classes_out(tmp_path):
    save(tmp_path, "a01_s01_e00_v01", content())
    save(tmp_path, "a12_s01_e00_v01", content())
    reader = NWUCLA(class_names=NWUCLA().class_names[:9])
    assert reader.list_files(tmp_path).skipped == {"of classes outside the class list": 1}
    with_other_names = NWUCLA(class_names=["x", "y"]).list_files(tmp_path)
    assert "action a12 is outside the list of 2 classes" in str(with_other_names.problems[0])


def test_bad_files_are_named(tmp_path):
    frames = content()["skeletons"]
    save(tmp_path, "a01_s01_e00_v01", content())
    save(tmp_path, "a07_s01_e00_v01", content())
    save(tmp_path, "a1_s1_e0_v1", content())
    save(tmp_path, "a01_s01_e01_v01", content(label=2))
    save(tmp_path, "a01_s01_e02_v01", {"skeleton": frames})
    save(tmp_path, "a01_s01_e03_v01", {"skeletons": [frames[0], frames[1][:19]]})
    save(tmp_path, "a01_s01_e04_v01", {"skeletons": []})
    save(tmp_path, "a01_s01_e05_v01", '{"skeletons":\n [[[1, 2,')
    save(tmp_path, "a01_s01_e06_v01", {"skeletons": [[["x", 1, 2]] * 20]})
    save(tmp_path, "a01_s01_e07_v01", {"skeletons": [[[float("nan")] * 3] * 20]})
    save(tmp_path, "a01_s01_e08_v01", "[" * 100000)
    save(tmp_path, "a01_s01_e09_v01", {"skeletons": [[[1, 2]] * 20] * 2})
    save(tmp_path / "again", "a01_s01_e00_v01", content())
    sequences, problems = read(tmp_path)
    assert [s.sample_id for s in sequences] == ["a01_s01_e00_v01"]
    text = "\n".join(map(str, problems))
    for part in (
        "a07_s01_e00_v01.json: action a07 is none of the data set's",
        "a1_s1_e0_v1.json: the name is not",
        "a01_s01_e01_v01.json: label says '2', the name of the file 1",
        "a01_s01_e02_v01.json: holds no key 'skeletons'",
        "a01_s01_e03_v01.json: skeletons is not a table of numbers any x 20 x 3 (at [1]: 19 entries, not 20)",
        "a01_s01_e04_v01.json: zero frames",
        "a01_s01_e05_v01.json:2: not valid JSON",
        "a01_s01_e06_v01.json: skeletons is not a table of numbers any x 20 x 3 (at [0, 0, 0]: 'x')",
        "a01_s01_e07_v01.json: NaN, Inf or absurd values in 1 of 1 bodies",
        "a01_s01_e08_v01.json: not valid JSON",
        "a01_s01_e09_v01.json: skeletons is not a table of numbers any x 20 x 3 (at [0, 0]: 2 entries, not 3)",
        "second recording of the name",
    ):
        assert part in text, text
    assert len(problems) == 12


def test_broken_frames_and_nulls_count_as_not_tracked(tmp_path):
    value = content(5)
    value["skeletons"][2][7][1] = None
    value["skeletons"][3][0][0] = 1e30
    save(tmp_path, "a01_s01_e00_v01", value)
    sequences, problems = read(tmp_path)
    assert sequences[0].present[0].tolist() == [True, True, False, False, True]
    assert not sequences[0].joints[0, 2:4].any()
    assert "in 2 of 5 bodies of single frames (first: frame 2" in str(problems[0])


def test_an_empty_folder_says_what_was_expected(tmp_path):
    with pytest.raises(UserError, match="the folder is empty"):
        read(tmp_path)


def test_the_writer_leaves_out_frames_without_a_body(tmp_path):
    s = next(fakes.people("kinect20", 1, 1, persons=1))
    present = s.present.copy()
    present[0, 3] = False
    writer.write(tmp_path, [replace(s, present=present)])
    assert read(tmp_path)[0][0].joints.shape[1] == s.joints.shape[1] - 1
