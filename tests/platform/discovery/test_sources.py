"""Instances written down, behind a name, and from several sources."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from modules.platform.discovery import Combined, DnsSource, Role, StaticSource
from modules.platform.discovery.dns_source import Found, Name
from modules.platform.discovery.metrics import AGE, INSTANCES
from tests.waiting import eventually


class Zone:
    """What a resolver knows: addresses by name, or the error it answers with."""

    def __init__(self, **names: list[str] | Exception) -> None:
        self.names = names
        self.asked: list[tuple[str, int, dict[str, Any]]] = []

    def getaddrinfo(self, name: str, port: int, **how: Any) -> Found:
        self.asked.append((name, port, how))
        known = self.names[name]
        if isinstance(known, Exception):
            raise known
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in known]


def _source(zone: Zone, **names: Name) -> DnsSource:
    return DnsSource(names, interval=3600, getaddrinfo=zone.getaddrinfo)


def _urls(source: DnsSource, module: str = "payment") -> list[str]:
    return [one.url for one in source.instances(module)]


PAYMENT = Name(name="payment", port=8101)


def test_written_down_instances_are_always_known() -> None:
    """By module; each has an id that says where it is."""
    source = StaticSource({"payment": ["http://10.0.0.7:8101/", "https://pay.test"]}, capacity=3)

    assert [(one.id, one.url, one.capacity) for one in source.instances("payment")] == [
        ("payment@10.0.0.7:8101", "http://10.0.0.7:8101", 3),
        ("payment@pay.test:443", "https://pay.test", 3),
    ]
    assert source.instances("orders") == ()


@pytest.mark.parametrize("url", ["10.0.0.7:8101", "http://", "http://host:0", "ftp://host"])
def test_written_down_url_that_leads_nowhere(url: str) -> None:
    """Said when the host starts, not when somebody calls."""
    with pytest.raises(ValueError, match="is not like http://host:port"):
        StaticSource({"payment": [url]})


def test_every_address_of_a_name_is_an_instance() -> None:
    """IPv4 and IPv6, each once, in order."""
    zone = Zone(payment=["10.0.0.8", "10.0.0.7", "fd00::7", "10.0.0.7"])
    where = Name(name="payment", port=8101, scheme="https", role=Role.ORIGIN, capacity=2)
    source = _source(zone, payment=where)
    source.poll()

    found = source.instances("payment")
    assert [one.id for one in found] == [
        "payment@10.0.0.7:8101",
        "payment@10.0.0.8:8101",
        "payment@[fd00::7]:8101",
    ]
    assert {(one.role, one.capacity) for one in found} == {(Role.ORIGIN, 2)}
    assert found[2].url == "https://[fd00::7]:8101"
    assert INSTANCES.labels("dns-payment", "payment")._value.get() == 3
    assert zone.asked[0][2]["type"] == socket.SOCK_STREAM
    source.close()


@pytest.mark.parametrize(
    "answer", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), []]
)
def test_name_that_is_not_resolved_keeps_its_last_addresses(answer: Any) -> None:
    """A name server's trouble is no reason to forget where the instances are."""
    zone = Zone(payment=["10.0.0.7"])
    now = [0.0]
    names = {"payment": PAYMENT}
    source = DnsSource(names, interval=3600, getaddrinfo=zone.getaddrinfo, clock=lambda: now[0])
    source.poll()
    zone.names["payment"], now[0] = answer, 7.0
    source.poll()

    assert _urls(source) == ["http://10.0.0.7:8101"]
    assert source.age("payment") == 7.0
    assert AGE.labels("dns-payment")._value.get() == 7.0
    zone.names["payment"] = ["10.0.0.9"]
    source.poll()
    assert _urls(source) == ["http://10.0.0.9:8101"]
    source.close()


def test_names_are_looked_up_again_by_threads_of_their_own() -> None:
    """A name whose server hangs holds up neither another name nor a caller."""
    zone = Zone(payment=["10.0.0.7"])
    release = threading.Event()

    def getaddrinfo(name: str, port: int, **how: Any) -> Found:
        if name == "stuck":
            release.wait(20)
        return zone.getaddrinfo("payment", port)

    names = {"payment": PAYMENT, "orders": Name(name="stuck", port=1)}
    source = DnsSource(names, interval=0.02, getaddrinfo=getaddrinfo)
    assert source.instances("orders") == ()

    eventually(lambda: _urls(source) == ["http://10.0.0.7:8101"])
    zone.names["payment"] = ["10.0.0.8"]
    eventually(lambda: _urls(source) == ["http://10.0.0.8:8101"])

    assert source.instances("orders") == ()
    release.set()
    source.close()


def test_this_machines_resolver_is_asked() -> None:
    """A real look-up of a name that every machine has; of one that none has nothing comes."""
    names = {
        "payment": Name(name="localhost", port=8101),
        "orders": Name(name="nobody.invalid", port=1),
    }
    source = DnsSource(names)
    assert source.wait(60)

    assert set(_urls(source)) & {"http://127.0.0.1:8101", "http://[::1]:8101"}
    assert source.instances("orders") == ()
    assert source.instances("catalog") == ()
    assert source.age("orders") is None
    source.close()


def test_first_source_that_knows_a_module_is_believed() -> None:
    """Not a mixture: what stands first goes before."""
    pinned = StaticSource({"payment": ["http://pinned:1"]})
    rest = StaticSource({"payment": ["http://other:1"], "orders": ["http://orders:1"]})
    both = Combined(pinned, rest)

    assert [one.url for one in both.instances("payment")] == ["http://pinned:1"]
    assert [one.url for one in both.instances("orders")] == ["http://orders:1"]
    assert both.instances("catalog") == ()
