"""UWA3D II: written, read, compared; both packagings and both units; broken files named."""

import numpy as np
import pytest
from scipy.io import savemat

from zssar.datasets import fakes
from zssar.datasets.uwa3d2 import UWA3D2
from zssar.datasets.writers import uwa3d2 as writer
from zssar.interfaces import Problem, SkeletonSequence


def read(root, **params):
    found = list(UWA3D2(**params).sequences(root))
    return [x for x in found if isinstance(x, SkeletonSequence)], [x for x in found if isinstance(x, Problem)]


@pytest.fixture
def body():
    return next(fakes.people("uwa15", 1, 1, persons=1)).joints[0]


@pytest.mark.parametrize("unit", [1.0, 0.001])
def test_write_read_compare(tmp_path, unit):
    written = list(fakes.people("uwa15", 30, 2, 2, persons=1))
    writer.write(tmp_path, written, unit)
    sequences, problems = read(tmp_path)
    assert not problems
    assert len(sequences) == 120
    key = lambda s: (s.label, s.subject, s.camera, s.replication)  # noqa: E731
    for found, s in zip(sequences, sorted(written, key=key)):
        assert key(found) == key(s)
        np.testing.assert_allclose(found.joints, s.joints, rtol=2e-6, atol=1e-7)


def test_three_numbers_per_line_and_matlab_in_any_order(tmp_path, body):
    np.savetxt(tmp_path / "A01_S02_E03_V04.txt", body.reshape(-1, 3), delimiter=",")
    savemat(tmp_path / "a02_v01_s01_e01_skeleton.mat", {"skeleton": body.transpose(1, 2, 0), "fps": 30})
    sequences, problems = read(tmp_path)
    assert not problems
    assert [s.sample_id for s in sequences] == ["a01_s02_v04_e03", "a02_s01_v01_e01"]
    for s in sequences:
        np.testing.assert_allclose(s.joints[0], body, rtol=1e-6)
    flipped, _ = read(tmp_path, mirrored=True)
    np.testing.assert_allclose(flipped[0].joints[0, :, :, 0], -body[:, :, 0], rtol=1e-6)


def test_bad_files_are_named(tmp_path, body):
    def save(name, rows):
        (tmp_path / name).write_text("\n".join(" ".join(map(str, row)) for row in rows))

    save("a01_s01_v01_e01.txt", body.reshape(len(body), -1))
    save("a01_s01_v01.txt", body.reshape(len(body), -1))
    save("a31_s01_v01_e01.txt", body.reshape(len(body), -1))
    save("a02_s01_v01_e01.txt", body.reshape(-1, 3)[:-1])
    save("a03_s01_v01_e01.txt", [*body.reshape(len(body), -1), [1, 2]])
    save("a04_s01_v01_e01.txt", [["x", "1", "2"]])
    save("a05_s01_v01_e01.txt", [])
    save("a06_s01_v01_e01.txt", body.reshape(len(body), -1) * 50)
    save("a07_s01_v01_e01.txt", np.zeros((3, 45)))
    save("a08_s01_v01_e01.txt", np.full((3, 45), np.nan))
    savemat(tmp_path / "a09_s01_v01_e01.mat", {"skeleton": body[:, :14]})
    (tmp_path / "a10_s01_v01_e01.mat").write_bytes(b"nothing")
    sequences, problems = read(tmp_path)
    assert [s.sample_id for s in sequences] == ["a01_s01_v01_e01"]
    text = "\n".join(map(str, problems))
    for part in (
        "a01_s01_v01.txt: the name is not",
        "a31_s01_v01_e01.txt: action 31 is outside the list of 30 classes",
        "joint lines are no whole number of frames of 15",
        f"a03_s01_v01_e01.txt:{len(body) + 1}: 2 numbers where 45 were expected",
        "a04_s01_v01_e01.txt:1: not a number in 'x 1 2'",
        "a05_s01_v01_e01.txt: zero frames",
        "neither in metres nor in millimetres",
        "a07_s01_v01_e01.txt: no body in any frame",
        "a08_s01_v01_e01.txt: NaN",
        "a09_s01_v01_e01.mat: 0 variables of 15 joints",
        "a10_s01_v01_e01.mat: not a readable MATLAB file",
    ):
        assert part in text, text
    assert len(problems) == 11
