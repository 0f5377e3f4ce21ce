"""Descriptions from a language model: what to ask, keeping answers as they come, naming failures, counting costs.

Three files, so that no answer is paid for twice. ``<kind>.jsonl`` is the description file; ``<kind>.answers.part``
holds answers while they arrive (journal.py); ``<kind>.answers.kept`` is a copy of the description file that Snakemake
does not know of and so cannot delete: whatever makes it run the rule again (a price added to the source, an upgrade),
the answers are taken from the copy. Only ``--only``, ``--again`` and ``snakemake -R`` ask again for what is there.
"""

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
from zssar.text.answers import Answered, read_answers, write_answers
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
    again: bool = False,
) -> list[Answered] | None:
    """One line per class in class order, asking only for what neither ``output``, its copy nor the journal holds.

    only: these classes are asked again whatever is held; again: all are, but for those that an interrupted repetition
    has answered already. dry_run: print the estimate, ask nothing, return None.
    Raises UserError naming the classes without a usable answer; every usable one is kept for the next run.
    """
    settings = model_params(source, params)
    names_asked = resolve(only, names)
    request, journal = request_digest(kind, settings), Journal(journal_path(output))
    held = _held(output)
    wanted = names_asked or [n for n in names if again or n not in held or len(held[n].answers) < settings.draws]
    _report_stale(kind, request, [line for name, line in held.items() if name not in wanted], output)
    kept = journal.answered(request) | ({} if again else _draws_held(held, wanted, request))
    questions = [(n, d) for n in wanted for d in range(settings.draws) if names_asked or (n, d) not in kept]
    print(estimate(kind, settings, questions, len(names) * settings.draws), file=sys.stdout if dry_run else sys.stderr)
    if dry_run:
        return None
    if questions:
        tally = _ask_all(Chat(kind, settings), questions, journal, request)
        _report_cost(kind, settings, tally)
        if tally.failed:
            raise UserError(_failures(kind, tally.failed, journal.path, bool(names_asked)))
    lines = _assemble(kind, names, settings, kept | journal.answered(request), held, set(wanted))
    if len(lines) < len(names):
        raise UserError(
            f"asked for {len(wanted)} classes only; {len(names) - len(lines)} others have no answer yet, so {output} "
            f"is not written. The answers are kept in {journal.path}; run again without --only for the rest."
        )
    return lines


def finish(output: Path, lines: Sequence[Answered]) -> None:
    """To be called when the description file is whole: renew its copy and remove the journal, unless that holds newer
    answers of a repetition that was interrupted."""
    write_answers(kept_path(output), lines)
    answers = {line.name: line.answers for line in lines}
    latest = {(entry.name, entry.draw): entry for entry in Journal(journal_path(output)).entries}
    waiting = sum(entry.answer not in answers.get(entry.name, []) for entry in latest.values())
    if waiting:
        print(
            f"{waiting} newer answers of an interrupted repetition wait in {journal_path(output)}; --again (or "
            "snakemake -R describe_classes) asks for the rest and uses them, deleting that file drops them.",
            file=sys.stderr,
        )
    else:
        journal_path(output).unlink(missing_ok=True)


def journal_path(output: Path) -> Path:
    """Where the answers for a description file are kept until it is whole."""
    return output.with_name(f"{output.stem}.answers.part")


def kept_path(output: Path) -> Path:
    """Where the copy of a whole description file is kept."""
    return output.with_name(f"{output.stem}.answers.kept")


def _held(output: Path) -> dict[str, Answered]:
    """The lines of the description file, or of its copy if Snakemake has deleted the file to make it again."""
    source = next((path for path in (output, kept_path(output)) if path.exists()), None)
    return {line.name: line for line in read_answers(source)} if source else {}


def _draws_held(held: Mapping[str, Answered], names: Sequence[str], request: str) -> dict[Question, Entry]:
    """Draws of these classes that the same request has brought: more draws cost the further ones only."""
    return {
        (name, draw): Entry(request=request, name=name, draw=draw, answer=answer, model=line.author, date=line.date)
        for name, line in held.items()
        if name in names and line.request == request
        for draw, answer in enumerate(line.answers)
    }


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
            lines.append(held[name].model_copy(update={"index": index, "answers": held[name].answers[: params.draws]}))
        elif len(entries) == params.draws:
            lines.append(
                Answered(
                    index=index,
                    name=name,
                    answers=[entry.answer for entry in entries],
                    template=kind.template,
                    author=", ".join(dict.fromkeys(entry.model for entry in entries)),
                    date=max(entry.date for entry in entries),
                    request=entries[0].request,
                )
            )
    return lines


def _report_stale(kind: Kind, request: str, used: Sequence[Answered], output: Path) -> None:
    """Name answers that are used although the question or the model's parameters have changed since."""
    wording = sum(line.template != kind.template for line in used)
    model = sum(line.template == kind.template and line.request not in ("", request) for line in used)
    for count, what in (
        (wording, f"to another wording of the question {kind.name}.md"),
        (model, "under other parameters of the source (model, sampling, address)"),
    ):
        if count:
            print(
                f"warning: {output}: {count} answers were given {what}. They stay as they are. Give a new draw a "
                "source of its own, or ask again: --only for some classes, snakemake -R describe_classes for all.",
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
