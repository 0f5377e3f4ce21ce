"""The whole workflow on a tiny simulated set: run, nothing to do, kill and resume, wrong words."""

import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = "results/table1.csv"
REPORT = "results/report.html"
FIGURE = "results/figures/table1/confusion.random_8_0_0.devise.png"
METHODS = ["devise", "eszsl", "global", "dvta", "purls", "profile"]


def checkout(folder: Path) -> Path:
    """A working copy without results, so that tests never touch the user's."""
    for name in ("Snakefile", "config.yaml", "workflow", "profiles", "prompts", "tests"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


def command(*words: str) -> list[str]:
    base = [sys.executable, "-m", "snakemake", "--cores", "2"]
    return [*base, *words, "--configfile", "tests/config_tiny.yaml"]  # takes several values: comes last


def snakemake(folder: Path, *words: str, check=True):
    # The interpreter's folder first: rules call `zssar`, which must be the one under test.
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command(*words), cwd=folder, env=env, capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = checkout(tmp_path_factory.mktemp("workflow"))
    snakemake(folder, TABLE, FIGURE)
    return folder


def rows(path: Path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_and_everything_beside_it_are_there(finished):
    runs = rows(finished / "results" / "table1.runs.csv")
    assert {r["method"] for r in runs} == set(METHODS)
    assert {r["seed"] for r in runs} >= {"0", "1"}
    assert all(math.isfinite(float(r["value"])) and 0 <= float(r["value"]) <= 100 for r in runs)
    assert {r["setting"] for r in runs} == {"zsl", "gzsl"}
    assert {"last", "validated", "oracle"} <= {r["selection"] for r in runs}
    for row in runs:
        record = json.loads((finished / row["run"] / "run.json").read_text())
        assert record["verb"] == "align"
        assert record["inputs"]["seen_train"]
    text = (finished / "results" / "table1.md").read_text()
    assert "simulated" in text.lower()
    assert (finished / "results" / "table1.tex").stat().st_size
    assert (finished / FIGURE).stat().st_size > 1000


def test_training_files_hold_no_unseen_class(finished):
    for path in (finished / "results" / "features").rglob("seen_train.h5"):
        with h5py.File(path) as file:
            seen = set(json.loads(file.attrs["seen"]))
            assert set(file["label"][...].tolist()) <= seen
            assert not seen & set(json.loads(file.attrs["unseen"]))
        with h5py.File(path.with_name("test.h5")) as file:
            assert "label" not in file


def test_nothing_to_do_the_second_time(finished):
    done = snakemake(finished, TABLE)
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize("words", [[], [TABLE]])
def test_one_deleted_run_rebuilds_that_run_only(finished, words):
    run = next((finished / "results" / "runs" / "tiny" / "random_8_0_0").rglob("devise"))
    aside = run.rename(finished / "aside")
    try:
        planned = snakemake(finished, "-n", *words)
    finally:
        aside.rename(run)
    planned = planned.stdout + planned.stderr
    assert planned.count("rule align:") == 1
    assert planned.count("rule evaluate:") == 1
    assert planned.count("rule make_table:") == 1
    assert "method=devise" in planned
    aligned = [block for block in planned.split("rule ") if block.startswith(("align:", "evaluate:"))]
    assert all("method=devise" in block for block in aligned)
    for rule in ("pretrain_backbone", "extract_features", "encode_texts", "preprocess_skeletons"):
        assert f"rule {rule}" not in planned


def test_a_rebuilt_run_leaves_the_same_table_and_nothing_to_do(finished):
    before = rows(finished / TABLE)
    shutil.rmtree(next((finished / "results" / "runs" / "tiny" / "random_8_0_0").rglob("devise")))
    snakemake(finished, TABLE)
    assert rows(finished / TABLE) == before
    done = snakemake(finished, TABLE)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_the_report_is_built_from_what_is_there_and_nothing_is_left_to_do(finished):
    done = snakemake(finished, "-n", REPORT)
    planned = done.stdout + done.stderr
    assert planned.count("rule make_report:") == 1
    assert not re.search("rule (align|evaluate|pretrain_backbone|make_table):", planned)
    snakemake(finished, REPORT)
    page = (finished / REPORT).read_text()
    assert "simulated data" in page
    assert page.count('id="run-') == len(METHODS)
    assert "<canvas" in page
    done = snakemake(finished, REPORT)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_snakemakes_own_report_has_captions_and_asks_nothing_of_any_network(finished):
    snakemake(finished, "--report", "own.html", TABLE, FIGURE)
    page = (finished / "own.html").read_text(encoding="utf-8")
    assert "Confusion of the unseen classes" in page  # the caption of that kind of figure
    assert "the main number is never the best epoch on the test set" in " ".join(page.split())
    for category in ("Figures", "Tables"):
        assert f'"{category}"' in page
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="?https?:', page)


def test_explain_reads_the_finished_table(finished):
    words = [sys.executable, "-m", "zssar.cli", "explain", TABLE, "--method", "dvta", "--split", "random_8_0"]
    done = subprocess.run(words, cwd=finished, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "(unchanged)" in done.stdout
    assert "not here now" not in done.stdout
    assert f"snakemake --cores all {TABLE} --force" in done.stdout


def test_a_changed_parameter_reruns_its_method_only(finished):
    done = snakemake(finished, "-n", TABLE, "--config", "methods={dvta: {params: {epochs: 3}}}")
    planned = done.stdout + done.stderr
    assert "--method dvta" in planned or "method=dvta" in planned
    assert "method=purls" not in planned


def test_killed_in_the_middle_and_started_again(tmp_path, finished):
    folder = checkout(tmp_path)
    for done in ("raw", "skeletons"):  # what takes long is taken over; the kill hits pretraining
        shutil.copytree(finished / "results" / done, folder / "results" / done)
    shutil.copytree(finished / ".snakemake" / "metadata", folder / ".snakemake" / "metadata")
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(command(TABLE), cwd=folder, env=env, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.time() + 120
    while not list((folder / "logs").glob("pretrain_backbone/**/*.log")) and time.time() < deadline:
        time.sleep(0.1)
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / TABLE).exists()
    subprocess.run(command("--unlock"), cwd=folder, env=env, capture_output=True, check=True)
    snakemake(folder, TABLE)
    left, right = ((f / TABLE).read_text() for f in (folder, finished))
    assert left == right
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("tables={table1: {methods: [dvtaa]}}", ["unknown method", "dvta"]),
        ("tables={table1: {splits: [sim_1_2]}}", ["unknown split"]),
        ("tables={table1: {datset: sim}}", ["datset", "dataset"]),
        ("device=gpu", ["unknown value", "cuda"]),
    ],
)
def test_wrong_words_stop_the_parse(tmp_path, change, words):
    folder = checkout(tmp_path)
    done = snakemake(folder, "-n", TABLE, "--config", change, check=False)
    assert done.returncode != 0
    for word in words:
        assert word in done.stdout + done.stderr


@pytest.mark.parametrize("prepare", ["missing", "empty", "truncated"])
def test_bad_data_folders_give_one_clear_message(tmp_path, prepare):
    folder = checkout(tmp_path)
    data = tmp_path / "data"
    if prepare != "missing":
        data.mkdir()
    if prepare == "truncated":
        (data / "S001C001P001R001A001.skeleton").write_text("3\r\n1\r\n72057594037931101 0 1 1")
    config = f"datasets={{mine: {{reader: ntu, root: '{data}'}}}}"
    done = snakemake(folder, "results/skeletons/mine.h5", "--config", config, check=False)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert text.count("zssar: error:") == 1
    assert str(data) in text
    assert not (folder / "results" / "skeletons" / "mine.h5").exists()
