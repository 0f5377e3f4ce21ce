"""The report page: what it holds, that it is closed in itself, and how it behaves in a browser where there is one."""

import html
import json
import os
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import report_fixtures as fixture

from zssar.reporting import clips, records
from zssar.reporting.report import _name, write_report
from zssar.storage import Skeletons

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = [
    "--headless",
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder, before = tmp_path_factory.mktemp("report"), os.getcwd()
    os.chdir(folder)
    try:
        fixture.build(folder)
        fixture.make_report("results/report.html")
        yield folder / "results/report.html"
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def text(page):
    return page.read_text(encoding="utf-8")


def data_of(text: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


def test_nothing_is_asked_of_any_network(text):
    outside = re.findall(r'(?:src|href|action)="([^"]*)"', text)
    assert all(address.startswith(("data:", "#")) for address in outside)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket", text)
    assert len(text) < 3_000_000


def test_every_value_is_shown_and_leads_to_the_lines_behind_it(text):
    cells = data_of(text)["cells"]
    table = pd.read_csv("results/table1.csv")
    values = [v for c in table.columns if c.endswith(" mean") for v in table[c].dropna()]
    shown = re.findall(r'<td data-value="([0-9.]+)"[^>]*><a href="#cell-(\d+)">', text)
    assert len(shown) == len(cells) == len(values)
    assert sorted(round(float(v), 3) for v, _ in shown) == pytest.approx(sorted(values), abs=1e-3)
    for value, number in shown:
        lines = cells[int(number)]["lines"]
        assert sum(line[2] for line in lines) / len(lines) == pytest.approx(float(value), abs=1e-3)
        for line in lines:
            assert f'id="run-{line[4]}"' in text


def test_records_are_complete_and_escaped(text):
    assert text.count("<details id=") == len(fixture.METHODS)
    plain = html.unescape(text)
    for method in fixture.METHODS:
        record = records.find(fixture.run_folder(method), "results")
        for step in record.steps.values():
            assert records.pasteable(step["command"]) in plain
            for one in records.inputs_of(step):
                assert one.digest in text
    assert "<b>one & two</b>" not in text
    assert "<b>one & two</b>" in plain


def test_the_inflation_is_oracle_minus_main(text):
    runs = pd.read_csv("results/table1.runs.csv")
    top1 = runs[(runs["metric"] == "top1") & (runs["method"] == "dvta")].groupby("selection")["value"].mean()
    part = text.split('id="oracle"')[1]
    row = re.search(r'<td class="label">dvta</td>\s*(.*?)</tr>', part, re.S)[1]
    shown = [float(v) for v in re.findall(r'data-value="(-?[0-9.]+)"', row)]
    wanted = [top1["validated"], top1["oracle"], top1["oracle"] - top1["validated"]]
    assert shown[:3] == pytest.approx(wanted, abs=1e-3)


def test_recordings_show_right_and_wrong_answers_in_order(text):
    answers = [clips.answers(records.find(fixture.run_folder(m), "results")) for m in fixture.METHODS]
    for one in answers:
        assert one.order.shape == (60, 3)
    runs = pd.read_csv("results/table1.runs.csv")
    for one in answers:  # the accuracy of the ranked answers is the number of the table
        mine = runs[(runs["run"] == one.run) & (runs["metric"] == "top1") & (runs["seed"] == one.seed)]
        mine = mine[mine["selection"] == one.selection]["value"]
        assert 100 * one.right().mean() == pytest.approx(mine.item(), abs=1e-3)
    chosen = clips.choose(answers[0], 4)
    assert [right for _, right in chosen] == [bool(answers[0].right()[i]) for i, _ in chosen]
    assert len({answers[0].truth[i] for i, right in chosen if right}) == 3  # each class before a second of any
    assert text.count("<canvas") == len(data_of(text)["clips"]) == len(chosen)


def test_drawings_are_small_and_keep_the_pose():
    file = Skeletons("results/skeletons/own.h5")
    drawn = clips.drawing(file.sequence(1))
    assert len(drawn["bodies"]) == 2
    assert len(drawn["bodies"][0]) == clips.FRAMES
    assert drawn["bodies"][1][0] is None  # comes later
    first = drawn["bodies"][0][0]
    assert len(first) == 3 * len(file.sequence(1).joints[0, 0])
    assert max(drawn["size"]) == pytest.approx(clips.STEPS, abs=1)
    joints = file.sequence(1).joints[0, 0]
    scale = clips.STEPS / max(drawn["size"])
    height = (first[1] - first[4]) / scale
    width = (first[0] - first[3]) / scale
    assert height / width == pytest.approx(-(joints[0, 1] - joints[1, 1]) / (joints[0, 0] - joints[1, 0]), rel=0.05)


def test_a_table_takes_its_own_parameters():
    assert _name("results/utd/table1.csv", {"table1": {}, "utd/table1": {}}) == "utd/table1"
    assert _name("results/table1.csv", {"table1": {}, "utd/table1": {}}) == "table1"
    assert _name("results/table2.csv", {"table1": {}}) == ""


def test_rows_keep_the_order_and_the_names_of_the_table(page, tmp_path):
    params = {"table1": {"order": ["eszsl", "dvta"], "names": {"dvta": "two-stage"}}}
    write_report([page.parent / "table1.csv"], tmp_path / "r.html", params=params)
    text = (tmp_path / "r.html").read_text()
    found = re.findall(r'<td class="label">([a-z-]+)</td>', text.split('id="records"')[0])
    assert found[:2] == ["eszsl", "two-stage"]  # the table
    assert found[2:4] == ["eszsl", "two-stage"]  # oracle against validated
    assert all(cell["lines"] for cell in data_of(text)["cells"])
    write_report([page.parent / "table1.csv"], tmp_path / "s.html", params, ["results/skeletons/own.h5"])
    recordings = (tmp_path / "s.html").read_text().split('id="recordings"')[1].split('id="records"')[0]
    assert '<th scope="row">two-stage</th>' in recordings
    assert "dvta" not in recordings


def test_a_transductive_table_comes_without_figures_and_with_its_own_step(page, tmp_path):
    runs = pd.read_csv(page.parent / "table1.runs.csv")
    adapted = runs[(runs["setting"] == "zsl") & (runs["metric"] == "top1") & (runs["selection"] == "last")]
    chance = runs[runs["metric"] == "chance"]
    lines = pd.concat([adapted.assign(setting="transductive"), chance]).assign(table="adapted")
    lines.to_csv(tmp_path / "adapted.runs.csv", index=False)
    step = {"evaluation": {"verb": "evaluate_transductive", "command": "zssar adapt", "finished": "2026-02-02"}}
    record = page.parent.parent / fixture.run_folder("dvta") / "transductive.json"
    record.write_text(json.dumps(step))
    try:
        write_report([tmp_path / "adapted.runs.csv"], tmp_path / "r.html", {"adapted": {"setting": "transductive"}})
        both = [tmp_path / "adapted.runs.csv", page.parent / "table1.csv"]
        write_report(both, tmp_path / "both.html", {"adapted": {"setting": "transductive"}})
        write_report([page.parent / "table1.csv"], tmp_path / "plain.html")
    finally:
        record.unlink()
    alone, both, plain = ((tmp_path / name).read_text() for name in ("r.html", "both.html", "plain.html"))
    assert "transductive ZSL top-1" in alone
    assert "evaluate_transductive" in alone
    assert "<figure" not in alone
    assert 'id="oracle"' not in alone
    assert both.count("<figure") == plain.count("<figure") > 0
    assert "evaluate_transductive" not in plain


def test_without_runs_at_hand_the_tables_are_still_shown(page, tmp_path):
    for name in ("table1.csv", "table1.runs.csv"):
        shutil.copy(page.parent / name, tmp_path / name)
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        fixture.call("make_report", "--tables", "table1.csv", "--output", "report.html")
    finally:
        os.chdir(before)
    text = (tmp_path / "report.html").read_text()
    assert "No run record was found" in text
    assert "<canvas" not in text
    assert len(data_of(text)["cells"]) == len(data_of(page.read_text())["cells"])


def test_reasons_add_up_to_the_scores():
    terms = np.random.default_rng(0).normal(size=(3, 20))
    names = [f"left_hand_{q}" for q in range(20)]
    why = clips.reasons("profile", "kick", "bow", names, ["bow", "jump", "kick"], terms)
    assert why["title"] == "profile: why kick before bow"
    frame = why["frame"]
    assert list(frame.columns) == ["quantity", "kick", "bow", "difference"]
    assert len(frame) == clips.TERMS_SHOWN + 2
    assert frame["kick"].iloc[-1] == pytest.approx(terms[2].sum())
    for column in ("kick", "bow", "difference"):
        assert frame[column].iloc[:-1].sum() == pytest.approx(frame[column].iloc[-1])
    assert frame["difference"].iloc[:8].abs().is_monotonic_decreasing
    assert frame["difference"].iloc[0] == pytest.approx(max(terms[2] - terms[0], key=abs))


def test_explanations_stand_with_the_recordings_that_were_asked_for(page, tmp_path):
    asked = []

    def explain(record, seed, samples):
        asked.append((record.run, seed, len(samples)))
        if "eszsl" in record.run:
            return None
        terms = np.ones((len(samples), 3, 2))
        return SimpleNamespace(classes=fixture.UNSEEN, names=("speed", "jump"), terms=terms)

    files = [page.parent / "table1.csv"], tmp_path / "r.html"
    write_report(*files, skeletons=["results/skeletons/own.h5"], explain=explain)
    text = (tmp_path / "r.html").read_text()
    assert {run for run, _, _ in asked} == {fixture.run_folder(m) for m in fixture.METHODS}
    assert text.count("dvta: why") == 2 * text.count("<canvas")  # the summary and the label of its table
    assert "eszsl: why" not in text


# --- in a browser ----------------------------------------------------------------------------------------------------

WATCH = """<script>
window.problems = [];
addEventListener("error", e => problems.push(String(e.message || e.target.src)), true);
addEventListener("unhandledrejection", e => problems.push(String(e.reason)));
for (const name of ["error", "warn"]) console[name] = (...words) => problems.push(words.join(" "));
</script>"""

PROBE = """<script>
{
const found = {problems: window.problems, tables: 0, unsorted: []};
const numbers = (table, i) => [...table.tBodies[0].rows].map(r => r.cells[i].dataset.value ?? r.cells[i].textContent);
for (const table of document.querySelectorAll("table.sortable")) {
  found.tables++;
  table.querySelectorAll("th").forEach((th, i) => {
    for (let turn = 0; turn < 2; turn++) {
      th.querySelector("button").click();
      const falling = th.getAttribute("aria-sort") === "descending", values = numbers(table, i).filter(v => v !== "");
      const compare = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
      values.slice(1).forEach((v, k) => {
        if ((falling ? -1 : 1) * compare(values[k], v) > 0) found.unsorted.push([th.textContent, values]);
      });
    }
  });
}
const broken = cell => { // words of a cell that go over more than one line
  const text = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT).nextNode(), range = document.createRange();
  return [...text.data.matchAll(/\\S+/g)].filter(word => {
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
  }).map(word => word[0]);
};
document.querySelectorAll("table.ranked td:last-child").forEach(cell => { cell.textContent = "counterclockwise box"; });
found.cells = document.querySelectorAll("table.ranked td").length;
found.broken = [...document.querySelectorAll("table.ranked td")].flatMap(broken);
document.querySelector('a[href^="#cell-"]').click();
const panel = document.getElementById("panel");
found.panel = panel.open && panel.textContent;
panel.querySelector('a[href^="#run-"]').click();
setTimeout(() => {
  const run = document.querySelector(location.hash);
  found.record = Boolean(run && run.open);
  found.closed = !panel.open;
  found.drawn = [...document.querySelectorAll("canvas")].map(canvas => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.reduce((sum, v) => sum + (v > 0), 0);
  });
  const images = [...document.images];
  images.forEach(image => { image.loading = "eager"; });
  found.pictures = images.filter(image => image.complete && !image.naturalWidth).length;
  found.width = document.documentElement.clientWidth;
  found.wide = document.documentElement.scrollWidth;
  const size = e => parseFloat(getComputedStyle(e).fontSize);
  found.small = [...document.querySelectorAll("td, p, dd")].filter(e => size(e) < 12).length;
  const shown = Object.assign(document.createElement("pre"), {id: "found", textContent: JSON.stringify(found)});
  document.body.replaceChildren(shown);
  parent.postMessage(JSON.stringify(found), "*");
}, 600);
}
</script>"""

FRAME = """<!DOCTYPE html><body>
<iframe src="probe.html" style="width:360px;height:740px;border:0"></iframe>
<script>addEventListener("message", e => {
  document.body.replaceChildren(Object.assign(document.createElement("pre"), {id: "found", textContent: e.data}));
});</script></body>"""


def browse(folder, name: str) -> dict:
    words = [BROWSER, *OPTIONS, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=8000", "--dump-dom"]
    done = subprocess.run(
        [*words, "--window-size=1280,900", f"file://{folder / name}"], capture_output=True, text=True, timeout=120
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on the PATH")
@pytest.mark.parametrize(("name", "width"), [("probe.html", 1280), ("frame.html", 360)])
def test_in_a_browser(text, tmp_path, name, width):
    probe = text.replace("<style>", WATCH + "<style>", 1).replace("</body>", PROBE + "</body>")
    (tmp_path / "probe.html").write_text(probe, encoding="utf-8")
    (tmp_path / "frame.html").write_text(FRAME, encoding="utf-8")
    found = browse(tmp_path, name)
    assert found["problems"] == []
    assert found["unsorted"] == []
    assert found["tables"] >= 4
    assert "Mean over seeds of the lines below" in found["panel"]
    assert found["cells"] > 6
    assert found["broken"] == []
    assert found["closed"]
    assert found["record"]
    assert found["drawn"]
    assert min(found["drawn"]) > 100
    assert found["pictures"] == 0
    assert found["width"] == width
    assert found["wide"] <= width  # only tables and figures scroll sideways
    assert found["small"] == 0
