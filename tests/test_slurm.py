"""The tiny workflow through profiles/slurm on a real one-node Slurm with a fake GPU (root, Debian)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from one_node_slurm import cluster
from test_workflow import TABLE, checkout

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("ZSSAR_TEST_SLURM") != "1", reason="set ZSSAR_TEST_SLURM=1 (root, Debian)"),
]


def test_the_tiny_workflow_runs_on_slurm_and_gpu_rules_get_a_gpu(tmp_path):
    (tmp_path / "run").mkdir()
    folder = checkout(tmp_path / "run")
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    gpu_rules = ("pretrain_backbone", "extract_features", "align")
    words = [TABLE, "--workflow-profile", "profiles/slurm", "--latency-wait", "5"]
    words += ["--config", "device=cpu"]  # the fake GPU can be allocated, not computed on
    words += ["--default-resources", "mem_mb=1500", "runtime=20", "slurm_partition=main"]
    words += ["--set-resources", *(f"{r}:{key}" for r in gpu_rules for key in ("gpu=1", "mem_mb=1500"))]
    words += ["--slurm-init-seconds-before-status-checks", "2", "--configfile", "tests/config_tiny.yaml"]
    with cluster(tmp_path / "slurm"):
        command = [sys.executable, "-m", "snakemake", *words]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=1500)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        jobs = subprocess.run(["scontrol", "show", "jobs", "-o"], capture_output=True, text=True, check=True).stdout
    assert (folder / TABLE).exists()
    ended = [line for line in jobs.splitlines() if "JobState=COMPLETED" in line]
    with_gpu = [line for line in ended if "gpu" in line.split("TRES=")[1].split(" ")[0] or "TresPerJob=gres" in line]
    assert len(ended) > len(with_gpu) >= 2 + 2 + 10, "pretraining, features and alignment each get a GPU, others none"
