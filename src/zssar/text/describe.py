"""Where descriptions come from: committed answers, a language model, a published file, or the class names themselves.

A source is named in config.yaml; what its parameters hold says which sort it is:

    frozen: {}                                       answers committed under prompts/frozen/<data set>/<kind>.jsonl
    second: {answers: [second]}                      another author's, <kind>.second.jsonl; "" means <kind>.jsonl, and
                                                     the draws of several authors are put together
    gpt4o-1: {model: gpt-4o, temperature: 1.0}       a language model behind an OpenAI-compatible server (llm.py)
    purls-gpt3: {format: purls, file: ntu120.csv}    descriptions somebody published (importers.py)

A kind whose template says ``ask: false`` is answered by the class names under every source.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zssar.config import LONGER
from zssar.errors import UserError
from zssar.text.answers import Answered, in_class_order, read_answers
from zssar.text.prompts import Kind, label_text

SHOWN = 5  # complaints spelled out in one message


def describe(
    kind: Kind,
    names: Sequence[str],
    source: str,
    params: Mapping[str, Any],
    frozen: Path,
    output: Path,
    only: Sequence[str] = (),
    dry_run: bool = False,
    again: bool = False,
) -> list[Answered] | None:
    """One line per class in class order; None after a dry run.

    frozen: the folder of the data set's committed answers. output: where the caller will write the lines; a language
    model's answers are kept beside it while they arrive. only, again: ask a language model about these or all classes
    again.
    Raises UserError if answers are missing, with what to do.
    """
    if not kind.asks:
        return from_names(kind, names)
    if "model" in params:
        from zssar.text.llm import ask_model

        return ask_model(kind, names, source, params, output, only, dry_run, again)
    if only or dry_run:  # `again` may come with -R, which knows no sources
        raise UserError(f"--only and --dry-run are for language models; source {source!r} asks none")
    if "format" in params:
        from zssar.text.importers import published

        return published(kind, names, source, params)
    authors = params.get("answers", [""])
    if set(params) - {"answers"} or not authors or not isinstance(authors, list):
        raise UserError(
            f"sources.{source}: parameters {sorted(params)} fit no sort of source. A language model has `model:`, "
            "a published file has `format:` and `file:`, committed answers have none, or `answers:` with a list of "
            "authors. See docs/descriptions.md."
        )
    return together([from_frozen(kind, names, frozen, author) for author in authors])


def together(answers: Sequence[list[Answered]]) -> list[Answered]:
    """The draws of several authors as draws of one class."""
    if len(answers) == 1:
        return answers[0]
    return [
        Answered(
            index=lines[0].index,
            name=lines[0].name,
            answers=[draw for line in lines for draw in line.answers],
            template=lines[0].template if len({line.template for line in lines}) == 1 else "",
            author=" + ".join(line.author for line in lines),
            draws=[len(line.answers) for line in lines],
        )
        for lines in zip(*answers, strict=True)
    ]


def from_names(kind: Kind, names: Sequence[str]) -> list[Answered]:
    """The class name itself, in plain words, as every unit's text."""
    return [
        Answered(
            index=i,
            name=name,
            answers=[{unit: label_text(name) for unit in kind.units}],
            template=kind.template,
            author="class names",
        )
        for i, name in enumerate(names)
    ]


def from_frozen(kind: Kind, names: Sequence[str], folder: Path, author: str = "") -> list[Answered]:
    """The committed answers, checked and never changed. Stale ones are used and reported on stderr.

    author: of ``<kind>.<author>.jsonl``; empty for the first answers that were committed.
    """
    path = folder / f"{kind.name}{f'.{author}' if author else ''}.jsonl"
    if not path.is_file():
        raise UserError(_nothing_frozen(kind, path))
    answered = read_answers(path)
    if folder.name in LONGER.values() and [line.name for line in answered[: len(names)]] == list(names):
        answered = answered[: len(names)]  # NTU-120 begins with NTU-60
    lines = in_class_order(path, answered, names)
    check_complete(path, kind, lines)
    stale = sum(line.template != kind.template for line in lines)
    if stale:
        unmarked = all(not line.template for line in lines)
        how = "do not say which question they answer" if unmarked else "were given to another wording of the question"
        print(
            f"warning: {path}: {stale} of {len(lines)} answers {how}"
            f" ({kind.name}.md, now {kind.template}); they are used as they are. "
            "See docs/descriptions.md, Stale answers.",
            file=sys.stderr,
        )
    return lines


def check_complete(path: Path | str, kind: Kind, lines: Sequence[Answered]) -> None:
    """Raise UserError naming the first lines with a unit missing, empty or unknown."""
    wrong = [
        f"class {line.index} ({line.name}): {complaint}"
        for line in lines
        for answer in line.answers
        for complaint in kind.complaints(answer, lengths=False)
    ]
    if wrong:
        more = f"\n  and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise UserError(f"{path} does not answer kind {kind.name!r}:\n  " + "\n  ".join(wrong[:SHOWN]) + more)


def _nothing_frozen(kind: Kind, path: Path) -> str:
    have = sorted(p.stem for p in path.parent.glob("*.jsonl"))
    return (
        f"no answers of kind {kind.name!r} are committed: {path} does not exist "
        f"(committed there: {', '.join(have) or 'nothing'}). Three ways on:\n"
        "  1. use one of the committed kinds;\n"
        "  2. have a language model answer: add a source with `model:` (and `base_url:` for a server of your own) "
        "under `sources:` in config.yaml, put its key into the environment variable OPENAI_API_KEY, and name that "
        "source in the table;\n"
        f"  3. write {path} by hand, one line per class. docs/descriptions.md has the format."
    )
