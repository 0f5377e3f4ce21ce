"""Checkpoints under their official names fill every tensor of a network, and strangers are refused."""

import re

import pytest
import small_skeletons
import torch
from small_networks import NETWORKS, SMALL, clips, make, settled

from zssar.errors import UserError
from zssar.features import pretrain, published, weights


def family(name, wrapper=""):
    """Ours to the names of the 2s-AGCN family, for the parts that they share."""
    name = re.sub(r"^blocks\.(\d+)\.", lambda m: f"{wrapper}l{int(m[1]) + 1}.", name)
    for ours, theirs in (
        (r"^head", "fc"), (r"\.spatial\.shortcut\.conv", ".gcn1.down.0"), (r"\.spatial\.shortcut\.bn", ".gcn1.down.1"),
        (r"(l\d+)\.shortcut", r"\1.residual"), (r"\.spatial\.bn\.", ".gcn1.bn."),
    ):  # fmt: skip
        name = re.sub(ours, theirs, name)
    return name


def official(network, kind):
    """The state dict as the official code would have saved it."""
    out = {}
    for key, value in network.state_dict().items():
        out.update(RENAME[kind](key, value))
    return out


def one(pairs, base=family):
    def rename(key, value):
        name = base(key)
        for ours, theirs in pairs:
            name = re.sub(ours, theirs, name)
        return {name: value}

    return rename


def st_gcn(key, value):
    if key == "graph":
        return {"A": value}
    if key == "head.weight":
        return {"fcn.weight": value[..., None, None]}
    pairs = [
        (r"^blocks\.(\d+)\.edges", r"edge_importance.\1"), (r"^blocks", "st_gcn_networks"),
        (r"\.spatial\.", ".gcn.conv."), (r"\.bn_spatial\.", ".tcn.0."), (r"\.temporal\.", ".tcn.2."),
        (r"\.bn_temporal\.", ".tcn.3."), (r"\.shortcut\.conv", ".residual.0"), (r"\.shortcut\.bn", ".residual.1"),
        (r"^head", "fcn"),
    ]  # fmt: skip
    return one(pairs, base=lambda name: name)(key, value)


def shift_gcn(key, value):
    if key.endswith(".displacement"):
        name = family(key).replace(".displacement", "").replace(".shift_", ".tcn1.shift_")
        return {f"{name}.ypos": value, f"{name}.xpos": value * 0}
    if key.endswith("spatial.mask"):
        block = family(key).split(".")[0]
        return {f"{block}.gcn1.Feature_Mask": value[None], f"{block}.gcn1.shift_in": torch.arange(4.0)}
    if key.endswith("spatial.bias"):
        return {family(key).replace("spatial.bias", "gcn1.Linear_bias"): value[None, None]}
    pairs = [
        (r"spatial\.weight", "gcn1.Linear_weight"), (r"\.bn_in\.", ".tcn1.bn."), (r"\.bn_out\.", ".tcn1.bn2."),
        (r"(l\d+)\.linear", r"\1.tcn1.temporal_linear"),
    ]  # fmt: skip
    return one(pairs)(key, value)


def pieces(value, count):
    return value.chunk(count) if value.ndim else [value] * count


def ctr_gcn(key, value):
    block, name = family(key).split(".")[0], key
    tail = key.split(".")[-1]
    if ".branches.reduce." in name or ".branches.bn." in name:
        place = 0 if ".reduce." in name else 1
        return {f"{block}.tcn1.branches.{b}.{place}.{tail}": p for b, p in enumerate(pieces(value, 3))}
    if ".temporal.bn." in name:
        places = ["0.3.bn", "1.3.bn", "2.4", "3.1"]
        return {f"{block}.tcn1.branches.{at}.{tail}": p for at, p in zip(places, pieces(value, 4))}
    pairs = [
        (r"\.temporal\.branches\.convs\.(\d)", r".tcn1.branches.\1.3.conv"),
        (r"\.temporal\.branches\.plain", ".tcn1.branches.3.0"), (r"\.spatial\.graph", ".gcn1.PA"),
        (r"\.spatial\.alpha", ".gcn1.alpha"), (r"\.spatial\.subsets\.(\d)", r".gcn1.convs.\1"),
        ("query", "conv1"), ("key", "conv2"), ("value", "conv3"), ("refine", "conv4"),
    ]  # fmt: skip
    return one(pairs)(key, value)


AA_NAMES = [
    (r"\.spatial\.graph", ".gcn1.PA"), (r"\.spatial\.alpha", ".gcn1.alpha"), (r"\.spatial\.theta", ".gcn1.conv_a"),
    (r"\.spatial\.phi", ".gcn1.conv_b"), (r"\.spatial\.value", ".gcn1.conv_d"),
    (r"\.spatial\.attention\.joints", ".gcn1.conv_sa"), (r"\.spatial\.attention\.frames", ".gcn1.conv_ta"),
    (r"\.spatial\.attention\.squeeze", ".gcn1.fc1c"), (r"\.spatial\.attention\.excite", ".gcn1.fc2c"),
    (r"(l\d+)\.temporal", r"\1.tcn1.conv"), (r"(l\d+)\.bn", r"\1.tcn1.bn"),
]  # fmt: skip


def dg_stgcn(key, value):
    tail = key.split(".")[-1]
    stem = re.sub(r"^blocks\.(\d+).*", r"backbone.gcn.\1", key)
    if ".branches.reduce." in key or ".branches.bn." in key:
        place = 0 if ".reduce." in key else 1
        sizes = [6, 2, 2, 2, 2] if "blocks.1" in key else [3, 1, 1, 1, 1]
        parts = value.split(sizes) if value.ndim else [value] * 5
        return {f"{stem}.tcn.branches.{b}.{place}.{tail}": p for b, p in enumerate(parts)}
    pairs = [
        (r"^head", "cls_head.fc_cls"), (r"^data_bn", "backbone.data_bn"), (r"^blocks", "backbone.gcn"),
        (r"\.temporal\.branches\.convs\.(\d)", r".tcn.branches.\1.3.conv"),
        (r"\.temporal\.branches\.plain", ".tcn.branches.5"), (r"\.temporal\.virtual", ".tcn.add_coeff"),
        (r"\.temporal\.", ".tcn."), (r"\.spatial\.graph", ".gcn.A"), (r"\.spatial\.query", ".gcn.conv1"),
        (r"\.spatial\.key", ".gcn.conv2"), (r"\.spatial\.shortcut\.conv", ".gcn.down.0"),
        (r"\.spatial\.shortcut\.bn", ".gcn.down.1"), (r"\.spatial\.", ".gcn."), (r"\.shortcut\.", ".residual."),
    ]  # fmt: skip
    return one(pairs, base=lambda name: name)(key, value)


def posec3d(key, value):
    pairs = [
        (r"^head", "cls_head.fc_cls"), (r"^stem", "backbone.conv1"),
        (r"^stages\.(\d+)", lambda m: f"backbone.layer{int(m[1]) + 1}"), ("reduce", "conv1"), ("space", "conv2"),
        ("expand", "conv3"), ("shortcut", "downsample"),
        (r"\.0\.(\w+)$", r".conv.\1"), (r"\.1\.(\w+)$", r".bn.\1"),
    ]  # fmt: skip
    return one(pairs, base=lambda name: name)(key, value)


RENAME = {
    "st_gcn": st_gcn, "shift_gcn": shift_gcn, "ctr_gcn": ctr_gcn, "aa_gcn": one(AA_NAMES), "dg_stgcn": dg_stgcn,
    "posec3d": posec3d,
}  # fmt: skip


@pytest.mark.parametrize("wrapper", ["", "module."])
@pytest.mark.parametrize("name", NETWORKS)
def test_official_names_fill_the_whole_network(name, wrapper, tmp_path):
    teacher = settled(make(name))
    state = {wrapper + key: value for key, value in official(teacher, name).items()}
    assert not set(state) & (set(teacher.state_dict()) - {"data_bn.weight"}) or wrapper == "" or name == "st_gcn"
    torch.save({"state_dict": state}, tmp_path / "official.pt")
    torch.manual_seed(5)
    student = make(name).eval()
    for parameter in student.parameters():
        parameter.data.normal_()
    assert published.load(student, tmp_path / "official.pt") is True
    x, present = clips(3)
    with torch.inference_mode():
        assert torch.equal(student(x, present), teacher(x, present))


def test_a_head_of_other_classes_is_left_out(tmp_path):
    torch.save(official(settled(make("ctr_gcn", classes=60)), "ctr_gcn"), tmp_path / "official.pt")
    student = make("ctr_gcn")
    before = student.head.weight.clone()
    assert published.load(student, tmp_path / "official.pt") is False
    assert torch.equal(student.head.weight, before)


def test_messages(tmp_path):
    network = make("shift_gcn")
    state = official(network, "shift_gcn")
    torch.save({**state, "l1.unknown": torch.zeros(2)}, tmp_path / "more.pt")
    with pytest.raises(UserError, match=r"unknown tensor l1\.unknown"):
        published.load(network, tmp_path / "more.pt")
    less = {key: value for key, value in state.items() if "Linear" not in key}
    torch.save(less, tmp_path / "less.pt")
    with pytest.raises(UserError, match=r"lacks 4 tensors .* blocks\.0\.spatial\.bias"):
        published.load(network, tmp_path / "less.pt")
    torch.save(official(make("shift_gcn", "utd20"), "shift_gcn"), tmp_path / "other.pt")
    with pytest.raises(UserError, match="Check widths, layout"):
        published.load(network, tmp_path / "other.pt")
    torch.save(official(make("shift_gcn", widths=[[8, 1]] * 3), "shift_gcn"), tmp_path / "longer.pt")
    with pytest.raises(UserError, match="does not have; check its widths"):
        published.load(network, tmp_path / "longer.pt")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    with pytest.raises(UserError, match="holds no tensors"):
        published.load(network, tmp_path / "empty.pt")


def test_pretraining_starts_from_given_weights(tmp_path, capsys):
    skeletons = small_skeletons.write(tmp_path / "skeletons.h5")
    teacher = settled(make("st_gcn", "utd20", classes=4), "utd20")
    torch.save(official(teacher, "st_gcn"), tmp_path / "official.pt")
    training = {"epochs": 0, "frames": 16, "weights": str(tmp_path / "official.pt"), "weights_classes": "all"}

    def run(training):
        request = pretrain.Request(skeletons, "", "random_2_0_0", "st_gcn", SMALL["st_gcn"], training)
        return pretrain.pretrain(request, "cpu", tmp_path / "checkpoint.pt")

    result = run(training)
    assert "unseen classes are not unseen" in capsys.readouterr().err
    assert result.history == []
    assert all(torch.equal(value, teacher.state_dict()[key]) for key, value in result.backbone.state_dict().items())
    assert result.notes["given_weights"]["head"] is True
    weights.save(tmp_path / "model.pt", result.backbone, result.card)
    assert weights.load(tmp_path / "model.pt")[1].training["weights_classes"] == "all"
    with pytest.raises(UserError, match="weights_classes"):
        run({key: value for key, value in training.items() if key != "weights_classes"})
    torch.save(official(settled(make("st_gcn", "utd20", classes=9), "utd20"), "st_gcn"), tmp_path / "official.pt")
    with pytest.raises(UserError, match="its logits mean nothing"):
        run(training)
    assert len(run(training | {"epochs": 1}).history) == 1
