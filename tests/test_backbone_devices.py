"""What a GPU would stumble over, seen without one: tensors left on the CPU, and waits of the host for the device.

The device ``meta`` has shapes and no values. Reading a value on the host raises there (on a GPU it would wait), and so
does mixing its tensors with the CPU's. Speed and kernels of a GPU are not tested by this.
"""

import platform
import subprocess
import sys

import numpy as np
import pytest
import small_skeletons
import torch
from small_networks import GRAPHS, NETWORKS, make, settled
from small_networks import clips as made

from zssar import devices
from zssar.features import clips
from zssar.skeleton import streams
from zssar.skeleton.layouts import layout
from zssar.storage import Skeletons


def step(network, bodies=2):
    x = torch.empty(4, 3, 16, 25, bodies, device="meta")
    logits = network(x, torch.ones(4, bodies, dtype=torch.bool, device="meta"))
    torch.nn.functional.cross_entropy(logits, torch.zeros(4, dtype=torch.long, device="meta")).backward()
    return logits


def on_meta(name):
    network = make(name).to("meta").train()
    if name == "shift_gcn":  # its one wait: the reach of the temporal shifts
        network._reach = lambda: [(2, 2)] * len(network.blocks)
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_step_stays_on_the_device_and_never_waits(name):
    network = on_meta(name)
    assert step(network).device.type == "meta"
    assert all(parameter.grad.device.type == "meta" for parameter in network.parameters())


def test_shift_gcn_waits_once_per_pass():
    with pytest.raises(RuntimeError, match="meta"):
        step(make("shift_gcn").to("meta").train())


@pytest.mark.parametrize("name", GRAPHS)
def test_the_check_sees_a_tensor_left_on_the_cpu(name):
    network = on_meta(name)
    stray = network.blocks[0].bn_temporal if name == "st_gcn" else network.blocks[0].spatial.bn
    stray.running_mean = torch.zeros(stray.num_features)
    with pytest.raises((RuntimeError, NotImplementedError)):
        step(network)


@pytest.mark.parametrize("sampling", ["resize", "uniform"])
def test_training_windows_are_made_on_the_device_without_a_wait(tmp_path, sampling):
    data = Skeletons(small_skeletons.write(tmp_path / "skeletons.h5", repeats=1))
    of = layout(data.layout)
    there = clips.Clips(data, np.arange(6), of, (), "meta")
    x, present = there.windows(torch.arange(4), 16, 0.8, torch.Generator().manual_seed(0), sampling)
    x = clips.augment(x, 0.3, 0.1, torch.Generator().manual_seed(0), False)
    for name in streams.STREAMS:
        assert streams.stream(x, name, of).device.type == "meta"
    assert present.device.type == "meta"


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_empty_bodies_share_the_first_of_their_slot(slots, seed):
    """The rows that reach the network: all that are not empty, and one empty one per slot that has any."""
    network = make("st_gcn", bodies=slots).eval()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(7, 3, 16, 25, slots, generator=generator)
    x[(torch.rand(7, slots, generator=generator) < 0.7)[:, None, None, None].expand_as(x)] = 0
    empty = (x == 0).all(3).all(2).all(1)
    passed = []
    body = network.body
    network.body = lambda y: passed.append(len(y)) or body(y)
    with torch.inference_mode():
        found = network.maps(x, ~empty)
        expected = body(network._normalised(x.permute(0, 4, 3, 1, 2))).unflatten(0, (7, slots))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    few = int((~empty).sum() + empty.any(0).sum())
    assert passed == [few if int(empty.sum()) > slots else 7 * slots]


def test_values_are_sent_through_pinned_memory_to_a_gpu_only(monkeypatch):
    sent = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: sent.append("pinned") or self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *a, **k: sent.append(k) or self)
    clips.sent(torch.zeros(2), torch.device("cuda"))
    clips.sent(torch.zeros(2), torch.device("cpu"))
    assert sent == ["pinned", {"non_blocking": True}, {}]


def test_evaluation_goes_in_batches_that_suit_the_device():
    assert clips.micro_batch(64, "cuda:0") == 256
    assert clips.micro_batch(64, "cpu") == 8


@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_moves_the_answers_a_little(name):
    """Autocast as on a GPU, on the CPU: forward only, in evaluation mode."""
    network = settled(make(name))
    x, present = made(4)
    with torch.inference_mode():
        exact = network(x, present)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(x, present)
    assert not torch.equal(rounded.float(), exact), "nothing was computed in bfloat16"
    assert (rounded.float() - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept_on_cpus_alone():
    """Large blocks that come and go cost page faults in the beginning only. In processes: it cannot be undone."""
    code = """if True:
        import resource, sys, torch
        from zssar import devices
        devices.speed_up_cpu(sys.argv[1])
        for i in range(40):
            if i == 30:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            torch.ones(10_000_000)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    """
    found = {}
    for device in ("cpu", "cuda:0"):
        done = subprocess.run([sys.executable, "-c", code, device], capture_output=True, text=True, check=True)
        found[device] = int(done.stdout)
    # Ten times 40 MB are 98,000 pages of 4 kB, or 195 of 2 MB where the system hands out huge ones.
    assert found["cpu"] < 100 <= found["cuda:0"]


@pytest.fixture
def permission():
    """PyTorch's permission to multiply float32 matrices in bfloat16, put back after the test."""
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    yield matmul
    matmul.fp32_precision = before


def test_products_by_onednn_are_float32_products(permission):
    """Where the permission stays given, no shape, transposed or not, with or without gradient, may be rounded."""
    devices.multiply_by_onednn()
    generator = torch.Generator().manual_seed(0)
    for n, k, m in ((256, 256, 256), (64, 768, 512), (3, 256, 1024), (1000, 40, 30), (7, 5, 3)):
        a, b = torch.randn(n, k, generator=generator), torch.randn(m, k, generator=generator)
        weight, bias = b.clone().requires_grad_(), torch.randn(m, generator=generator)
        products = torch.nn.functional.linear(a, weight, bias)
        products.sum().backward()
        stacked = torch.bmm(a.expand(4, -1, -1), b.T.expand(4, -1, -1))
        exact = a.double() @ b.double().T
        sums = a.double().sum(0).expand(m, -1)
        for found, true in ((products - bias, exact), (stacked[3], exact), (weight.grad, sums)):
            assert (found - true).abs().max() < 2e-6 * k * max(1, n / 256)  # bfloat16: a thousand times as much


def test_bfloat16_products_are_noticed_and_not_permitted(permission, monkeypatch):
    """A CPU whose oneDNN makes use of the permission: played here by a product that rounds."""
    product = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: product(a.bfloat16(), b.bfloat16()).float())
    before = permission.fp32_precision
    assert not devices.multiply_by_onednn()
    assert permission.fp32_precision == before
