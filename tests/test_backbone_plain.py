"""The fast ways to compute a network give the answers and gradients of benchmarks/plain_backbones.py."""

import copy
import importlib.util
from pathlib import Path

import pytest
import torch
from small_networks import GRAPHS, clips, make

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "plain_backbones.py"

ASLEEP = ("alpha", "beta", "mask", "virtual", "bn.weight", "edges", "frames.weight", "excite.weight")


def plain(network):
    spec = importlib.util.spec_from_file_location("plain_backbones", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.plain(network)


def awake(name, **params):
    """Parameters that start at zero or one, and would switch parts of the network off, get values."""
    network = make(name, **params)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for key, value in network.named_parameters():
            if key.endswith(
                ("alpha", "beta", "mask", "virtual", "bn.weight", "edges", "frames.weight", "excite.weight")
            ):
                value.copy_(torch.rand(value.shape, generator=generator) - 0.3)
    return network


@pytest.mark.parametrize("name", GRAPHS)
def test_fast_and_plain_networks_agree(name):
    extra = {"displacement_gradient": "true"} if name == "shift_gcn" else {}
    extra |= {"dropout": 0.0} if name == "st_gcn" else {}
    fast = awake(name, **extra).train()
    slow = plain(copy.deepcopy(fast))
    x, present = clips(4)
    answers = []
    for network in (fast, slow):
        logits = network.double()(x.double(), present)
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
        answers.append(logits)
    torch.testing.assert_close(*answers, rtol=1e-5, atol=1e-6)
    for (key, one), two in zip(fast.named_parameters(), slow.parameters()):
        assert one.grad.abs().max() > 0 or "bias" in key, f"{key} is not compared"
        scale = float(two.grad.abs().max())
        assert torch.allclose(one.grad, two.grad, rtol=1e-4, atol=1e-4 * scale + 1e-9), key


@pytest.mark.parametrize("name", GRAPHS)
def test_an_empty_second_body_costs_one_pass_a_batch(name, monkeypatch):
    """Five one-body clips of six: 7 + 1 bodies pass through the network instead of 12, and the maps are the same."""
    network = make(name).eval()
    x, present = clips(6)
    x[..., 1] *= torch.tensor([0, 0, 0, 0, 0, 1.0])[:, None, None, None]
    passed = []
    body = network.body
    monkeypatch.setattr(network, "body", lambda y: passed.append(len(y)) or body(y))
    with torch.inference_mode():
        fast = network.maps(x, present)
        slow = body(network._normalised(x.permute(0, 4, 3, 1, 2))).unflatten(0, (6, 2))
    assert passed == [8]
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("frames", [64, 300])
def test_maps_have_a_quarter_of_the_frames(name, frames):
    """The dossier: 256 x 16 x 25 from 64 frames, 75 frames from 300 (ten blocks; narrow here, for speed)."""
    plan = [[12, 1]] * 4 + [[12, 2], [12, 1], [12, 1], [24, 2], [24, 1], [24, 1]]
    network = make(name, widths=plan, **({"subsets": 4} if name == "dg_stgcn" else {})).eval()
    x, present = clips(1, frames=frames)
    with torch.inference_mode():
        assert network.pool(network.maps(x, present), present).shape == (1, 24, frames // 4, 25)
