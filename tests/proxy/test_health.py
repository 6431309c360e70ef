"""Active checks against real servers, good and bad ones."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from strangler_proxy.balance import Balancer, Member
from strangler_proxy.config import Health, Instance, Upstream, UpstreamTls
from strangler_proxy.health import Checker
from tests.proxy.answering import (
    Answer,
    answering,
    closed_port,
    dripping,
    saying,
    sending,
    until,
)

QUICK: dict[str, Any] = {"interval_seconds": 0.02, "timeout_seconds": 0.2}

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """The proxy runs on uvloop; the checks work on both."""
    return asyncio.run if request.param == "asyncio" else uvloop.run


class Checks:
    """A running checker and what it said."""

    def __init__(self, balancer: Balancer, checker: Checker) -> None:
        self.balancer = balancer
        self.checker = checker
        self.changes: list[tuple[str, bool, str]] = []

    def heard(self, member: Member, healthy: bool, reason: str) -> None:
        self.changes.append((member.address, healthy, reason))

    def be(self, *addresses: str) -> None:
        """What discovery does when it finds these."""
        self.balancer.update([Instance(address=one) for one in addresses], time.monotonic())
        self.checker.wake()

    @property
    def member(self) -> Member:
        return self.balancer.members[0]


@asynccontextmanager
async def checking(
    *addresses: str, tls: UpstreamTls | None = None, **options: Any
) -> AsyncIterator[Checks]:
    """A checker of these addresses, running."""
    rng = random.Random(1)
    health = Health(**{**QUICK, **options})
    balancer = Balancer("shop", Upstream(health=health), on_gone=lambda member: None, rng=rng)
    checks: Checks
    checker = Checker(
        balancer,
        health,
        tls=tls,
        rng=rng,
        clock=time.monotonic,
        on_change=lambda *change: checks.heard(*change),
    )
    checks = Checks(balancer, checker)
    checks.be(*addresses)
    task = asyncio.create_task(checker.run())
    try:
        yield checks
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def verdict(address: str, **options: Any) -> str:
    """What the first check of a server says: empty if it is well."""
    async with checking(address, **options) as checks:
        await until(lambda: checks.member.checked)
        assert checks.member.healthy is (not checks.changes)
        return checks.changes[0][2] if checks.changes else ""


async def verdict_on(answer: Answer, **options: Any) -> str:
    async with answering(answer) as server:
        return await verdict(server.address, **options)


HEAD = b"HTTP/1.1 200 OK\r\n"

GOOD = {
    "ready": saying(),
    "no content": saying("204 No Content"),
    "with a body": saying(body=b"x" * 1000),
    "body of a gigabyte": sending(HEAD + b"content-length: 1000000000\r\n\r\n" + b"x" * 300_000),
    "chunks without end": dripping(
        HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n", 0.001
    ),
    "body until it hangs up": sending(HEAD + b"\r\nready"),
}
BAD = {
    "not ready": (saying("503 Service Unavailable"), "/readyz answered 503"),
    "redirect": (saying("302 Found", headers="location: /login\r\n"), "/readyz answered 302"),
    "hangs": (sending(b"", then=5), "no whole answer in 0.2 s"),
    "head drips": (dripping(HEAD, b"a: b\r\n", 0.03), "no whole answer in 0.2 s"),
    "body drips": (
        dripping(HEAD + b"content-length: 9000\r\n\r\n", b"x", 0.03),
        "no whole answer in 0.2 s",
    ),
    "hangs up": (sending(b""), "RemoteProtocolError"),
    "cut short": (sending(HEAD + b"content-length: 10\r\n\r\nabc"), "RemoteProtocolError"),
    "no HTTP": (sending(b"SSH-2.0-OpenSSH_9\r\n" * 3), "RemoteProtocolError"),
    "head without end": (dripping(HEAD, b"a: " + b"b" * 60_000, 0.001), "RemoteProtocolError"),
}


@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD)
def test_ready_servers_are_healthy(run: Run, answer: Answer) -> None:
    """The status counts; of the body only so much is read."""

    async def scenario() -> None:
        assert await verdict_on(answer, timeout_seconds=2.0) == ""

    run(scenario())


@pytest.mark.parametrize(("answer", "reason"), BAD.values(), ids=BAD)
def test_bad_servers_are_unhealthy(run: Run, answer: Answer, reason: str) -> None:
    """Whatever is wrong, it is found within the timeout, and it is said.

    What is to be found out before the timeout has ten times as much: the server runs beside the
    check in one process, which a busy machine may hold for longer than 0.2 s.
    """
    late: dict[str, float] = {} if reason.endswith("in 0.2 s") else {"timeout_seconds": 2.0}

    async def scenario() -> None:
        began = time.monotonic()
        assert reason in await verdict_on(answer, **late)
        assert time.monotonic() - began < 1

    run(scenario())


def test_refused_connection_is_unhealthy(run: Run) -> None:
    """Nobody listens."""

    async def scenario() -> None:
        assert "ConnectError" in await verdict(await closed_port())

    run(scenario())


def test_name_that_does_not_exist_is_unhealthy(run: Run) -> None:
    """However the resolver says so, or if it says nothing in time."""

    async def scenario() -> None:
        assert await verdict("no-such-host.invalid:80")

    run(scenario())


def test_address_that_is_none_is_unhealthy(run: Run) -> None:
    """It does not end the checks of the others."""

    async def scenario() -> None:
        async with (
            answering(saying()) as server,
            checking("127.0.0.1:99999", server.address) as checks,
        ):
            await until(lambda: len(server.heads) > 3)
            assert [one.healthy for one in checks.balancer.members] == [False, True]

    run(scenario())


def test_an_error_in_place_of_its_cancellation_does_not_keep_a_check_alive(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As anyio's groups of tasks do it when a connection fails in the moment of the end."""
    asked = asyncio.Event()

    async def ask(*_: object) -> str:
        asked.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ExceptionGroup("unhandled errors", [OverflowError("port")]) from None
        return ""

    async def scenario() -> None:
        monkeypatch.setattr(Checker, "_ask", ask)
        async with asyncio.timeout(5):
            async with checking(await closed_port(), timeout_seconds=60, interval_seconds=60):
                await asked.wait()

    run(scenario())


def test_statuses_and_path_are_configured(run: Run) -> None:
    """418 may be what ready means."""

    async def scenario() -> None:
        async with answering(saying("418 I'm a teapot")) as server:
            options: dict[str, Any] = {"path": "/health/a%20b", "statuses": (418,)}
            assert await verdict(server.address, **options) == ""
            assert server.heads[0].startswith(b"GET /health/a%20b HTTP/1.1\r\n")

    run(scenario())


def test_host_is_the_address_unless_configured(run: Run) -> None:
    """Servers that answer only to their name need it."""

    async def scenario() -> None:
        async with answering(saying()) as server:
            await verdict(server.address)
            assert f"host: {server.address}\r\n".encode() in server.heads[0].lower()
            server.heads.clear()
            await verdict(server.address, host="shop.example")
            assert b"host: shop.example\r\n" in server.heads[0].lower()

    run(scenario())


def test_unix_socket_is_checked(run: Run, tmp_path: Path) -> None:
    """An instance on this machine."""

    async def scenario() -> None:
        async with answering(saying(), path=str(tmp_path / "shop.sock")) as server:
            assert await verdict(server.address) == ""
        assert "ConnectError" in await verdict(server.address)

    run(scenario())


# ---------------------------------------------------------------- TLS


class Authority:
    """A certificate authority with its file, and contexts for servers."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.file)
        self._folder = folder

    def server(self, name: str, *, client_ca: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name).configure_cert(context)
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context

    def client(self) -> str:
        path = str(self._folder / "client.pem")
        self.ca.issue_cert("proxy.example").private_key_and_cert_chain_pem.write_to_path(path)
        return path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_tls_is_verified_against_the_name(run: Run, authority: Authority) -> None:
    """By address the right certificate needs the right name; another name is not accepted."""

    async def scenario() -> None:
        async with answering(saying(), tls=authority.server("pay.internal")) as server:
            named = UpstreamTls(ca=authority.file, server_name="pay.internal")
            assert await verdict(server.address, tls=named, timeout_seconds=2.0) == ""
            assert b"host: pay.internal\r\n" in server.heads[0].lower()
            for wrong in (
                UpstreamTls(ca=authority.file),
                UpstreamTls(ca=authority.file, server_name="other.internal"),
                UpstreamTls(server_name="pay.internal"),
            ):
                reason = await verdict(server.address, tls=wrong, timeout_seconds=2.0)
                assert "CERTIFICATE_VERIFY_FAILED" in reason

    run(scenario())


def test_client_certificate_is_shown(run: Run, authority: Authority) -> None:
    """To a server that asks for one; without one it is unhealthy."""

    async def scenario() -> None:
        tls = authority.server("127.0.0.1", client_ca=True)
        async with answering(saying(), tls=tls) as server:
            file = authority.client()
            known = UpstreamTls(ca=authority.file, certificate=file, key=file)
            assert await verdict(server.address, tls=known, timeout_seconds=2.0) == ""
            unknown = UpstreamTls(ca=authority.file)
            assert await verdict(server.address, tls=unknown, timeout_seconds=2.0)

    run(scenario())


# ---------------------------------------------------------------- changes of mind


def test_so_many_answers_in_a_row_change_the_mind(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Six bad ones make it unhealthy and two good ones healthy; each is told and logged once."""
    caplog.set_level(logging.INFO, "strangler_proxy")

    async def scenario() -> None:
        async with (
            answering(saying()) as server,
            checking(server.address, unhealthy=6, healthy=2) as checks,
        ):
            await until(lambda: checks.member.checked)
            server.answer = saying("500 Oh")
            asked = len(server.heads)
            await until(lambda: checks.changes)
            assert 6 <= len(server.heads) - asked <= 7
            server.answer = saying()
            asked = len(server.heads)
            await until(lambda: len(checks.changes) > 1)
            assert 2 <= len(server.heads) - asked <= 3
            await until(lambda: len(server.heads) - asked > 9)
        address = server.address
        assert checks.changes == [(address, False, "/readyz answered 500"), (address, True, "")]
        assert caplog.text.count(f"shop: {address} is unhealthy: /readyz answered 500") == 1
        assert caplog.text.count(f"shop: {address} is healthy again") == 1

    run(scenario())


def test_single_bad_answers_change_nothing(run: Run) -> None:
    """Bad, good, good, bad: never two bad ones in a row."""

    async def scenario() -> None:
        async with answering(saying()) as server:

            async def every_third(head: bytes, writer: asyncio.StreamWriter) -> None:
                bad = len(server.heads) % 3 == 0
                await saying("503 No" if bad else "200 OK")(head, writer)

            server.answer = every_third
            async with checking(server.address, unhealthy=2) as checks:
                await until(lambda: len(server.heads) > 15)
        assert checks.changes == []

    run(scenario())


def test_first_answer_decides_alone(run: Run) -> None:
    """Available until it is asked; one bad answer is enough then."""

    async def scenario() -> None:
        async with (
            answering(saying("503 Starting")) as server,
            checking(server.address, unhealthy=10) as checks,
        ):
            assert checks.member.healthy
            await until(lambda: checks.changes)
            assert len(server.heads) == 1

    run(scenario())


def test_new_member_is_checked_at_once(run: Run) -> None:
    """It need not wait for the interval."""

    async def scenario() -> None:
        async with (
            answering(saying("503 No")) as new,
            answering(saying()) as old,
            checking(old.address, interval_seconds=60.0) as checks,
        ):
            await until(lambda: checks.member.checked)
            checks.be(old.address, new.address)
            await until(lambda: checks.changes, seconds=2)
        assert checks.changes[0][0] == new.address
        assert len(old.heads) == 1

    run(scenario())


def test_member_is_found_without_being_told(run: Run) -> None:
    """At the latest after one interval."""

    async def scenario() -> None:
        async with answering(saying()) as server, checking() as checks:
            await asyncio.sleep(0.03)
            checks.balancer.update([Instance(address=server.address)], time.monotonic())
            await until(lambda: checks.member.checked)

    run(scenario())


def test_vanished_member_is_not_asked_any_more(run: Run) -> None:
    """Nor is a check that hangs waited for."""

    async def scenario() -> None:
        async with (
            answering(dripping(HEAD, b"a: b\r\n", 0.01)) as server,
            checking(server.address, timeout_seconds=60.0) as checks,
        ):
            await until(lambda: server.now)
            checks.be()
            await until(lambda: not server.now)
            assert len(server.heads) == 1

    run(scenario())


def test_never_two_checks_of_one_member_at_once(run: Run) -> None:
    """Even when answers take ten intervals; the others are not kept waiting."""

    async def slow(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        await saying()(head, writer)

    async def scenario() -> None:
        async with answering(slow) as server, answering(saying()) as quick:
            async with checking(server.address, quick.address, interval_seconds=0.01):
                await until(lambda: len(server.heads) >= 4)
            assert server.most_at_once == 1
            assert len(quick.heads) > 8

    run(scenario())


def test_checks_are_not_in_step(run: Run) -> None:
    """The pauses differ by a tenth either way."""

    async def scenario() -> None:
        times: list[float] = []

        async def noting(head: bytes, writer: asyncio.StreamWriter) -> None:
            times.append(time.monotonic())
            await saying()(head, writer)

        async with answering(noting) as server, checking(server.address, interval_seconds=0.1):
            await until(lambda: len(times) > 8)
        pauses = [after - before for before, after in pairwise(times)]
        assert max(pauses) - min(pauses) > 0.005

    run(scenario())


def test_each_check_makes_its_own_connection(run: Run) -> None:
    """A server that has stopped listening is found out though old connections work."""

    async def scenario() -> None:
        ports: set[int] = set()

        async def noting(head: bytes, writer: asyncio.StreamWriter) -> None:
            ports.add(writer.get_extra_info("peername")[1])
            await saying()(head, writer)

        async with answering(noting) as server, checking(server.address):
            await until(lambda: len(server.heads) >= 5)
        assert len(ports) >= 5

    run(scenario())


def test_nothing_is_left_behind(run: Run) -> None:
    """When the checks end, hanging ones too, no task stays."""

    async def scenario() -> None:
        async with answering(sending(b"", then=5)) as server:
            before = len(asyncio.all_tasks())
            async with checking(server.address, timeout_seconds=5.0):
                await until(lambda: server.heads)
            await server.stop()
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) <= before

    run(scenario())
