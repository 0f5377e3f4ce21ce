"""Which GPU a process gets on a machine with several, seen without one: lock files with places per device."""

import contextlib

import pytest
import torch

from zssar import devices
from zssar.errors import UserError


class Waiting(Exception):
    pass


@pytest.fixture
def two_gpus(monkeypatch, tmp_path):
    """Two devices that exist in PyTorch's count only; whoever would wait for a place raises Waiting."""

    def wait(seconds):
        raise Waiting

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices.time, "sleep", wait)
    monkeypatch.setenv("ZSSAR_LOCKS", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("ZSSAR_JOBS_PER_GPU", raising=False)


@pytest.mark.usefixtures("two_gpus")
def test_each_process_has_a_gpu_of_its_own_and_the_next_one_waits():
    with devices.device() as first, devices.device() as second:
        assert (first, second) == ("cuda:0", "cuda:1")
        with pytest.raises(Waiting), devices.device():
            pass
    with devices.device("cuda") as again:
        assert again == "cuda:0"


@pytest.mark.usefixtures("two_gpus")
def test_places_are_shared_evenly(monkeypatch):
    monkeypatch.setenv("ZSSAR_JOBS_PER_GPU", "2")
    with contextlib.ExitStack() as held:
        first = contextlib.ExitStack()
        assert first.enter_context(devices.device()) == "cuda:0"
        assert [held.enter_context(devices.device()) for _ in range(3)] == ["cuda:1", "cuda:0", "cuda:1"]
        with pytest.raises(Waiting), devices.device():
            pass
        first.close()
        assert held.enter_context(devices.device()) == "cuda:0"


@pytest.mark.usefixtures("two_gpus")
def test_devices_are_known_by_the_names_they_were_given(monkeypatch):
    """Two runs that see different halves of a machine do not wait for each other."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with devices.device() as one:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
        with devices.device() as other, devices.device() as last:
            assert (one, other, last) == ("cuda:0", "cuda:0", "cuda:1")


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("asked", ["0", "-1", "many", "1.5", ""])
def test_a_number_of_processes_is_asked_for(monkeypatch, asked):
    monkeypatch.setenv("ZSSAR_JOBS_PER_GPU", asked)
    with pytest.raises(UserError, match=r"ZSSAR_JOBS_PER_GPU=.*whole number"), devices.device():
        pass
