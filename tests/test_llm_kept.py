"""What the language-model source keeps: answers paid once survive kills, changed parameters and repetitions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from chat_server import GOOD, NAMES, PROMPTS, Step, ask, serving

from zssar.errors import UserError
from zssar.text import chat, llm
from zssar.text.answers import read_answers

pytestmark = pytest.mark.usefixtures("chat_key")


def test_a_pause_longer_than_patience_stops_and_keeps_what_was_answered(kind, tmp_path):
    with serving([Step(), Step(429, {"Retry-After": "3600"})]) as server:
        with pytest.raises(UserError, match=r"asks to wait 3600 s.*1 answers are kept"):
            ask(kind, server, tmp_path)
        assert len(server.requests) == 2
        assert [line.name for line in ask(kind, server, tmp_path)] == NAMES
        assert len(server.requests) == 2 + 3


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
