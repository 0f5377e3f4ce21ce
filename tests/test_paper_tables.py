"""The configurations of the papers' tables: checked, planned by Snakemake, and joined with the printed values."""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from zssar import config as zssar_config
from zssar import plugins
from zssar.errors import UserError
from zssar.reporting import published

ROOT = Path(__file__).resolve().parents[1]
PAPERS = {
    "dvta": [f"table{i}" for i in range(1, 10)],
    "star": [*(f"table{i}" for i in range(2, 8)), "figure3"],
    "msf": [f"table{i}" for i in range(2, 8)],
    "purls": ["table3", "table4", "table5", "table6", "supplement8"],
}
# Tables of the papers that UTD-MHAD, with one viewpoint and one setup, cannot fill.
NOT_ON_UTD = {"star/table2", "star/table3"}
# The rows of each ablation: what differs from the full model, which stands first.
ABLATIONS = {
    "dvta_utd_mhad/table3": ("dvta", {"da", "sde", "aa"}),
    "dvta_utd_mhad/table4": ("dvta_sde_da", {"visual_projector", "text_projector", "da"}),
    "dvta_utd_mhad/table5": ("dvta_no_sde", {"activation", "slope"}),
    "dvta_utd_mhad/table6": ("dvta", {"sde"}),
    "dvta_utd_mhad/table8": ("dvta", {"loss", "temperature"}),
    "star_utd_mhad/table6": ("star", set()),
    "star_utd_mhad/table7": (
        "star",
        {"attention", "visual_prompt", "semantic_prompt", "part_weight", "semantic_weight", "global_weight"},
    ),
    "star_utd_mhad/figure3": ("star_m100", {"attributes"}),
    "msf_utd_mhad/table6": ("msf", set()),
    "purls_utd_mhad/table6": ("purls", {"parts", "phases", "slot_weights"}),
}


def load(paper, *changes):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, copy.deepcopy(yaml.safe_load((ROOT / f"workflow/experiments/{paper}.yaml").read_text())))
    for change in changes:
        update_config(config, copy.deepcopy(change))
    return zssar_config.check(config, ROOT / "workflow" / "schemas" / "config.schema.yaml", ROOT / "prompts")


@pytest.mark.parametrize("paper", PAPERS)
def test_every_table_of_the_paper_has_rows_that_its_method_takes(paper):
    config = load(paper)
    tables = config["tables"]
    assert set(tables) >= {f"{paper}/{name}" for name in PAPERS[paper]}
    real = {f"{paper}_utd_mhad/{name}" for name in PAPERS[paper] if f"{paper}/{name}" not in NOT_ON_UTD}
    assert set(tables) >= real
    for name in tables:
        for cell in zssar_config.cells(config, name):
            entry = config["methods"][cell["method"]]
            plugins.create("alignment", entry["module"], {"texts": tuple(entry["texts"]), **entry.get("params", {})})


EVERY = sorted(p.stem for p in (ROOT / "workflow" / "experiments").glob("*.yaml"))


@pytest.mark.parametrize("paper", EVERY)
def test_the_views_that_methods_read_are_extracted(paper):
    config = load(paper)
    own = yaml.safe_load((ROOT / f"workflow/experiments/{paper}.yaml").read_text()).get("tables", {})
    for name in own:
        for cell in zssar_config.cells(config, name):
            entry = config["methods"][cell["method"]]
            method = plugins.create(
                "alignment", entry["module"], {"texts": tuple(entry["texts"]), **entry.get("params", {})}
            )
            missing = set(method.views) - set(config["backbones"][cell["backbone"]]["views"])
            assert not missing, f"{name}: {cell['method']} on {cell['backbone']} lacks {missing}"


@pytest.mark.parametrize("table", ABLATIONS)
@pytest.mark.parametrize("budget", [[], ["paper_budgets"]])
def test_a_variant_differs_from_the_full_model_in_the_named_options_alone(table, budget):
    """Whatever budget a later file gives to the method, its variants have it too."""
    paper, (full, options) = table.split("_")[0], ABLATIONS[table]
    changes = [yaml.safe_load((ROOT / f"workflow/{name}.yaml").read_text()) for name in budget]
    config = load(paper, *changes)
    methods = {name: config["methods"][name] for name in config["tables"][table]["methods"]}
    base = methods[full]["params"]
    assert "lr" in base, "the full model has no budget of its own"
    for name, entry in methods.items():
        if table == "purls_utd_mhad/table6" and name == "global_described":
            continue  # another method: PURLS without parts and phases
        changed = {key for key in {*base, *entry["params"]} if entry["params"].get(key) != base.get(key)}
        assert changed <= options, (name, changed)
        assert entry["module"] == methods[full]["module"]
        assert name == full or changed or entry["texts"] != methods[full]["texts"], name


def printed(config, table):
    """(cells with a printed value, cells) of a table, columns averaged over draws counted once."""
    entry, cells = config["tables"][table], zssar_config.cells(config, table)
    varying = [f for f in ("backbone", "encoder") if len({c[f] for c in cells}) > 1]
    group = {split: name for name, splits in entry["groups"].items() for split in splits}
    found = {}
    for c in cells:
        place = f"{c['dataset']}/{group.get(c['split'], c['split'])}"
        values = published.find(entry["published"], c["method"], place, c, varying, entry["published_as"])
        found[c["method"], c["backbone"], c["encoder"], place] = values
    return sum(bool(v) for v in found.values()), len(found)


# Printed values the compilation holds; the rest of a table could not be read from the paper or is not in it.
@pytest.mark.parametrize(
    ("paper", "table", "values"),
    [
        ("dvta", "dvta_ntu/table1", 40),
        ("dvta", "dvta_ntu/table2", 15),
        ("dvta", "dvta_ntu/table3", 10),
        ("dvta", "dvta_ntu/table4", 8),
        ("dvta", "dvta_ntu/table5", 24),
        ("dvta", "dvta_ntu/table6", 16),
        ("dvta", "dvta_ntu/table7", 24),
        ("dvta", "dvta_ntu/table8", 12),
        ("star", "star_ntu/table2", 4),
        ("star", "star_ntu/table3", 3),
        ("star", "star_ntu/table5", 12),
        ("msf", "msf_ntu/table2", 16),
        ("msf", "msf_ntu/table4", 3),
        ("msf", "msf_ntu/table6", 10),
        ("msf", "msf_ntu120/table2", 16),
        ("msf", "msf_ntu120/table4", 4),
        ("msf", "msf_ntu120/table6", 10),
        ("purls", "purls_ntu/table3", 60),
        ("purls", "purls_ntu/table4", 40),
        ("purls", "purls_ntu/table5", 32),
        ("purls", "purls_ntu/table6", 56),
        ("purls", "purls_kinetics/table3", 16),
        ("purls", "purls_kinetics/supplement7", 16),
        ("purls", "purls/supplement8", 32),
        ("purls", "purls_utd_mhad/supplement8", 12),
    ],
)
def test_printed_values_stand_beside_ours(paper, table, values):
    assert printed(load(paper), table)[0] == values


def test_printed_values_are_those_of_the_same_row():
    config = load("dvta")
    entry = config["tables"]["dvta_ntu/table7"]
    row = {"backbone": "ctr_gcn", "encoder": "clip"}
    found = published.find(entry["published"], "dvta", "ntu120/synse_96_24", row, list(row), entry["published_as"])
    assert found["zsl top1"].value == 56.97  # DVTA, Table 7, last line, last column
    entry = config["tables"]["dvta_ntu/table6"]
    row = {"backbone": "shift_gcn", "encoder": "minilm"}
    found = published.find(entry["published"], "dvta", "ntu60/synse_48_12", row, ["encoder"], entry["published_as"])
    assert found["zsl top1"].value == 44.14


def test_numbers_answered_through_a_gate_stand_beside_gate_columns():
    """MSF, Table 7: S, U and H come from the seen-unseen gate, not from calibrated stacking."""
    config = load("msf")
    entry = config["tables"]["msf_ntu/table6"]
    found = published.find(entry["published"], "msf", "ntu60/synse_48_12", names=entry["published_as"])
    values = {what: value.value for what, value in found.items()}
    gate = {"gzsl_gate seen": 58.80, "gzsl_gate unseen": 40.00, "gzsl_gate harmonic": 47.61}
    assert values == {"zsl top1": 49.19, **gate}
    star = load("star")["tables"]["star_ntu/table5"]
    found = published.find(star["published"], "star", "ntu60/smie_55_5_mean3")  # calibrated stacking
    assert {what: value.value for what, value in found.items()} == {"zsl top1": 77.5, "gzsl harmonic": 62.8}


@pytest.mark.parametrize("paper", PAPERS)
def test_snakemake_plans_the_tables_and_their_figures(paper, tmp_path):
    for name in ("Snakefile", "config.yaml", "workflow", "profiles", "prompts"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    config = load(paper)
    names = [t for t in config["tables"] if t.split("/")[0] in (paper, f"{paper}_utd_mhad") and t != "table1"]
    targets = [f"results/{t}.csv" for t in names]
    targets += [f"results/figures/{t}/{f}.png" for t in names for f in config["tables"][t]["figures"]]
    targets += [f"results/{paper}/{PAPERS[paper][0]}.{what}.md" for what in ("comparison", "validation")]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env["ZSSAR_DATA"] = str(tmp_path)
    words = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", *targets]
    words += ["--configfile", f"workflow/experiments/{paper}.yaml"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    planned = done.stdout + done.stderr
    assert "make_table" in planned
    assert "compare_validation" in planned


def test_choose_and_gates_and_transductive_are_planned(tmp_path):
    for name in ("Snakefile", "config.yaml", "workflow", "profiles", "prompts"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    change = {
        "methods": {"ridge": {"choose": {"texts": [["label"], ["global"]]}}},
        "protocol": {"gates": ["classifier", "ratio"]},
        "tables": {"t": {"dataset": "sim", "splits": ["sim_44_8"], "backbone": "st_gcn_small", "source": "frozen",
                         "encoder": "minilm", "methods": ["ridge"], "setting": "transductive"},
                   "table1": {"methods": ["ridge"]}},
    }  # fmt: skip
    (tmp_path / "change.yaml").write_text(yaml.safe_dump(change))
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    words = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "results/t.csv", "results/table1.csv"]
    done = subprocess.run(
        [*words, "-p", "--configfile", "change.yaml"], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    planned = done.stdout + done.stderr
    assert done.returncode == 0, planned[-3000:]
    # Two splits: per split two candidates on its validation split, then the chosen one there and on the split.
    assert planned.count("rule choose_params:") == 2
    assert planned.count("rule align:") == 8
    assert planned.count("rule evaluate_transductive:") == 1
    assert "--logits results/features/sim/sim_36_16/" in planned
    assert planned.count("rule pretrain_backbone:") == 4
    assert "validation_backbone" not in planned
    shared = "protocol={validation_backbone: shared}"
    done = subprocess.run(
        [*words, "-p", "--configfile", "change.yaml", "--config", shared],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    borrowed = done.stdout + done.stderr
    assert done.returncode == 0, borrowed[-3000:]
    assert borrowed.count("rule pretrain_backbone:") == 2
    assert '"validation_backbone": "shared"' in borrowed
    for block in planned.split("rule align:")[1:]:
        assert ("method=ridge.choice" in block.split("rule ")[0]) <= ("-val0" in block.split("rule ")[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tables": {"table1": {"reference": "nobody"}}}, "nobody"),
        ({"tables": {"table1": {"backbone": ["st_gcn_small", "st_gcm"]}}}, "st_gcm"),
        ({"tables": {"table1": {"splits": {"sin": ["sim_44_8"]}}}}, "sin"),
        ({"protocol": {"validation": 0}, "methods": {"ridge": {"choose": {"ridge": [1.0]}}}}, "validation splits"),
        ({"methods": {"ridge": {"choose": {"texts": [["labels"]]}}}}, "labels"),
        ({"protocol": {"gates": ["classifier"]}, "backbones": {"st_gcn_small": {"views": ["pooled"]}}}, "seen_logits"),
        ({"protocol": {"validation": 0}, "tables": {"table1": {"setting": "transductive"}}}, "validation splits"),
    ],
)
def test_wrong_entries_are_named(change, words):
    with pytest.raises(UserError, match=words):
        load("dvta", change)
