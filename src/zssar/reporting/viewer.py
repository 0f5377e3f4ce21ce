"""One recording as a picture: poses side by side, or moving.

Bodies are drawn as the sensor sees them, so the right hand of somebody who faces it is on the left; below, the same
poses from the side. Left limbs blue, right limbs red-brown, the rest black; further bodies lighter. Joints of
two-dimensional layouts that the pose estimator did not see are drawn hollow.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zssar.errors import unknown
from zssar.interfaces import UNKNOWN, SkeletonSequence
from zssar.reporting import style
from zssar.skeleton.layouts import Layout, layout
from zssar.storage import whole

POSES = 8
FPS = 30  # of all sensors here; files without time stamps are played at this speed
LONGEST = 200  # frames of an animation; longer clips are played with larger steps
SIDES = {"left": style.CATEGORIES[0], "right": style.CATEGORIES[1], "": style.CATEGORIES[6]}
FAINT = (1.0, 0.45, 0.3, 0.2)  # opacity of the first, second, ... body
VIEWS = {"front": (0, 1), "side": (2, 1)}


def title(s: SkeletonSequence, name: str = "") -> str:
    """Sample, class and whatever numbers are known."""
    numbers = {k: getattr(s, k) for k in ("subject", "camera", "setup", "replication")}
    known = ", ".join(f"{key} {value}" for key, value in numbers.items() if value != UNKNOWN)
    return " | ".join(part for part in (s.sample_id, name, known) if part)


def describe(s: SkeletonSequence, name: str = "") -> str:
    """The recording in a few lines of text."""
    of = layout(s.layout)
    unit = "m" if of.dimensions == 3 else "of the image"
    lines = [
        title(s, name),
        f"{s.joints.shape[1]} frames ({s.joints.shape[1] / FPS:.1f} s at {FPS} a second), {of.name}",
    ]
    for m, there in enumerate(s.present):
        frames = np.flatnonzero(there)
        if not len(frames):
            lines.append(f"body {m}: in no frame")
            continue
        person = s.joints[m, frames][..., : of.dimensions]
        gaps = frames[-1] - frames[0] + 1 - len(frames)
        size = np.median(np.ptp(person, axis=1), axis=0)
        step = np.linalg.norm(np.diff(person, axis=0), axis=-1)[np.diff(frames) == 1]
        jump = f"largest step of a joint {step.max():.2f} {unit}" if step.size else "a single frame"
        lines.append(
            f"body {m}: frames {frames[0]} to {frames[-1]}{f', {gaps} missing between' if gaps else ''}; extent "
            f"{' x '.join(f'{x:.2f}' for x in size)} {unit}; {jump}; bones vary by {_bone_variation(person, of):.0%}"
        )
        if of.dimensions == 2 and s.joints[m, frames, :, 2].any():
            lines.append(f"  joints not seen: {np.mean(s.joints[m, frames, :, 2] <= 0):.0%}")
    return "\n".join(lines)


def _bone_variation(person: np.ndarray, of: Layout) -> float:
    """Median over bones of the standard deviation of their length by its mean, (T, V, C)."""
    children, parents = (list(v) for v in zip(*of.edges))
    length = np.linalg.norm(person[:, children] - person[:, parents], axis=-1)
    return float(np.median(length.std(0) / np.maximum(length.mean(0), 1e-6)))


def sheet(s: SkeletonSequence, name: str = "", poses: int = POSES) -> Figure:
    """Evenly spaced poses from the front and, in three dimensions, from the side; below, who is there and moves."""
    of = layout(s.layout)
    views = list(VIEWS)[: of.dimensions - 1]
    frames = np.flatnonzero(s.present.any(0))
    frames = frames[np.unique(np.linspace(0, len(frames) - 1, min(poses, len(frames))).round().astype(int))]
    with style.paper():
        # Each row is as high as a pose is, given its width.
        width = style.PAGE / poses
        heights = [float(np.clip(width * _shape(s, of, v), 0.5, 3.5)) for v in views] + [0.9]
        figure = plt.figure(figsize=(style.PAGE, sum(heights) + 0.6))
        grid = figure.add_gridspec(len(views) + 1, poses, height_ratios=heights)
        for row, view in enumerate(views):
            for column, t in enumerate(frames):
                axes = figure.add_subplot(grid[row, column])
                _pose(axes, s, of, int(t), view)
                if row == 0:
                    axes.set_title(f"frame {t}", fontsize=7)
                if column == 0:
                    axes.set_ylabel(view if of.dimensions == 3 else "image", fontsize=7)
        _timeline(figure.add_subplot(grid[len(views), :]), s, of, frames)
        figure.suptitle(title(s, name), fontsize=8)
        style.legend(figure, *_key(s))
    return figure


def _key(s: SkeletonSequence):
    lines = [Line2D([], [], color=colour) for colour in SIDES.values()]
    words = ["left", "right", "middle"]
    for m in range(1, min(len(s.joints), len(FAINT))):
        lines.append(Line2D([], [], color="black", alpha=FAINT[m]))
        words.append(f"body {m}")
    return lines, words


def _limits(s: SkeletonSequence, of: Layout, view: str) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the two drawn axes, a few outliers left out."""
    points = _flat(s.joints[s.present], of, view).reshape(-1, 2)
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    margin = 0.08 * max(high - low) + 1e-6
    return low - margin, high + margin


def _shape(s: SkeletonSequence, of: Layout, view: str) -> float:
    low, high = _limits(s, of, view)
    return float((high - low)[1] / (high - low)[0])


def _flat(joints: np.ndarray, of: Layout, view: str) -> np.ndarray:
    """(..., C) -> (..., 2) as drawn: x over, since a sensor sees the right hand of a facing person on its left."""
    a, b = VIEWS[view]
    sign = -1 if view == "front" and of.dimensions == 3 else 1
    return np.stack([sign * joints[..., a], joints[..., b]], -1)


def _pose(axes: Axes, s: SkeletonSequence, of: Layout, t: int, view: str) -> None:
    low, high = _limits(s, of, view)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for m in np.flatnonzero(s.present[:, t])[::-1]:
        faint = FAINT[min(int(m), len(FAINT) - 1)]
        points = _flat(s.joints[m, t], of, view)
        unseen = of.dimensions == 2 and s.joints[m, t, :, 2].any() and s.joints[m, t, :, 2] <= 0
        for child, parent in of.edges:
            colour = SIDES[_side(of.joints[child])]
            axes.plot(*points[[child, parent]].T, color=colour, alpha=faint, linewidth=1.1, solid_capstyle="round")
        for v, point in enumerate(points):
            colour = SIDES[_side(of.joints[v])]
            hollow = bool(np.any(unseen) and unseen[v])
            face = "white" if hollow else colour
            axes.plot(*point, "o", color=colour, markerfacecolor=face, markersize=1.8, markeredgewidth=0.4, alpha=faint)


def _side(joint: str) -> str:
    side = joint.split("_")[0]
    return side if side in ("left", "right") else ""


def _timeline(axes: Axes, s: SkeletonSequence, of: Layout, frames: np.ndarray) -> None:
    """Mean speed of the joints of each body; gaps are gaps."""
    for m, there in enumerate(s.present):
        points = np.where(there[:, None, None], s.joints[m, ..., : of.dimensions], np.nan)
        speed = np.linalg.norm(np.diff(points, axis=0), axis=-1).mean(1) * FPS
        axes.plot(np.arange(len(speed)) + 0.5, speed, color="black", alpha=FAINT[min(m, len(FAINT) - 1)], linewidth=0.9)
    for t in frames:
        axes.axvline(t, color="0.85", linewidth=0.6, zorder=0)
    axes.set(xlim=(0, max(1, s.joints.shape[1] - 1)), ylim=(0, None), xlabel="frame")
    axes.set_ylabel("speed, m/s" if of.dimensions == 3 else "speed, images/s")


def animate(s: SkeletonSequence, path: Path | str, name: str = "") -> None:
    """The recording as a GIF, at the speed of the sensor."""
    from PIL import Image

    of = layout(s.layout)
    step = -(-s.joints.shape[1] // LONGEST)
    views = list(VIEWS)[: of.dimensions - 1]
    images = []
    with style.paper(), plt.rc_context({"figure.constrained_layout.use": False}):
        figure, axes = plt.subplots(1, len(views), figsize=(1.0 + 2.2 * len(views), 3.2), squeeze=False, dpi=100)
        figure.subplots_adjust(0.02, 0.02, 0.98, 0.88)
        figure.suptitle(title(s, name), fontsize=6)
        for t in range(0, s.joints.shape[1], step):
            for one, view in zip(axes[0], views):
                one.clear()
                _pose(one, s, of, t, view)
                one.set_title(f"{view if of.dimensions == 3 else 'image'}, frame {t}", fontsize=7)
            figure.canvas.draw()
            pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
            images.append(Image.fromarray(pixels.copy()).quantize(32))
        plt.close(figure)
    content = io.BytesIO()
    # GIF players count in hundredths of a second.
    images[0].save(
        content, "GIF", save_all=True, append_images=images[1:], duration=round(100 * step / FPS) * 10, loop=0
    )
    with whole(path) as draft:
        draft.write_bytes(content.getvalue())


def draw(s: SkeletonSequence, path: Path, name: str = "") -> None:
    """Write a picture: ``.gif`` moves, ``.png``, ``.pdf`` and ``.svg`` show poses side by side."""
    if path.suffix == ".gif":
        animate(s, path, name)
    elif path.suffix in style.SUFFIXES:
        style.save(sheet(s, name), [path])
    else:
        raise unknown("picture format", path.suffix or path.name, [*style.SUFFIXES, ".gif"], "--output")
