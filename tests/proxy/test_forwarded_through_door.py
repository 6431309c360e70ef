"""Where a request comes from: what upstreams are told, what limits go by, who is believed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.client import ask
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import Origin, origin
from tests.proxy.stage import capability, instances, route
from tests.waiting import eventually

CLIENT = "203.0.113.7"
SAID = {
    "X-Forwarded-For": CLIENT,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil",
    "X-Forwarded-Port": "443",
    "Forwarded": f"for={CLIENT};proto=https",
    "X-Real-IP": CLIENT,
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin() as running:
        yield running


def document(upstream: Origin, *trusted: str) -> dict[str, Any]:
    """With limits and cohorts by address."""
    return {
        "listen": [{"trusted_proxies": list(trusted)}],
        "rate_limits": {"two": {"requests": 2, "seconds": 86_400, "per": "address"}},
        "upstreams": {"monolith": instances(upstream), "service": instances(upstream)},
        "capabilities": {"sticky": capability(phase="canary", percent=50)},
        "routes": [
            route("all", upstream="monolith"),
            route("limited", upstream="monolith", rate_limits=["two"]),
            route("sticky", capability="sticky", sticky=["address"]),
        ],
    }


@pytest.fixture(scope="module")
def exposed(upstream: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    """Trusts nobody."""
    with front_door(tmp_path_factory.mktemp("exposed"), document(upstream)) as running:
        yield running


@pytest.fixture(scope="module")
def behind(upstream: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    """Behind proxies at 127.0.0.0/8 and 10.0.0.0/8."""
    table = document(upstream, "127.0.0.0/8", "10.0.0.0/8")
    with front_door(tmp_path_factory.mktemp("behind"), table) as running:
        yield running


def logged(door: FrontDoor, path: str) -> dict[str, Any]:
    """The line of a request in the access log."""

    def lines() -> list[dict[str, Any]]:
        every = map(json.loads, door.access_log.read_text().splitlines())
        return [line for line in every if line["path"] == path]

    eventually(lines, "it is not in the log")
    return lines()[-1]


def test_what_a_client_says_of_itself_is_replaced(exposed: FrontDoor, upstream: Origin) -> None:
    """Only the connection counts; nothing else of it arrives."""
    ask(exposed.port, "GET", "/all/exposed", headers=SAID)
    got = upstream.got[-1].headers
    assert got["x-forwarded-for"] == "127.0.0.1"
    assert got["x-forwarded-proto"] == "http"
    assert got["via"] == "1.1 ficus"
    others = {"x-forwarded-host", "x-forwarded-port", "forwarded", "x-real-ip"}
    assert not others & got.keys()
    assert logged(exposed, "/all/exposed")["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (CLIENT, CLIENT),
        (f"{CLIENT}, 10.1.1.1", CLIENT),
        (f"6.6.6.6, {CLIENT}, 10.1.1.1", CLIENT),  # the first was said by the client itself
        (f"10.9.9.9, {CLIENT}", CLIENT),
        ("2001:db8::1, 10.1.1.1", "2001:db8::1"),
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
        (f"{CLIENT}, unknown, 10.1.1.1", "10.1.1.1"),
        ("garbage", "127.0.0.1"),
    ],
)
def test_trusted_proxies_say_who_the_client_is(
    chain: str, address: str, behind: FrontDoor, upstream: Origin
) -> None:
    """The last address that none of them has; the upstream gets the chain and our peer."""
    path = f"/all/{abs(hash(chain))}"
    headers = {**SAID, "X-Forwarded-For": chain}
    ask(behind.port, "GET", path, headers=headers)
    got = upstream.got[-1].headers
    assert got["x-forwarded-for"] == f"{chain}, 127.0.0.1"
    assert got["x-forwarded-proto"] == "https"
    assert not {"x-forwarded-host", "x-forwarded-port", "forwarded", "x-real-ip"} & got.keys()
    assert logged(behind, path)["address"] == address


def test_without_a_word_of_the_proxy_it_is_the_client(behind: FrontDoor, upstream: Origin) -> None:
    """A health check of the balancer itself, for instance."""
    ask(behind.port, "GET", "/all/itself")
    got = upstream.got[-1].headers
    assert (got["x-forwarded-for"], got["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert logged(behind, "/all/itself")["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("said", "told"), [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("x", "http")]
)
def test_scheme_is_that_of_the_client(
    said: str, told: str, behind: FrontDoor, upstream: Origin
) -> None:
    """As the proxy in front of us has it."""
    ask(behind.port, "GET", "/all/x", headers={"X-Forwarded-Proto": said})
    assert upstream.got[-1].headers["x-forwarded-proto"] == told


def test_limits_are_of_the_client_and_not_of_the_proxy(
    behind: FrontDoor, exposed: FrontDoor
) -> None:
    """Each client behind the proxy has its own; who is not trusted cannot become another."""

    def allowed(door: FrontDoor, number: int) -> int:
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        replies = [ask(door.port, "GET", "/limited", headers=headers) for _ in range(3)]
        return sum(reply.status == 200 for reply in replies)

    assert [allowed(behind, number) for number in range(4)] == [2, 2, 2, 2]
    assert [allowed(exposed, number) for number in range(4)] == [2, 0, 0, 0]


def test_cohorts_are_of_the_client_and_not_of_the_proxy(behind: FrontDoor) -> None:
    """Half of the clients behind one proxy are in a canary of half of them."""
    sides = []
    for number in range(40):
        path = f"/sticky/{number}"
        ask(behind.port, "GET", path, headers={"X-Forwarded-For": f"198.51.100.{number}"})
    for number in range(40):
        sides.append(logged(behind, f"/sticky/{number}")["side"])
    assert 8 < sides.count("service") < 32


def test_a_door_behind_a_door_passes_the_client_on(
    upstream: Origin, behind: FrontDoor, tmp_path: Path
) -> None:
    """Two of ours in a row: the chain has all of it, and the trace is one."""
    table = {
        "upstreams": {"inner": instances(behind.port)},
        "routes": [route("all", upstream="inner")],
    }
    with front_door(tmp_path, table) as outer:
        ask(outer.port, "GET", "/all/twice", headers={**SAID, "X-Request-Id": "one"})
    got = upstream.got[-1].headers
    assert got["x-forwarded-for"] == "127.0.0.1, 127.0.0.1"
    assert got["x-request-id"] == "one"
    assert got["via"] == "1.1 ficus, 1.1 ficus"


# ---------------------------------------------------------------- over a unix socket


def ask_unix(path: Path, target: str, **headers: str) -> int:
    """The status of one request over a unix socket."""
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"GET {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{fields}\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(head.encode())
        with connection.makefile("rb") as answer:
            return int(answer.read().split(None, 2)[1])


# What the sockets of the door below trust, by their names.
SOCKETS = {
    "unix": ["unix:"],
    "both": ["unix:", "10.0.0.0/8"],
    "networks": ["10.0.0.0/8"],
    "nobody": [],
}


@pytest.fixture(scope="module")
def by_socket(upstream: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    """Listens on a socket for each of ``SOCKETS``, beside its log; at its port it trusts none."""
    folder = tmp_path_factory.mktemp("sockets")
    table = document(upstream, "unix:")
    for name, trusted in SOCKETS.items():
        table["listen"].append({"address": f"unix:{folder / name}", "trusted_proxies": trusted})
    with front_door(folder, table) as running:
        yield running


@pytest.mark.parametrize(
    ("trusting", "chain", "address", "told"),
    [
        ("unix", CLIENT, CLIENT, f"{CLIENT}, unix"),
        ("unix", "garbage", "unix", "garbage, unix"),
        # One of ours in front of the one that asks, on a unix socket as well.
        ("unix", f"{CLIENT}, unix", CLIENT, f"{CLIENT}, unix, unix"),
        ("both", f"{CLIENT}, 10.1.1.1", CLIENT, f"{CLIENT}, 10.1.1.1, unix"),
        ("networks", CLIENT, "unix", "unix"),
        ("nobody", CLIENT, "unix", "unix"),
    ],
)
def test_a_proxy_on_a_unix_socket_is_trusted_by_name(
    trusting: str, chain: str, address: str, told: str, upstream: Origin, by_socket: FrontDoor
) -> None:
    """``unix:`` are those who connect by a unix socket; nobody else is, and networks are not."""
    path = f"/all/{trusting}/{abs(hash(chain))}"
    assert ask_unix(by_socket.log.with_name(trusting), path, X_Forwarded_For=chain) == 200
    assert upstream.got[-1].headers["x-forwarded-for"] == told
    assert logged(by_socket, path)["address"] == address


def test_who_trusts_a_unix_socket_trusts_no_address(upstream: Origin, by_socket: FrontDoor) -> None:
    """A client of the port is not believed, and cannot call itself one of the socket."""
    ask(by_socket.port, "GET", "/all/port", headers={"X-Forwarded-For": f"{CLIENT}, unix"})
    assert upstream.got[-1].headers["x-forwarded-for"] == "127.0.0.1"
    assert logged(by_socket, "/all/port")["address"] == "127.0.0.1"
