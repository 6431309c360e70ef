"""Our own Redis: one per home, on 127.0.0.1 with a port and a password of its own."""

import secrets
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen
from typing import Literal

import redis

from modules.platform.databases.embedded import binaries, lifecycle, locks, logs, processes
from modules.platform.databases.embedded.accounts import ourselves
from modules.platform.databases.embedded.errors import ServerDidNotStart
from modules.platform.databases.embedded.places import Place, make_place
from modules.platform.databases.embedded.processes import Stage
from modules.platform.databases.embedded.redis_configuration import (
    CONFIGURATION,
    PID_FILE,
    Endpoint,
    configure,
    free_port,
    read_endpoint,
)
from modules.platform.databases.embedded.server import Server

ALREADY_IN_USE = "Address already in use"
PORTS_TRIED = 8  # each could be taken between our choice and Redis's bind


class Redis:
    """Redis as the life cycle sees it."""

    what = "Redis"
    name = "redis"
    stages: Sequence[Stage] = (
        Stage(signal=signal.SIGTERM, patience=10.0),
    )  # flushes the append-only file

    def pid(self, place: Place) -> int | None:
        """The server's pid, once it has written it."""
        try:
            text = (place.directory / PID_FILE).read_text().strip()
        except FileNotFoundError:
            return None
        return int(text) if text.isdigit() else None

    def url(self, place: Place) -> str | None:
        """The URL with the password, as configured at the last start."""
        endpoint = read_endpoint(place)
        return endpoint.url if endpoint else None

    def greets(self, url: str) -> bool:
        """Whether it answers with data loaded."""
        try:
            with redis.Redis.from_url(url, socket_timeout=2.0) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def start(self, home: Path, *, deadline: float, durable: bool) -> Place:
        """Start it at the port it had, else at a free one."""
        program = binaries.redis_server()
        place = make_place(home, self.name, ourselves())
        logs.rotate(place.log)
        lock = lifecycle.hold(self, place, deadline=deadline)
        endpoint = read_endpoint(place)
        password = endpoint.password if endpoint else secrets.token_urlsafe(24)
        port = endpoint.port if endpoint else free_port()
        with locks.handed_over(lock):
            for _ in range(PORTS_TRIED):
                endpoint = Endpoint(port=port, password=password)
                configure(place, endpoint, tag=lifecycle.new_tag(place), durable=durable)
                if self._launch(place, program, lock, deadline=deadline):
                    return place
                port = free_port()
        tail = logs.tail(place.log)
        raise ServerDidNotStart(
            what=self.what, reason="every port was taken", log=place.log, log_tail=tail
        )

    def _launch(self, place: Place, program: Path, lock: int, *, deadline: float) -> bool:
        """Whether it came up; False when its port is taken. Raises ServerDidNotStart."""
        (place.directory / PID_FILE).unlink(missing_ok=True)
        written = logs.size(place.log)
        argv = [str(program), str(place.directory / CONFIGURATION)]
        process = processes.spawn(argv, log=place.log, cwd=place.directory, keep=[lock])
        with processes.ended_on_error(process):
            while process.poll() is None and time.monotonic() < deadline:
                url = self.url(place)
                if self.pid(place) == process.pid and url and self.greets(url):
                    processes.let_go(process)
                    return True
                time.sleep(locks.PAUSE)
        return self._port_was_taken(process, place.log, written)

    def _port_was_taken(self, process: Popen[bytes], log: Path, since: int) -> Literal[False]:
        """Says so by returning; raises ServerDidNotStart when the failure is another one."""
        late = process.poll() is None
        if late:
            processes.kill(process)
        tail = logs.tail(log, since=since)
        if not late and any(ALREADY_IN_USE in line for line in tail):
            return False
        reason = "no answer in time" if late else logs.telling_line(tail)
        raise ServerDidNotStart(what=self.what, reason=reason, log=log, log_tail=tail)


REDIS = Redis()


def ensure_redis(home: Path, *, timeout: float = 10.0, durable: bool = True) -> Server:
    """Start Redis with its data under `home/redis`, or join the one that runs there.

    `durable=False` keeps nothing on disk, for tests; it has no effect on a server that runs
    already. Raises EmbeddedServerError, within about `timeout` seconds.
    """
    return lifecycle.ensure(REDIS, home.resolve(), timeout=timeout, durable=durable)


def running_redis(home: Path) -> Server | None:
    """The Redis of this home if it runs."""
    return lifecycle.running(REDIS, home.resolve())


def stop_redis(home: Path) -> None:
    """End the Redis of this home, if it runs, in 15 s at most once it is our turn."""
    lifecycle.stop(REDIS, home.resolve())
