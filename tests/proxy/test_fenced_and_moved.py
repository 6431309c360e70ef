"""Answers that say nothing was done: 503 ``Ficus-Fenced`` and 421 ``Ficus-Moved``."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.proxy.client import Crowd, ask, crowd, members, patch
from tests.proxy.origin import CLOSE, Got, Step, ok
from tests.proxy.stage import (
    EPOCH,
    Stage,
    assert_is_moving,
    capability,
    fenced,
    moved,
    stage,
)
from tests.waiting import eventually

NEXT = EPOCH + 1
CAPABILITIES: dict[str, dict[str, Any]] = {
    **{name: capability() for name in ("lapses", "twice", "blameless", "lost", "early")},
    **{name: capability() for name in ("follows-1", "follows-2", "follows-3")},
    **{name: capability() for name in ("awaits", "again", "there", "stale", "large", "odd")},
    **{name: capability() for name in ("both", "held", "other", "news")},
    "too-long": capability(hold={"seconds": 0.5}),
    "never": capability(hold={"seconds": 0.5}),
}
ROUTES: dict[str, dict[str, Any]] = {
    "large": {"retry": {"body_bytes": 1000}},
    "lost": {"retry": {"attempts": 2}},
}


@pytest.fixture(scope="module")
def hasty() -> Iterator[int]:
    """The port of a server that is fenced, and says so twice before it has read any body."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        pool.submit(_answer_hastily, listener)
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _answer_hastily(listener: socket.socket) -> None:
    for refuses in (True, True, False):
        client, _ = listener.accept()
        with client:
            received = b""
            while b"\r\n\r\n" not in received:
                received += client.recv(65536)
            if refuses:
                client.sendall(fenced())
                continue
            while not received.endswith(b"\r\n0\r\n\r\n"):
                received += client.recv(65536)
            client.sendall(ok(received.partition(b"\r\n\r\n")[2]))


@pytest.fixture(scope="module")
def play(hasty: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage of this file's tests; /direct leads to the monolith without a capability."""

    def change(document: dict[str, Any]) -> None:
        document["upstreams"]["hasty"] = {"instances": [{"address": f"127.0.0.1:{hasty}"}]}
        document["capabilities"]["early"]["monolith"] = "hasty"
        direct = {"name": "direct", "prefix": "/direct", "upstream": "monolith"}
        document["routes"].append({**direct, "authentication": "none"})

    strict = {"outliers": {"consecutive_failures": 2}, "breaker": {"minimum": 2, "probes": 1}}
    folder = tmp_path_factory.mktemp("stage")
    with stage(folder, CAPABILITIES, ROUTES, change, **strict) as running:
        yield running


@pytest.fixture
def people() -> Iterator[Crowd]:
    with crowd() as running:
        yield running


class Fence:
    """Refuses so many times and notes when."""

    def __init__(self, times: int, answer: bytes | list[Step]) -> None:
        self.times = times
        self.answer = answer
        self.asked: list[float] = []

    def __call__(self, got: Got) -> bytes | list[Step]:
        self.asked.append(time.monotonic())
        return fenced() if len(self.asked) <= self.times else self.answer

    def pauses(self) -> list[float]:
        return [later - one for one, later in zip(self.asked, self.asked[1:], strict=False)]


# ---------------------------------------------------------------- fenced


def test_fenced_command_asks_again_until_the_fence_lapses(play: Stage) -> None:
    """No new table comes: the same command, with growing pauses, and one good answer."""
    seen = [pauses_of_a_fenced_command(play) for _ in range(3)]
    pauses = [min(same) for same in zip(*seen, strict=True)]  # a busy machine only adds to them
    expected = (0.02, 0.04, 0.08, 0.16, 0.2, 0.2)
    assert all(want * 0.9 <= one < want + 0.1 for one, want in zip(pauses, expected, strict=True))


def pauses_of_a_fenced_command(play: Stage) -> list[float]:
    """Of one that is refused six times: the seconds between its attempts."""
    fence = Fence(6, ok(b"done"))
    play.monolith.play("lapses", fence)
    headers = {"Idempotency-Key": "k", "Content-Type": "text/plain"}
    reply = ask(play.port, "POST", "/lapses", body=[b"a", b"b"], headers=headers)
    assert (reply.status, reply.text) == (200, "done")
    assert not [name for name in reply.headers if name.startswith("ficus")]
    got = play.monolith.got("lapses")[-7:]
    assert {(one.body, one.headers["idempotency-key"]) for one in got} == {(b"ab", "k")}
    assert len(fence.asked) == 7
    told = [int(one.headers["ficus-deadline"]) for one in got]
    assert told == sorted(told, reverse=True)
    assert told[-1] > 25_000
    return fence.pauses()


def test_each_command_begins_with_a_short_pause(play: Stage) -> None:
    """However long the others have waited, now or the last time."""
    for _ in range(2):
        fence = Fence(4, ok())
        play.monolith.play("twice", fence)
        assert ask(play.port, "POST", "/twice").status == 200
        assert fence.pauses()[0] < 0.1


def test_fenced_commands_follow_a_new_table_at_once(play: Stage, people: Crowd) -> None:
    """They do not wait for the end of their pause."""
    taken = [seconds_to_follow(play, people, f"follows-{n}") for n in (1, 2, 3)]
    assert min(taken) < 0.12  # a busy machine only adds to it


def seconds_to_follow(play: Stage, people: Crowd, name: str) -> float:
    """From a new table to the last answer of the commands that a fence has kept waiting."""
    play.monolith.play(name, fenced())
    waiting = [people.ask(play.port, "POST", f"/{name}", body=b"%d" % n) for n in range(8)]
    time.sleep(0.55)  # by now the pauses are of 0.2 s; the present one began at 0.5
    before = len(play.monolith.got(name))
    play.move(name)
    begun = time.monotonic()
    answers = [one.result() for one in waiting]
    taken = time.monotonic() - begun
    assert {(one.status, one.text) for one in answers} == {(200, "service")}
    assert sorted(got.body for got in play.service.got(name)) == [b"%d" % n for n in range(8)]
    assert len(play.monolith.got(name)) <= before + 8
    return taken


def test_fence_does_not_speak_against_the_instance(play: Stage) -> None:
    """Neither breaker nor outlier ejection count it, however often it comes."""
    before = members(play.door, "monolith")[play.monolith.origin.address]
    play.monolith.play("blameless", Fence(10, ok()))
    assert ask(play.port, "POST", "/blameless").status == 200
    after = members(play.door, "monolith")[play.monolith.origin.address]
    assert (after["failed"], after["breaker"]) == (before["failed"], "closed")
    assert (after["inflight"], after["ejected_seconds"]) == (0, 0)


def test_fences_do_not_use_up_attempts(play: Stage) -> None:
    """A connection that is lost after three fences is still tried again."""
    play.monolith.play("lost", fenced(), fenced(), fenced(), [CLOSE], ok(b"at last"))
    reply = ask(play.port, "POST", "/lost", headers={"Idempotency-Key": "k"})
    assert (reply.status, reply.text) == (200, "at last")


def test_fence_that_lasts_too_long_ends_in_a_problem(play: Stage) -> None:
    """503 and when to come again, within ``hold.seconds`` of waiting."""
    play.monolith.play("too-long", fenced())
    reply = ask(play.port, "POST", "/too-long")
    assert_is_moving(reply)
    assert 0.45 < reply.seconds < 1.2


def test_fenced_command_that_is_too_large_to_keep_is_refused(play: Stage) -> None:
    """It cannot be sent again; nothing was done, so the client may."""
    play.monolith.play("large", fenced())
    pieces = [b"x" * 100_000] * 3
    reply = ask(play.port, "POST", "/large", body=pieces)
    assert_is_moving(reply)
    assert len(play.monolith.got("large")) == 1
    assert play.held("large", "refused") == 1


def test_command_fenced_before_its_body_has_come_is_sent_whole(play: Stage) -> None:
    """The upstream may refuse on seeing the head; what comes later is not lost."""

    def pieces() -> Iterator[bytes]:
        yield b"one "
        time.sleep(0.3)
        yield b"two"

    reply = ask(play.port, "POST", "/early", body=pieces())
    assert (reply.status, reply.text) == (200, "4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")


def test_fenced_command_waits_on_when_the_new_table_holds_it(play: Stage, people: Crowd) -> None:
    """Fence first, hold later: it is sent when it is released, and no more before."""
    play.monolith.play("held", fenced())
    waiting = people.ask(play.port, "POST", "/held")
    eventually(lambda: len(play.monolith.got("held")) >= 2)
    play.hold("held")
    time.sleep(0.3)
    before = len(play.monolith.got("held"))
    time.sleep(0.5)
    assert len(play.monolith.got("held")) == before
    play.move("held")
    assert waiting.result().text == "service"


def test_reads_may_be_fenced_too(play: Stage) -> None:
    """A GET that the upstream counts as a command waits like one."""
    play.monolith.play("news", Fence(2, ok(b"read")))
    assert ask(play.port, "GET", "/news").text == "read"


# ---------------------------------------------------------------- moved


def test_moved_command_waits_for_a_table_with_that_epoch(play: Stage, people: Crowd) -> None:
    """Tables about something else do not wake it; then it goes to the new side, once."""
    play.monolith.play("awaits", moved(EPOCH + 2))
    waiting = people.ask(play.port, "POST", "/awaits", body=b"x")
    play.wait_until_held("awaits", 1)
    patch(play.door, "other", epoch=NEXT)
    patch(play.door, "awaits", epoch=NEXT)
    time.sleep(0.3)
    assert not waiting.done()
    play.move("awaits", EPOCH + 2)
    reply = waiting.result()
    assert (reply.status, reply.text) == (200, "service")
    assert not [name for name in reply.headers if name.startswith("ficus")]
    assert [got.body for got in play.monolith.got("awaits")] == [b"x"]
    assert [got.body for got in play.service.got("awaits")] == [b"x"]


def test_command_that_is_moved_twice_is_refused(play: Stage, people: Crowd) -> None:
    """Two hosts that name each other do not play ball with it."""
    play.monolith.play("again", moved(NEXT))
    play.service.play("again", moved(EPOCH + 9))
    waiting = people.ask(play.port, "POST", "/again")
    play.wait_until_held("again", 1)
    play.move("again")
    assert_is_moving(waiting.result())
    assert waiting.result().seconds < 2, "it waited for that epoch too"
    assert len(play.monolith.got("again")) == len(play.service.got("again")) == 1


def test_moved_command_goes_at_once_if_the_table_is_there_already(
    play: Stage, people: Crowd
) -> None:
    """The table was swapped while the old side was still being asked."""
    play.monolith.play("there", lambda got: [0.5, moved(NEXT)])
    waiting = people.ask(play.port, "POST", "/there", body=b"x")
    eventually(lambda: play.monolith.got("there"))
    play.move("there")
    assert waiting.result().text == "service"
    assert waiting.result().seconds < 0.7


@pytest.mark.parametrize("epoch", [EPOCH, EPOCH - 1, "unreadable", "9" * 5000])
def test_instance_that_is_behind_is_asked_once_more(epoch: int | str, play: Stage) -> None:
    """It names an epoch that the table knows already, or none: it will soon know its own."""
    play.monolith.play("stale", moved(epoch), ok(b"now it knows"))
    before = len(play.monolith.got("stale"))
    reply = ask(play.port, "POST", "/stale")
    assert (reply.status, reply.text) == (200, "now it knows")
    assert 0.15 < reply.seconds < 0.6
    play.monolith.play("stale", moved(epoch))
    assert_is_moving(ask(play.port, "POST", "/stale"))
    assert len(play.monolith.got("stale")) == before + 4


def test_moved_command_waits_no_longer_than_it_may(play: Stage) -> None:
    """The table never comes: 503, and when to come again."""
    play.monolith.play("never", moved(NEXT))
    reply = ask(play.port, "POST", "/never")
    assert_is_moving(reply)
    assert 0.45 < reply.seconds < 1.0
    assert len(play.monolith.got("never")) == 1


def test_command_may_meet_fence_and_move(play: Stage, people: Crowd) -> None:
    """Fenced at the old side, moved, fenced at the new side, done: each once, by itself."""
    play.monolith.play("both", fenced(), fenced(), moved(NEXT))
    play.service.play("both", fenced(NEXT), ok(b"done"))
    waiting = people.ask(play.port, "POST", "/both", body=b"x")
    eventually(lambda: len(play.monolith.got("both")) == 3)
    play.move("both")
    assert waiting.result().text == "done"
    assert len(play.monolith.got("both")) == 3
    assert len(play.service.got("both")) == 2


# ---------------------------------------------------------------- without a capability


@pytest.mark.parametrize(("answer", "status"), [(fenced(), 503), (moved(), 421)])
def test_on_a_route_without_capability_the_answer_passes(
    answer: bytes, status: int, play: Stage
) -> None:
    """Nothing is waited for, and what is between us stays between us."""
    play.monolith.play("direct", answer)
    before = len(play.monolith.got("direct"))
    reply = ask(play.port, "POST", "/direct")
    assert (reply.status, reply.text) == (status, "{}")
    assert not [name for name in reply.headers if name.startswith("ficus")]
    assert len(play.monolith.got("direct")) == before + 1


@pytest.mark.parametrize("status", ["200 OK", "409 Conflict", "500 Oops"])
def test_the_fields_alone_mean_nothing(status: str, play: Stage) -> None:
    """With another status they are stripped, and the answer is an answer."""
    more = f"Ficus-Fenced: {NEXT}\r\nFicus-Moved: {NEXT}\r\nX-Kept: 1\r\n"
    play.monolith.play("odd", ok(b"x", status=status, more=more))
    reply = ask(play.port, "POST", "/odd")
    assert f"{reply.status}" == status.split()[0]
    assert [name for name in reply.headers if name.startswith(("ficus", "x-k"))] == ["x-kept"]
