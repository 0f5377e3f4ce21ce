"""A Slurm cluster of one node for tests: no systemd, no cgroups, no accounting; GPUs are copies of /dev/null.

Debian, as root. The configuration is linked into /etc/slurm because the executor plugin's job step drops every SLURM_*
variable, SLURM_CONF among them, before it calls srun.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

ETC = Path("/etc/slurm")
DAEMONS = ("slurmd", "slurmctld", "munged")


def install() -> None:
    """Debian's slurm-wlm and munge, if they are missing."""
    if all(shutil.which(name) for name in DAEMONS):
        return
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "slurm-wlm", "munge"]):
        subprocess.run(["apt-get", *words], env=env, check=True, stdout=subprocess.DEVNULL)


def configure(folder: Path, gpus: int) -> None:
    """munge key, gres.conf with character devices (plain files are refused), slurm.conf."""
    host, cpus = socket.gethostname().split(".")[0], os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
    for name in ("state", "spool", "log", "munge"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "munge").chmod(0o711)
    key = folder / "munge" / "key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    lines = []
    for i in range(gpus):
        device = folder / f"gpu{i}"
        os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
        lines.append(f"NodeName={host} Name=gpu Type=fake File={device}")
    (folder / "gres.conf").write_text("\n".join(lines) + "\n")
    settings = {
        "ClusterName": "test", "SlurmctldHost": f"{host}(127.0.0.1)", "SlurmUser": "root", "SlurmdUser": "root",
        "AuthType": "auth/munge", "AuthInfo": f"socket={folder}/munge/socket", "CredType": "cred/munge",
        "StateSaveLocation": f"{folder}/state", "SlurmdSpoolDir": f"{folder}/spool",
        "SlurmctldPidFile": f"{folder}/slurmctld.pid", "SlurmdPidFile": f"{folder}/slurmd.pid",
        "SlurmctldLogFile": f"{folder}/log/slurmctld", "SlurmdLogFile": f"{folder}/log/slurmd",
        "ProctrackType": "proctrack/linuxproc", "TaskPlugin": "task/none", "MpiDefault": "none",
        "JobAcctGatherType": "jobacct_gather/none", "AccountingStorageType": "accounting_storage/none",
        "SwitchType": "switch/none", "SelectType": "select/cons_tres", "SelectTypeParameters": "CR_Core_Memory",
        "SchedulerParameters": "bf_interval=2,sched_interval=2,batch_sched_delay=0", "GresTypes": "gpu",
        "ReturnToService": 2, "MinJobAge": 300, "KillWait": 5, "DefMemPerCPU": 500,
    }  # fmt: skip
    node = f"NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:fake:{gpus} State=UNKNOWN"
    partition = f"PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP"
    text = "\n".join([*(f"{k}={v}" for k, v in settings.items()), node, partition])
    (folder / "slurm.conf").write_text(text + "\n")


@contextlib.contextmanager
def cluster(folder: Path, gpus: int = 1) -> Iterator[None]:
    """Start munged, slurmctld and slurmd, wait until the node is idle; stop them and remove every trace at the end."""
    install()
    configure(folder, gpus)
    ETC.mkdir(exist_ok=True)
    links = [ETC / name for name in ("slurm.conf", "gres.conf")]
    for link in links:
        if link.exists() and not link.is_symlink():
            raise RuntimeError(f"{link} exists: this machine has a Slurm of its own")
        link.unlink(missing_ok=True)
        link.symlink_to(folder / link.name)
    munge = folder / "munge"
    commands = [
        ["munged", "--force", "--foreground", f"--key-file={munge}/key", f"--socket={munge}/socket",
         f"--pid-file={munge}/pid", f"--log-file={folder}/log/munged", f"--seed-file={munge}/seed"],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D"],
    ]  # fmt: skip
    path = f"{os.environ['PATH']}:/usr/sbin"
    running = []
    try:
        for command in commands:
            with open(folder / "log" / f"{command[0]}.out", "w") as out:
                running.append(subprocess.Popen(command, env={**os.environ, "PATH": path}, stdout=out, stderr=out))
            time.sleep(1)
        _wait_until_idle(folder)
        yield
    finally:
        subprocess.run(["scancel", "--quiet", "--user=root"], check=False)
        for process in reversed(running):
            process.terminate()
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        for link in links:
            link.unlink(missing_ok=True)


def _wait_until_idle(folder: Path) -> None:
    for _ in range(100):
        state = subprocess.run(["sinfo", "-h", "-N", "-o", "%T"], capture_output=True, text=True).stdout.strip()
        if state == "idle":
            return
        time.sleep(0.2)
    logs = "\n".join(p.read_text()[-1500:] for p in (folder / "log").iterdir())
    raise RuntimeError(f"the node did not become idle (last state: {state or 'none'})\n{logs}")
