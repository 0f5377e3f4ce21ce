"""Named ways from a raw recording to the clip that everything else reads.

``zssar`` is the documented default for all methods. The others follow the pipelines of the field, for the reproduction
of published backbones; where such a pipeline contains a known error, its docstring says whether it is kept.
A recipe takes a SkeletonSequence with any number of bodies and the number of person slots, and returns a sequence with
exactly that many. It raises NoBody if nothing is left.
"""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np

from zssar.errors import unknown
from zssar.interfaces import SkeletonSequence
from zssar.skeleton.bodies import actors, denoise, first_two
from zssar.skeleton.layouts import Layout, layout
from zssar.skeleton.rotations import about_vertical, between, rotate

DEFAULT = "zssar"


class NoBody(Exception):
    """No frame of the recording has a body that passes the recipe."""


def recipe(name: str):
    """The function of a recipe. Raises UserError naming the known ones."""
    if name not in RECIPES:
        raise unknown("preprocessing recipe", name, RECIPES)
    return RECIPES[name]


def describe(name: str) -> str:
    """The docstring of a recipe, for reports and provenance."""
    return inspect.getdoc(recipe(name)) or ""


def zssar(sequence: SkeletonSequence, persons: int = 2) -> SkeletonSequence:
    """Default: denoise, two actors, gaps filled, trimmed, centred on the first pose of the main actor.

    1. Tracks that are too short or shaped like furniture are dropped, the rest ordered by motion, and tracks that do
       not overlap in time joined to two actors (``zssar.skeleton.bodies``, constants of CTR-GCN).
    2. Frames before the first and after the last frame with an actor are cut; time inside the clip is kept.
    3. Each actor's missing frames between its own first and last one are interpolated linearly.
    4. Origin: the middle of the spine (or its counterpart) of the main actor in its first frame. Metres, no rotation,
       no scaling; an absent actor stays zero.
    """
    joints, present = _two_actors(sequence)
    joints, present = _trim(joints, present)
    _fill_gaps(joints, present)
    _centre(joints, present, layout(sequence.layout))
    return _slots(sequence, joints, present, persons)


def ctrgcn(sequence: SkeletonSequence, persons: int = 2) -> SkeletonSequence:
    """CTR-GCN (Chen et al., ICCV 2021): denoise, two actors, frames without an actor removed, translation.

    Origin: joint 1 (middle of the spine) of the main actor in its first frame; absent actors are zero. The published
    script also shifts the later part of a body that vanishes and returns to directly after its earlier part; that
    error is not kept. The second actor of single-person clips is zero, also for NTU RGB+D 120.
    """
    joints, present = _two_actors(sequence)
    kept = present.any(0)
    if not kept.all():
        joints, present = joints[:, kept], present[:, kept]
    _centre(joints, present, layout(sequence.layout))
    return _slots(sequence, joints, present, persons)


def shiftgcn(sequence: SkeletonSequence, persons: int = 2) -> SkeletonSequence:
    """2s-AGCN (Shi et al., CVPR 2019) and Shift-GCN (Cheng et al., CVPR 2020), ``pre_normalization``: 300 frames.

    1. The first four bodies of each frame without identity; the two slots with the largest energy (sum over the axes
       of the standard deviation over their frames and joints).
    2. Per body: if its first frame is empty its frames move to the front; the empty tail is filled by repetition.
    3. The main body's middle of the spine is subtracted frame by frame from both bodies (where a joint is not zero).
    4. One rotation puts the main body's lower spine of the first frame along z, a second one its shoulders along x.
    """
    of = layout(sequence.layout)
    joints, present = first_two(sequence.joints, sequence.present, 4)
    order = sorted(range(4), key=lambda m: -_energy(joints[m, present[m]]))[:2]
    joints, present = joints[order, :300], present[order, :300]
    if not present.any():
        raise NoBody("no body in the first 300 frames")
    joints, present = (np.stack(part) for part in zip(*(_loop(j, p, 300) for j, p in zip(joints, present))))
    centre = np.where(present[0, :, None], _centre_point(joints[0], of), 0)  # (T, C)
    joints = np.where(present[:, :, None, None], joints - centre[:, None, :], 0)
    joints = _upright(joints, of)
    return _slots(sequence, joints, present, persons)


def aimclr(sequence: SkeletonSequence, persons: int = 2) -> SkeletonSequence:
    """AimCLR (Guo et al., AAAI 2022), the 50 frames of SMIE, PGFA and DVTA's random splits.

    1. The first two bodies of each frame without identity; of more than 300 frames the central 300.
    2. Per body and frame the top of the spine is subtracted: all movement through space and all distance between
       persons vanish.
    3. The first L frames, L = number of frames in which body 1 is present, resized to 50 with half-pixel centres.
    4. Per body and frame a rotation about the vertical puts the shoulders along x.
    """
    of = layout(sequence.layout)
    joints, present = first_two(sequence.joints, sequence.present)
    start = max(0, (joints.shape[1] - 300) // 2)
    joints, present = joints[:, start : start + 300], present[:, start : start + 300]
    length = int(present[0].sum())
    if not length:
        raise NoBody("no body in the central 300 frames")
    joints = joints - joints[:, :, of.roles.get("spine_shoulder", of.root)][:, :, None]
    joints, present = _resize(joints[:, :length], present[:, :length], 50)
    across = joints[:, :, of.roles["right_shoulder"]] - joints[:, :, of.roles["left_shoulder"]]  # (M, T, 3)
    joints = np.where(present[:, :, None, None], rotate(joints, about_vertical(across)), 0)
    return _slots(sequence, joints, present, persons)


def pyskl(sequence: SkeletonSequence, persons: int = 2) -> SkeletonSequence:
    """pyskl (Duan et al., ACM MM 2022), ``PreNormalize3D``.

    Its uniform sampling makes windows, not clips: ``training: {sampling: uniform, frames: 100}`` of a backbone.

    Denoise and two actors as in CTR-GCN (pyskl's scripts follow it); actors swapped if the first has fewer frames;
    only frames with the first actor are kept; its middle of the spine in the first frame is the origin; spine along z
    and shoulders along x by two rotations, as in ``shiftgcn``.
    """
    of = layout(sequence.layout)
    joints, present = _two_actors(sequence)
    if present[0].sum() < present[1].sum():
        joints, present = joints[::-1], present[::-1]
    kept = present[0]
    joints, present = joints[:, kept], present[:, kept]
    _centre(joints, present, of)
    joints = np.where(present[:, :, None, None], _upright(joints, of), 0)
    return _slots(sequence, joints, present, persons)


def as_is(sequence: SkeletonSequence, persons: int = 2) -> SkeletonSequence:
    """For bodies that are people already and come in order of importance; otherwise as ``zssar``.

    Packaged arrays, image poses and one's own recordings: nothing is taken for furniture, nothing reordered by motion.
    The first body is the first actor; later ones that do not overlap it in time continue it, the next one is the
    second actor. Cut, interpolated and centred as in ``zssar``.
    """
    tracks = [int(m) for m in np.flatnonzero(sequence.present.any(1))]
    if not tracks:
        raise NoBody("no body in any frame")
    joints, present = actors(sequence.joints, sequence.present, tracks)
    joints, present = _trim(joints, present)
    _fill_gaps(joints, present)
    _centre(joints, present, layout(sequence.layout))
    return _slots(sequence, joints, present, persons)


RECIPES = {f.__name__: f for f in (zssar, ctrgcn, shiftgcn, aimclr, pyskl, as_is)}


def _two_actors(sequence: SkeletonSequence) -> tuple[np.ndarray, np.ndarray]:
    order = denoise(sequence.joints, sequence.present)
    if not order:
        raise NoBody("no body in any frame")
    return actors(sequence.joints, sequence.present, order)


def _trim(joints: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frames = np.flatnonzero(present.any(0))
    inside = slice(frames[0], frames[-1] + 1)
    return joints[:, inside], present[:, inside]


def _fill_gaps(joints: np.ndarray, present: np.ndarray) -> None:
    """Interpolate in place each person's frames between its first and last one: (M, T, V, C), (M, T)."""
    for j, p in zip(joints, present):
        known = np.flatnonzero(p)
        if not len(known) or len(known) == known[-1] - known[0] + 1:
            continue
        gap = known[0] + np.flatnonzero(~p[known[0] : known[-1]])
        after = np.searchsorted(known, gap)
        low, high = known[after - 1], known[after]
        share = ((gap - low) / (high - low)).astype(np.float32)[:, None, None]
        j[gap] = j[low] * (1 - share) + j[high] * share
        p[gap] = True


def _centre_point(person: np.ndarray, of: Layout) -> np.ndarray:
    """(T, V, C) -> (T, C): the middle of the spine; without such a joint, the mean of shoulders and hips."""
    if "spine_mid" in of.roles:
        return person[:, of.roles["spine_mid"]]
    around = [of.roles[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "hip")]
    return person[:, around].mean(1)


def _centre(joints: np.ndarray, present: np.ndarray, of: Layout) -> None:
    """Subtract in place the main actor's centre in its first frame from all bodies: (M, T, V, C), (M, T)."""
    first = int(np.argmax(present[0]))
    origin = _centre_point(joints[0, first : first + 1], of)[0].copy()
    if of.dimensions == 2:
        origin = origin * np.array([1, 1, 0], np.float32)
    for person, there in zip(joints, present):
        if there.all():
            person -= origin
        elif there.any():
            person[there] -= origin


def _slots(sequence: SkeletonSequence, joints: np.ndarray, present: np.ndarray, persons: int) -> SkeletonSequence:
    """``sequence`` with exactly ``persons`` rows."""
    missing = persons - len(joints)
    if missing > 0:
        joints = np.concatenate([joints, np.zeros((missing, *joints.shape[1:]), np.float32)])
        present = np.concatenate([present, np.zeros((missing, present.shape[1]), bool)])
    if not present[:persons].any():
        raise NoBody("the main actor is not in the kept frames")
    joints = np.ascontiguousarray(joints[:persons], np.float32)
    return replace(sequence, joints=joints, present=np.ascontiguousarray(present[:persons]))


def _energy(points: np.ndarray) -> float:
    return float(points.reshape(-1, points.shape[2]).std(0).sum()) if len(points) else 0.0


def _loop(person: np.ndarray, present: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """One body (T, V, C) to ``frames`` frames: moved to the front if late, its empty tail filled by repetition."""
    if not present.any():
        return np.zeros((frames, *person.shape[1:]), np.float32), np.zeros(frames, bool)
    if not present[0]:
        person, present = person[present], present[present]
    length = int(np.flatnonzero(present)[-1]) + 1
    rows = np.arange(frames) % length
    return person[rows], present[rows]


def _upright(joints: np.ndarray, of: Layout) -> np.ndarray:
    """Rotate all (M, T, V, 3): the first pose's lower spine onto z, then its left-to-right shoulder line onto x."""
    base, mid = of.roles.get("spine_base", of.root), of.roles.get("spine_mid", of.root)
    joints = rotate(joints, between(joints[0, 0, mid] - joints[0, 0, base], np.array([0.0, 0, 1])))
    across = joints[0, 0, of.roles["right_shoulder"]] - joints[0, 0, of.roles["left_shoulder"]]
    return rotate(joints, between(across, np.array([1.0, 0, 0])))


def _resize(joints: np.ndarray, present: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """(M, T, V, C) to ``frames`` by linear interpolation with half-pixel centres (bilinear image resizing)."""
    length = joints.shape[1]
    at = np.clip((np.arange(frames) + 0.5) * length / frames - 0.5, 0, length - 1)
    low = at.astype(int)
    high, share = np.minimum(low + 1, length - 1), (at - low).astype(np.float32)[:, None, None]
    return joints[:, low] * (1 - share) + joints[:, high] * share, present[:, low] | present[:, high]
