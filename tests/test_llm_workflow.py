"""The language-model source within Snakemake: what asks again, and what must not."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from chat_server import GOOD, KEY, serving
from test_workflow import ROOT, checkout

TARGET = "results/descriptions/tiny/m-1/phases.jsonl"


@pytest.fixture
def folder(tmp_path):
    return checkout(tmp_path)


def snakemake(folder, server, *words, **params):
    source = {"model": "m", "base_url": server.base_url, "retries": 0, **params}
    config = yaml.safe_load((ROOT / "tests" / "config_tiny.yaml").read_text())
    config["sources"] = {"m-1": source}  # merged with those of config.yaml
    (folder / "own.yaml").write_text(yaml.safe_dump(config))
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "OPENAI_API_KEY": KEY, "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", TARGET, *words, "--configfile", "own.yaml"]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_only_an_order_asks_again(folder):
    with serving() as server:
        done = snakemake(folder, server)
        assert done.returncode == 0, done.stderr[-3000:]
        classes = len(server.requests)
        assert classes == len((folder / TARGET).read_text().splitlines()) > 0

        template = folder / "prompts" / "phases.md"  # a reworded question: not even a job
        template.write_text(template.read_text().replace("Divide", "Cut"))
        assert "Nothing to be done" in snakemake(folder, server).stderr
        done = snakemake(folder, server, price={"input": 1, "output": 2})  # a job, from the kept answers
        assert done.returncode == 0, done.stderr[-3000:]
        log = (folder / "logs" / "describe_classes" / "tiny" / "m-1" / "phases.log").read_text()
        assert f"{classes} answers were given to another wording of the question phases.md" in log
        assert len(server.requests) == classes

        server.answer = lambda body: json.dumps({**GOOD, "start": "both feet leave the floor together"})
        done = snakemake(folder, server, "-R", "describe_classes", price={"input": 1, "output": 2})
        assert done.returncode == 0, done.stderr[-3000:]
        assert len(server.requests) == 2 * classes
        assert (folder / TARGET).read_text().count("both feet leave the floor together") == classes
        assert "Nothing to be done" in snakemake(folder, server, price={"input": 1, "output": 2}).stderr
    written = [p for p in folder.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]
    assert not [p for p in written if "tests" not in p.parts]


def test_a_failed_answer_is_named_in_the_log_and_the_rest_is_not_asked_again(folder):
    def sometimes(body):
        return "no" if '"bow"' in body["messages"][0]["content"] else json.dumps(GOOD)

    with serving(answer=sometimes) as server:
        done = snakemake(folder, server, attempts=1)
        assert done.returncode != 0
        assert "bow: no usable answer in 1 try" in done.stdout + done.stderr
        asked = len(server.requests)
        server.answer = lambda body: json.dumps(GOOD)
        done = snakemake(folder, server, attempts=1)
        assert done.returncode == 0, done.stderr[-3000:]
        assert len(server.requests) == asked + 1


def test_describe_by_names_from_the_configuration(folder, monkeypatch, capsys):
    from zssar.cli import main

    monkeypatch.chdir(folder)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def describe(*words):
        code = main(["describe", *(["--config", "own.yaml"] if (folder / "own.yaml").exists() else []), *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    code, said = describe()
    assert code == 2
    assert "no source in config.yaml has a model" in said
    with serving() as server:
        config = {
            "sources": {"m-1": {"model": "m", "base_url": server.base_url}},
            "methods": {"short": {"module": "devise", "texts": ["label", "phases"]}},
            "tables": {"table1": {"source": "m-1", "methods": ["short"]}},
        }
        (folder / "own.yaml").write_text(yaml.safe_dump(config))
        code, said = describe("--dry-run")
        assert (code, len(server.requests)) == (0, 0)
        assert "phases from m: 52 of 52 answers to ask for" in said
        assert "label" not in said
        assert describe()[0] == 0
        assert len(server.requests) == 52
        assert len((folder / "results/descriptions/sim/m-1/phases.jsonl").read_text().splitlines()) == 52
        assert describe("--only", "bow,squat")[0] == 0
        assert len(server.requests) == 54
        assert describe("--again")[0] == 0
        assert len(server.requests) == 54 + 52
        for words, message in (
            (["--source", "frozen"], "has no `model:`"),
            (["--source", "m-2"], "Did you mean 'm-1'"),
            (["--dataset", "simm"], "Did you mean 'sim'"),
            (["--only", "bows"], "Did you mean 'bow'"),
        ):
            code, said = describe(*words)
            assert code == 2
            assert message in said
        assert len(server.requests) == 54 + 52
