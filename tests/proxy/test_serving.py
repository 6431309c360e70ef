"""The whole front door in several processes, seen from outside."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.proxy.front import PATIENCE, FrontDoor
from tests.proxy.origin import Got, Origin, Step, ok, origin


def _get(url: str) -> httpx.Response:
    """On a connection of its own, which any worker may get."""
    # Plain HTTP: reading the authorities' certificates would take longer than the request.
    return httpx.get(url, verify=False, timeout=PATIENCE)  # noqa: S501


class ManyWorkers(FrontDoor):
    """A front door that supervises the workers of its document."""

    def pids(self) -> dict[str, float]:
        """The start of each worker, by its number."""
        text = _get(f"{self.admin_url}/-/metrics").text
        lines = [one for one in text.splitlines() if "_worker_start_time_seconds{" in one]
        return {one.split('"')[1]: float(one.split()[1]) for one in lines}


def respond(got: Got) -> bytes | Iterator[Step]:
    """Late for /slow."""
    if got.target == "/slow":
        return iter([0.6, ok(b"late")])
    return ok(got.headers.get("x-from", "").encode())


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin(respond) as running:
        yield running


def _document(upstream: Origin, **changes: Any) -> dict[str, Any]:
    return {
        "workers": 2,
        "drain_seconds": 5,
        "upstreams": {
            "monolith": {"instances": [{"address": upstream.address}]},
            "orders-service": {"registry": {"ttl_seconds": 5}},
        },
        "capabilities": {"orders": {"monolith": "monolith", "service": "orders-service"}},
        "routes": [
            {
                "name": "all",
                "prefix": "/",
                "capability": "orders",
                "authentication": "none",
                "request": {"headers": {"set": {"x-from": "0"}}},
            }
        ],
        **changes,
    }


@contextmanager
def _running(folder: Path, upstream: Origin) -> Iterator[ManyWorkers]:
    running = ManyWorkers(folder, _document(upstream))
    try:
        running.start()
        yield running
        assert running.stop() == 0
    finally:
        running.close()
    assert "Traceback" not in running.said(), running.said()


@pytest.fixture
def door(tmp_path: Path, upstream: Origin) -> Iterator[ManyWorkers]:
    """For one test, which may do with it what it likes."""
    with _running(tmp_path, upstream) as running:
        yield running


@pytest.fixture(scope="module")
def shared(upstream: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyWorkers]:
    """For tests that leave it serving, whatever its table is and however much it has counted."""
    with _running(tmp_path_factory.mktemp("shared"), upstream) as running:
        yield running


def _until(condition: Any, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def test_workers_share_the_requests_and_are_counted_together(shared: ManyWorkers) -> None:
    """Each request is in the metrics once and has a line in the one access log."""

    def counted() -> tuple[float, float, int]:
        return (
            shared.metric("ficus_proxy_requests_total", route="all", status="200"),
            shared.metric("ficus_proxy_connections_accepted_total"),
            shared.access_log.read_bytes().count(b"\n"),
        )

    _until(lambda: counted()[0] == counted()[2], "lines are missing")
    requests, connections, lines = counted()
    for _ in range(40):  # each on a connection of its own
        assert _get(f"{shared.url}/shared").status_code == 200
    assert shared.metric("ficus_proxy_workers") == 2
    assert counted()[:2] == (requests + 40, connections + 40)
    assert len(shared.pids()) == 2
    _until(lambda: counted()[2] == lines + 40, "lines are missing")
    last = shared.access_log.read_text().splitlines()[-40:]
    assert {json.loads(line)["path"] for line in last} == {"/shared"}


def test_no_request_fails_while_tables_are_swapped(shared: ManyWorkers) -> None:
    """And when a swap has been answered, no worker goes by the old one."""
    failed: list[object] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not stop.is_set():
                try:
                    answer = client.get(f"{shared.url}/x")
                except httpx.TransportError as error:
                    failed.append(error)
                else:
                    if answer.status_code != 200:
                        failed.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 21):
            table = shared.admin("GET", "/-/table").json()
            table["routes"][0]["request"]["headers"]["set"]["x-from"] = str(number)
            assert shared.admin("PUT", "/-/table", json=table).status_code == 200
            for _ in range(4):
                assert _get(f"{shared.url}/x").text == str(number)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []


def test_the_admin_listener_speaks_for_all_workers(shared: ManyWorkers, upstream: Origin) -> None:
    """Instances register, are drained and shown; decisions are explained."""
    path = "/-/upstreams/orders-service/instances"
    registered = shared.admin("PUT", f"{path}/pod-1", json={"address": upstream.address})
    assert registered.status_code == 201

    def members() -> list[dict[str, Any]]:
        shown = shared.admin("GET", "/-/upstreams").json()
        assert shown["workers"] == 2
        found: list[dict[str, Any]] = shown["upstreams"]["orders-service"]["members"]
        return found

    _until(lambda: [one["address"] for one in members()] == [upstream.address], "it is not there")
    answer = shared.admin("POST", f"{path}/{upstream.address}/drain")
    assert answer.status_code == 204, answer.text
    explained = shared.admin("POST", "/-/explain", json={"target": "/x"}).json()
    assert (explained["route"], explained["upstream"]) == ("all", "monolith")


def test_a_dead_worker_is_replaced_by_one_with_the_table_in_force(door: ManyWorkers) -> None:
    """Clients that connect meanwhile are answered."""
    before = door.pids()
    answer = door.admin("PATCH", "/-/capabilities/orders", json={"epoch": 5})
    assert answer.status_code == 200
    children = Path(f"/proc/{door.process.pid}/task/{door.process.pid}/children").read_text()
    os.kill(int(children.split()[0]), signal.SIGKILL)
    for _ in range(30):
        assert _get(f"{door.url}/x").status_code == 200
    _until(lambda: len(door.pids()) == 2, "it is not back")
    assert door.pids() != before
    assert door.metric("ficus_proxy_table_revision") == 2 * answer.json()["revision"]


def test_hang_up_reads_the_file_and_opens_the_logs_again(
    door: ManyWorkers, upstream: Origin
) -> None:
    """After logrotate, in every worker."""
    _get(f"{door.url}/x")
    _until(lambda: door.access_log.read_bytes(), "no line")
    door.access_log.rename(door.access_log.with_suffix(".1"))
    changed = _document(upstream)
    changed["routes"][0]["request"]["headers"]["set"]["x-from"] = "file"
    door.write(changed)
    door.process.send_signal(signal.SIGHUP)
    _until(lambda: _get(f"{door.url}/x").text == "file", "the file is not in force")
    _until(lambda: door.access_log.exists() and door.access_log.read_bytes(), "no new log")


def test_a_file_with_faults_is_refused_and_said_so(shared: ManyWorkers) -> None:
    """The table in force stays."""
    refused = shared.metric("ficus_proxy_reloads_refused_total")
    shared.path.write_text("version: 1\nlisten: []\nroutes: 3\n")
    _until(lambda: "stays in force" in shared.said(), "it was not looked at")
    assert _get(f"{shared.url}/x").status_code == 200
    assert shared.metric("ficus_proxy_reloads_refused_total") == refused + 1


def test_the_end_waits_for_requests_under_way(door: ManyWorkers) -> None:
    """SIGTERM to the parent; the workers finish and then all of them are gone."""
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(_get(f"{door.url}/slow"))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    door.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert [(one.status_code, one.text) for one in answers] == [(200, "late")] * 6
    assert door.process.wait(PATIENCE) == 0
    with pytest.raises(httpx.ConnectError):
        _get(f"{door.url}/x")
