"""Writer of UTD-MHAD ``.mat`` files: one variable ``d_skel``, float64 (20, 3, T), MATLAB version 5."""

from __future__ import annotations

import io
from pathlib import Path

from zssar.errors import UserError
from zssar.interfaces import SkeletonSequence

JOINTS = 20
_HEADER = 116  # bytes of free text at the start of a file


def file_name(sequence: SkeletonSequence) -> str:
    """``a<action>_s<subject>_t<trial>_skeleton.mat``; action is label + 1. Raises UserError for unknown parts."""
    parts = {"a": sequence.label + 1, "s": sequence.subject, "t": sequence.replication}
    for letter, number in parts.items():
        if not 1 <= number <= 99:
            raise UserError(f"{sequence.sample_id}: {letter}{number} does not fit into a UTD-MHAD file name (1 to 99)")
    return "_".join(f"{letter}{number}" for letter, number in parts.items()) + "_skeleton.mat"


def write(folder: Path | str, sequence: SkeletonSequence) -> Path:
    """Write one file into an existing folder; returns its path. The bytes depend on the sequence alone.

    Raises UserError unless the sequence is one person with 20 joints who is there in every frame: the format cannot
    say otherwise.
    """
    from scipy.io import savemat

    joints = sequence.joints
    if joints.shape[0] != 1 or joints.shape[2:] != (JOINTS, 3) or not sequence.present.all():
        raise UserError(
            f"{sequence.sample_id}: UTD-MHAD files hold one person with {JOINTS} joints in every frame, "
            f"not joints of shape {joints.shape} with {int((~sequence.present).sum())} absent frames"
        )
    buffer = io.BytesIO()
    savemat(buffer, {"d_skel": joints[0].transpose(1, 2, 0).astype("float64")})
    content = b"MATLAB 5.0 MAT-file, written by zssar".ljust(_HEADER) + buffer.getvalue()[_HEADER:]
    path = Path(folder) / file_name(sequence)
    path.write_bytes(content)
    return path
