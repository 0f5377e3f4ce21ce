"""UTD-MHAD: 27 actions, 8 subjects, up to 4 trials, Kinect v1 skeletons in MATLAB files.

Chen, Jafari, Kehtarnavaz, "UTD-MHAD: A Multimodal Dataset for Human Action Recognition Utilizing a Depth Camera and a
Wearable Inertial Sensor", ICIP 2015. Files ``a<action>_s<subject>_t<trial>_skeleton.mat`` with one variable ``d_skel``,
float64 (20, 3, T), metres. The authors published 861 of 864 recordings.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from zssar.datasets import archives, files
from zssar.datasets.files import Listing
from zssar.interfaces import Problem, SkeletonDataset, SkeletonSequence

NAME = re.compile(r"a([1-9]\d?)_s([1-9]\d?)_t([1-9]\d?)_skeleton", re.ASCII)
EXPECTED = "UTD-MHAD files a<action>_s<subject>_t<trial>_skeleton.mat, in any sub-folder or zip archive"
JOINTS = 20


class UTDMHAD(SkeletonDataset):
    """Reader of a folder of ``.mat`` files. Trials are replications; there is one camera.

    class_names: class of action 1, 2, ... (default: the 27 of the data set).
    """

    layout = "utd20"
    persons = 1

    def __init__(self, class_names: Sequence[str] | None = None):
        self.class_names = list(class_names) if class_names is not None else files.class_names("utd_mhad")

    def sequences(self, root: Path) -> Iterator[SkeletonSequence | Problem]:
        """Every recording below ``root``. Raises UserError if there is no skeleton ``.mat`` file."""
        return files.read_all(self, root)

    def list_files(self, root: Path) -> Listing:
        """All ``*_skeleton.mat`` of a folder or zip archive in order. Raises UserError if there is none."""
        units, problems = archives.find(Path(root), "_skeleton.mat", EXPECTED)
        found: dict[tuple[int, ...], str] = {}
        skipped = 0
        for unit in sorted(units, key=archives.in_archive):
            match = NAME.fullmatch(archives.name_of(unit))
            if match is None:
                problems.append(Problem(unit, "the name is not a<action>_s<subject>_t<trial>_skeleton.mat"))
                continue
            key = tuple(int(digits) for digits in match.groups())
            if key[0] > len(self.class_names):
                reason = f"action {key[0]} is outside the list of {len(self.class_names)} classes"
                problems.append(Problem(unit, reason))
            elif key not in found:
                found[key] = unit
            elif archives.in_archive(unit) and not archives.in_archive(found[key]):
                skipped += 1
            else:
                problems.append(Problem(unit, f"second recording of the name; {found[key]} was used"))
        return Listing(
            [found[key] for key in sorted(found)], problems, {archives.IN_ARCHIVE: skipped} if skipped else {}
        )

    def read(self, unit: str) -> list[SkeletonSequence | Problem]:
        """One file: its sequence, preceded by a Problem if frames with NaN or Inf were left out; or a Problem alone."""
        name = archives.name_of(unit)
        try:
            joints = _load(archives.read(unit))
        except (archives.Unreadable, _Unusable) as error:
            return [Problem(unit, str(error))]
        finite = np.isfinite(joints).all((1, 2))
        problems = []
        if not finite.all():
            reason = f"NaN or Inf in {np.sum(~finite)} of {len(finite)} frames; they count as not tracked"
            problems.append(Problem(unit, reason))
            if not finite.any():
                return problems
            joints[~finite] = 0
        action, subject, trial = (int(digits) for digits in NAME.fullmatch(name).groups())
        sequence = SkeletonSequence(
            name.removesuffix("_skeleton"),
            joints[None],
            finite[None],
            self.layout,
            label=action - 1,
            subject=subject,
            camera=1,
            replication=trial,
        )
        return [*problems, sequence]


class _Unusable(Exception):
    pass


def _load(content: bytes) -> np.ndarray:
    """float32 (T, 20, 3) of a MATLAB file."""
    from scipy.io import loadmat

    try:
        variables = loadmat(io.BytesIO(content), variable_names=["d_skel"])
    except Exception as error:  # scipy raises whatever its parser stumbles over when a file is damaged
        raise _Unusable(f"not a readable MATLAB file ({type(error).__name__}: {error})") from None
    skeleton = variables.get("d_skel")
    if skeleton is None:
        raise _Unusable("holds no variable d_skel")
    if skeleton.dtype.kind not in "fiu" or skeleton.ndim not in (2, 3):
        raise _Unusable(f"d_skel is {skeleton.dtype} {skeleton.shape}, not numbers of shape (20, 3, T)")
    if skeleton.ndim == 2:  # MATLAB drops a last dimension of one
        skeleton = skeleton[:, :, None]
    if skeleton.shape[:2] != (JOINTS, 3):
        raise _Unusable(f"d_skel has the shape {skeleton.shape}, not ({JOINTS}, 3, T)")
    if not skeleton.shape[2]:
        raise _Unusable("zero frames")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(skeleton.transpose(2, 0, 1), np.float32)
