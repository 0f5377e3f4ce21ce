"""The language-model source against a real HTTP server on localhost: questions, answers, errors, secrets."""

from __future__ import annotations

import json
import time

import pytest
from chat_server import GOOD, KEY, NAMES, Step, ask, serving

from zssar.errors import UserError
from zssar.text import chat
from zssar.text.describe import describe

pytestmark = pytest.mark.usefixtures("chat_key")


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
