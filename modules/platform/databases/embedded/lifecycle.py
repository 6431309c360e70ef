"""Start, join and stop, the same for both servers; what differs is behind `Program`."""

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from modules.platform.databases.embedded import locks, logs, processes
from modules.platform.databases.embedded.errors import (
    NotOurs,
    ServerBusy,
    ServerDidNotStart,
    SystemRefused,
)
from modules.platform.databases.embedded.places import Place, find_place
from modules.platform.databases.embedded.processes import Stage
from modules.platform.databases.embedded.server import Server

STOP_TURN = 60.0  # seconds to wait for another starter or stopper: above both their own bounds


class Program(Protocol):
    """What the life cycle has to know of a server program."""

    what: str  # its name for people
    name: str  # its directory below the home
    stages: Sequence[Stage]  # how it is asked to end, gently first

    def pid(self, place: Place) -> int | None:
        """The main process as the server itself noted it, or None."""

    def url(self, place: Place) -> str | None:
        """Where it answers, or None while it does not yet."""

    def greets(self, url: str) -> bool:
        """Whether it answers at the URL, fully prepared for use."""

    def start(self, home: Path, *, deadline: float, durable: bool) -> Place:
        """Start it and return once it greets; the caller holds the start lock."""


def running(program: Program, home: Path) -> Server | None:
    """The server of this home if it runs and takes connections."""
    with _refusals(program, home):
        return _running(program, home)


def _running(program: Program, home: Path) -> Server | None:
    place = find_place(home, program.name)
    if place is None or not locks.is_held(place.lock):
        return None
    pid, url = program.pid(place), program.url(place)
    if pid is None or url is None:
        return None
    return _server(program, home, pid=pid, url=url, started=False)


def ensure(program: Program, home: Path, *, timeout: float, durable: bool) -> Server:
    """Join the running server or start it, within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    with _refusals(program, home):
        return _joined(program, home) or _in_turn(program, home, timeout, deadline, durable)


def stop(program: Program, home: Path) -> None:
    """End the server, whoever started it; nothing happens when it does not run."""
    lock = _turn(program, home)
    with _refusals(program, home):
        if find_place(home, program.name) is not None:
            with locks.one_at_a_time(lock, what=program.what, timeout=STOP_TURN):
                _stop(program, home)


def _stop(program: Program, home: Path) -> None:
    place = find_place(home, program.name)
    if place is not None and locks.is_held(place.lock):
        _end(program, place, program.stages)


@contextmanager
def _refusals(program: Program, home: Path) -> Iterator[None]:
    """Turn what the operating system refuses into our errors."""
    try:
        yield
    except PermissionError as error:
        path = Path(error.filename or home)
        raise NotOurs(what=program.what, path=path, uid=os.geteuid()) from error
    except OSError as error:
        raise SystemRefused(what=program.what, home=home, reason=str(error)) from error


def hold(program: Program, place: Place, *, deadline: float) -> int:
    """Take the server's own lock for it to inherit. Raises ServerBusy."""
    timeout = max(0.0, deadline - time.monotonic())
    descriptor = locks.take(place.lock, timeout=timeout)
    if descriptor is None:
        raise ServerBusy(what=program.what, lock=place.lock, seconds=timeout)
    return descriptor


def new_tag(place: Place) -> str:
    """A fresh word for the command lines of the processes about to start."""
    tag = f"ficus-{secrets.token_hex(4)}"
    place.tag_file.write_text(tag)
    return tag


def _in_turn(
    program: Program, home: Path, timeout: float, deadline: float, durable: bool
) -> Server:
    with locks.one_at_a_time(_turn(program, home), what=program.what, timeout=timeout):
        joined = _wait_for_half_started(program, home, deadline)
        if joined is not None:
            return joined
        place = program.start(home, deadline=deadline, durable=durable)
    pid, url = program.pid(place), program.url(place)
    if pid is None or url is None:
        reason, tail = "it ended at once", logs.tail(place.log)
        raise ServerDidNotStart(what=program.what, reason=reason, log=place.log, log_tail=tail)
    return _server(program, home, pid=pid, url=url, started=True)


def _wait_for_half_started(program: Program, home: Path, deadline: float) -> Server | None:
    """Join a server whose starter died on the way; clear away what a killed server left behind."""
    place = find_place(home, program.name)
    while place is not None and locks.is_held(place.lock):
        joined = _joined(program, home)
        if joined is not None:
            return joined
        if not _main_process_lives(program, place):
            _end(program, place, stages=())
        elif time.monotonic() > deadline:
            raise ServerDidNotStart(
                what=program.what,
                reason="it runs but does not answer (stop it to start it anew)",
                log=place.log,
                log_tail=logs.tail(place.log),
            )
        time.sleep(locks.PAUSE)
    return None


def _joined(program: Program, home: Path) -> Server | None:
    server = _running(program, home)
    if server is None or not program.greets(server.url):
        return None
    place = find_place(home, program.name)
    if place is not None and os.access(place.log, os.W_OK):
        logs.rotate(place.log)
    return server


def _main_process_lives(program: Program, place: Place) -> bool:
    pid = program.pid(place)
    return pid is not None and processes.is_tagged(pid, place.tag)


def _end(program: Program, place: Place, stages: Sequence[Stage]) -> None:
    processes.end(
        what=program.what,
        lock=place.lock,
        log=place.log,
        tag=place.tag,
        pid=lambda: program.pid(place),
        stages=stages,
    )


def _turn(program: Program, home: Path) -> Path:
    """The lock of those who start or stop: beside the place, which may not exist yet."""
    return home / f"{program.name}.lock"


def _server(program: Program, home: Path, *, pid: int, url: str, started: bool) -> Server:
    return Server(url=url, pid=pid, started=started, shutdown=lambda: stop(program, home))
