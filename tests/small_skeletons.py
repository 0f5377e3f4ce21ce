"""A skeleton file of made-up gestures: classes differ in the axis and the sense in which half of the joints swing."""

import numpy as np

from zssar import storage
from zssar.interfaces import SkeletonSequence
from zssar.skeleton.layouts import layout

CLASSES = ("wave", "nod", "kick", "bow", "push", "turn")


def write(path, subjects=4, repeats=2, of="utd20", bodies=2, dataset="own", seed=0):
    """Every class by every subject, ``repeats`` times; every second time beside a second body that stands still."""
    rng = np.random.default_rng(seed)
    skeleton = layout(of)
    rest = rng.normal(0, 0.4, (len(skeleton), 3)).astype(np.float32)
    sequences = []
    for label, name in enumerate(CLASSES):
        for subject in range(1, subjects + 1):
            for repeat in range(repeats):
                frames = int(rng.integers(20, 40))
                joints = np.zeros((bodies, frames, len(skeleton), 3), np.float32)
                present = np.zeros((bodies, frames), bool)
                joints[0] = rest * (1 + 0.05 * subject) + rng.normal(0, 0.01, (frames, len(skeleton), 3))
                swing = np.sin(np.linspace(0, np.pi, frames))[:, None]
                joints[0, :, ::2, label % 3] += swing if label < 3 else -swing
                present[0] = True
                if bodies > 1 and repeat % 2:
                    joints[1, 5:], present[1, 5:] = rest + 1, True
                sequences.append(
                    SkeletonSequence(
                        f"{name}_s{subject}_r{repeat}", joints, present, of, label, subject, 1, -1, repeat + 1
                    )
                )
    attrs = {"dataset": dataset, "layout": of, "class_names": list(CLASSES), "recipe": "zssar"}
    storage.write_skeletons(path, sequences, attrs)
    return path
