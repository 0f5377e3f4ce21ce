"""Answers of a language model, kept while they arrive: one JSON line each, on disk before the next one is counted.

The file lies beside the description file as ``<kind>.answers.part`` and goes when that file is whole. After a kill, the
next run finds in it what it need not ask again.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pydantic

from zssar.errors import UserError
from zssar.text.answers import Answer


class Entry(pydantic.BaseModel):
    """``request``: hash of everything that shapes an answer but the class (question, units, model, sampling)."""

    request: str
    name: str
    draw: int
    answer: Answer
    model: str
    date: str


class Journal:
    """Append-only; safe to append to from several threads. A line torn by a kill is dropped when the file is opened."""

    def __init__(self, path: Path):
        self.path, self._lock = path, threading.Lock()
        self.entries: list[Entry] = []
        if path.exists():
            data = path.read_bytes()
            complete = data[: data.rfind(b"\n") + 1]
            if len(complete) < len(data):
                with open(path, "r+b") as file:
                    file.truncate(len(complete))
            for number, line in enumerate(complete.decode("utf-8").splitlines(), 1):
                try:
                    self.entries.append(Entry.model_validate_json(line))
                except pydantic.ValidationError:
                    raise UserError(
                        f"{path}:{number}: not a kept answer; delete the file to ask everything again"
                    ) from None

    def append(self, entry: Entry) -> None:
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry.model_dump(), ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            self.entries.append(entry)

    def answered(self, request: str) -> dict[tuple[str, int], Entry]:
        """(class, draw) -> the latest answer to that request."""
        return {(entry.name, entry.draw): entry for entry in self.entries if entry.request == request}
