"""The table changes a thousand times and instances come and go, under load: nobody notices."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.front import FrontDoor, front_door
from tests.proxy.load import load
from tests.proxy.origin import Origin, ok, origin

SWAPS = 1000
SIDES = ("a", "b", "c", "d")
BREATH = 0.001  # seconds between a client's requests: some ten requests for each swap
STEADY = 0.005  # while nothing but time has to pass


@pytest.fixture
def origins() -> Iterator[dict[str, Origin]]:
    """Four instances, each of which says its name."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(origin(lambda got, name=name: ok(name.encode())))
            for name in SIDES
        }


def document(origins: dict[str, Origin], monolith: str, service: str, **capability: Any) -> Any:
    """Instances by name: the monolith's and the service's."""
    upstreams = {
        side: {"instances": [{"address": origins[name].address} for name in names]}
        for side, names in (("monolith", monolith), ("service", service))
    }
    phase = {"monolith": "monolith", "service": "service", "phase": "canary", "percent": 50}
    return {
        "upstreams": upstreams,
        "capabilities": {"payment": {**phase, **capability}},
        "routes": [
            {
                "name": "payment",
                "prefix": "/",
                "capability": "payment",
                "authentication": "none",
                "sticky": ["header:X-User"],
            }
        ],
    }


def put(door: FrontDoor, table: dict[str, Any]) -> None:
    """Put a table in force, as the control plane does."""
    answer = door.admin("PUT", "/-/table", json={**door.base, **table})
    assert answer.status_code == 200, answer.text


@pytest.mark.timeout(180)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_thousand_swaps_fail_no_request(
    workers: int, origins: dict[str, Origin], tmp_path: Path
) -> None:
    """Percentages, phases and sets of instances change all the time: 0 requests fail."""
    first = {**document(origins, "ab", "cd"), "workers": workers}
    with front_door(tmp_path, first) as door, load(door.port, pause=BREATH) as running:
        sets = itertools.cycle([("a", "cd"), ("ab", "c"), ("b", "d"), ("ab", "cd")])
        for swap in range(SWAPS):
            if swap % 4:
                change = {"percent": swap % 101}
                answer = door.admin("PATCH", "/-/capabilities/payment", json=change)
                assert answer.status_code == 200, answer.text
            else:
                put(door, {**document(origins, *next(sets)), "workers": workers})
        running.stop()
        assert running.failures == []
        assert running.count > SWAPS
        assert set(running.answers) == set(SIDES)
        # A percentage that is in force already is no swap; that happens a few times.
        assert door.metric("ficus_proxy_table_swaps_total") >= SWAPS * 0.98 * workers


@pytest.mark.timeout(180)
def test_instances_that_drain_fail_no_request(origins: dict[str, Origin], tmp_path: Path) -> None:
    """One instance after the other is drained, restarted and taken back: 0 requests fail."""
    with front_door(tmp_path, document(origins, "ab", "cd")) as door, load(door.port) as running:
        for _, name in zip(range(100), itertools.cycle(SIDES), strict=False):
            upstream = "monolith" if name in "ab" else "service"
            at = f"/-/upstreams/{upstream}/instances/{origins[name].address}"
            assert door.admin("POST", f"{at}/drain").status_code == 204
            until = time.monotonic() + 5
            while inflight(door, upstream, origins[name].address):
                assert time.monotonic() < until
            origins[name].drop_connections()  # what a restart does to its connections
            assert door.admin("POST", f"{at}/undrain").status_code == 204
        running.stop()
        assert running.failures == []
        assert set(running.answers) == set(SIDES)


def inflight(door: FrontDoor, upstream: str, address: str) -> int:
    """Requests that an instance works on."""
    shown = door.admin("GET", "/-/upstreams").json()["upstreams"][upstream]["members"]
    return sum(one["inflight"] for one in shown if one["address"] == address)


def test_drain_of_the_door_finishes_what_is_under_way(tmp_path: Path) -> None:
    """SIGTERM: requests under way end well, the client is told to go, the exit code is 0."""

    def slow(got: object) -> list[bytes | float]:
        return [0.5, ok(b"done")]

    with origin(slow) as upstream:
        table = {
            "upstreams": {"up": {"instances": [{"address": upstream.address}]}},
            "routes": [{"name": "all", "prefix": "/", "upstream": "up", "authentication": "none"}],
        }
        with front_door(tmp_path, table) as door, load(door.port, clients=4) as running:
            time.sleep(1.2)
            door.process.send_signal(signal.SIGTERM)
            before = running.count
            assert door.process.wait(10) == 0
            assert running.count >= before + 4
            # Those who come afterwards find nobody; nobody was cut off.
            assert all("refused" in failure for failure in running.failures), running.failures


def test_table_that_does_not_validate_never_replaces_a_good_one(
    origins: dict[str, Origin], tmp_path: Path
) -> None:
    """By file, signal and control API: the old table stays, and the error names line and field."""
    good = document(origins, "a", "c", percent=0)
    with (
        front_door(tmp_path, good) as door,
        load(door.port, clients=2, pause=STEADY) as running,
    ):
        broken = door.path.read_text().replace("percent: 0", "percent: 101")
        line = 1 + broken[: broken.index("percent: 101")].count("\n")
        answer = door.admin("PUT", "/-/table", content=broken)
        assert answer.status_code == 422
        assert answer.json()["findings"][0]["line"] == line
        assert answer.json()["findings"][0]["path"] == "$.capabilities.payment.percent"
        door.path.write_text(broken)
        said(door, f"line {line}: $.capabilities.payment.percent", times=2)
        said(door, "stays in force")
        door.process.send_signal(signal.SIGHUP)
        said(door, "stays in force", times=2)
        running.stop()
        assert running.failures == []
        assert set(running.answers) == {"a"}


@pytest.mark.parametrize("fault", ["authority", "redis"])
def test_table_refused_half_way_has_changed_nothing(
    fault: str, origins: dict[str, Origin], tmp_path: Path
) -> None:
    """What only shows when it is put in force (a file that is not there, an address that is none)
    is refused whole: the upstreams of the table in force are not let go."""
    good = document(origins, "a", "c", percent=0)
    with (
        front_door(tmp_path, good) as door,
        load(door.port, clients=2, pause=STEADY) as running,
    ):
        bad = document(origins, "b", "c", percent=0)
        bad["upstreams"]["monolith"]["connections"] = {"idle_seconds": 5}  # would be made anew
        if fault == "authority":
            bad["upstreams"]["service"]["tls"] = {"ca": str(tmp_path / "missing.pem")}
        else:
            bad["shared_limits"] = {"redis": "nonsense://127.0.0.1:1/0"}
        answer = door.admin("PUT", "/-/table", json={**door.base, **bad})
        assert 400 <= answer.status_code < 500, answer.text
        time.sleep(6.5)  # longer than upstreams that were replaced are kept
        running.answers.clear()
        time.sleep(0.3)
        running.stop()
        assert running.failures == []
        assert set(running.answers) == {"a"}


def test_changed_file_is_taken_over_by_itself(origins: dict[str, Origin], tmp_path: Path) -> None:
    """A new file is in force within two seconds, without a signal."""
    with front_door(tmp_path, document(origins, "a", "c", percent=0)) as door:
        with load(door.port, clients=2, pause=STEADY) as running:
            door.write(document(origins, "a", "c", percent=100))
            said(door, "revision 1 is in force", patience=3)
            time.sleep(0.1)
            running.answers.clear()
            time.sleep(0.2)
            running.stop()
        assert set(running.answers) == {"c"}
        assert running.failures == []


def said(door: FrontDoor, words: str, *, times: int = 1, patience: float = 10) -> None:
    """Wait until it has said so."""
    until = time.monotonic() + patience
    while door.said().count(words) < times:
        assert time.monotonic() < until, door.said()
        time.sleep(0.02)


def test_last_good_table_outlives_a_broken_file(origins: dict[str, Origin], tmp_path: Path) -> None:
    """What the control plane has put in force is what a restart begins with."""
    state = {"state": str(tmp_path / "state")}
    table = {**document(origins, "a", "c", percent=0), **state}
    with front_door(tmp_path / "one", table) as door:
        answer = door.admin("PATCH", "/-/capabilities/payment", json={"percent": 100})
        assert answer.status_code == 200
        door.stop()
        door.start()
        with load(door.port, clients=1, pause=STEADY) as running:
            time.sleep(0.3)
        assert set(running.answers) == {"c"}
        door.stop()
        door.path.write_text("version: 1\nroutes: nonsense\n")
        arguments = door.arguments
        door.arguments = [*arguments, "--state", str(tmp_path / "state")]
        door.start()
        with load(door.port, clients=1, pause=STEADY) as running:
            time.sleep(0.3)
        assert set(running.answers) == {"c"}
        assert running.failures == []
