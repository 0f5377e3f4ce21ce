"""What lies in a folder, told by the content of a few files of each sort; the names of files and folders count nothing.

For each format also what cannot be done with it, because the files do not say enough.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zssar.datasets import archives, arrays, pickles
from zssar.errors import UserError

LOOKED_AT = 4  # files per suffix and folder
FOLDERS = 12  # folders per suffix
HEAD = 65536
# What a reader's format lacks, by the name of the reader.
IMPOSSIBLE: dict[str, tuple[str, ...]] = {
    "kinetics": (
        "cross-subject splits and intervals by subject: nobody is named",
        "anything in metres: image coordinates, no depth",
    ),
    "pku_mmd": ("cross-subject splits by rule: part I does not name the performers, only the official lists",),
    "pyskl": ("positions finer than 2 mm: float16", "other denoising: tracks are joined and cleaned already"),
    "ctrgcn_npz": (
        "cross-subject splits and intervals by subject, unless the file is complete (then names are recovered)",
        "original timing and position: empty frames removed, first pose moved to the origin",
    ),
    "stgcn_npy": ("the way through the room, where 2s-AGCN's normalisation subtracted it", "bodies by identity"),
    "features": (
        "another backbone, body parts or phases: one vector per recording",
        "intervals by subject, results by camera: the rows have no names",
        "validation splits with their own backbone, unless the folder has features made for them",
    ),
    "uwa3d2": ("certainty: this reader was written without a real file",),
}


@dataclass
class Found:
    """One recognised sort of file. reader: the module that reads it, ``features`` or ``skeletons`` (this package's)."""

    reader: str
    detail: str
    files: int = 0
    example: str = ""
    params: dict[str, str] = field(default_factory=dict)

    @property
    def impossible(self) -> tuple[str, ...]:
        return IMPOSSIBLE.get(self.reader, ())


def sniff(root: Path) -> list[Found]:
    """Every sort of file recognised below a folder, in an archive, or of one file; the largest sort first.

    Raises UserError if ``root`` does not exist.
    """
    root = Path(root)
    if not root.exists():
        raise UserError(f"{root} does not exist")
    found: dict[tuple, Found] = {}
    for units in _groups(_units(root)).values():
        for unit in _spread(units, LOOKED_AT):
            one = _recognise(unit)
            if one is not None:
                key = (one.reader, one.detail)
                found.setdefault(key, one).files += len(units)
                break
    return sorted(found.values(), key=lambda f: (f.reader == "", -f.files))


def describe(found: list[Found], root: Path) -> str:
    """What was recognised, in words."""
    if not found:
        return f"{root}: no known format of skeletons or features"
    lines = []
    for one in found:
        what = f"reader {one.reader}" if one.reader not in ("features", "skeletons") else one.reader
        lines.append(f"{what}: {one.detail} ({one.files} files, e.g. {one.example})")
        lines += [f"  impossible: {words}" for words in one.impossible]
    return "\n".join(lines)


def _units(root: Path) -> Iterable[str]:
    for path in [root] if root.is_file() else archives.walk(root):
        if path.suffix.lower() != ".zip":
            yield str(path)
            continue
        try:
            with zipfile.ZipFile(path) as archive:
                yield from (f"{path}::{e.filename}" for e in archive.infolist() if not e.is_dir())
        except (OSError, zipfile.BadZipFile):
            continue


def _groups(units: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """(suffix, folder) -> units; of very many folders those beyond FOLDERS share one entry per suffix."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    folders: dict[str, set[str]] = defaultdict(set)
    for unit in units:
        name = re.split(r"[/\\]|::", unit)[-1]
        suffix, place = Path(name).suffix.lower(), unit[: -len(name)]
        if place not in folders[suffix] and len(folders[suffix]) >= FOLDERS:
            place = "..."
        folders[suffix].add(place)
        groups[suffix, place].append(unit)
    return groups


def _spread(items: list[str], count: int) -> list[str]:
    return [items[int(i)] for i in np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round())]


def _recognise(unit: str) -> Found | None:
    suffix = Path(re.split(r"[/\\]|::", unit)[-1]).suffix.lower()
    looks: dict[str, Callable[[str], Found | None]] = {
        ".skeleton": _skeleton,
        ".json": _json,
        ".txt": _text,
        ".mat": _matlab,
        ".csv": _csv,
        ".npz": _npz,
        ".npy": _npy,
        ".pkl": _pickle,
        ".pickle": _pickle,
        ".h5": _h5,
    }
    if suffix not in looks:
        return None
    try:
        one = looks[suffix](unit)
    except (UserError, archives.Unreadable, OSError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
    if one is not None:
        one.example = unit
    return one


def _head(unit: str) -> bytes:
    if archives.in_archive(unit):
        return archives.read(unit)[:HEAD]
    with open(unit, "rb") as file:
        return file.read(HEAD)


def _skeleton(unit: str) -> Found | None:
    words = _head(unit).split()
    frames, bodies = int(words[0]), int(words[1])
    if bodies and int(words[12]) == 25 and frames > 0:
        return Found("ntu", "NTU RGB+D .skeleton text, 25 joints")
    return Found("ntu", "NTU RGB+D .skeleton text, 25 joints") if frames > 0 and bodies == 0 else None


def _json(unit: str) -> Found | None:
    head = _head(unit)
    if b'"has_skeleton"' in head:
        return None  # Kinetics' list of labels; the clips themselves are recognised
    content = json.loads(archives.read(unit))
    if isinstance(content, dict) and np.shape(content.get("skeletons"))[1:] == (20, 3):
        return Found("nw_ucla", "NW-UCLA JSON, 20 joints")
    people = next((f["skeleton"] for f in content["data"] if f["skeleton"]), None)
    if people is None or (len(people[0]["pose"]), len(people[0]["score"])) == (36, 18):
        return Found("kinetics", "Kinetics-skeleton JSON, 18 joints of OpenPose in the image")
    return None


def _text(unit: str) -> Found | None:
    first = next(line for line in _head(unit).splitlines() if line.strip())
    numbers = len([float(word) for word in first.replace(b",", b" ").split()])
    if numbers >= 150 and b"," not in first:
        return Found("pku_mmd", "PKU-MMD text, two bodies of 25 joints per line")
    return Found("uwa3d2", "text with 15 joints per line") if numbers == 45 else None


def _matlab(unit: str) -> Found | None:
    from scipy.io import whosmat

    shapes = {name: shape for name, shape, _ in whosmat(io.BytesIO(archives.read(unit)))}
    if shapes.get("d_skel", ())[:2] == (20, 3):
        return Found("utd_mhad", "UTD-MHAD .mat, 20 joints")
    if any(len(s) == 3 and s.count(15) == 1 and s.count(3) == 1 for s in shapes.values()):
        return Found("uwa3d2", ".mat with 15 joints")
    return None


def _csv(unit: str) -> Found | None:
    names = set(_head(unit).decode("utf-8-sig").splitlines()[0].split(","))
    if {"frame", "joint", "x", "y"} <= names:
        return Found("custom", "own recordings as CSV")
    return Found("custom", "list of own recordings") if {"file", "class"} <= names else None


def _npz(unit: str) -> Found | None:
    if archives.in_archive(unit):
        with np.load(io.BytesIO(archives.read(unit)), allow_pickle=False) as content:
            shapes = {"joints": content["joints"].shape} if "joints" in content else {}
    else:
        shapes = {name: shape for name, (shape, _) in arrays.members(unit).items()}
    x = shapes.get("x_train", ())
    if len(x) == 3 and x[2] == 150:
        return Found("ctrgcn_npz", f"CTR-GCN arrays {x}, 25 joints")
    if len(x) == 2 and "y_train" in shapes:
        return Found("features", f"features of {x[1]} dimensions (x_train, y_train, x_test, y_test)")
    return Found("custom", "own recordings as npz") if len(shapes.get("joints", ())) in (3, 4) else None


def _npy(unit: str) -> Found | None:
    shape = arrays.Rows(unit).shape
    if len(shape) == 5 and shape[1] == 3 and shape[3] in (18, 25):
        layout = {18: "openpose18", 25: "kinect25"}[shape[3]]
        return Found("stgcn_npy", f"ST-GCN arrays (N, 3, T, {shape[3]}, {shape[4]})", params={"layout": layout})
    if len(shape) == 2 and shape[1] >= 32:
        return Found("features", f"arrays of {shape[1]} dimensions with labels beside them")
    return None


def _pickle(unit: str) -> Found | None:
    from zssar.datasets.pyskl import LAYOUTS, is_one

    content = pickles.cached(unit)
    if not is_one(content):
        return None
    entry = next(e for e in content["annotations"] if e is not None)
    shape = entry["keypoint"].shape[2:] if "keypoint" in entry else ()
    layout = LAYOUTS.get(shape, "")
    words = f"{shape[0]} joints x {shape[1]}" if shape else "poses in other files"
    return Found("pyskl", f"pyskl annotations, {words}", params={"layout": layout} if layout else {})


def _h5(unit: str) -> Found | None:
    from zssar.storage import skeleton_meta

    attrs, meta = skeleton_meta(unit)
    return Found("skeletons", f"skeleton file of this package, {len(meta['label'])} clips of {attrs['dataset']}")
