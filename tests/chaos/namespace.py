"""A network namespace for a run of its own, so that its packet filter is nobody else's."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

FLAG = "--in-namespace"
_TOOLS = ("unshare", "ip", "iptables")


def missing() -> str:
    """Return why there can be no namespace here; empty if there can."""
    if os.geteuid() != 0:
        return "only root may make a network namespace"
    absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if absent:
        return f"there is no {' and no '.join(absent)}"
    filters = ["unshare", "-n", "iptables", "-A", "INPUT", "-m", "statistic", "--mode", "random"]
    done = subprocess.run([*filters, "--probability", "0.5", "-j", "DROP"], capture_output=True, check=False)
    return "" if done.returncode == 0 else f"iptables does not work: {done.stderr.decode().strip()[:200]}"


def enter(arguments: Sequence[str]) -> None:
    """Run the same command again in a new namespace, in place of this process."""
    command = [sys.executable, "-m", "tests.chaos", *arguments, FLAG]
    os.execvp("unshare", ["unshare", "-n", *command])


def set_up() -> None:
    """Bring up the loopback, which is all the network that there is."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def drop(port: int, probability: float) -> None:
    """Lose packets from and to a port of the loopback."""
    for direction in ("--dport", "--sport"):
        rule = ["iptables", "-A", "INPUT", "-p", "tcp", direction, str(port)]
        if probability < 1:
            rule += ["-m", "statistic", "--mode", "random", "--probability", str(probability)]
        subprocess.run([*rule, "-j", "DROP"], check=True)


def drop_nothing() -> None:
    """Let all packets through again."""
    subprocess.run(["iptables", "-F", "INPUT"], check=True)
