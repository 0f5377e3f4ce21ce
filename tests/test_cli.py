"""The command line answers wrong words with one message and exit code 2."""

import subprocess
import sys

from zssar import cli


def test_an_unknown_verb_names_the_closest(capsys):
    assert cli.main(["algin"]) == 2
    assert "Did you mean 'align'" in capsys.readouterr().err


def test_help_lists_every_verb():
    out = subprocess.run([sys.executable, "-m", "zssar.cli", "--help"], capture_output=True, text=True, check=True)
    for verb in cli.verbs():
        assert verb in out.stdout


def test_a_missing_input_file_is_one_message(capsys, tmp_path):
    words = f"align --method devise --kinds label --texts {tmp_path}/no.h5 --seen-train a.h5 --test b.h5"
    code = cli.main([*words.split(), "--scores", "s.h5", "--model", "m.pt", "--record", "r.json"])
    assert code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "does not exist" in error
