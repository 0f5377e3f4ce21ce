"""Recordings that lie in folders, in zip archives, or in both: found by suffix, read without unpacking.

A unit is a path, or ``archive.zip::member``. Members are never extracted; names that would leave the folder if somebody
did so (absolute, drive letters, ``..``) are refused all the same.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from zssar.errors import UserError
from zssar.interfaces import Problem

SEPARATOR = "::"
LARGEST = 64 * 2**20  # bytes of one recording; real ones hold about 1 MB at most
IN_ARCHIVE = "in an archive beside unpacked files of the same name"


def walk(root: Path) -> Iterator[Path]:
    """All files below ``root``, links followed once, what macOS scatters (``._*``, ``__MACOSX``) left out."""
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        place = os.path.realpath(folder)
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(f for f in folders if f != "__MACOSX")
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("._"))


def name_of(unit: str) -> str:
    """The file name of a unit, without folders, archive and suffix."""
    return os.path.splitext(re.split(r"[/\\]|::", unit)[-1])[0]


def in_archive(unit: str) -> bool:
    """Whether the unit is a member of an archive."""
    return SEPARATOR in unit


def find(root: Path, suffix: str, expected: str) -> tuple[list[str], list[Problem]]:
    """Units whose name ends in ``suffix`` below a folder, in archives there, or in the archive ``root`` itself.

    Raises UserError, with ``expected`` (what should lie there), if ``root`` does not exist, is another kind of file,
    or holds no such file.
    """
    if not root.exists():
        raise UserError(f"the data folder {root} does not exist. Expected there: {expected}")
    if root.is_file() and not zipfile.is_zipfile(root):
        raise UserError(f"{root} is neither a folder nor a zip archive. Expected there: {expected}")
    units, problems, kinds = [], [], Counter()
    for path in [root] if root.is_file() else walk(root):
        if path.name.lower().endswith(suffix):
            units.append(str(path))
        elif path.suffix.lower() == ".zip":
            found, bad, inside = _members(path, suffix)
            units += found
            problems += bad
            kinds.update(inside)
        else:
            kinds[path.suffix or "no suffix"] += 1
    if not units and not problems:
        found = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common(5))
        raise UserError(
            f"no recording found below {root}. Expected there: {expected}. "
            f"Found: {found or 'nothing, the folder is empty'}"
        )
    return units, problems


def read(unit: str) -> bytes:
    """The content of a unit. Raises Unreadable saying why if there is none."""
    try:
        if not in_archive(unit):
            if os.path.getsize(unit) > LARGEST:
                raise Unreadable(_too_large())
            return Path(unit).read_bytes()
        path, member = unit.split(SEPARATOR, 1)
        with _archive(path, os.stat(path).st_mtime_ns, os.getpid()).open(member) as file:
            content = file.read(LARGEST + 1)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, KeyError) as error:
        # RuntimeError: encrypted; NotImplementedError: a compression that Python does not know
        raise Unreadable(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if len(content) > LARGEST:
        raise Unreadable(_too_large())
    return content


class Unreadable(Exception):
    """A unit that is damaged, encrypted, too large or gone."""


def _too_large() -> str:
    return f"larger than {LARGEST >> 20} MB: not one recording"


@lru_cache(maxsize=4)
def _archive(path: str, stamp: int, process: int) -> zipfile.ZipFile:
    """An open archive. A forked process opens its own: they would share the position in the file."""
    return zipfile.ZipFile(path)


def _members(path: Path, suffix: str) -> tuple[list[str], list[Problem], Counter]:
    try:
        entries = _archive(str(path), path.stat().st_mtime_ns, os.getpid()).infolist()
    except (OSError, zipfile.BadZipFile) as error:
        return [], [Problem(str(path), f"not a readable zip archive ({error})")], Counter()
    units, problems, kinds = [], [], Counter()
    for entry in entries:
        name = entry.filename
        if entry.is_dir() or "__MACOSX/" in name or "._" in name.rsplit("/", 1)[-1][:2]:
            continue
        unit = f"{path}{SEPARATOR}{name}"
        if not name.lower().endswith(suffix):
            kinds[Path(name).suffix or "no suffix"] += 1
        elif re.match(r"[/\\]|[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
            problems.append(Problem(unit, "the name inside the archive is absolute or leaves its folder: refused"))
        else:
            units.append(unit)
    return units, problems, kinds
