"""Processes that a benchmark starts, and stops again whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.client import Connection

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 10.0  # seconds to end after SIGTERM


class DidNotRun(Exception):
    """A process ended when it should not have, or failed; the message has its last lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running process whose output goes to ``log``."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def require_alive(self) -> None:
        """Raises DidNotRun if it has ended."""
        if self.process.poll() is not None:
            raise DidNotRun(f"{self.name} ended with {self.process.returncode}:\n{tail(self.log)}")


def start(name: str, command: Sequence[str], env: Mapping[str, str], logs: Path) -> Child:
    """Start one; its group is its own, so that a Ctrl-C here does not reach it first."""
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            list(command),
            env={**os.environ, **env},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(name=name, process=process, log=log)


def stop(children: Sequence[Child]) -> None:
    """Ask all to end, wait, kill the group of what is left."""
    for child in reversed(children):
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
    until = time.monotonic() + PATIENCE
    for child in reversed(children):
        try:
            child.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()


def run(
    command: Sequence[str], env: Mapping[str, str], *, stdin: str = "", timeout: float = 900.0
) -> str:
    """Run one to its end and return its standard output. Raises DidNotRun."""
    done = subprocess.run(
        list(command),
        env={**os.environ, **env},
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise DidNotRun(f"{' '.join(command[:6])} ended with {done.returncode}:\n{last}")
    return done.stdout


def wait_until_up(children: Sequence[Child], port: int, path: str, within: float = 90.0) -> None:
    """Until ``path`` answers 200. Raises DidNotRun when a child ends, or after ``within`` s."""
    until = time.monotonic() + within
    connection = Connection(port)
    while True:
        for child in children:
            child.require_alive()
        try:
            if connection.request("GET", path)[0] == 200:
                return connection.close()
        except OSError:
            pass
        if time.monotonic() > until:
            last = "\n".join(f"{child.name}: {tail(child.log)}" for child in children)
            raise DidNotRun(f"port {port} did not answer {path} within {within:.0f} s\n{last}")
        time.sleep(0.1)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
