"""Writer of NTU RGB+D ``.skeleton`` files.

Grammar: frame count; per frame a body count; per body ten numbers (id, edges, hands, lean, tracking state), the joint
count, and twelve numbers per joint (x y z, depth x y, colour x y, orientation w x y z, tracking state). CRLF line ends,
numbers as .NET prints a float: seven significant digits, exponents as E-05. Pixels and orientations are written as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zssar.errors import UserError
from zssar.interfaces import SkeletonSequence

JOINTS = 25
FIRST_ID = 72057594037930000  # ids lie a little above 2**56
_JOINT = "%.7g %.7g %.7g 0 0 0 0 0 0 0 0 %d\r\n"
_BODY = "%s 0 0 0 0 0 0 0 0 2\r\n" + f"{JOINTS}\r\n" + _JOINT * JOINTS


def file_name(sequence: SkeletonSequence) -> str:
    """``SsssCcccPpppRrrrAaaa.skeleton``; the action is label + 1. Raises UserError for a part that is unknown."""
    parts = {
        "S": sequence.setup,
        "C": sequence.camera,
        "P": sequence.subject,
        "R": sequence.replication,
        "A": sequence.label + 1,
    }
    for letter, number in parts.items():
        if not 1 <= number <= 999:
            raise UserError(f"{sequence.sample_id}: {letter}{number} does not fit into an NTU file name (1 to 999)")
    return "".join(f"{letter}{number:03d}" for letter, number in parts.items()) + ".skeleton"


def skeleton_text(
    sequence: SkeletonSequence,
    body_ids: Sequence[int] | None = None,
    states: np.ndarray | None = None,
    order: np.ndarray | None = None,
) -> str:
    """The file's text, line ends included.

    body_ids (M,): tracking ids, by default consecutive ones. states (M, T, 25): 0, 1 or 2 per joint, by default 2.
    order (T, M): in which order the bodies of a frame are listed, by default as they are.
    Raises UserError if the sequence is not in layout kinect25.
    """
    joints, present = sequence.joints, sequence.present
    bodies, frames = present.shape
    if joints.shape[2:] != (JOINTS, 3):
        raise UserError(f"{sequence.sample_id}: NTU files hold {JOINTS} joints with x y z, not {joints.shape[2:]}")
    ids = list(body_ids) if body_ids is not None else [FIRST_ID + m for m in range(bodies)]
    states = np.full(joints.shape[:3], 2) if states is None else states
    order = np.tile(np.arange(bodies), (frames, 1)) if order is None else order
    numbers = np.concatenate([joints.astype(np.float32), states[..., None]], axis=-1)
    numbers = numbers.reshape(bodies, frames, -1).astype(np.float64)
    lines = [f"{frames}\r\n"]
    for t in range(frames):
        listed = [m for m in order[t] if present[m, t]]
        lines.append(f"{len(listed)}\r\n")
        lines += [_BODY % (ids[m], *numbers[m, t].tolist()) for m in listed]
    return "".join(lines).replace("e-0", "E-0")


def write(
    folder: Path | str,
    sequence: SkeletonSequence,
    body_ids: Sequence[int] | None = None,
    states: np.ndarray | None = None,
    order: np.ndarray | None = None,
) -> Path:
    """Write one file into an existing folder; arguments as in ``skeleton_text``. Returns its path."""
    path = Path(folder) / file_name(sequence)
    path.write_bytes(skeleton_text(sequence, body_ids, states, order).encode("ascii"))
    return path
