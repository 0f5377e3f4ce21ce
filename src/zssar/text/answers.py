"""Description files: one JSON line per class, in class order.

    {"index": 0, "name": "bow", "answers": [{"head": "..."}], "template": "<hash>", "author": "...", "date": "..."}

Several answers are several draws of the same question; the answer to a form holds ``[value, confidence]`` in place of
texts. Written by ``describe``, committed under ``prompts/frozen``. Where several authors were put together, ``draws``
says how many of the answers each of them gave.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pydantic

from zssar import storage
from zssar.errors import UserError
from zssar.text.forms import Form

Answer = dict[str, str] | Form


class Answered(pydantic.BaseModel):
    """One class's line. ``template``: hash of the question that was asked, empty where it is not known; ``request``: of
    everything that shaped a language model's answer (question, model, sampling); ``draws``: how many of ``answers``
    each of several authors gave, in their order. Both are left out of the file where empty."""

    model_config = pydantic.ConfigDict(extra="forbid")

    index: int
    name: str
    answers: list[Answer] = pydantic.Field(min_length=1)
    template: str = ""
    author: str = ""
    date: str = ""
    request: str = ""
    draws: list[pydantic.PositiveInt] = []

    @pydantic.model_validator(mode="after")
    def _counted(self) -> Answered:
        if self.draws and sum(self.draws) != len(self.answers):
            raise ValueError(f"draws {self.draws} do not add up to the {len(self.answers)} answers")
        return self

    @property
    def by_author(self) -> list[list[Answer]]:
        """The answers of each author."""
        ends = list(itertools.accumulate(self.draws or [len(self.answers)]))
        return [self.answers[start:end] for start, end in zip([0, *ends], ends)]


def read_answers(path: Path | str) -> list[Answered]:
    """Every line of a description file. Raises UserError naming file, line and key of the first broken one."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; ask Snakemake for it: snakemake --cores all {path}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(Answered.model_validate_json(line))
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise UserError(f"{path}:{number}: {f'{key}: ' if key else ''}{first['msg']}") from None
    if not found:
        raise UserError(f"{path} holds no line; delete it and run Snakemake again")
    return found


def write_answers(path: Path | str, lines: Iterable[Answered]) -> None:
    """Write a description file, whole or not at all."""
    storage.write_text(path, "".join(json_line(line) for line in lines))


def json_line(line: Answered) -> str:
    """The line with the keys in the order of the class, ending in a line break."""
    empty = {key for key in ("request", "draws") if not getattr(line, key)}
    return json.dumps(line.model_dump(exclude=empty), ensure_ascii=False) + "\n"


def in_class_order(path: Path | str, lines: Sequence[Answered], names: Sequence[str]) -> list[Answered]:
    """The lines of exactly these classes in this order; a class is found by its name, the index is only checked.

    Raises UserError naming what is missing, double or foreign.
    """
    by_name: dict[str, Answered] = {}
    for line in lines:
        if line.name in by_name:
            raise UserError(f"{path}: class {line.name!r} has two lines")
        by_name[line.name] = line
    missing = [name for name in names if name not in by_name]
    foreign = [name for name in by_name if name not in set(names)]
    if missing or foreign:
        raise UserError(
            f"{path}: "
            + "; ".join(
                f"{what}: {', '.join(map(repr, some[:5]))}{f' and {len(some) - 5} more' if len(some) > 5 else ''}"
                for what, some in (("no line for", missing), ("not a class of this data set", foreign))
                if some
            )
        )
    for index, name in enumerate(names):
        if by_name[name].index != index:
            raise UserError(f"{path}: {name!r} has index {by_name[name].index}, but is class {index} of the data set")
    return [by_name[name] for name in names]


def read_class_names(path: Path | str) -> list[str]:
    """Class names of a CSV with the columns index and name, index counting up from 0."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: the list of class names, a CSV with the columns index,name") from None
    names = []
    for number, row in enumerate(rows, 2):
        if row.get("name") in (None, "") or row.get("index") != str(len(names)):
            raise UserError(f"{path}:{number}: wanted the columns index,name with index {len(names)}, found {row}")
        names.append(row["name"])
    if not names:
        raise UserError(f"{path} names no class")
    return names
