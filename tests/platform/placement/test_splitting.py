"""A call whose module is divided: here, or at a real host over HTTP, by the share and the asker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import UUID

import pytest

from modules.platform.binding import bound, routed, use
from modules.platform.binding.routes import LocalRoute
from modules.platform.contracts import Actor, ActorKind, CallContext, Unavailable, call_context
from modules.platform.discovery import LeastLoaded, StaticSource
from modules.platform.placement.buckets import bucket_of, is_in
from modules.platform.placement.metrics import CALLS, FALLBACKS
from modules.platform.placement.splitting import SplitRoute
from modules.platform.placement.watching import Watcher
from modules.platform.resilience import RetryPolicy
from modules.platform.rpc import CallPolicy, Calls, ModuleUnreachable, RemoteRoute
from tests.contracts.between import Fault
from tests.contracts.hosted import ISSUER, Hosted, hosted, trusting
from tests.contracts.relay import Relay
from tests.platform.placement.tables import Still
from tests.platform.rpc.desk import ID, KEEP, Clerk, Desk, NoteKept
from tests.platform.rpc.planned import raising

POLICY = CallPolicy(retries=RetryPolicy(attempts=2, base=0.005, longest=0.02))
Split = Callable[..., None]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    with hosted(tmp_path_factory.mktemp("host")) as running:
        yield running


@pytest.fixture
def service(host: Hosted) -> Iterator[Clerk]:
    """Whom the host asks; the table says who is asked."""
    clerk = Clerk()
    with trusting(host), bound(Desk, clerk):
        yield clerk


@pytest.fixture
def here() -> Clerk:
    """The monolith's own."""
    return Clerk()


@pytest.fixture
def still() -> Iterator[Still]:
    table = Still()
    table.watcher = Watcher(table)
    yield table
    table.watcher.close()


@pytest.fixture
def split(host: Hosted, service: Clerk, here: Clerk, still: Still) -> Iterator[Split]:
    """``split(urls...)``: from then on Desk is divided between here and these."""
    with ExitStack() as stack:

        def between(*urls: str) -> None:
            calls = Calls(issuer=ISSUER, keys=host.caller_keys, policy=POLICY)
            stack.callback(calls.close)
            chooser = LeastLoaded(StaticSource({"desk": list(urls)}))
            remote = RemoteRoute(chooser, made_by=lambda: calls)
            assert still.watcher is not None
            stack.enter_context(routed(Desk, SplitRoute(LocalRoute(here), remote, still.watcher)))

        between(host.url)
        yield between


def _ask(shopper: str) -> None:
    actor = Actor(kind=ActorKind.CUSTOMER, id=shopper)
    with call_context(CallContext(actor=actor)):
        use(Desk).notes(ids=(ID,))


@pytest.mark.usefixtures("split")
def test_share_decides_who_answers(still: Still, here: Clerk, service: Clerk) -> None:
    """Nobody's at 0 %, everybody's at 100 %, and back: from the next call on."""
    for percent, asked, other in ((0, here, service), (100, service, here), (0, here, service)):
        still.place("desk", percent)
        before = len(asked.given), len(other.given)
        _ask("a")
        assert (len(asked.given), len(other.given)) == (before[0] + 1, before[1])


@pytest.mark.usefixtures("split")
def test_shopper_stays_on_one_side(still: Still, here: Clerk, service: Clerk) -> None:
    """The one that the front door's rule gives to the id, each time."""
    still.place("desk", 40)
    shoppers = [str(UUID(int=n)) for n in range(40)]
    for shopper in shoppers * 2:
        _ask(shopper)
    there = {c.actor.id for c in service.contexts}
    assert there == {s for s in shoppers if is_in(bucket_of(s.encode()), 40)}
    assert {c.actor.id for c in here.contexts} == set(shoppers) - there
    assert 0 < len(there) < 40


@pytest.mark.usefixtures("split")
def test_error_of_the_module_is_its_own_on_both_sides(
    still: Still, here: Clerk, service: Clerk
) -> None:
    """It is an answer: nobody else is asked."""
    for percent, asked in ((0, here), (100, service)):
        still.place("desk", percent)
        asked.deeds = [raising(NoteKept(id=ID, fee=KEEP.note.fee))]
        with pytest.raises(NoteKept):
            use(Desk).keep(KEEP)
    assert (len(here.given), len(service.given)) == (1, 1)


def test_call_that_finds_nobody_is_answered_here(
    split: Split, still: Still, here: Clerk, service: Clerk
) -> None:
    """No instance known, or one that has ended: no caller notices, and it is counted."""
    still.place("desk", 100)
    fallbacks = FALLBACKS.labels("desk")._value
    for urls in ((), ("http://127.0.0.1:9",)):
        split(*urls)
        before = fallbacks.get()
        assert use(Desk).keep(KEEP) == KEEP.note
        assert fallbacks.get() == before + 1
    assert (here.given, service.given) == ([KEEP, KEEP], [])


def test_command_whose_answer_was_lost_is_sent_here_with_the_same_key(
    split: Split, still: Still, here: Clerk, service: Clerk, host: Hosted
) -> None:
    """Both sides have the same data, where the key stands: as between two instances."""
    still.place("desk", 100)
    relay = Relay(host.address)
    relay.plan(Fault.LOSE)
    split(relay.url)
    assert use(Desk).keep(KEEP) == KEEP.note
    relay.close()
    assert {KEEP.idempotency_key} == {c.idempotency_key for c in (*service.given, *here.given)}  # type: ignore[attr-defined]
    assert len(here.given) == 1


@pytest.mark.usefixtures("split")
def test_unreachable_neighbour_of_the_module_is_no_reason_to_ask_here(
    still: Still, here: Clerk, service: Clerk
) -> None:
    """The service answered: that somebody else is not there."""
    still.place("desk", 100)
    error = ModuleUnreachable(module="bank", method="bank.pay", reason="away")
    service.deeds = [raising(error)] * POLICY.retries.attempts
    with pytest.raises(Unavailable):
        use(Desk).notes(ids=(ID,))
    assert here.given == []


@pytest.mark.usefixtures("split")
def test_divided_calls_are_counted_by_side(still: Still) -> None:
    """Those of a module that is here altogether are not: it would cost each of them."""
    sides = {side: CALLS.labels("desk", side)._value for side in ("local", "service")}
    before = {side: value.get() for side, value in sides.items()}
    for percent in (0, 100):
        still.place("desk", percent)
        _ask("a")
    assert {side: value.get() - before[side] for side, value in sides.items()} == {
        "local": 0,
        "service": 1,
    }
