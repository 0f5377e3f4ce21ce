"""The language-model source against a real HTTP server on localhost that speaks the chat protocol."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from zssar.errors import UserError
from zssar.text import chat, llm
from zssar.text.answers import read_answers, write_answers
from zssar.text.describe import describe
from zssar.text.prompts import read_kind

PROMPTS = Path(__file__).parents[1] / "prompts"
NAMES = ["drink water", "kick", "wave", "sit down"]
KEY = "test-value-not-a-secret"
GOOD = {
    "start": "the right hand rises from the hip to the chest",
    "middle": "the hand goes on to the mouth and the head tips back",
    "end": "the hand sinks back to the hip and the head comes level",
}


@dataclass
class Step:
    """What the server does with one request instead of answering well."""

    status: int = 200
    headers: dict = field(default_factory=dict)
    delay: float = 0.0
    text: str | None = None  # the message's content
    refusal: str | None = None
    finish: str = "stop"
    raw: bytes | None = None  # the whole body
    error: dict = field(default_factory=dict)


class Server(ThreadingHTTPServer):
    """Uses up ``script`` step by step, then answers well. ``requests``: (time, body, headers) of everything asked."""

    daemon_threads = True

    def __init__(self, script=(), answer=lambda body: json.dumps(GOOD)):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.answer, self.requests, self.lock = list(script), answer, [], threading.Lock()
        self.busy = self.most_busy = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def questions(self) -> list[str]:
        return [body["messages"][0]["content"] for _, body, _ in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append((time.monotonic(), body, {k.lower(): v for k, v in self.headers.items()}))
            step = server.script.pop(0) if server.script else Step()
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
        try:
            time.sleep(step.delay)
            self._reply(step, body)
        finally:
            with server.lock:
                server.busy -= 1

    def _reply(self, step, body):
        if step.raw is not None:
            data = step.raw
        elif step.status != 200:
            data = json.dumps({"error": {"message": f"scripted {step.status}", **step.error}}).encode()
        else:
            content = None if step.refusal else step.text if step.text is not None else self.server.answer(body)
            message = {"role": "assistant", "content": content, "refusal": step.refusal}
            choice = {"index": 0, "finish_reason": step.finish, "message": message}
            data = json.dumps(
                {
                    "id": "1",
                    "object": "chat.completion",
                    "created": 1,
                    "model": body["model"] + "-2026",
                    "choices": [choice],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
                }
            ).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(step.status)
            for key, value in {"Content-Type": "application/json", "Content-Length": len(data), **step.headers}.items():
                self.send_header(key, str(value))
            self.end_headers()
            self.wfile.write(data)


@contextlib.contextmanager
def serving(script=(), **options):
    server = Server(script, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def kind():
    return read_kind(PROMPTS / "phases.md")


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def ask(kind, server, tmp_path, names=NAMES, only=(), dry_run=False, again=False, **params):
    params = {"model": "m", "base_url": server.base_url, "retries": 2, "concurrency": 1, **params}
    output = tmp_path / "m-1" / "phases.jsonl"
    lines = describe(kind, names, "m-1", params, tmp_path, output, only, dry_run, again)
    if lines is not None:
        write_answers(output, lines)
        llm.finish(output, lines)
    return lines


def test_every_class_is_asked_once_with_the_schema_and_the_key_goes_into_the_header_only(kind, tmp_path, capsys):
    with serving() as server:
        lines = ask(kind, server, tmp_path, temperature=0.5, seed=3, price={"input": 1.0, "output": 10.0})
    assert [line.name for line in lines] == NAMES
    assert [line.index for line in lines] == [0, 1, 2, 3]
    assert all(line.answers == [GOOD] and line.template == kind.template for line in lines)
    assert {line.author for line in lines} == {"m-2026"}
    body, headers = server.requests[0][1:]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert (body["model"], body["temperature"], body["seed"]) == ("m", 0.5, 3)
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["required"] == ["start", "middle", "end"]
    assert schema["schema"]["additionalProperties"] is False
    assert '"drink water"' in server.questions[0]
    assert len(server.requests) == 4
    said = "".join(capsys.readouterr())
    assert "400 tokens in and 80 out, 0.0012 US dollars" in said
    written = "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())
    assert KEY not in said + written
    assert sorted(p.name for p in (tmp_path / "m-1").iterdir()) == [
        "phases.answers.kept",
        "phases.jsonl",
    ]  # the journal is gone


def test_retry_after_is_honoured_and_holds_back_the_other_threads(kind, tmp_path):
    with serving([Step(429, {"Retry-After": "1"})]) as server:
        ask(kind, server, tmp_path, names=NAMES[:2])
    first, *rest = [at for at, _, _ in server.requests]
    assert len(rest) == 2
    assert 1.0 <= rest[0] - first < 4.0

    with serving([Step(429, {"retry-after-ms": "600"}), Step(delay=0.2)]) as server:
        ask(kind, server, tmp_path / "b", concurrency=2)
    times = [at for at, _, _ in server.requests]
    assert len(times) == 5
    # The two workers' first requests may leave together; nothing else leaves before the pause is over.
    assert all(at - times[0] >= 0.59 for at in times[2:])


def test_a_pause_longer_than_patience_stops_and_keeps_what_was_answered(kind, tmp_path):
    with serving([Step(), Step(429, {"Retry-After": "3600"})]) as server:
        with pytest.raises(UserError, match=r"asks to wait 3600 s.*1 answers are kept"):
            ask(kind, server, tmp_path)
        assert len(server.requests) == 2
        assert [line.name for line in ask(kind, server, tmp_path)] == NAMES
        assert len(server.requests) == 2 + 3


def test_server_errors_are_retried_then_stop_the_run(kind, tmp_path):
    with serving([Step(500), Step(503)]) as server:
        assert len(ask(kind, server, tmp_path, names=NAMES[:1])) == 1
        assert len(server.requests) == 3
    with serving([Step(500)] * 3) as server, pytest.raises(UserError, match=r"failed 3 times; last: status 500"):
        ask(kind, server, tmp_path / "b", names=NAMES[:1])
    assert len(server.requests) == 3


def test_a_class_that_times_out_is_named_and_the_others_are_kept(kind, tmp_path):
    def slow(body):
        time.sleep(8 if '"kick"' in body["messages"][0]["content"] else 0.0)
        return json.dumps(GOOD)

    with serving(answer=slow) as server:
        with pytest.raises(UserError, match=r"1 questions of kind 'phases'.*\n.*kick: no answer within 3 s, 1 times"):
            ask(kind, server, tmp_path, timeout=3, retries=0)
        server.answer = lambda body: json.dumps(GOOD)
        before = len(server.requests)
        assert len(ask(kind, server, tmp_path, timeout=60)) == 4
        assert len(server.requests) == before + 1


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (Step(text='{"start": "the'), "Invalid JSON"),
        (Step(text="I would be glad to help."), "Invalid JSON"),
        (Step(text=json.dumps({**GOOD, "coda": "x"})), "coda: Extra inputs"),
        (Step(text=json.dumps({"start": "a b c d", "middle": "a b c d"})), "end: Field required"),
        (Step(text=json.dumps({**GOOD, "end": " "})), "unit 'end' is missing or empty"),
        (Step(text=json.dumps({**GOOD, "end": "word " * 50})), "unit 'end' has 50 words"),
        (Step(refusal="I cannot describe that."), "the model refused: I cannot describe that."),
        (Step(text="", finish="length"), "cut off"),
        (Step(text="", finish="content_filter"), "content filter"),
        (Step(raw=b'{"object": "chat.completion", "choices": []}'), "no choice"),
    ],
)
def test_wrong_answers_are_asked_again_a_bounded_number_of_times_then_named(kind, tmp_path, step, complaint):
    with serving([step]) as server:
        assert ask(kind, server, tmp_path, names=["wave"])[0].answers == [GOOD]
        assert len(server.requests) == 2
    with serving([step] * 3) as server:
        with pytest.raises(UserError, match=r"wave: no usable answer in 3 tries") as caught:
            ask(kind, server, tmp_path / "b", names=["wave"])
        assert complaint in str(caught.value)
        assert len(server.requests) == 3


def test_the_model_is_told_what_was_wrong(kind, tmp_path):
    with serving([Step(text='{"start": "x"}')]) as server:
        ask(kind, server, tmp_path, names=["wave"])
    again = server.requests[1][1]["messages"]
    assert [m["role"] for m in again] == ["user", "assistant", "user"]
    assert "Field required" in again[2]["content"]


def test_a_body_that_is_no_json_is_the_servers_trouble(kind, tmp_path):
    with serving([Step(raw=b"<html>"), Step(raw=b'{"choices": [')]) as server:
        assert len(ask(kind, server, tmp_path, names=["wave"])) == 1
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step(401, error={"message": f"Incorrect key provided: {KEY}"}), "OPENAI_API_KEY is set, but was not accepted"),
        (Step(404, error={"message": "model m does not exist"}), "model m does not exist"),
        (Step(400, error={"message": f"bad field, key {KEY}"}), "bad field"),
        (Step(429, error={"code": "insufficient_quota"}), "quota of the key in OPENAI_API_KEY is used up"),
    ],
)
def test_what_no_repetition_mends_stops_at_once_and_never_shows_the_key(kind, tmp_path, step, message):
    with serving([Step(), step]) as server:
        with pytest.raises(UserError, match=message) as caught:
            ask(kind, server, tmp_path)
        assert KEY not in str(caught.value)
        assert caught.value.__suppress_context__
        assert "1 answers are kept" in str(caught.value)
        assert len(server.requests) == 2


def test_nobody_listening(kind, tmp_path):
    with serving() as server:
        pass
    with pytest.raises(UserError, match=r"no connection to http://127\.0\.0\.1"):
        ask(kind, server, tmp_path, retries=0)


def test_draws_seeds_and_concurrency(kind, tmp_path):
    def slow(body):
        time.sleep(0.1)
        return json.dumps({**GOOD, "end": f"{GOOD['end']} {body['seed']}"})

    with serving(answer=slow) as server:
        lines = ask(kind, server, tmp_path, draws=3, concurrency=4, seed=7)
    assert len(server.requests) == 12
    assert 2 <= server.most_busy <= 4
    assert all([a["end"].split()[-1] for a in line.answers] == ["7", "8", "9"] for line in lines)


def test_a_kill_in_the_middle_loses_nothing(kind, tmp_path):
    names = [f"action {i}" for i in range(8)]
    csv = tmp_path / "names.csv"
    csv.write_text("index,name\n" + "".join(f"{i},{name}\n" for i, name in enumerate(names)))
    output = tmp_path / "out" / "phases.jsonl"
    code = (
        "import argparse; from zssar.commands import describe_classes as v; p = argparse.ArgumentParser();"
        "v.add_arguments(p); v.run(p.parse_args())"
    )
    with serving(answer=lambda body: time.sleep(0.15) or json.dumps(GOOD)) as server:
        params = json.dumps({"model": "m", "base_url": server.base_url, "concurrency": 1})
        command = [sys.executable, "-c", code, "--kind", str(PROMPTS / "phases.md"), "--class-names", str(csv)]
        command += ["--source", "m-1", "--source-params", params, "--frozen", str(tmp_path), "--output", str(output)]
        environment = {**os.environ, "PYTHONPATH": str(PROMPTS.parent / "src")}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        while len(server.requests) < 4 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not output.exists()
        part = llm.journal_path(output)
        kept = len(part.read_text().splitlines())
        assert kept >= 3
        with open(part, "a") as file:
            file.write('{"request": "torn in the mid')  # what a kill during the write leaves
        asked = len(server.requests)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert len(server.requests) - asked == 8 - kept
    assert [line.name for line in read_answers(output)] == names
    assert not part.exists()


def test_only_asks_for_the_named_classes_again_and_leaves_the_others(kind, tmp_path):
    with serving() as server:
        old = ask(kind, server, tmp_path)
        server.answer = lambda body: json.dumps({**GOOD, "start": "both feet leave the floor together"})
        new = ask(kind, server, tmp_path, only=["Sit_down", "kick"])
        assert len(server.requests) == 4 + 2
        assert [a == b for a, b in zip(old, new, strict=True)] == [True, False, True, False]
        assert ask(kind, server, tmp_path) == new  # nothing is missing: nothing is asked
        assert len(server.requests) == 6
        with pytest.raises(UserError, match="Did you mean 'kick'"):
            ask(kind, server, tmp_path, only=["kik"])


def test_what_snakemake_deletes_is_not_paid_for_twice(kind, tmp_path, capsys):
    """A changed price, timeout or model, or -F: Snakemake deletes the file and runs the rule again."""
    output = tmp_path / "m-1" / "phases.jsonl"
    with serving() as server:
        first = ask(kind, server, tmp_path)
        for params in ({"price": {"input": 1, "output": 1}}, {"timeout": 9}, {"model": "other"}):
            capsys.readouterr()
            output.unlink()
            assert ask(kind, server, tmp_path, **params) == first
            assert ("4 answers were given under other parameters" in capsys.readouterr().err) == ("model" in params)
        assert len(server.requests) == 4
        assert ask(kind, server, tmp_path, model="other", again=True)[0].author == "other-2026"
        assert len(server.requests) == 8


def test_more_draws_cost_the_further_ones_only_and_fewer_cost_nothing(kind, tmp_path):
    with serving(answer=lambda body: json.dumps({**GOOD, "end": f"the hand sinks down by {body['seed']}"})) as server:
        ask(kind, server, tmp_path, seed=1, draws=2)
        lines = ask(kind, server, tmp_path, seed=1, draws=3)
        assert len(server.requests) == 8 + 4
        assert [a["end"][-1] for a in lines[2].answers] == ["1", "2", "3"]
        assert [len(line.answers) for line in ask(kind, server, tmp_path, seed=1, draws=1)] == [1] * 4
        assert len(server.requests) == 12


def test_an_interrupted_repetition_goes_on_only_when_ordered(kind, tmp_path, capsys):
    with serving() as server:
        old = ask(kind, server, tmp_path)
        new = {**GOOD, "start": "both feet leave the floor together"}
        server.answer = lambda body: json.dumps(new)
        server.script = [Step(), Step(), Step(429, error={"code": "insufficient_quota"})]
        with pytest.raises(UserError, match="2 answers are kept"):
            ask(kind, server, tmp_path, again=True)
        (tmp_path / "m-1" / "phases.jsonl").unlink()
        asked = len(server.requests)
        capsys.readouterr()
        assert ask(kind, server, tmp_path) == old
        assert "2 newer answers of an interrupted repetition wait in" in capsys.readouterr().err
        assert len(server.requests) == asked
        assert all(line.answers == [new] for line in ask(kind, server, tmp_path, again=True))
        assert len(server.requests) == asked + 2
        assert not llm.journal_path(tmp_path / "m-1" / "phases.jsonl").exists()


def test_only_before_the_first_full_run_tries_a_few_classes(kind, tmp_path):
    with serving() as server:
        with pytest.raises(UserError, match="run again without --only"):
            ask(kind, server, tmp_path, only=["wave"])
        assert len(server.requests) == 1
        ask(kind, server, tmp_path)
        assert len(server.requests) == 4


def test_another_sampling_does_not_use_the_kept_answers(kind, tmp_path):
    with serving([Step(), Step(401)]) as server:
        with pytest.raises(UserError):
            ask(kind, server, tmp_path)
        ask(kind, server, tmp_path, temperature=0.9)
        assert len(server.requests) == 2 + 4


def test_dry_run_needs_no_key_and_asks_nothing(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with serving() as server:
        price = {"input": 2.5, "output": 10}
        assert ask(kind, server, tmp_path, dry_run=True, draws=2, price=price) is None
        assert not server.requests
    said = capsys.readouterr().out
    assert "8 of 8 answers to ask for" in said
    assert "US dollars" in said
    assert not list(tmp_path.iterdir())


def test_the_estimate_is_near_the_truth(kind):
    """Four letters a token: within a factor of two of 1.3 tokens a word, the usual rate of English prose."""
    params = chat.ModelParams(model="m", structured="none")
    tokens_in = int(llm.estimate(kind, params, [("kick", 0)], 1).split("about ")[1].split()[0])
    words = len(chat.first_messages(kind, "kick")[0]["content"].split())
    assert 1.3 * words / 2 < tokens_in < 1.3 * words * 2


def test_without_a_key_the_message_says_what_to_do(kind, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match=r"OPENAI_API_KEY is empty.*base_url.*source: frozen"):
        describe(kind, NAMES, "gpt", {"model": "m"}, tmp_path, tmp_path / "x.jsonl")
    with serving() as server:  # a server of one's own may do without
        assert len(ask(kind, server, tmp_path)) == 4


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"api_key": KEY}, "sources.s.api_key: keys do not belong into a configuration"),
        ({"extra": {"Authorization": KEY}}, "sources.s.extra.Authorization"),
        ({"base_url": f"http://me:{KEY}@localhost/v1"}, "sources.s.base_url"),
        ({"base_url": f"http://localhost/v1?key={KEY}"}, "sources.s.base_url"),
        ({"base_url": "localhost:8000"}, "sources.s.base_url"),
        ({"temprature": 1}, "sources.s.temprature"),
        ({"draws": 0}, "sources.s.draws"),
        ({"price": {"input": 1}}, "sources.s.price.output"),
    ],
)
def test_parameters_are_closed_and_take_no_secret(params, message):
    with pytest.raises(UserError, match=message) as caught:
        chat.model_params("s", {"model": "m", **params})
    assert KEY not in str(caught.value)


def test_retry_after_in_its_three_forms():
    from email.utils import formatdate

    assert chat.retry_after({"retry-after": "2.5"}) == 2.5
    assert chat.retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert 8 < chat.retry_after({"retry-after": formatdate(time.time() + 10, usegmt=True)}) <= 10
    assert chat.retry_after({"retry-after": formatdate(time.time() - 10, usegmt=True)}) == 0.0
    assert chat.retry_after({"retry-after": "soon"}) is None
    assert chat.retry_after({}) is None
