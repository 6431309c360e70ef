"""A call to another host over real HTTP: values, errors, context, faults, waits and refusals."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from modules.platform.binding import CallInsideTransaction, use
from modules.platform.contracts import (
    Actor,
    ActorKind,
    CallContext,
    Conflict,
    DeadlineExceeded,
    Fenced,
    Money,
    Moved,
    Unavailable,
    call_context,
    deadline_in,
)
from modules.platform.databases import atomic
from modules.platform.keys import KeyRing
from modules.platform.resilience import BreakerPolicy, KillSwitch, RetryPolicy
from modules.platform.rpc import (
    CallMisunderstood,
    CallRefused,
    Calls,
    ErrorNotUnderstood,
    MethodSwitchedOff,
    ModuleFailed,
    ModuleOverloaded,
    ModuleResting,
    ModuleUnreachable,
)
from tests.contracts.between import Fault
from tests.contracts.hosted import Hosted
from tests.contracts.relay import Relay
from tests.platform.rpc.conftest import POLICY, Connect
from tests.platform.rpc.desk import ID, KEEP, NOTE, Clerk, Desk, NoteKept, PenEmpty
from tests.platform.rpc.planned import raising
from tests.platform.rpc.scripted import scripted

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
NOBODY = "http://127.0.0.1:1"  # nothing listens there


def notes(count: int = 1) -> tuple[object, ...]:
    return use(Desk).notes(ids=(ID,) * count)


# --- values, arguments, context


def test_values_arrive_as_what_they_were(calls: Calls, clerk: Clerk) -> None:
    """Ids, money, sets and letters of every alphabet, by position and by name."""
    assert use(Desk).keep(KEEP) == NOTE
    assert use(Desk).keep(command=KEEP) == NOTE
    assert use(Desk).notes(ids=(ID, ID), limit=1) == (NOTE,)
    assert clerk.given == [KEEP, KEEP, ((ID, ID), 1)]


def test_default_of_a_parameter_is_the_other_hosts(calls: Calls, clerk: Clerk) -> None:
    """What the caller leaves out is not sent."""
    assert notes() == (NOTE,)
    assert clerk.given == [((ID,), 10)]


def test_wrong_arguments_fail_at_the_caller(calls: Calls, clerk: Clerk) -> None:
    """As a function of the same signature would."""
    for args, kwargs in (((), {}), ((KEEP, KEEP), {}), ((KEEP,), {"command": KEEP})):
        with pytest.raises(TypeError):
            use(Desk).keep(*args, **kwargs)
    assert clerk.given == []


def test_a_wrong_type_is_refused_by_name_and_loudly(calls: Calls, clerk: Clerk) -> None:
    """A programmer's error is no outage: it is not retried and not Unavailable."""
    with pytest.raises(CallMisunderstood, match=r"Invalid UUID.*\$\.ids\[0\]") as caught:
        use(Desk).notes(ids=("no id",))  # type: ignore[arg-type]
    assert not isinstance(caught.value, Unavailable)
    assert clerk.given == []


def test_the_context_crosses(calls: Calls, clerk: Clerk) -> None:
    """Actor, request, trace, correlation and cause; of the deadline a little less."""
    actor = Actor(
        kind=ActorKind.CUSTOMER,
        id=str(uuid4()),
        owners=frozenset({"customer:1"}),
        scopes=frozenset({"desk:write"}),
        label="Zoë",
    )
    mine = CallContext(
        actor=actor,
        deadline=datetime.now(UTC) + timedelta(seconds=20),
        request_id="req-1",
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
        correlation_id="cor-1",
        causation_id="cau-1",
    )
    with call_context(mine):
        notes()
    (theirs,) = clerk.contexts
    assert replace(theirs, deadline=None) == replace(mine, deadline=None)
    assert mine.deadline is not None
    assert theirs.deadline is not None
    assert mine.deadline - timedelta(seconds=2) < theirs.deadline < mine.deadline


def test_a_call_without_context_is_nobodys(calls: Calls, clerk: Clerk) -> None:
    """It has the default deadline all the same."""
    notes()
    (theirs,) = clerk.contexts
    assert theirs.actor == Actor()
    assert theirs.deadline is not None


# --- errors


def test_an_error_is_rebuilt_as_itself(calls: Calls, clerk: Clerk) -> None:
    """Class, fields, code, kind and sentence."""
    error = NoteKept(id=ID, fee=Money(amount=3, currency="USD"))
    clerk.deeds = [raising(error)]
    with pytest.raises(NoteKept) as caught:
        use(Desk).keep(KEEP)
    assert (caught.value.id, caught.value.fee) == (error.id, error.fee)
    assert (caught.value.code, str(caught.value)) == (error.code, str(error))
    assert isinstance(caught.value, Conflict)
    assert len(clerk.given) == 1


def test_an_error_of_no_contract_arrives_as_its_kind(calls: Calls, clerk: Clerk) -> None:
    """A Conflict that is private to the module is a Conflict here."""

    class Private(Conflict):
        code = "desk.private"

    clerk.deeds = [raising(Private())]
    with pytest.raises(Conflict) as caught:
        notes()
    assert type(caught.value) is Conflict


def test_an_error_that_this_host_does_not_know_is_named(connect: Connect) -> None:
    """Such as one of a newer contract. It is Unavailable, and not said to be retryable."""
    body = b'{"module":"modules.desk.contract.errors","type":"Newer","code":"x","retryable":false}'
    head = b"HTTP/1.1 409 Conflict\r\nFicus-Outcome: raised\r\nContent-Length: %d\r\n\r\n"
    with scripted(head % len(body), body) as one:
        connect(one.url)
        with pytest.raises(
            ErrorNotUnderstood, match=r"modules\.desk\.contract\.errors\.Newer"
        ) as e:
            notes()
        assert (one.asked, e.value.retryable) == (1, False)


@pytest.mark.parametrize(
    ("module", "type_"),
    [
        ("builtins", "SystemExit"),
        ("modules.platform.rpc.errors", "ModuleFailed"),
        ("modules.desk.service", "Anything"),
        ("modules.platform.contracts.errors", "dataclass"),
        ("modules.desk.contract.errors", "Unavailable"),
        ("os.path", "join"),
    ],
)
def test_only_errors_of_contracts_are_rebuilt(connect: Connect, module: str, type_: str) -> None:
    """Another host can name no other class of ours."""
    body = f'{{"module":"{module}","type":"{type_}","code":"x","retryable":true}}'.encode()
    head = b"HTTP/1.1 503 Oops\r\nFicus-Outcome: raised\r\nContent-Length: %d\r\n\r\n"
    with scripted(head % len(body), body) as one:
        connect(one.url)
        with pytest.raises(ErrorNotUnderstood):
            notes()


def test_an_unforeseen_error_is_told_without_detail_and_not_repeated(
    calls: Calls, clerk: Clerk, caplog: pytest.LogCaptureFixture
) -> None:
    """The detail is in the other host's log."""
    clerk.deeds = [raising(ZeroDivisionError("secret detail"))]
    with pytest.raises(ModuleFailed) as caught:
        use(Desk).keep(KEEP)
    assert "secret detail" not in str(caught.value)
    assert "secret detail" in caplog.text
    assert len(clerk.given) == 1


# --- what is sent again


@pytest.mark.parametrize("fault", [Fault.LOSE, Fault.CUT])
def test_a_lost_exchange_is_repeated_with_the_same_command(
    calls: Calls, clerk: Clerk, relay: Relay, fault: Fault
) -> None:
    """The caller sees nothing of it; the module sees one key."""
    relay.plan(fault, Fault.NONE)
    assert use(Desk).keep(KEEP) == NOTE
    assert [one[0] for one in relay.seen] == [fault, Fault.NONE]
    assert clerk.given == [KEEP] * (2 if fault is Fault.LOSE else 1)


def test_a_doubled_request_is_done_once(calls: Calls, clerk: Clerk, relay: Relay) -> None:
    """Its token is used up: the copy is refused."""
    relay.plan(Fault.TWICE)
    assert use(Desk).keep(KEEP) == NOTE
    assert relay.seen == [(Fault.TWICE, (200, 401))]
    assert clerk.given == [KEEP]


def test_attempts_are_bounded(calls: Calls, clerk: Clerk, relay: Relay) -> None:
    """Three, and then the module is unreachable, named with the method."""
    relay.plan(Fault.CUT)
    with pytest.raises(ModuleUnreachable) as caught:
        notes()
    assert (caught.value.module, caught.value.method) == ("desk", "desk.notes")
    assert caught.value.retryable
    assert len(relay.seen) == POLICY.retries.attempts


def test_retries_are_a_share_of_calls(calls: Calls, relay: Relay) -> None:
    """An outage is not multiplied: after the reserve of 10, one retry for five calls."""
    relay.plan(Fault.CUT)
    for _ in range(30):
        with pytest.raises(ModuleUnreachable):  # also ModuleResting, once it is left alone
            notes()
    assert len(relay.seen) <= 30 + 10 + 30 * 0.2


def test_a_modules_word_on_a_command_reaches_the_caller(calls: Calls, clerk: Clerk) -> None:
    """Its own retryable error is raised at once, as in one process; of a query it is retried."""
    clerk.deeds = [raising(PenEmpty(pen="blue"))]
    with pytest.raises(PenEmpty):
        use(Desk).keep(KEEP)
    assert len(clerk.given) == 1
    clerk.deeds = [raising(PenEmpty(pen="blue"))]
    assert notes() == (NOTE,)


def test_a_kind_as_such_is_retried_for_commands_too(calls: Calls, clerk: Clerk) -> None:
    """The platform says Unavailable where nothing is known of what became of it."""
    clerk.deeds = [raising(Unavailable())]
    assert use(Desk).keep(KEEP) == NOTE
    assert clerk.given == [KEEP, KEEP]


def test_an_answer_of_a_gateway_is_retried_elsewhere(connect: Connect, relay: Relay) -> None:
    """503 by something in between; the next attempt goes to another instance."""
    with scripted(BUSY) as gateway:
        connect(gateway.url, relay.url)
        assert all(notes() == (NOTE,) for _ in range(10))
        assert gateway.asked >= 1


def test_nobody_listening_is_retried_elsewhere(connect: Connect, relay: Relay) -> None:
    """A stopped instance costs nobody a call."""
    connect(NOBODY, relay.url)
    assert all(notes() == (NOTE,) for _ in range(10))


def test_no_instance_is_unreachable(connect: Connect) -> None:
    """With module and method."""
    connect()
    with pytest.raises(ModuleUnreachable, match="no instance is known"):
        notes()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nFicus-Outcome: answered\r\nContent-Length: 3\r\n\r\n[1]",
        b"HTTP/1.1 409 No\r\nFicus-Outcome: raised\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_answers_of_something_else_are_mistakes(connect: Connect, answer: bytes) -> None:
    """A wrong address or another contract: loud, asked once."""
    with scripted(answer) as one:
        connect(one.url)
        with pytest.raises(CallMisunderstood):
            notes()
        assert one.asked == 1


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b""])
def test_garbage_is_unreachable(connect: Connect, answer: bytes) -> None:
    """Whatever came was no answer."""
    with scripted(answer) as one:
        connect(one.url)
        with pytest.raises(ModuleUnreachable):
            notes()


def test_an_endless_answer_is_cut(connect: Connect) -> None:
    """No more is kept than is allowed."""
    many = b"x" * 100_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nFicus-Outcome: answered\r\n\r\n"
    with scripted(head, many) as one:
        connect(one.url, policy=replace(POLICY, max_bytes=50_000))
        with pytest.raises(ModuleUnreachable, match="too large"):
            notes()


# --- moving


def test_a_fence_is_waited_for(connect: Connect, clerk: Clerk, relay: Relay) -> None:
    """The same command again until it is down; more often than failures would be retried."""
    waits: list[float] = []
    connect(relay.url, sleep=waits.append)
    clerk.deeds = [raising(Fenced(module="desk", epoch=2))] * 8
    assert use(Desk).keep(KEEP) == NOTE
    assert clerk.given == [KEEP] * 9
    assert len(waits) == 8
    assert all(0 <= wait <= 0.25 for wait in waits)


def test_a_fence_that_stays_is_told_within_the_deadline(calls: Calls, clerk: Clerk) -> None:
    """The caller learns that nothing was done, not only that time is up."""
    clerk.deeds = [raising(Fenced(module="desk"))] * 1_000
    started = time.monotonic()
    with pytest.raises((Fenced, DeadlineExceeded)), deadline_in(timedelta(seconds=0.5)):
        use(Desk).keep(KEEP)
    assert time.monotonic() - started < 5
    assert len(clerk.given) >= 2


def test_a_move_is_followed_at_once(connect: Connect, clerk: Clerk, host: Hosted) -> None:
    """Another instance is asked, without a wait, with the same command."""
    waits: list[float] = []
    old, new = Relay(host.address), Relay(host.address)
    try:
        connect(old.url, new.url, sleep=waits.append)
        clerk.deeds = [raising(Moved(module="desk", epoch=3))]
        assert use(Desk).keep(KEEP) == NOTE
        assert sorted((len(old.seen), len(new.seen))) == [1, 1]
        assert waits == [0.0]
    finally:
        old.close()
        new.close()


def test_a_fence_of_a_module_further_on_is_its_own(calls: Calls, clerk: Clerk) -> None:
    """Whoever called that module has waited; here it is an error like others."""
    clerk.deeds = [raising(Fenced(module="payment"))]
    with pytest.raises(Fenced):
        use(Desk).keep(KEEP)
    assert len(clerk.given) == 1


# --- time


@pytest.mark.parametrize(
    "script",
    [
        (3.0,),
        (b"HTTP/1.1 200 OK\r\n", *([b"X-A: b\r\n", 0.05] * 60)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", *([b"x", 0.05] * 60)),
    ],
    ids=["silent", "dripping head", "dripping body"],
)
def test_the_deadline_holds_for_the_whole_exchange(
    connect: Connect, script: tuple[bytes | float, ...]
) -> None:
    """A byte now and then keeps nobody."""
    with scripted(*script) as one:
        connect(one.url)
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded) as caught, deadline_in(timedelta(seconds=0.4)):
            notes()
        took = time.monotonic() - started
    assert caught.value.method == "desk.notes"
    assert 0.3 < took < 2.0


def test_a_method_has_its_own_time(connect: Connect) -> None:
    """Where the caller has no deadline."""
    with scripted(3.0) as one:
        connect(one.url, policy=replace(POLICY, timeouts={"desk.notes": 0.2}))
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            notes()
    assert time.monotonic() - started < 3.5  # the script's own end included


def test_a_passed_deadline_sends_nothing(calls: Calls, relay: Relay) -> None:
    """Nobody would hear the answer."""
    late = CallContext(deadline=datetime.now(UTC) - timedelta(seconds=1))
    with call_context(late), pytest.raises(DeadlineExceeded):
        notes()
    assert relay.seen == []


# --- guards of this side


@pytest.mark.django_db(transaction=True)
def test_a_call_inside_a_transaction_is_refused(calls: Calls, relay: Relay) -> None:
    """It would hold locks across the network."""
    with atomic("accounts"), pytest.raises(CallInsideTransaction):
        notes()
    assert relay.seen == []


def test_a_switched_off_method_is_not_called(connect: Connect, relay: Relay) -> None:
    """The reason is told; other methods go on."""
    switches = KillSwitch()
    connect(relay.url, switches=switches)
    switches.turn_off("desk.keep", reason="stocktaking")
    with pytest.raises(MethodSwitchedOff, match="stocktaking"):
        use(Desk).keep(KEEP)
    assert notes() == (NOTE,)
    switches.turn_on("desk.keep")
    assert use(Desk).keep(KEEP) == NOTE


def test_a_failing_instance_is_left_alone(connect: Connect) -> None:
    """Its breaker opens; calls then fail at once, and say for how long."""
    breaker = BreakerPolicy(minimum=4, rest=60)
    with scripted(BUSY) as one:
        once = replace(POLICY, breaker=breaker, retries=RetryPolicy(attempts=1))
        connect(one.url, policy=once)
        for _ in range(4):
            with pytest.raises(ModuleUnreachable):
                notes()
        with pytest.raises(ModuleResting) as caught:
            notes()
        assert one.asked == 4
    assert 0 < caught.value.retry_after <= 60


def test_errors_of_the_contract_leave_the_instance_in_favour(
    connect: Connect, clerk: Clerk, relay: Relay
) -> None:
    """It works; what was asked was wrong."""
    connect(relay.url, policy=replace(POLICY, breaker=BreakerPolicy(minimum=2)))
    clerk.deeds = [raising(NoteKept(id=ID, fee=NOTE.fee))] * 10
    for _ in range(10):
        with pytest.raises(NoteKept):
            notes()
    assert notes() == (NOTE,)


def test_too_many_calls_at_once_are_not_begun(connect: Connect, clerk: Clerk, relay: Relay) -> None:
    """Two places, one to wait in: of eight calls some are refused, and none of those is made."""
    ready = threading.Event()
    clerk.deeds = [lambda: ready.wait(10)] * 2
    connect(relay.url, policy=replace(POLICY, concurrency=2))

    def ask(_: int) -> str:
        try:
            notes()
        except ModuleOverloaded:
            if len(refused) == 4:
                ready.set()
            refused.append(1)
            return "overloaded"
        return "answered"

    refused: list[int] = []
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(ask, range(8)))
    assert outcomes.count("overloaded") >= 5
    assert len(clerk.given) == outcomes.count("answered")


def test_threads_share_connections_and_mix_nothing_up(
    calls: Calls, clerk: Clerk, relay: Relay
) -> None:
    """Each gets its own answer."""

    def ask(number: int) -> bool:
        note = replace(NOTE, text=str(number))
        return use(Desk).keep(replace(KEEP, note=note)).text == str(number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(80)))
    assert len(clerk.given) == 80


# --- trust


def test_a_caller_that_is_not_trusted_hears_so_loudly(
    connect: Connect, clerk: Clerk, relay: Relay, tmp_path: Path
) -> None:
    """A mistake of operation: not Unavailable, sent once (an unknown key twice)."""
    connect(relay.url, issuer="stranger")
    with pytest.raises(CallRefused, match="unknown_issuer") as caught:
        notes()
    assert not isinstance(caught.value, Unavailable)
    assert len(relay.seen) == 1
    waits: list[float] = []
    connect(relay.url, keys=KeyRing(tmp_path / "other"), sleep=waits.append)
    with pytest.raises(CallRefused, match="unknown_key"):
        notes()
    assert len(relay.seen) == 3
    assert len(waits) == 1
    assert clerk.given == []


def test_a_rotated_key_costs_no_call(calls: Calls, clerk: Clerk, keys: KeyRing) -> None:
    """The host looks again for the key that it does not know, and the call waits for that."""
    notes()
    keys.rotate()
    assert notes() == (NOTE,)
