"""Checks of committed answers that go beyond form, and the hash that says which question they answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from zssar.text.answers import Answered, in_class_order, read_answers, write_answers
from zssar.text.prompts import Kind, label_text


def complaints(kind: Kind, lines: Sequence[Answered], names: Sequence[str]) -> list[str]:
    """Everything wrong with the answers of one kind for one data set; empty if they may be committed.

    Form (units, word bounds), texts that two classes share where the kind does not allow it, labels that are not the
    class name in plain words, and names of other classes in a text.
    """
    found = [
        f"{line.name}: {complaint}"
        for line in lines
        for answer in line.answers
        for complaint in kind.complaints(answer)
    ]
    if kind.is_form:  # classes may be alike in every number, and numbers hold no names
        return found
    found += _repeats(kind, lines)
    if not kind.asks:
        return found + [
            f"{line.name}: {text!r} is not the class name in plain words, {label_text(line.name)!r}"
            for line in lines
            for answer in line.answers
            for text in answer.values()
            if text != label_text(line.name)
        ]
    return found + (_leaks(lines, names) if kind.front.repeats != "answers" else [])


def _repeats(kind: Kind, lines: Sequence[Answered]) -> list[str]:
    if kind.front.repeats == "answers":
        return []
    groups = [(unit,) for unit in kind.units] if kind.front.repeats == "none" else [kind.units]
    found = []
    for units in groups:
        first: dict[tuple[str, ...], str] = {}
        for line in lines:
            for answer in line.answers:
                texts = tuple(_plain(answer.get(unit, "")) for unit in units)
                if first.setdefault(texts, line.name) != line.name:
                    found.append(f"{line.name}: the same {' and '.join(units)} as {first[texts]!r}")
    return found


def _leaks(lines: Sequence[Answered], names: Sequence[str]) -> list[str]:
    """Names of two words or more of other classes; a name that is part of the class's own name may appear."""
    phrases = {name: f" {_plain(label_text(name))} " for name in names}
    phrases = {name: phrase for name, phrase in phrases.items() if len(phrase.split()) > 1}
    found = []
    for line in lines:
        own = f" {_plain(label_text(line.name))} "
        for answer in line.answers:
            for unit, text in answer.items():
                padded = f" {_plain(text)} "
                found += [
                    f"{line.name}: {unit} holds the name of another class, {name!r}"
                    for name, phrase in phrases.items()
                    if name != line.name and phrase in padded and phrase not in own
                ]
    return found


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w' -]", " ", text.lower()).split())


def stamp(kind: Kind, path: Path, names: Sequence[str], everything: bool = False) -> int:
    """Write the question's hash into lines that have none; with ``everything``, into all. Returns how many changed.

    Only the hash is changed. ``everything`` says: I have read the answers and they fit the question as worded now.
    """
    lines = in_class_order(path, read_answers(path), names)
    stamped = [
        line.model_copy(update={"template": kind.template}) if everything or not line.template else line
        for line in lines
    ]
    changed = sum(new != old for new, old in zip(stamped, lines, strict=True))
    if changed:
        write_answers(path, stamped)
    return changed
