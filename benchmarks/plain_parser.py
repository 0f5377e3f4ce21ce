"""The yardstick: how published preparation scripts read NTU, rebuilt in plain Python from a description of their steps.

Chain of CTR-GCN's kind: read lines, split and convert the used tokens of a joint line; one record per body id, which
grows by a frame at a time (`np.vstack`, as there); denoise; two actors; translation frame by frame. `grow="list"` is
the same with lists, which those scripts could have used. Not copied code: the steps, rules and constants are those
listed in docs/data.md; one error is not rebuilt (frames of a body that returns keep their times).
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np


def read(path: Path, grow: str = "vstack") -> dict[str, dict]:
    """Body id -> joints (t, 25, 3), colours (t, 25, 2), frames; frames without a body do not count."""
    lines = path.read_text().splitlines()
    bodies: dict[str, dict] = {}
    at, valid = 1, -1
    for _ in range(int(lines[0])):
        count = int(lines[at])
        at += 1
        if count == 0:
            continue
        valid += 1
        joints, colours = np.zeros((25, 3), np.float32), np.zeros((25, 2), np.float32)
        for _ in range(count):
            identity = lines[at].split()[0]
            number = int(lines[at + 1])
            at += 2
            for joint in range(number):
                fields = lines[at].split()
                joints[joint] = np.array(fields[:3], dtype=np.float32)
                colours[joint] = np.array(fields[5:7], dtype=np.float32)
                at += 1
            record = bodies.setdefault(identity, {"joints": [], "colours": [], "frames": []})
            record["frames"].append(valid)
            for key, new in (("joints", joints), ("colours", colours)):
                if grow == "list":
                    record[key].append(new.copy())
                else:
                    old = record[key]
                    record[key] = np.vstack((old, new[None])) if len(old) else new[None].copy()
    for record in bodies.values():
        record["joints"], record["colours"] = np.stack(record["joints"]), np.stack(record["colours"])
    return bodies


def motion(points: np.ndarray) -> float:
    return float(np.var(points.reshape(-1, 3), axis=0, dtype=np.float64).sum())


def denoise(bodies: dict[str, dict]) -> list[dict]:
    if len(bodies) == 1:
        return list(bodies.values())
    left = {i: b for i, b in bodies.items() if len(b["frames"]) > 11}
    if len(left) == 1:
        return list(left.values())
    scores = {i: motion(b["joints"]) for i, b in left.items()}
    for identity, record in list(left.items()):
        if len(left) == 1:
            break
        good = []
        for t, pose in enumerate(record["joints"]):
            if np.ptp(pose[:, 0]) <= 0.8 * np.ptp(pose[:, 1]):
                good.append(t)
        if 1 - len(good) / len(record["frames"]) >= 0.69754:
            del left[identity]
        elif len(good) < len(record["frames"]):
            scores[identity] = min(scores[identity], motion(record["joints"][good]))
    return [left[i] for i in sorted(left, key=lambda i: -scores[i])]


def actors(bodies: list[dict]) -> np.ndarray:
    """(T, 2, 75), frames without an actor removed."""
    length = max(b["frames"][-1] for b in bodies) + 1
    out = np.zeros((length, 2, 75), np.float32)
    spans = [None, None]
    for record in bodies:
        start, end = record["frames"][0], record["frames"][-1]
        for slot in (0, 1):
            if spans[slot] is None or min(end, spans[slot][1]) - max(start, spans[slot][0]) <= 0:
                out[record["frames"], slot] = record["joints"].reshape(-1, 75)
                old = spans[slot] or (start, end)
                spans[slot] = (min(start, old[0]), max(end, old[1]))
                break
    return out[out.reshape(length, -1).any(1)]


def translate(clip: np.ndarray) -> np.ndarray:
    """Minus the spine of actor 1 in its first frame; absent actors stay zero."""
    there = clip.any(2)
    origin = clip[int(np.argmax(there[:, 0])), 0, 3:6]
    result = clip.reshape(len(clip), 150).copy()
    for t in range(len(clip)):
        result[t] -= np.tile(origin, 50)
    return np.where(there[..., None], result.reshape(-1, 2, 75), 0)


def chain(path: Path) -> np.ndarray:
    """(T, 2, 25, 3) of one file."""
    return translate(actors(denoise(read(path)))).reshape(-1, 2, 25, 3)


def whole(paths: list[Path], folder: Path, grow: str = "vstack") -> None:
    """All files in the three stages of the published scripts, each leaving its files for the next.

    1. text to a pickle of bodies; 2. denoise and actors to a pickle of clips; 3. translation, padding to 300 frames,
    and two npz files (cross-subject, cross-view) with training and test halves and one-hot labels.
    """
    with (folder / "raw.pkl").open("wb") as file:
        pickle.dump([read(path, grow) for path in paths], file)
    with (folder / "raw.pkl").open("rb") as file:
        bodies = pickle.load(file)
    with (folder / "clips.pkl").open("wb") as file:
        pickle.dump([actors(denoise(b)) for b in bodies], file)
    with (folder / "clips.pkl").open("rb") as file:
        clips = pickle.load(file)
    padded, labels = np.zeros((len(clips), 300, 150), np.float32), np.zeros((len(clips), 60), np.float32)
    for row, label, clip, path in zip(padded, labels, clips, paths):
        row[: len(clip)] = translate(clip).reshape(-1, 150)
        label[int(path.stem[17:20]) - 1] = 1
    for name, at, train in (("subject", 9, {1, 2, 4, 5, 8, 9}), ("view", 5, {2, 3})):
        inside = np.array([int(path.stem[at : at + 3]) in train for path in paths])
        np.savez(
            folder / f"{name}.npz",
            x_train=padded[inside],
            y_train=labels[inside],
            x_test=padded[~inside],
            y_test=labels[~inside],
        )
