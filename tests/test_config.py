"""A typo in config.yaml stops the parse with a sentence that helps."""

import copy
import inspect
from pathlib import Path

import pytest
import yaml

from zssar import config as zssar_config
from zssar import plugins
from zssar.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text())


def check(change):
    config = copy.deepcopy(SHIPPED)
    change(config)
    return zssar_config.check(config, SCHEMA, ROOT / "prompts")


def message(change) -> str:
    with pytest.raises(UserError) as error:
        check(change)
    return str(error.value)


def test_the_shipped_config_is_valid_and_gets_its_defaults():
    config = check(lambda c: c.pop("device"))
    assert config["device"] == "auto"
    assert config["datasets"]["sim"]["allow_missing_classes"] is False


def test_a_misspelt_key_names_the_right_one():
    text = message(lambda c: c.update(tabels={}))
    assert "'tabels'" in text
    assert "'tables'" in text
    text = message(lambda c: c["tables"]["table1"].update(bakbone="x"))
    assert "tables.table1" in text
    assert "'backbone'" in text


def test_an_unknown_method_split_kind_or_module_names_the_known_ones():
    assert "'dvta'" in message(lambda c: c["tables"]["table1"].update(methods=["dvtaa"]))
    assert "sim_44_8" in message(lambda c: c["tables"]["table1"].update(splits=["sim_44_9"]))
    assert "'label'" in message(lambda c: c["methods"]["devise"].update(texts=["labels"]))
    assert "'devise'" in message(lambda c: c["methods"]["devise"].update(module="devize"))
    assert "'cuda'" in message(lambda c: c.update(device="cud"))


def test_a_missing_key_and_a_wrong_type_are_named():
    assert "dataset is missing" in message(lambda c: c["tables"]["table1"].pop("dataset"))
    assert "protocol.checkpoints" in message(lambda c: c["protocol"].update(checkpoints="many"))


def test_a_misspelt_parameter_is_told_before_anything_runs():
    assert "'lr'" in message(lambda c: c["methods"]["devise"].update(params={"lrr": 1}))
    text = message(lambda c: c["methods"]["ridge"].update(choose={"lam": [1.0, 2.0]}))
    assert "config: methods.ridge.choose: unknown parameter of ridge 'lam'" in text
    assert "alpha" in text
    assert "'kernel'" in message(lambda c: c["backbones"]["st_gcn_small"]["params"].update(kernels=3))


@pytest.mark.parametrize("floor", ["alignment", "backbones", "encoders"])
def test_parameters_read_from_source_are_those_of_the_class(floor):
    for name in plugins.names(floor):
        taken = [p for p in inspect.signature(plugins.load(floor, name)).parameters if p != "self"]
        assert plugins.keywords(floor, name) == taken, name
    assert plugins.keywords(floor, "mylab.method") == []


def test_what_is_picked_on_validation_splits_needs_some():
    without = {"validation": 0}
    assert "gates are fitted" in message(lambda c: c["protocol"].update(**without, gates=["ratio"]))
    picked = message(lambda c: (c["protocol"].update(without), c["methods"]["ridge"].update(choose={"alpha": [1, 2]})))
    assert "methods.ridge.choose: parameters are picked on validation splits" in picked
    change = {"setting": "transductive"}
    assert "picked on validation splits" in message(
        lambda c: (c["protocol"].update(without), c["tables"]["table1"].update(change))
    )
    text = message(lambda c: c["tables"]["table1"].update(change, backbone="kinematics"))
    assert "the view pooled in backbones.kinematics.views" in text


def test_partitions_are_checked_before_anything_runs():
    assert "'xset'" in message(lambda c: c["tables"]["table1"].update(splits=["sim_44_8@xsett"]))
    text = message(lambda c: c["tables"]["table1"].update(splits=["sim_44_8@xset"]))
    assert "datasets.sim.simulate.setups" in text

    def one_camera(c):
        c["tables"]["table1"].update(splits=["sim_44_8@xview"])
        c["datasets"]["sim"]["simulate"].update(cameras=1)

    assert "datasets.sim.simulate.cameras" in message(one_camera)


def test_a_second_configuration_does_not_move_methods_to_the_top(tmp_path):
    """Snakemake puts the keys of --configfile before those of config.yaml."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    usual = list(config["methods"])
    last = usual[-1]
    mine = {"mine": {"module": "dvta", "texts": ["label"]}, "yours": {"module": "dvta", "texts": ["label"]}}
    config["methods"] = {**mine, last: config["methods"][last], **config["methods"]}
    zssar_config.check(config, SCHEMA, ROOT / "prompts", ROOT / "config.yaml")
    assert list(config["methods"]) == [*usual, "mine", "yours"]
    assert [c["method"] for c in zssar_config.cells(config, "table1")] == [*usual, "mine", "yours"]


def test_random_splits_expand_to_one_name_per_draw():
    assert list(zssar_config.expand_splits("anything", ["random:3:2:7"])) == ["random_3_7_0", "random_3_7_1"]
    with pytest.raises(UserError, match="random:<unseen>"):
        list(zssar_config.expand_splits("sim", ["random:3"]))


def test_the_data_folder_comes_from_config_or_a_variable(monkeypatch):
    monkeypatch.setenv("SOME_DATA", "/data")
    assert zssar_config.folder({"root": "$SOME_DATA/x"}, "d") == "/data/x"
    monkeypatch.delenv("SOME_DATA")
    with pytest.raises(UserError, match="SOME_DATA is not set"):
        zssar_config.folder({"root": "${SOME_DATA}/x"}, "d")
    with pytest.raises(UserError, match=r"datasets\.d\.root is missing"):
        zssar_config.folder({}, "d")


def test_every_property_of_the_schema_is_described():
    def walk(node, path):
        for key, part in node.get("properties", {}).items():
            assert "description" in part, f"{path}.{key} has no description"
            walk(part, f"{path}.{key}")
        if isinstance(node.get("additionalProperties"), dict):
            walk(node["additionalProperties"], f"{path}.*")

    walk(yaml.safe_load(SCHEMA.read_text()), "config")


def test_experiments_fit_the_schema():
    """Every configfile under workflow/experiments is a valid change of config.yaml."""
    from snakemake.utils import update_config

    for path in sorted((ROOT / "workflow" / "experiments").glob("*.yaml")):
        config = copy.deepcopy(SHIPPED)
        update_config(config, yaml.safe_load(path.read_text()))
        zssar_config.check(config, SCHEMA, ROOT / "prompts")


def test_a_backbone_without_a_network_gives_the_profile_only():
    config = check(lambda c: c["backbones"].update(bare={"module": "none", "views": ["profile"]}))
    assert config["backbones"]["bare"]["views"] == ["profile"]
    assert "views: [profile]" in message(lambda c: c["backbones"].update(bare={"module": "none"}))


def test_like_takes_what_is_not_said_from_another_method():
    def change(config):
        texts, budget = ["label", "context"], {"epochs": 3, "lr": 0.1}
        config["methods"]["dvta"] = {"module": "dvta", "texts": texts, "params": budget}
        config["methods"]["plain"] = {"like": "dvta", "texts": ["label"], "params": {"sde": False}}
        config["methods"]["slow"] = {"like": "plain", "params": {"lr": 0.01}}

    methods = check(change)["methods"]
    assert methods["plain"]["module"] == "dvta"
    assert methods["plain"]["params"] == {"epochs": 3, "lr": 0.1, "sde": False}
    assert methods["slow"]["texts"] == ["label"]
    assert methods["slow"]["params"] == {"epochs": 3, "lr": 0.01, "sde": False}
    assert methods["dvta"]["params"] == {"epochs": 3, "lr": 0.1}


def test_like_names_a_wrong_method_and_a_circle():
    text = message(lambda c: c["methods"].update(mine={"like": "dvtaa"}))
    assert "methods.mine.like" in text
    assert "'dvta'" in text
    text = message(lambda c: c["methods"].update(a={"like": "b"}, b={"like": "a"}))
    assert "a -> b -> a" in text
