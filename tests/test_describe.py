"""Sources of descriptions: committed answers, published files, class names; and the command."""

import json
from pathlib import Path

import pytest

from zssar import config
from zssar.commands import describe_classes
from zssar.datasets.files import class_names
from zssar.errors import UserError
from zssar.text.answers import Answered, in_class_order, read_answers, read_class_names, write_answers
from zssar.text.describe import describe
from zssar.text.prompts import read_kind

PROMPTS = Path(__file__).parents[1] / "prompts"
NAMES = ["drink water", "kick", "hopping (one foot jumping)"]


@pytest.fixture
def kind():
    return read_kind(PROMPTS / "phases.md")


def line(index, name, template="", **changes):
    answer = {"start": f"start of {name}", "middle": f"middle of {name}", "end": f"end of {name}"} | changes
    return Answered(index=index, name=name, answers=[answer], template=template, author="us", date="2026-01-01")


@pytest.fixture
def frozen(tmp_path, kind):
    folder = tmp_path / "frozen"
    write_answers(folder / "phases.jsonl", [line(i, n, kind.template) for i, n in enumerate(NAMES)])
    return folder


def run(kind, frozen, source="frozen", names=NAMES, **params):
    return describe(kind, names, source, params, frozen, frozen / "out.jsonl")


def test_committed_answers_come_back_as_they_are(kind, frozen, capsys):
    assert run(kind, frozen) == read_answers(frozen / "phases.jsonl")
    assert capsys.readouterr().err == ""


def test_stale_answers_are_used_and_reported(kind, frozen, capsys):
    path = frozen / "phases.jsonl"
    before = path.read_text().replace(kind.template, "0" * 16, 1)
    path.write_text(before)
    assert len(run(kind, frozen)) == 3
    assert "1 of 3 answers were given to another wording" in capsys.readouterr().err
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:2], r"phases.jsonl: no line for: 'hopping \(one foot jumping\)'"),
        (lambda lines: [*lines, line(3, "fly")], "not a class of this data set: 'fly'"),
        (lambda lines: [*lines, lines[1]], "'kick' has two lines"),
        (lambda lines: [lines[0], lines[1].model_copy(update={"index": 7}), lines[2]], "'kick' has index 7"),
        (lambda lines: [line(0, NAMES[0], end=" "), *lines[1:]], r"class 0 \(drink water\): unit 'end' is missing"),
        (lambda lines: [line(0, NAMES[0], coda="x"), *lines[1:]], r"unit 'coda' is unknown"),
    ],
)
def test_incomplete_answers_are_refused_by_name(kind, frozen, change, message):
    path = frozen / "phases.jsonl"
    write_answers(path, change(read_answers(path)))
    with pytest.raises(UserError, match=message):
        run(kind, frozen)


def test_lines_may_stand_in_any_order(kind, frozen):
    path = frozen / "phases.jsonl"
    lines = read_answers(path)
    write_answers(path, lines[::-1])
    assert run(kind, frozen) == lines


def test_broken_lines_are_named(frozen):
    path = frozen / "phases.jsonl"
    path.write_text(path.read_text() + '{"index": 3, "name": "x", "answers": []}\n')
    with pytest.raises(UserError, match=r"phases.jsonl:4: answers: "):
        read_answers(path)
    path.write_text("{\n")
    with pytest.raises(UserError, match=r"phases.jsonl:1: "):
        read_answers(path)
    path.write_text("")
    with pytest.raises(UserError, match="holds no line"):
        read_answers(path)


def test_neither_answers_nor_a_model_says_what_to_do(frozen):
    with pytest.raises(UserError, match=r"(?s)committed there: phases.*OPENAI_API_KEY.*by hand"):
        run(read_kind(PROMPTS / "context.md"), frozen)


def test_labels_need_no_source(frozen):
    lines = run(read_kind(PROMPTS / "label.md"), frozen)
    assert [a.answers for a in lines] == [
        [{"label": "drink water"}],
        [{"label": "kick"}],
        [{"label": "hopping one foot jumping"}],
    ]


def test_unknown_sorts_of_source(kind, frozen):
    with pytest.raises(UserError, match=r"sources.mine: parameters \['modle'\] fit no sort"):
        run(kind, frozen, "mine", modle="gpt")


def test_class_names(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text('index,name\n0,"a, b"\n1,c\n')
    assert read_class_names(path) == ["a, b", "c"]
    path.write_text("index,name\n0,a\n2,c\n")
    with pytest.raises(UserError, match=r"names.csv:3: wanted .* index 1"):
        read_class_names(path)
    path.write_text("index,name\n")
    with pytest.raises(UserError, match="names no class"):
        read_class_names(path)
    with pytest.raises(UserError, match="does not exist"):
        read_class_names(tmp_path / "none.csv")


def test_the_command_writes_whole_or_nothing(kind, frozen, tmp_path):
    import argparse

    csv = tmp_path / "names.csv"
    csv.write_text("index,name\n" + "".join(f"{i},{n}\n" for i, n in enumerate(NAMES)))
    parser = argparse.ArgumentParser()
    describe_classes.add_arguments(parser)
    output = tmp_path / "out" / "phases.jsonl"
    words = ["--kind", PROMPTS / "phases.md", "--class-names", csv, "--frozen", frozen, "--output", output]
    describe_classes.run(parser.parse_args([*map(str, words)]))
    assert in_class_order(output, read_answers(output), NAMES)
    output.unlink()
    (frozen / "phases.jsonl").write_text("{}\n")
    with pytest.raises(UserError):
        describe_classes.run(parser.parse_args([*map(str, words)]))
    assert not list(output.parent.iterdir())
    for bad in ("[1]", "{"):
        with pytest.raises(UserError, match="--source-params"):
            describe_classes.run(parser.parse_args([*map(str, words), "--source-params", bad]))


# --- published files ---


def table(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


PURLS = "index,label,head,hands,torso,legs,start,middle,end,global\n" + "".join(
    f'{i},x{i},h{i},"ha, {i}",t{i},l{i},s{i},m{i}, e{i} ,g{i}\n' for i in (2, 0, 1)
)


def test_purls_tables_give_their_three_kinds(kind, tmp_path, frozen):
    file = table(tmp_path, PURLS)
    lines = run(kind, frozen, "purls-gpt3", format="purls", file=file)
    assert [(a.index, a.name) for a in lines] == list(enumerate(NAMES))
    assert lines[1].answers == [{"start": "s1", "middle": "m1", "end": "e1"}]
    assert lines[0].author.startswith("purls table.csv sha256:")
    assert lines[0].template == ""
    parts = run(read_kind(PROMPTS / "parts_purls.md"), frozen, "p", format="purls", file=file)
    assert parts[2].answers == [{"head": "h2", "hands": "ha, 2", "torso": "t2", "legs": "l2"}]
    with pytest.raises(UserError, match="unknown kind for the format purls 'context'"):
        run(read_kind(PROMPTS / "context.md"), frozen, "p", format="purls", file=file)


@pytest.mark.parametrize(
    ("fmt", "name", "columns"),
    [
        ("star", "parts6", "head,hand,arm,hip,leg,foot"),
        ("gap", "parts6", "head,hand,arm,hip,leg,foot"),
        ("msf", "action_definition", "action_description"),
        ("msf", "motion_description", "motion_description"),
        ("smie", "description", "description"),
        ("pgfa", "description", "description"),
    ],
)
def test_the_other_published_tables(fmt, name, columns, tmp_path, frozen):
    cells = columns.split(",")
    rows = "".join(f"{i},x," + ",".join(f"{c} {i}" for c in cells) + "\n" for i in range(3))
    kind = read_kind(PROMPTS / f"{name}.md")
    lines = run(kind, frozen, "s", format=fmt, file=table(tmp_path, f"index,label,{columns}\n{rows}"))
    assert [list(a.answers[0].values()) for a in lines] == [[f"{c} {i}" for c in cells] for i in range(3)]


def test_own_tables_lines_names_and_counting_from_one(tmp_path, frozen):
    kind = read_kind(PROMPTS / "context.md")
    own = table(tmp_path, "n,action,what\n1,Kick,k\n2,Drink_Water,d\n3,hopping (one foot jumping),h\n")
    options = {"format": "table", "file": own, "columns": {"context": "what"}}
    by_name = run(kind, frozen, "s", **options, match="name", name_column="action")
    assert [a.answers[0]["context"] for a in by_name] == ["d", "k", "h"]
    by_index = run(kind, frozen, "s", **options, index_column="n", first_index=1)
    assert [a.answers[0]["context"] for a in by_index] == ["k", "d", "h"]
    lines = run(kind, frozen, "s", format="lines", file=table(tmp_path, "a\nb\nc\n\n", "x.txt"))
    assert [a.answers[0]["context"] for a in lines] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "params", "message"),
    [
        (PURLS.replace(",s1,", ",,"), {}, r"table.csv:4: column 'start' is empty"),
        (PURLS.replace("middle", "mid"), {}, r"unknown column 'middle'"),
        (PURLS + "0,x,a,b,c,d,e,f,g,h\n", {}, "two rows for index '0'"),
        (PURLS + "3,x,a,b,c,d,e,f,g,h\n", {}, "has 4 rows for 3 classes.*extra_rows: true"),
        ("\n".join(PURLS.split("\n")[:3]), {}, r"no row for 1 of 3 classes: 1 \(kick\)"),
        (PURLS, {"fromat": "x"}, "sources.s.fromat"),
        (PURLS, {"format": "prls"}, "Did you mean 'purls'"),
        (PURLS, {"format": "lines"}, "the format lines holds one text per class"),
        (PURLS, {"file": "none.csv"}, "none.csv does not exist"),
    ],
)
def test_broken_tables_are_named(kind, tmp_path, frozen, text, params, message):
    with pytest.raises(UserError, match=message):
        run(kind, frozen, "s", **{"format": "purls", "file": table(tmp_path, text), **params})


def test_a_longer_list_may_be_cut_on_purpose(kind, tmp_path, frozen):
    file = table(tmp_path, PURLS + "3,x,a,b,c,d,e,f,g,h\n")
    assert len(run(kind, frozen, "s", format="purls", file=file, extra_rows=True)) == 3


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "fmt", "classes"),
    [
        ("purls/ntu120.csv", "purls", "ntu120"),
        ("purls/utd_mhad.csv", "purls", "utd_mhad"),
        ("purls/uwa3d2.csv", "purls", "uwa3d2"),
        ("star/pku_mmd.csv", "star", "pku_mmd"),
        ("gap/ntu120.csv", "gap", "ntu120"),
        ("msf/ntu120.csv", "msf", "ntu120"),
        ("smie/pku_mmd.csv", "smie", "pku_mmd"),
        ("pgfa/ntu120.csv", "pgfa", "ntu120"),
    ],
)
def test_the_published_files_themselves(file, fmt, classes, frozen):
    import os

    from zssar.text.importers import COLUMNS

    data = Path(os.environ.get("ZSSAR_DATA", PROMPTS.parents[1] / "shared" / "data"))
    path = data / "published_descriptions" / file
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    names = read_class_names(PROMPTS.parent / f"src/zssar/datasets/class_names/{classes}.csv")
    for name in COLUMNS[fmt]:
        lines = run(read_kind(PROMPTS / f"{name}.md"), frozen, "s", names, format=fmt, file=str(path))
        assert [a.name for a in lines] == names
        assert all(text for a in lines for text in a.answers[0].values())


def test_answers_survive_writing(tmp_path):
    lines = [Answered(index=0, name="é", answers=[{"a": "ü"}, {"a": "b\nc"}])]
    write_answers(tmp_path / "x.jsonl", lines)
    assert read_answers(tmp_path / "x.jsonl") == lines
    assert list(json.loads((tmp_path / "x.jsonl").read_text())) == [
        "index",
        "name",
        "answers",
        "template",
        "author",
        "date",
    ]


def test_answers_of_a_second_author_are_a_source_of_their_own(kind, frozen):
    second = [line(i, n, kind.template, end=f"another end of {n}") for i, n in enumerate(NAMES)]
    write_answers(frozen / "phases.second.jsonl", second)
    assert run(kind, frozen, "second", answers=["second"]) == second
    both = run(kind, frozen, "both", answers=["", "second"])
    first = read_answers(frozen / "phases.jsonl")
    assert [found.answers for found in both] == [a.answers + b.answers for a, b in zip(first, second)]
    assert both[0].template == kind.template
    with pytest.raises(UserError, match=r"phases\.third\.jsonl does not exist"):
        run(kind, frozen, "third", answers=["third"])


def test_ntu60_reads_the_beginning_of_the_answers_of_ntu120():
    whole = read_answers(PROMPTS / "frozen" / "ntu120" / "global.jsonl")
    names = class_names("ntu60")
    found = describe(read_kind(PROMPTS / "global.md"), names, "frozen", {}, PROMPTS / "frozen" / "ntu120", Path("x"))
    assert found == whole[:60]
    assert [line.name for line in found] == names
    assert config.LONGER["ntu60"] == "ntu120"
    with pytest.raises(UserError, match="not a class of this data set"):  # a list that is no beginning of it
        describe(read_kind(PROMPTS / "global.md"), names[1:], "frozen", {}, PROMPTS / "frozen" / "ntu120", Path("x"))


def test_kinetics_has_labels_and_says_how_to_get_more(tmp_path):
    names, folder = class_names("kinetics200"), PROMPTS / "frozen" / "kinetics400"
    labels = describe(read_kind(PROMPTS / "label.md"), names, "frozen", {}, folder, tmp_path / "x")
    assert [line.answers[0]["label"] for line in labels][:2] == ["abseiling", "air drumming"]
    with pytest.raises(UserError, match=r"no answers of kind 'global' are committed.*(?s:.*)OPENAI_API_KEY"):
        describe(read_kind(PROMPTS / "global.md"), names, "frozen", {}, folder, tmp_path / "x")
