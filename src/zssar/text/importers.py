"""Descriptions that others published, as sources: ``{format: purls, file: descriptions/ntu120.csv}``.

A table (CSV, or XLSX with openpyxl installed) has one row per class and one column per unit; a ``lines`` file has one
description per line. The wording is taken over as it stands, outer blanks aside, and word bounds are not applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pydantic

from zssar.errors import UserError, unknown
from zssar.provenance import file_digest
from zssar.text.answers import Answered
from zssar.text.prompts import Kind, label_text

# format -> kind -> {unit: column}. The papers: PURLS (Zhu 2024, gpt3_desc), STAR (Chen 2024) and GAP (Xiang 2023), MSF
# (Li 2023), SMIE (Zhou 2023) and PGFA.
_SIX = {"parts6": {part: part for part in ("head", "hand", "arm", "hip", "leg", "foot")}}
_SENTENCE = {"description": {"description": "description"}}
COLUMNS: dict[str, dict[str, dict[str, str]]] = {
    "purls": {
        "parts_purls": {part: part for part in ("head", "hands", "torso", "legs")},
        "phases": {phase: phase for phase in ("start", "middle", "end")},
        "global": {"global": "global"},
    },
    "star": _SIX,
    "gap": _SIX,
    "msf": {
        "action_definition": {"definition": "action_description"},
        "motion_description": {"motion": "motion_description"},
    },
    "smie": _SENTENCE,
    "pgfa": _SENTENCE,
}
FORMATS = (*COLUMNS, "table", "lines")


class FileParams(pydantic.BaseModel):
    """The parameters of a source that reads a published file.

    columns: unit -> column, for ``table`` or to mend other headings. match: find a class by the column index (from 0;
    see first_index) or by name. extra_rows: true where the file covers more classes than the data set.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    format: str
    file: str
    columns: dict[str, str] = {}
    match: Literal["index", "name"] = "index"
    index_column: str = "index"
    name_column: str = "label"
    first_index: int = 0
    extra_rows: bool = False
    sheet: str | None = None
    author: str = ""


def published(kind: Kind, names: Sequence[str], source: str, params: Mapping[str, Any]) -> list[Answered]:
    """One line per class in class order. Raises UserError naming file, row and column of what is missing."""
    try:
        settings = FileParams.model_validate(dict(params))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(
            f"sources.{source}.{key}: {first['msg']}. Known: {', '.join(FileParams.model_fields)}."
        ) from None
    if settings.format not in FORMATS:
        raise unknown("format", settings.format, FORMATS, f"sources.{source}.format")
    path = Path(settings.file)
    if not path.is_file():
        raise UserError(f"sources.{source}.file: {path} does not exist")
    rows = _lines(kind, path, source) if settings.format == "lines" else _table(kind, path, settings, source)
    chosen = _match(rows, names, settings, path)
    author = settings.author or f"{settings.format} {path.name} sha256:{file_digest(path)[:16]}"
    return [
        Answered(index=i, name=name, answers=[answer], author=author)
        for i, (name, answer) in enumerate(zip(names, chosen, strict=True))
    ]


Row = tuple[str, dict[str, str]]  # key (index or name), text per unit


def _columns(kind: Kind, settings: FileParams, source: str) -> dict[str, str]:
    if settings.format == "table":
        return {unit: settings.columns.get(unit, unit) for unit in kind.units}
    known = COLUMNS[settings.format]
    if kind.name not in known:
        raise unknown(f"kind for the format {settings.format}", kind.name, known, f"sources.{source}")
    return {**known[kind.name], **settings.columns}


def _table(kind: Kind, path: Path, settings: FileParams, source: str) -> list[Row]:
    import pandas as pd

    columns = _columns(kind, settings, source)
    if path.suffix == ".xlsx":
        try:
            frame = pd.read_excel(path, sheet_name=settings.sheet or 0, dtype=str)
        except ImportError:
            raise UserError(f"{path}: reading XLSX needs openpyxl (pip install openpyxl), or save it as CSV") from None
        except ValueError as error:
            raise UserError(f"sources.{source}.sheet: {path}: {error}") from None
    else:
        frame = pd.read_csv(path, dtype=str, encoding="utf-8")
    key = settings.index_column if settings.match == "index" else settings.name_column
    for column in (key, *columns.values()):
        if column not in frame.columns:
            raise unknown("column", column, frame.columns, f"{path} (sources.{source}.columns)")
    rows = []
    for number, row in enumerate(frame.to_dict("records"), 2):
        answer = {}
        for unit, column in columns.items():
            value = row[column]
            if not isinstance(value, str) or not value.strip():
                raise UserError(f"{path}:{number}: column {column!r} is empty")
            answer[unit] = value.strip()
        rows.append((str(row[key]).strip(), answer))
    return rows


def _lines(kind: Kind, path: Path, source: str) -> list[Row]:
    if len(kind.units) != 1:
        raise UserError(
            f"sources.{source}: the format lines holds one text per class, but kind {kind.name!r} has the units "
            f"{', '.join(kind.units)}; use the format table"
        )
    texts = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    while texts and not texts[-1]:
        texts.pop()
    for number, text in enumerate(texts, 1):
        if not text:
            raise UserError(f"{path}:{number}: an empty line where a class's text is wanted")
    return [(str(i), {kind.units[0]: text}) for i, text in enumerate(texts)]


def _match(rows: Sequence[Row], names: Sequence[str], settings: FileParams, path: Path) -> list[dict[str, str]]:
    by_name = settings.match == "name" and settings.format != "lines"
    first = 0 if settings.format == "lines" else settings.first_index
    wanted = [label_text(name) for name in names] if by_name else [str(i + first) for i in range(len(names))]
    found: dict[str, dict[str, str]] = {}
    for key, answer in rows:
        key = label_text(key) if by_name else key
        if key in found:
            raise UserError(f"{path}: two rows for {settings.match} {key!r}")
        found[key] = answer
    missing = [f"{key} ({name})" for key, name in zip(wanted, names, strict=True) if key not in found]
    if missing:
        raise UserError(f"{path} has no row for {len(missing)} of {len(names)} classes: {', '.join(missing[:5])}")
    extra = len(found) - len(names)
    if extra and not settings.extra_rows:
        raise UserError(
            f"{path} has {len(found)} rows for {len(names)} classes. If it is the list of a larger data set that "
            "begins with these classes (NTU-120 for NTU-60), say `extra_rows: true`; else it is the wrong file."
        )
    return [found[key] for key in wanted]
