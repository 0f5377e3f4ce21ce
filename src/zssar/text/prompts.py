"""Description kinds: one Markdown file each, front matter (what an answer looks like) and body (the question).

    ---
    title: Three phases
    about: where the question comes from
    units: {start: what it covers, middle: ..., end: ...}     the parts of one answer, in order
    wrap: "a trimmed video of the motion that {text}"         what the encoder reads; one phrase, or one per unit
    words: [4, 26]                                            least and most words of a unit's text
    repeats: none | units | answers                           may two classes share a unit's text, or all of it?
    ask: true                                                 false: the answer is the class name, no question is put
    ---
    Divide the motion of the action "{class_name}" into ...

A kind whose answer is a form has ``quantities: {name: [group, lowest, highest, question]}`` in place of ``units``,
``wrap`` and ``words`` (see ``forms``). Adding a kind is adding one such file. The hash of the body, of a form also its
quantities, tells whether answers are those to the present question; the rest of the front matter may change without
making them stale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml

from zssar.errors import UserError
from zssar.provenance import text_digest
from zssar.text import forms

BLANK = "{class_name}"


class _FrontMatter(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    title: str
    about: str = ""
    units: dict[str, str] = {}
    quantities: dict[str, forms.Quantity] = {}
    wrap: str | dict[str, str] = "{text}"
    words: tuple[int, int] = (1, 60)
    repeats: Literal["none", "units", "answers"] = "units"
    ask: bool = True

    @pydantic.field_validator("units", "quantities")
    @classmethod
    def _names(cls, units: dict[str, Any]) -> dict[str, Any]:
        for unit in units:
            if not unit.isidentifier():
                raise ValueError(f"unit {unit!r} must be a plain name (letters, digits, underscore)")
        return units

    @pydantic.field_validator("words")
    @classmethod
    def _ordered(cls, words: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= words[0] <= words[1]:
            raise ValueError("words must be [least, most] with 1 <= least <= most")
        return words

    @pydantic.model_validator(mode="after")
    def _one_sort(self) -> _FrontMatter:
        if bool(self.units) == bool(self.quantities):
            raise ValueError("a template has either units (texts) or quantities (a form)")
        if self.quantities and self.model_fields_set & {"wrap", "words"}:
            raise ValueError("wrap and words are for units; a form has none")
        return self

    @pydantic.model_validator(mode="after")
    def _wraps(self) -> _FrontMatter:
        if isinstance(self.wrap, dict) and set(self.wrap) != set(self.units):
            raise ValueError(f"wrap must have exactly the units {list(self.units)}, it has {list(self.wrap)}")
        for phrase in [self.wrap] if isinstance(self.wrap, str) else self.wrap.values():
            if phrase.count("{text}") != 1:
                raise ValueError(f"wrap phrase {phrase!r} must hold {{text}} once")
        return self


@dataclass(frozen=True)
class Kind:
    """A description kind as its file says it. ``template`` is the hash of the question."""

    name: str
    body: str
    front: _FrontMatter

    @property
    def units(self) -> tuple[str, ...]:
        """The parts of an answer in order: texts, or the quantities of a form."""
        return tuple(self.front.units or self.front.quantities)

    @property
    def is_form(self) -> bool:
        return bool(self.front.quantities)

    @property
    def asks(self) -> bool:
        return self.front.ask

    @cached_property
    def template(self) -> str:
        lines = [f"{name} {quantity.line}\n" for name, quantity in self.front.quantities.items()]
        return text_digest(self.body + "".join(lines))

    def question(self, class_name: str) -> str:
        """The body with the class name filled in. Nothing else in braces is touched."""
        return self.body.replace(BLANK, label_text(class_name)).strip()

    def instructions(self) -> str:
        """The shape of the answer in words, for servers without structured output."""
        if self.is_form:
            return forms.instructions(self.front.quantities)
        keys = ", ".join(f'"{unit}" ({covers})' for unit, covers in self.front.units.items())
        return f"Answer with one JSON object and nothing else. Its keys are {keys}; each value is a string."

    def wrapped(self, unit: str, text: str) -> str:
        """What the encoder reads: the unit's wrap phrase around the text, without a full stop inside a sentence."""
        wrap = self.front.wrap
        phrase = wrap if isinstance(wrap, str) else wrap[unit]
        text = " ".join(text.split())
        return text if phrase == "{text}" else phrase.replace("{text}", text.rstrip(". "))

    @cached_property
    def schema(self) -> type[pydantic.BaseModel]:
        """The pydantic model of one answer: every unit a text (of a form: a value and a confidence), nothing else."""
        name = re.sub(r"\W", "_", self.name)
        if self.is_form:
            return forms.schema(name, self.front.quantities)
        fields: dict[str, Any] = {
            unit: (str, pydantic.Field(description=covers)) for unit, covers in self.front.units.items()
        }
        return pydantic.create_model(name, __config__=pydantic.ConfigDict(extra="forbid"), **fields)

    def plain(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """A language model's answer as files hold it: texts on one line, or pairs of value and confidence."""
        if self.is_form:
            return forms.plain(answer)
        return {unit: " ".join(value.split()) for unit, value in answer.items()}

    def complaints(self, answer: Mapping[str, Any], lengths: bool = True) -> list[str]:
        """What is wrong with one answer: units missing or unknown, empty texts and, with ``lengths``, word counts."""
        if self.is_form:
            return forms.complaints(self.front.quantities, answer)
        least, most = self.front.words
        found = [f"unit {unit!r} is unknown" for unit in answer if unit not in self.front.units]
        for unit in self.units:
            text = answer.get(unit)
            if not isinstance(text, str) or not text.strip():
                found.append(f"unit {unit!r} is missing or empty")
                continue
            count = len(text.split())
            if lengths and not least <= count <= most:
                found.append(f"unit {unit!r} has {count} words, wanted are {least} to {most}")
        return found


def read_kind(path: Path | str) -> Kind:
    """The kind of a template file; its name is the file's stem.

    Raises UserError naming file and key if the front matter is broken or the question has no place for the name.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = sorted(p.stem for p in path.parent.glob("*.md"))
        raise UserError(
            f"{path} does not exist. A description kind is one file there; present are: {', '.join(known) or 'none'}."
        ) from None
    parts = re.match(r"---\n(.*?)\n---\n(.*)\Z", text, flags=re.DOTALL)
    if parts is None:
        raise UserError(f"{path}:1: a template begins with front matter between two lines of three dashes")
    front = _front_matter(path, parts[1])
    if BLANK not in parts[2]:
        raise UserError(f"{path}: the question must hold {BLANK}, where the name of the class goes")
    return Kind(path.stem, parts[2].strip() + "\n", front)


def _front_matter(path: Path, text: str) -> _FrontMatter:
    try:
        return _FrontMatter.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise UserError(f"{path}:{mark.line + 2 if mark else 1}: front matter is not YAML ({error})") from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "front matter"
        known = ", ".join(_FrontMatter.model_fields)
        raise UserError(f"{path}: {key}: {first['msg']}. Keys of a template: {known}.") from None


def label_text(name: str) -> str:
    """A class name as plain words: lower case, underscores and brackets gone, a slash read as "or".

    >>> label_text("eat meal/snack"), label_text("Hopping (one foot jumping)")
    ('eat meal or snack', 'hopping one foot jumping')
    """
    text = re.sub(r"\s*/\s*", " or ", name.lower())
    return " ".join(re.sub(r"[_()\[\]{}]", " ", text).split()).strip(" ,.")
