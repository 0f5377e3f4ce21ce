"""Descriptions from a language model: what to ask, keeping answers as they come, naming failures, counting costs."""

from __future__ import annotations

import contextlib
import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zssar.errors import UserError, unknown
from zssar.provenance import text_digest
from zssar.text.answers import Answered, read_answers
from zssar.text.chat import Chat, ModelParams, Stopped, Unusable, first_messages, model_params, request_body
from zssar.text.journal import Entry, Journal
from zssar.text.prompts import Kind, label_text
from zssar.training import Progress

Question = tuple[str, int]  # class name, draw


@dataclass
class Tally:
    """Tokens the server reported, and the questions that got no usable answer."""

    tokens_in: int = 0
    tokens_out: int = 0
    failed: dict[Question, str] = field(default_factory=dict)

    def add(self, tokens_in: int, tokens_out: int) -> None:
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out


def ask_model(
    kind: Kind,
    names: Sequence[str],
    source: str,
    params: Mapping[str, Any],
    output: Path,
    only: Sequence[str] = (),
    dry_run: bool = False,
) -> list[Answered] | None:
    """One line per class in class order, asking only for what neither ``output`` nor the journal beside it holds.

    only: these classes are asked again whatever is held. dry_run: print the estimate, ask nothing, return None.
    Raises UserError naming the classes without a usable answer; every usable one is kept for the next run.
    """
    settings = model_params(source, params)
    names_asked = resolve(only, names)
    held = {line.name: line for line in read_answers(output)} if output.exists() else {}
    _report_stale(kind, held, names_asked, output)
    journal = Journal(journal_path(output))
    request = request_digest(kind, settings)
    kept = journal.answered(request)
    wanted = names_asked or [name for name in names if name not in held]
    questions = [(n, d) for n in wanted for d in range(settings.draws) if names_asked or (n, d) not in kept]
    print(estimate(kind, settings, questions, len(names) * settings.draws), file=sys.stdout if dry_run else sys.stderr)
    if dry_run:
        return None
    if questions:
        tally = _ask_all(Chat(kind, settings), questions, journal, request)
        _report_cost(kind, settings, tally)
        if tally.failed:
            raise UserError(_failures(kind, tally.failed, journal.path, bool(names_asked)))
    lines = _assemble(kind, names, settings, journal.answered(request), held, set(wanted))
    if len(lines) < len(names):
        raise UserError(
            f"asked for {len(wanted)} classes only; {len(names) - len(lines)} others have no answer yet, so {output} "
            f"is not written. The answers are kept in {journal.path}; run again without --only for the rest."
        )
    return lines


def forget(output: Path) -> None:
    """Remove the journal of a description file that is whole, so that asking on purpose asks everything again."""
    journal_path(output).unlink(missing_ok=True)


def journal_path(output: Path) -> Path:
    """Where the answers for a description file are kept until it is whole."""
    return output.with_name(f"{output.stem}.answers.part")


def resolve(only: Sequence[str], names: Sequence[str]) -> list[str]:
    """The classes meant by --only, in class order; the plain-word form of a name will do."""
    plain = {label_text(name): name for name in names} | {name: name for name in names}
    for name in only:
        if name not in plain and label_text(name) not in plain:
            raise unknown("class", name, names, "--only")
    meant = {plain.get(name) or plain[label_text(name)] for name in only}
    return [name for name in names if name in meant]


def request_digest(kind: Kind, params: ModelParams) -> str:
    """Hash of what shapes the answers: the messages, the model and its sampling, not how often or fast it is asked."""
    body = {**request_body(kind, params, 0), "base_url": params.base_url, "messages": first_messages(kind, "-")}
    return text_digest(json.dumps(body, sort_keys=True))


def estimate(kind: Kind, params: ModelParams, questions: Sequence[Question], total: int) -> str:
    """Tokens and cost of the questions, from four letters a token and answers in the middle of the word bounds."""
    letters = sum(len(first_messages(kind, name)[0]["content"]) for name, _ in questions)
    schema = len(json.dumps(kind.schema.model_json_schema())) if params.structured == "json_schema" else 0
    tokens_in = (letters + schema * len(questions)) // 4
    per_unit = 20 if kind.is_form else sum(kind.front.words) / 2 * 1.4 + 8
    tokens_out = round(per_unit * len(kind.units)) * len(questions)
    return (
        f"{kind.name} from {params.model}: {len(questions)} of {total} answers to ask for, about {tokens_in} tokens in "
        f"and {tokens_out} out{_cost(params, tokens_in, tokens_out)}"
    )


def _cost(params: ModelParams, tokens_in: int, tokens_out: int) -> str:
    if params.price is None:
        return " (no `price:` given, so no cost)"
    dollars = (params.price.input * tokens_in + params.price.output * tokens_out) / 1e6
    return f", {dollars:.4f} US dollars"


def _ask_all(chat: Chat, questions: Sequence[Question], journal: Journal, request: str) -> Tally:
    tally, progress = Tally(), Progress(f"describing {chat.kind.name}", len(questions), "answers")
    waiting = iter(questions)
    running: dict[Future, Question] = {}
    with ThreadPoolExecutor(chat.params.concurrency) as pool:
        try:
            while True:
                for question in waiting:
                    running[pool.submit(chat.ask, *question)] = question
                    if len(running) >= chat.params.concurrency:
                        break
                if not running:
                    return tally
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    _take(future, running.pop(future), tally, journal, request)
                    progress.step()
        except BaseException as error:  # also Ctrl-C: let the other threads end, keeping what they bring
            chat.stop.set()
            for future, question in running.items():
                _take_if_good(future, question, tally, journal, request)
            _report_cost(chat.kind, chat.params, tally)
            if isinstance(error, UserError):
                kept = len(journal.answered(request))
                raise UserError(
                    f"{error}. {kept} answers are kept in {journal.path}; running again asks only for the rest."
                ) from None
            raise


def _take(future: Future, question: Question, tally: Tally, journal: Journal, request: str) -> None:
    name, draw = question
    try:
        reply = future.result()
    except Unusable as error:
        tally.add(error.tokens_in, error.tokens_out)
        tally.failed[question] = str(error)
        return
    tally.add(reply.tokens_in, reply.tokens_out)
    today = datetime.date.today().isoformat()
    journal.append(Entry(request=request, name=name, draw=draw, answer=reply.answer, model=reply.model, date=today))


def _take_if_good(future: Future, question: Question, tally: Tally, journal: Journal, request: str) -> None:
    with contextlib.suppress(Stopped, UserError):
        _take(future, question, tally, journal, request)


def _assemble(
    kind: Kind,
    names: Sequence[str],
    params: ModelParams,
    answered: Mapping[Question, Entry],
    held: Mapping[str, Answered],
    wanted: set[str],
) -> list[Answered]:
    """Lines of the classes that have all draws: new answers where asked for, else what the file held."""
    lines = []
    for index, name in enumerate(names):
        entries = [answered[name, d] for d in range(params.draws) if (name, d) in answered]
        if name in held and name not in wanted:
            lines.append(held[name].model_copy(update={"index": index}))
        elif len(entries) == params.draws:
            lines.append(
                Answered(
                    index=index,
                    name=name,
                    answers=[entry.answer for entry in entries],
                    template=kind.template,
                    author=", ".join(dict.fromkeys(entry.model for entry in entries)),
                    date=max(entry.date for entry in entries),
                )
            )
    return lines


def _report_stale(kind: Kind, held: Mapping[str, Answered], asked: Sequence[str], output: Path) -> None:
    stale = [name for name, line in held.items() if line.template != kind.template and name not in asked]
    if stale:
        print(
            f"warning: {output}: {len(stale)} answers were given to another wording of the question {kind.name}.md. "
            "They stay as they are; ask again with --only, or for all with snakemake -R describe_classes.",
            file=sys.stderr,
        )


def _report_cost(kind: Kind, params: ModelParams, tally: Tally) -> None:
    print(
        f"{kind.name} from {params.model}: the server counted {tally.tokens_in} tokens in and {tally.tokens_out} out"
        f"{_cost(params, tally.tokens_in, tally.tokens_out)}",
        file=sys.stderr,
    )


def _failures(kind: Kind, failed: Mapping[Question, str], journal: Path, again: bool) -> str:
    shown = [f"{name}{f' (draw {draw + 1})' if draw else ''}: {reason}" for (name, draw), reason in failed.items()]
    more = f"\n  and {len(shown) - 10} more" if len(shown) > 10 else ""
    return (
        f"{len(failed)} questions of kind {kind.name!r} got no usable answer:\n  "
        + "\n  ".join(shown[:10])
        + more
        + f"\nAll other answers are kept in {journal}; running again asks only for these"
        + (" (with --only: for all the classes named there)." if again else ".")
    )
