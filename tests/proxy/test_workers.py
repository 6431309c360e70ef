"""Several workers behind one fleet: in memory for the rules, as processes for the rest."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from msgspec.structs import replace

from strangler_proxy.config import Document, Listen, Route
from strangler_proxy.control.fleet import (
    NotRegistrable,
    Question,
    RevisionConflict,
    Unknown,
    WorkerFailed,
    WorkerSnapshot,
)
from strangler_proxy.discovery import registrations
from strangler_proxy.discovery.announcement import Announcement
from strangler_proxy.document.loading import load
from strangler_proxy.errors import Finding, TableRefused
from strangler_proxy.metrics import Event, Metrics
from strangler_proxy.workers import process
from strangler_proxy.workers.channel import LARGEST, Channel, Request
from strangler_proxy.workers.crew import Crew
from strangler_proxy.workers.local import LocalHand
from strangler_proxy.workers.orders import AnyOrder, Apply, TakeSnapshot, Welcome
from strangler_proxy.workers.slots import Slots
from strangler_proxy.workers.supervisor import Supervisor

TABLE = """
version: 1
revision: 7
workers: 2
drain_seconds: 2
listen: [{address: "127.0.0.1:0"}]
upstreams:
  monolith: {instances: [{address: "127.0.0.1:9000"}]}
  orders-service: {registry: {ttl_seconds: 4}}
capabilities:
  orders: {monolith: monolith, service: orders-service, epoch: 3}
routes:
  - {name: orders, prefix: /api/v1/orders, capability: orders}
"""
WORKER = (sys.executable, "-m", "tests.proxy.standin_worker")
HERE = Announcement(address="10.0.0.1:80")


def _with_route(document: Document, name: str) -> Document:
    route = Route(name=name, prefix=f"/{name}", upstream="monolith")
    return replace(document, routes=(*document.routes, route))


class DataPath:
    """A worker in memory: keeps what it was told."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.document: Document | None = None
        self.refuses: Exception | None = None
        self.told: list[Any] = []
        self.metrics = Metrics()
        self.address = "10.0.0.1:80"

    async def start(self, welcome: Welcome) -> None:
        self.document = welcome.document

    async def apply(self, document: Document) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.document = document

    def snapshot(self) -> WorkerSnapshot:
        if self.refuses is not None:
            raise self.refuses
        revision = self.document.revision if self.document else 0
        return WorkerSnapshot(
            worker=self.number, pid=1, revision=revision, metrics=self.metrics.snapshot()
        )

    def register(self, upstream: str, instance: str, announcement: Announcement) -> None:
        self.told.append((upstream, instance, announcement))

    def deregister(self, upstream: str, instance: str) -> None:
        self.told.append((upstream, instance))

    def drain_instance(self, upstream: str, address: str, *, draining: bool) -> bool:
        self.told.append((upstream, address, draining))
        return address == self.address

    def explain(self, question: Question) -> dict[str, Any]:
        return {"target": question.target}

    def reopen_log(self) -> None:
        self.told.append("log")

    async def leave(self) -> None:
        self.told.append("leave")

    async def drain(self, seconds: float) -> None:
        self.told.append(seconds)


class Slow(LocalHand):
    """Fails as a process does that hangs; counts how often it was replaced."""

    replaced = 0

    async def ask(self, order: AnyOrder, shape: type[Any]) -> Any:
        if isinstance(order, Apply):
            raise WorkerFailed("worker 1 does not answer")
        return await super().ask(order, shape)

    def replace(self) -> None:
        self.replaced += 1


class Fleet:
    """A crew of workers in memory, and what it kept."""

    def __init__(self, *hands: type[LocalHand]) -> None:
        self.saved: list[int] = []
        self.checked: list[str] = []
        self.file = load(TABLE)
        self.now = 0.0
        self.crew = Crew(
            load(TABLE),
            check=self.check,
            load=lambda: self.file,
            save=lambda document: self.saved.append(document.revision),
            clock=lambda: self.now,
        )
        kinds = hands or (LocalHand, LocalHand)
        self.paths = [DataPath(number) for number in range(len(kinds))]
        self.crew.hands = [kind(path) for kind, path in zip(kinds, self.paths, strict=True)]

    def check(self, document: Document) -> None:
        if any(route.name == "faulty" for route in document.routes):
            raise TableRefused([Finding(path="$.routes", reason="is faulty")])

    async def start(self) -> Fleet:
        for hand in self.crew.hands:
            assert isinstance(hand, LocalHand)
            await hand.start(self.crew)
        return self

    @property
    def revisions(self) -> list[int]:
        return [path.document.revision for path in self.paths if path.document]


def _run(scenario: Callable[[Fleet], Awaitable[None]], *hands: type[LocalHand]) -> Fleet:
    async def main() -> Fleet:
        fleet = await Fleet(*hands).start()
        await scenario(fleet)
        return fleet

    return asyncio.run(main())


# ---------------------------------------------------------------- the rules, in memory


def test_a_table_is_in_force_when_every_worker_has_it() -> None:
    """And it is kept for the next start."""

    async def scenario(fleet: Fleet) -> None:
        assert await fleet.crew.apply(_with_route(load(TABLE), "new"), expect=7) == 8
        assert fleet.revisions == [8, 8]
        assert fleet.crew.document().revision == 8

    assert _run(scenario).saved == [8]


def test_another_revision_than_expected_changes_nothing() -> None:
    """Compare and swap."""

    async def scenario(fleet: Fleet) -> None:
        with pytest.raises(RevisionConflict, match="7 is in force"):
            await fleet.crew.apply(_with_route(load(TABLE), "new"), expect=6)

    fleet = _run(scenario)
    assert (fleet.revisions, fleet.saved) == ([7, 7], [])


def test_of_two_changes_at_once_one_is_too_late() -> None:
    """They come one after the other, also while workers are being told."""

    async def scenario(fleet: Fleet) -> None:
        results = await asyncio.gather(
            *(fleet.crew.apply(_with_route(load(TABLE), name), expect=7) for name in "ab"),
            return_exceptions=True,
        )
        assert [type(one) for one in results] == [int, RevisionConflict]

    assert _run(scenario).revisions == [8, 8]


def test_a_table_with_faults_reaches_no_worker() -> None:
    """It is checked before, and counted."""

    async def scenario(fleet: Fleet) -> None:
        with pytest.raises(TableRefused, match="is faulty"):
            await fleet.crew.apply(_with_route(load(TABLE), "faulty"), expect=None)
        (first, _) = await fleet.crew.snapshots()
        assert [(one.event, one.value) for one in first.metrics.tallies] == [
            (Event.RELOAD_REFUSED, 1)
        ]

    fleet = _run(scenario)
    assert (fleet.revisions, fleet.crew.document().revision) == ([7, 7], 7)


@pytest.mark.parametrize(
    "error", [TableRefused([Finding(path="$", reason="no")]), PermissionError(13, "tls.key")]
)
def test_what_one_worker_refuses_no_worker_keeps(error: Exception) -> None:
    """Whatever the reason: two tables at once would be worse than an old one."""

    async def scenario(fleet: Fleet) -> None:
        fleet.paths[1].refuses = error
        with pytest.raises(TableRefused, match=r"no|tls\.key"):
            await fleet.crew.apply(_with_route(load(TABLE), "new"), expect=None)

    fleet = _run(scenario)
    assert fleet.revisions == [7, 7]
    assert fleet.crew.document() == load(TABLE)
    assert fleet.saved == []


def test_a_worker_that_does_not_answer_is_replaced_and_the_others_go_on() -> None:
    """Its successor begins with the new table, so nobody serves the old one."""

    async def scenario(fleet: Fleet) -> None:
        assert await fleet.crew.apply(_with_route(load(TABLE), "new"), expect=None) == 8
        hung = fleet.crew.hands[1]
        assert isinstance(hung, Slow)
        assert hung.replaced == 1
        assert fleet.crew.welcome(1).document.revision == 8

    assert _run(scenario, LocalHand, Slow).paths[0].document == replace(
        _with_route(load(TABLE), "new"), revision=8
    )


def test_a_table_that_cannot_be_kept_is_in_force_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A full disk must not stop a rollback."""

    async def main() -> None:
        def save(document: Document) -> None:
            raise OSError(28, "No space left on device")

        crew = Crew(load(TABLE), check=lambda one: None, load=lambda: load(TABLE), save=save)
        assert await crew.apply(_with_route(load(TABLE), "new"), expect=None) == 8

    asyncio.run(main())
    assert "could not be kept" in caplog.text


def test_reload_takes_the_file_unless_it_brings_back_an_old_authority() -> None:
    """An epoch never goes down."""

    async def scenario(fleet: Fleet) -> None:
        fleet.file = load(TABLE.replace("epoch: 3", "epoch: 4"))
        assert await fleet.crew.reload() == 8
        fleet.file = load(TABLE)
        with pytest.raises(TableRefused, match="4 is known already"):
            await fleet.crew.reload()

    assert _run(scenario).revisions == [8, 8]


def test_instances_register_with_every_worker() -> None:
    """Whoever starts later learns of them, until they have been silent too long."""

    async def scenario(fleet: Fleet) -> None:
        crew = fleet.crew
        first = await crew.register("orders-service", "pod-1", HERE)
        again = await crew.register("orders-service", "pod-1", HERE)
        assert (first.new, again.new, first.ttl_seconds) == (True, False, 4)
        assert json.loads(crew.welcome(2).registrations) == {
            "orders-service": {"pod-1": {**msgspec.to_builtins(HERE)}}
        }
        fleet.now = 4.0
        assert json.loads(crew.welcome(2).registrations) == {"orders-service": {}}
        await crew.register("orders-service", "pod-1", HERE)
        await crew.deregister("orders-service", "pod-1")
        with pytest.raises(Unknown, match="pod-1"):
            await crew.deregister("orders-service", "pod-1")

    fleet = _run(scenario)
    said = ("orders-service", "pod-1", HERE)
    assert [path.told for path in fleet.paths] == [[said] * 3 + [said[:2]]] * 2


def test_what_cannot_register_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """No such upstream, one with instances of its own, or one too many."""
    monkeypatch.setattr(registrations, "MOST", 1)

    async def scenario(fleet: Fleet) -> None:
        with pytest.raises(Unknown, match="monolith, orders-service"):
            await fleet.crew.register("nothing", "a", HERE)
        with pytest.raises(NotRegistrable, match="do not register here"):
            await fleet.crew.register("monolith", "a", HERE)
        await fleet.crew.register("orders-service", "a", HERE)
        with pytest.raises(NotRegistrable, match="no more"):
            await fleet.crew.register("orders-service", "b", HERE)

    _run(scenario)


def test_a_drained_instance_stays_drained_in_workers_that_start_later() -> None:
    """Also in those that had begun to start when it was drained."""

    async def scenario(fleet: Fleet) -> None:
        crew, late = fleet.crew, fleet.paths[1]
        before = crew.welcome(1)
        await crew.drain_instance("monolith", "10.0.0.1:80", draining=True)
        assert crew.welcome(1).drained == (("monolith", "10.0.0.1:80"),)
        late.told.clear()
        await crew.catch_up(crew.hands[1], before)
        assert late.told == [("monolith", "10.0.0.1:80", True)]
        await crew.drain_instance("monolith", "10.0.0.1:80", draining=False)
        assert crew.welcome(1).drained == ()
        with pytest.raises(Unknown, match=r"10\.0\.0\.9:80"):
            await crew.drain_instance("monolith", "10.0.0.9:80", draining=True)
        assert crew.welcome(1).drained == ()

    _run(scenario)


def test_a_worker_that_starts_while_the_table_changes_gets_the_new_one() -> None:
    """Before it counts as ready."""

    async def scenario(fleet: Fleet) -> None:
        crew, late = fleet.crew, fleet.crew.hands[1]
        late.ready = False
        welcome = crew.welcome(1)
        await crew.apply(_with_route(load(TABLE), "new"), expect=None)
        assert fleet.revisions == [8, 7]
        await crew.catch_up(late, welcome)
        assert late.ready

    assert _run(scenario).revisions == [8, 8]


def test_a_worker_that_fails_is_missing_and_not_the_whole_answer() -> None:
    """Metrics of the others are there; explain asks one that serves."""

    async def scenario(fleet: Fleet) -> None:
        fleet.paths[0].refuses = RuntimeError("broken")
        assert [one.worker for one in await fleet.crew.snapshots()] == [1]
        assert await fleet.crew.explain(Question(target="/x")) == {"target": "/x"}
        for hand in fleet.crew.hands:
            hand.ready = False
        assert fleet.crew.unready() == ("no listener",)
        with pytest.raises(WorkerFailed, match="no worker serves"):
            await fleet.crew.explain(Question(target="/x"))

    _run(scenario)


def test_a_drain_that_fails_ends_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    """One worker cannot be drained: the others are, it is logged, and nobody waits for ever."""

    class Stuck(DataPath):
        async def drain(self, seconds: float) -> None:
            raise RuntimeError("no drain here")

    async def scenario(fleet: Fleet) -> None:
        stuck = LocalHand(Stuck())
        await stuck.start(fleet.crew)
        fleet.crew.hands = (stuck, *fleet.crew.hands)
        await fleet.crew.begin_drain()
        await asyncio.wait_for(fleet.crew.ended.wait(), 5)

    assert [path.told for path in _run(scenario).paths] == [[2.0], [2.0]]
    assert "no drain here" in caplog.text


def test_a_drain_reaches_all_and_ends() -> None:
    """The second order to drain changes nothing."""

    async def scenario(fleet: Fleet) -> None:
        assert fleet.crew.unready() == ()
        await fleet.crew.begin_drain()
        await fleet.crew.begin_drain()
        assert fleet.crew.unready() == ("draining",)
        await asyncio.wait_for(fleet.crew.ended.wait(), 1)

    assert [path.told for path in _run(scenario).paths] == [[2.0], [2.0]]


def test_all_have_left_before_addresses_that_others_share_are_closed() -> None:
    """One that cannot leave does not keep the others from it; and only then they drain."""
    told: list[tuple[list[Any], ...]] = []

    class Stubborn(DataPath):
        async def leave(self) -> None:
            self.told.append("stays")
            raise RuntimeError("not me")

    async def scenario(fleet: Fleet) -> None:
        stubborn = Stubborn()
        hand = LocalHand(stubborn)
        await hand.start(fleet.crew)
        fleet.crew.hands = (hand, *fleet.crew.hands)
        paths = [stubborn, *fleet.paths]
        fleet.crew.hand_over = lambda: True
        fleet.crew.close_addresses = lambda: told.append(tuple(list(path.told) for path in paths))
        await fleet.crew.begin_drain()
        await asyncio.wait_for(fleet.crew.ended.wait(), 10)
        told.append(tuple(path.told for path in paths))

    _run(scenario)
    assert told == [
        (["stays"], ["leave"], ["leave"]),
        (["stays", 2.0], ["leave", 2.0], ["leave", 2.0]),
    ]


def test_logs_are_opened_again_everywhere() -> None:
    """After logrotate."""

    async def scenario(fleet: Fleet) -> None:
        await fleet.crew.reopen_logs()

    assert [path.told for path in _run(scenario).paths] == [["log"], ["log"]]


# ---------------------------------------------------------------- messages and sockets


def test_messages_arrive_whole_and_the_end_is_seen() -> None:
    """A document of any size, and None when the other end is gone."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        sender, receiver = await Channel.open(ours), await Channel.open(theirs)
        document = load(TABLE)
        large = replace(document, routes=document.routes * 2000)
        for order in (Apply(large), TakeSnapshot()):
            sent = asyncio.create_task(sender.send(Request(5, order)))
            assert await receiver.receive(Request) == Request(5, order)
            await sent
        sender.close()
        assert await receiver.receive(Request) is None
        receiver.close()

    uvloop.run(main())


def test_what_is_no_message_is_refused() -> None:
    """Not read into memory for ever."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        channel = await Channel.open(ours)
        with theirs:
            theirs.sendall((LARGEST + 1).to_bytes(4, "big"))
            with pytest.raises(msgspec.DecodeError, match="none of ours"):
                await channel.receive(Request)
        channel.close()

    asyncio.run(main())


def _accepting(fds: tuple[int, ...]) -> socket.socket:
    opened = socket.socket(fileno=os.dup(fds[0]))
    opened.listen()
    opened.setblocking(False)
    return opened


def _accepted(opened: socket.socket) -> int:
    count = 0
    while True:
        try:
            opened.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_sockets_that_are_given_up_get_no_more_connections() -> None:
    """A worker that dies again and again does not swallow its share of the clients."""
    slots = Slots([Listen(address="127.0.0.1:0")])
    host, port = slots.addresses[0].split(":")
    first, second = _accepting(slots.of(0)), _accepting(slots.of(1))

    def connect(times: int) -> None:
        for _ in range(times):
            socket.create_connection((host, int(port)), timeout=2).close()

    with first:
        connect(64)
        shares = _accepted(first), _accepted(second)
        assert sum(shares) == 64
        assert min(shares) > 0
        second.close()
        slots.give_up(1)
        connect(64)
        assert _accepted(first) == 64
        with _accepting(slots.of(1)) as again:  # it is back
            connect(64)
            assert _accepted(again) > 0
    slots.close()


def test_a_taken_or_impossible_address_is_named(tmp_path: Path) -> None:
    """And what was opened before it is closed again."""
    missing = f"unix:{tmp_path / 'missing' / 'front.sock'}"
    front = f"unix:{tmp_path / 'front.sock'}"
    with pytest.raises(FileNotFoundError, match=missing):
        Slots([Listen(address=front), Listen(address=missing)])
    assert not (tmp_path / "front.sock").exists()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=address):
            Slots([Listen(address=address)])


# ---------------------------------------------------------------- processes


@asynccontextmanager
async def _supervised(text: str = TABLE) -> AsyncIterator[Supervisor]:
    document = load(text)
    crew = Crew(document, check=lambda one: None, load=lambda: document, save=lambda one: None)
    supervisor = Supervisor(crew, command=WORKER)
    await supervisor.start()
    try:
        yield supervisor
    finally:
        await supervisor.stop()


def _play(scenario: Callable[[Supervisor], Awaitable[None]], text: str = TABLE) -> None:
    async def main() -> None:
        async with _supervised(text) as supervisor:
            await scenario(supervisor)

    uvloop.run(main())


async def _get(supervisor: Supervisor, path: str = "/") -> dict[str, Any]:
    address = supervisor.addresses[0]
    if address.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    else:
        reader, writer = await asyncio.open_connection(*address.split(":"))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
    state: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return state


async def _everybody(supervisor: Supervisor) -> dict[int, dict[str, Any]]:
    """What each worker says, by its number; asks until both were met."""
    found: dict[int, dict[str, Any]] = {}
    while len(found) < 2:
        state = await _get(supervisor)
        found[state["worker"]] = state
    return found


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_workers_share_an_address_and_obey_together(kind: str, tmp_path: Path) -> None:
    """Both get connections; a new table, a registration and a drained instance reach both."""
    text = TABLE
    if kind == "unix":
        text = TABLE.replace("127.0.0.1:0", f"unix:{tmp_path / 'front.sock'}")

    async def scenario(supervisor: Supervisor) -> None:
        crew = supervisor.crew
        assert {one["revision"] for one in (await _everybody(supervisor)).values()} == {7}
        await crew.apply(_with_route(load(text), "new"), expect=7)
        await crew.register("orders-service", "pod-1", HERE)
        await crew.drain_instance("orders-service", HERE.address, draining=True)
        for state in (await _everybody(supervisor)).values():
            assert state["revision"] == 8
            assert state["instances"] == {"pod-1": HERE.address}
            assert state["drained"] == [HERE.address]
        assert await crew.explain(Question(target="/x")) == {"target": "/x"}

    _play(scenario, text)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_in_one_process_is_a_refusal_for_all() -> None:
    """The finding arrives with its line."""

    async def scenario(supervisor: Supervisor) -> None:
        with pytest.raises(TableRefused) as refused:
            await supervisor.crew.apply(_with_route(load(TABLE), "refused-by-1"), expect=None)
        assert refused.value.findings == (Finding(path="$.routes", reason="not by me", line=9),)
        assert {one["revision"] for one in (await _everybody(supervisor)).values()} == {7}

    _play(scenario)


def test_no_connection_is_lost_when_a_worker_dies() -> None:
    """Those that the kernel accepts meanwhile wait for the next one, which knows everything."""

    async def scenario(supervisor: Supervisor) -> None:
        crew = supervisor.crew
        await crew.apply(_with_route(load(TABLE), "new"), expect=None)
        await crew.register("orders-service", "pod-1", HERE)
        before = await _everybody(supervisor)
        os.kill(before[0]["pid"], signal.SIGKILL)
        answers = await asyncio.gather(*(_get(supervisor) for _ in range(60)))
        after = {one["worker"]: one for one in answers}
        assert set(after) == {0, 1}
        assert after[1]["pid"] == before[1]["pid"]
        assert after[0]["pid"] != before[0]["pid"]
        assert after[0]["revision"] == 8
        assert after[0]["instances"] == {"pod-1": HERE.address}

    _play(scenario)


def test_counters_do_not_go_back_when_a_worker_dies() -> None:
    """What its predecessors counted is kept; what they had open is closed."""

    async def scenario(supervisor: Supervisor) -> None:
        async def counted() -> tuple[int, int]:
            snapshots = {one.worker: one.metrics for one in await supervisor.crew.snapshots()}
            served = sum(sum(one.buckets) for one in snapshots[0].served)
            return served, snapshots[0].connections()["here"]

        states = await _everybody(supervisor)
        served, opened = await counted()
        assert served == opened > 0  # the stand-in counts no closed connections
        os.kill(states[0]["pid"], signal.SIGKILL)
        hand = supervisor.crew.hands[0]
        await _until(lambda: not hand.ready)
        await _until(lambda: hand.ready)
        assert await counted() == (served, 0)

    _play(scenario)


def test_a_worker_that_hangs_is_killed_and_its_successor_has_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that none answers by an old table for long."""
    monkeypatch.setattr(process, "PATIENCE", 0.5)

    async def scenario(supervisor: Supervisor) -> None:
        before = await _everybody(supervisor)
        hangs = _with_route(load(TABLE), "hangs-1")
        assert await supervisor.crew.apply(hangs, expect=None) == 8
        after = await _everybody(supervisor)
        assert after[0]["pid"] == before[0]["pid"]
        assert after[1]["pid"] != before[1]["pid"]
        assert {one["revision"] for one in after.values()} == {8}

    _play(scenario)


def test_a_worker_that_ends_by_itself_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    """With its exit status in the log."""

    async def scenario(supervisor: Supervisor) -> None:
        with pytest.raises(json.JSONDecodeError):
            await _get(supervisor, "/die")
        await _until(lambda: "ended with status 3" in caplog.text)
        await _until(lambda: all(hand.ready for hand in supervisor.crew.hands))
        await _everybody(supervisor)

    _play(scenario)


def test_signals_of_a_terminal_are_for_the_supervisor() -> None:
    """Workers end when they are told to, not when everybody is signalled."""

    async def scenario(supervisor: Supervisor) -> None:
        before = await _everybody(supervisor)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(before[0]["pid"], number)
        await asyncio.sleep(0.1)
        after = await _everybody(supervisor)
        assert {one["pid"] for one in after.values()} == {one["pid"] for one in before.values()}

    _play(scenario)


def test_a_drain_finishes_what_is_under_way_and_takes_nothing_new() -> None:
    """Then the workers end by themselves and are not started again."""

    async def scenario(supervisor: Supervisor) -> None:
        slow = [asyncio.create_task(_get(supervisor, "/slow")) for _ in range(20)]
        await asyncio.sleep(0.15)
        await supervisor.crew.begin_drain()
        await asyncio.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            await _get(supervisor)
        snapshots = await supervisor.crew.snapshots()  # still of interest
        assert len(snapshots) == 2
        assert len(await asyncio.gather(*slow)) == 20
        await asyncio.wait_for(supervisor.crew.ended.wait(), 5)
        assert not any(hand.ready for hand in supervisor.crew.hands)

    _play(scenario)


def test_workers_that_cannot_begin_are_one_clear_error(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not an endless row of starts; their own words are on stderr."""

    async def main() -> None:
        async with _supervised(TABLE.replace("name: orders", "name: cannot-begin")):
            pytest.fail("they cannot begin")

    with pytest.raises(WorkerFailed, match=r"cannot begin: worker \d has died 3 times"):
        uvloop.run(main())
    assert "the certificate cannot be read" in capfd.readouterr().err
    assert "ended with status 1" in caplog.text


def test_workers_do_not_outlive_their_supervisor() -> None:
    """However it ends."""
    command = (sys.executable, "-m", "tests.proxy.standin_supervisor")
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as supervisor:
        assert supervisor.stdin is not None
        assert supervisor.stdout is not None
        supervisor.stdin.write(TABLE)
        supervisor.stdin.close()
        pids = json.loads(supervisor.stdout.readline())["pids"]
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        supervisor.kill()
        # The pipe ends when the last process that has it has ended.
        assert supervisor.stdout.read() == ""
    assert len(pids) == 2
