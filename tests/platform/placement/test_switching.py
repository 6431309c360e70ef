"""Events while their consumer's work moves back and forth: each handled once, in order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from modules.platform.databases import embedded
from modules.platform.messaging.carrier import service_queues_of, worker_queues
from tests.platform.example import EXAMPLE

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]
HOST = "tests.platform.placement.host"
EVENTS, RATE, FLIPS = 3000, 400.0, 30
QUEUES = {
    "local": ",".join(worker_queues(("notification", EXAMPLE))),
    "service": ",".join(service_queues_of("notification")),
}


class Running:
    """The host's processes over a database and a Redis of their own."""

    def __init__(self, url: str, redis_url: str, logs: Path) -> None:
        self.url, self._logs = url, logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = os.environ | {"DATABASE_URL": url, "REDIS_URL": redis_url}
        self._environment.pop("DJANGO_SETTINGS_MODULE", None)

    def worker(self, side: str) -> None:
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        options = ["-Q", QUEUES[side], "-c", "2", "-l", "error", "-n", f"{side}@%h"]
        self.start(side, ["-m", "celery", "-A", HOST, "worker", *options, *quiet], HOST_SIDE=side)

    def start(self, name: str, arguments: list[str], **environment: str) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments],
                env=self._environment | environment,
                stdout=log,
                stderr=log,
            )

    def host(self, name: str, *arguments: str, **environment: str) -> None:
        self.start(name, ["-m", HOST, *arguments], **environment)

    def ends(self, name: str) -> None:
        assert self.processes[name].wait(90) == 0, self.said(name)

    def said(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text()[-3000:]

    def query(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[arg-type]

    def heard(self) -> int:
        return int(str(self.query("SELECT count(*) FROM notification.bus_audit")[0][0]))

    def wait_for(self, count: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self.heard() < count:
            told = {name: self.said(name) for name in self.processes}
            assert time.monotonic() < end, f"{self.heard()} of {count}: {told}"
            time.sleep(0.1)

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def running() -> Iterator[Running]:
    home = Path(tempfile.mkdtemp(prefix="ficus-placement-"))
    home.chmod(0o755)
    name = f"placement_{os.getpid()}"
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = psycopg.conninfo.make_conninfo(settings.DATABASE_URL, dbname=name)
    one = Running(url, embedded.ensure_redis(home).url, home)
    try:
        one.host("migrate", "migrate")
        one.ends("migrate")
        yield one
    finally:
        one.close()
        embedded.stop_redis(home)
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
            server.execute(drop)
        shutil.rmtree(home, ignore_errors=True)


def _keys_in_order(running: Running) -> dict[object, list[object]]:
    by_key: dict[object, list[object]] = {}
    for key, value in running.query(
        "SELECT actor, changed FROM notification.bus_audit ORDER BY id"
    ):
        by_key.setdefault(key, []).append(value)
    return by_key


def _sides(running: Running) -> set[object]:
    rows = running.query("SELECT DISTINCT reason FROM notification.bus_audit")
    return {side for (side,) in rows}


def test_every_event_is_handled_once_while_workers_take_turns(running: Running) -> None:
    """Thirty switches under load, workers of both queues: none lost, doubled or out of order."""
    for side in QUEUES:
        running.worker(side)
    running.host("relay", "relay")
    running.host("publisher", "publish", str(EVENTS), str(RATE))
    running.wait_for(1, 60)
    running.host("flipper", "flip", str(FLIPS))
    running.ends("flipper")
    running.ends("publisher")
    running.wait_for(EVENTS, 90)

    assert running.heard() == EVENTS
    for key, values in _keys_in_order(running).items():
        assert values == list(range(len(values))), f"{key}: {values}"
    assert running.query("SELECT count(*) FROM notification.bus_parked") == [(0,)]
    assert _sides(running) == {"local", "service"}
    assert running.query("SELECT count(*) FROM host.placement_change")[0][0] >= FLIPS * 2 // 3  # type: ignore[operator]


def test_workers_of_the_service_are_asked_for_before_work_goes_there(running: Running) -> None:
    """Those that listen, not those that did; the monolith's take from another queue."""
    running.worker("local")
    running.worker("service")

    def says() -> str:
        name = f"asking-{len(running.processes)}"
        running.host(name, "workers")
        running.ends(name)
        return running.said(name).strip()

    end = time.monotonic() + 60
    while says() != "True":
        assert time.monotonic() < end, running.said("service")
    running.processes["service"].terminate()
    running.processes["service"].wait(30)
    assert says() == "False"


def test_events_given_to_a_service_that_has_died_come_back(running: Running) -> None:
    """Placed there with no worker listening; placed back, they are sent again, none twice."""
    lease = {"HOST_LEASE": "2"}
    running.host("place", "flip", "1", **lease)
    running.ends("place")
    running.query(
        "UPDATE host.placement_placement SET percent = 100, revision = revision + 1 RETURNING 1"
    )
    running.worker("local")
    running.host("relay", "relay", **lease)
    running.host("publisher", "publish", "200", "400")
    running.ends("publisher")
    time.sleep(1.0)  # a poll and a batch later
    before = running.heard()

    running.query(
        "UPDATE host.placement_placement SET percent = 0, revision = revision + 1 RETURNING 1"
    )
    running.wait_for(200, 60)
    running.worker("service")  # what still lay there is behind the cursor
    running.host("more", "publish", "64", "400")
    running.wait_for(264, 60)
    time.sleep(1.0)

    assert before < 200
    assert running.heard() == 264
    assert running.query("SELECT count(*) FROM notification.bus_parked") == [(0,)]


def test_events_are_the_monoliths_while_the_services_workers_are_silent(running: Running) -> None:
    """Its worker dies: seen, written down, done here; it is back: its share is its own again."""
    lease = {"HOST_LEASE": "2"}

    def is_silent() -> bool:
        rows = running.query("SELECT silent_since IS NOT NULL FROM host.placement_placement")
        return rows == [(True,)]

    def done_here() -> int:
        local = "SELECT count(*) FROM notification.bus_audit WHERE reason = 'local'"
        return int(str(running.query(local)[0][0]))

    def until(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < end, {name: running.said(name) for name in running.processes}
            time.sleep(0.1)

    running.host("place", "flip", "1", **lease)
    running.ends("place")
    running.query(
        "UPDATE host.placement_placement SET percent = 100, revision = revision + 1 RETURNING 1"
    )
    for side in QUEUES:
        running.worker(side)
    running.host("relay", "relay", **lease)
    running.host("publisher", "publish", "64", "400")
    running.wait_for(64, 90)
    # Before its first look at the table a relay gives to the monolith; by now it has looked.
    running.host("more", "publish", "64", "400")
    running.wait_for(128, 60)
    assert "service" in _sides(running)
    before = done_here()

    running.host("attend", "attend", "3")
    running.processes["service"].kill()
    running.processes["service"].wait(30)
    until(is_silent)
    running.host("and more", "publish", "64", "400")
    running.wait_for(192, 60)
    assert done_here() == before + 64

    running.worker("service")
    until(lambda: not is_silent())
    assert "placement.workers_silent" in running.said("attend")
    until(lambda: "placement.workers_back" in running.said("attend"))  # said after it is written
