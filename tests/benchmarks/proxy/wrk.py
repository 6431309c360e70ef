"""The load: wrk with prepared requests, and what it saw."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.children import DidNotRun
from tests.benchmarks.proxy import machine
from tests.benchmarks.proxy.arena import LARGE, SMALL

SCRIPT = Path(__file__).resolve().parent / "wrk.lua"
WATCH = 0.25  # seconds between two looks at the proxy's memory
_FAULTS = ("connect", "read", "write", "status", "timeout")


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of request; sizes in bytes of the two bodies."""

    name: str
    method: str
    path: str
    sent: int
    answered: int


SMALL_ANSWER = Kind("small", "GET", "/api/small", 0, SMALL)
LARGE_ANSWER = Kind("large", "GET", "/api/large", 0, LARGE)
UPLOAD = Kind("upload", "POST", "/api/upload", LARGE, len('{"taken":true}'))
# No request is like another: what a proxy remembers of whole heads is of no use to it.
UNLIKE = Kind("unlike", "GET", "/api/small?number=@", 0, SMALL)
KINDS = (SMALL_ANSWER, UNLIKE, LARGE_ANSWER, UPLOAD)


@dataclass(frozen=True, slots=True)
class Load:
    """``connections`` clients, each sending its next request when it has its answer.

    ``in_turn``: many short windows instead of a few long rounds, one right behind the other.
    """

    kind: Kind
    connections: int
    in_turn: bool = False

    def __str__(self) -> str:
        return f"{self.kind.name} c={self.connections}{' in turn' if self.in_turn else ''}"


@dataclass(frozen=True, slots=True)
class Heard:
    """Times in microseconds of a request; wrk corrects them for what it could not send."""

    requests: int
    seconds: float
    p50: float
    p99: float


def drive(
    load: Load,
    port: int,
    seconds: float,
    *,
    people: Path | None,
    cores: frozenset[int],
    program: str,
    watch: Callable[[], None] = lambda: None,
) -> Heard | None:
    """None when nobody was answered in that time. Raises DidNotRun when a single request failed or
    an answer was shorter than it should be.
    """
    kind = load.kind
    command = [
        *(program, "-t", "1", "-c", str(load.connections), "-d", f"{max(1, round(seconds))}s"),
        *("--timeout", "10s", "-s", str(SCRIPT), f"http://127.0.0.1:{port}", "--"),
        *(kind.method, kind.path, str(kind.sent), str(people or "-")),
    ]
    return read(_run(machine.pinned(cores, command), seconds, watch), load)


def read(output: str, load: Load) -> Heard | None:
    """What wrk's last line says, and raised, as by ``drive``."""
    try:
        said = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        raise DidNotRun(f"wrk said nothing of {load}:\n{output}") from None
    faults = {name: said[name] for name in _FAULTS if said[name]}
    if faults:
        raise DidNotRun(f"{load}: {faults} of {said['requests']} requests failed")
    if not said["requests"]:
        return None
    if said["bytes"] < said["requests"] * load.kind.answered:
        raise DidNotRun(f"{load}: {said['bytes']} bytes for {said['requests']} answers")
    return Heard(
        requests=said["requests"],
        seconds=said["microseconds"] / 1e6,
        p50=said["p50"],
        p99=said["p99"],
    )


def _run(command: Sequence[str], seconds: float, watch: Callable[[], None]) -> str:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            waited = 0.0
            while process.poll() is None:
                try:
                    process.wait(WATCH)
                except subprocess.TimeoutExpired:
                    watch()
                    waited += WATCH
                if waited > seconds + 30.0:
                    raise DidNotRun(f"wrk did not end: {' '.join(command)}")
        except BaseException:
            process.kill()
            raise
        assert process.stdout is not None
        output: str = process.stdout.read().decode()
    if process.returncode:
        raise DidNotRun(f"wrk ended with {process.returncode}:\n{output}")
    return output
