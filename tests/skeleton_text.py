"""Small `.skeleton` texts for the tests, made by hand so that they do not depend on the package's own writer."""

import numpy as np

LEAN = "0 1 1 1 1 0 0.02764709 0.05745083 2"
TAIL = "277.419 191.8218 1036.233 519.1677 -0.2059419 0.05349901 0.9692109 -0.1239193 2"
ID = 72057594037931101


def person(rng, frames, at=(0.0, 0.0, 3.0)):
    """float32 (T, 25, 3): a standing body, taller than wide, that moves a little."""
    pose = np.stack([rng.uniform(-0.2, 0.2, 25), np.linspace(-0.8, 0.8, 25), rng.uniform(-0.1, 0.1, 25)], 1)
    moves = np.cumsum(rng.normal(0, 0.01, (frames, 25, 3)), 0)
    return (pose + moves + np.array(at)).astype(np.float32)


def text(frames, end="\r\n"):
    """frames: per frame a list of (id, xyz (25, 3))."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for identity, xyz in bodies:
            lines += [f"{identity} {LEAN}", "25"]
            lines += [" ".join(f"{value:.7g}" for value in joint) + f" {TAIL}" for joint in xyz]
    return (end.join(lines) + end).encode()


def one_person(rng, frames=20, identity=ID):
    """(text, float32 (T, 25, 3))."""
    xyz = person(rng, frames)
    return text([[(identity, pose)] for pose in xyz]), seven_digits(xyz)


def seven_digits(xyz):
    """What the text keeps of float32 values."""
    return np.vectorize(lambda v: np.float32(f"{v:.7g}"), otypes=[np.float32])(xyz)
