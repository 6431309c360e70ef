"""The registry as a source: over HTTP and from the table, there and away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from modules.platform.discovery import registry
from modules.platform.discovery.client import RegistryClient
from modules.platform.discovery.errors import RegistryAway, RegistryRefused
from modules.platform.discovery.instances import Instance
from modules.platform.discovery.metrics import AGE, INSTANCES, UNFIT
from modules.platform.discovery.registry_source import RegistrySource
from tests.platform.discovery.forking import in_fork
from tests.platform.discovery.serving import (
    FINGERPRINT,
    RegistryServer,
    contracts,
    incompatible,
    instance,
    newer,
    said,
)
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


class Asked:
    """A registry of the test's own: answers ``found``, or raises it."""

    def __init__(self, *found: Instance) -> None:
        self.found: tuple[Instance, ...] | Exception = found
        self.schemas: dict[str, str] = {}
        self.schemas_asked: list[str] = []
        self.now = 0.0

    def __call__(self) -> tuple[Instance, ...]:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def schema(self, fingerprint: str) -> str | None:
        self.schemas_asked.append(fingerprint)
        return self.schemas.get(fingerprint)

    def source(self) -> RegistrySource:
        return RegistrySource(
            self,
            schema=self.schema,
            contracts=contracts(),
            interval=3600,
            clock=lambda: self.now,
        )


@pytest.fixture
def source(server: RegistryServer) -> Iterator[RegistrySource]:
    """Over HTTP, asked twenty times a second."""
    client = server.client("orders")
    made = RegistrySource(
        client.instances, schema=client.schema, contracts=contracts(), interval=0.05
    )
    yield made
    made.close()
    client.close()


Elsewhere = Callable[[int, str], str]


def _client(url: str) -> RegistryClient:
    return RegistryClient(url, token=lambda call, body: "payment")


def _ids(source: RegistrySource, module: str = "payment") -> Callable[[], list[str]]:
    return lambda: [one.id for one in source.instances(module)]


def test_instances_come_and_go_over_http(source: RegistrySource) -> None:
    """By a real server and a thread of the source's own."""
    registry.register("a", said(), issuer="payment")
    eventually(lambda: _ids(source)() == ["a"])

    registry.register("b", said(), issuer="payment")
    eventually(lambda: _ids(source)() == ["a", "b"])

    registry.deregister("a", issuer="payment")
    eventually(lambda: _ids(source)() == ["b"])
    assert source.instances("orders") == ()


def test_away_registry_changes_nothing_but_the_age(
    source: RegistrySource, server: RegistryServer
) -> None:
    """What was known stays until the registry is back, and then what is true counts."""
    registry.register("a", said(), issuer="payment")
    eventually(lambda: _ids(source)() == ["a"])

    server.stop()
    eventually(lambda: (source.age() or 0) > 0.5)
    assert _ids(source)() == ["a"]
    assert AGE.labels("registry")._value.get() > 0

    registry.register("b", said(), issuer="payment")
    server.start()
    eventually(lambda: _ids(source)() == ["a", "b"])
    age = source.age()
    assert age is not None
    assert age < 5


def test_asking_never_waits_for_the_registry() -> None:
    """A registry that does not answer holds up its thread, not the callers."""

    answer = threading.Event()

    def hang() -> tuple[Instance, ...]:
        assert answer.wait(30)
        return ()

    source = RegistrySource(hang, schema=lambda _: None, contracts=contracts())
    assert source.instances("payment") == ()
    assert source.age() is None
    assert not source.wait(0.01)
    answer.set()
    assert source.wait(20)
    source.close()


def test_table_is_read_without_http() -> None:
    """In the host that keeps the registry; the connection is given back each time."""
    registry.register("a", said(), issuer="payment")
    source = RegistrySource.from_table(contracts())

    assert source.wait(10)

    assert _ids(source)() == ["a"]
    source.close()


def test_empty_answer_is_believed_after_the_time_to_live() -> None:
    """A registry that was away knows nobody at first; an answer in between begins it anew."""
    asked = Asked(instance("a"))
    source = asked.source()
    source.poll()

    asked.found = ()
    for asked.now in (1.0, 10.9):
        source.poll()
        assert [one.id for one in source._known["payment"]] == ["a"]
    asked.found = (instance("b"),)
    source.poll()
    asked.found = ()
    for asked.now, expected in ((12.0, ["b"]), (21.9, ["b"]), (22.0, [])):
        source.poll()
        assert [one.id for one in source._known["payment"]] == expected


def test_failed_poll_keeps_what_was_known_and_grows_the_age() -> None:
    """However it failed."""
    asked = Asked(instance("a"))
    source = asked.source()
    source.poll()
    for asked.now, error in ((5.0, RegistryAway("gone")), (9.0, ZeroDivisionError())):
        asked.found = error
        source.poll()
        assert source.age() == asked.now
        assert AGE.labels("registry")._value.get() == asked.now
    assert [one.id for one in source._known["payment"]] == ["a"]


def test_incompatible_contract_is_not_called_and_the_reason_is_told() -> None:
    """Its fingerprint is compared once; others of the module are called."""
    bad, schema = incompatible()
    asked = Asked(instance("good", contract=FINGERPRINT), instance("bad", contract=bad))
    asked.schemas[bad] = schema
    source = asked.source()

    for _ in range(3):
        source.poll()

    assert [one.id for one in source.instances("payment")] == ["good"]
    assert list(source.incompatible("payment")) == ["bad"]
    assert "and returns boolean" in source.incompatible("payment")["bad"]
    assert asked.schemas_asked == [bad]
    assert INSTANCES.labels("registry", "payment")._value.get() == 1
    assert UNFIT.labels("registry", "payment")._value.get() == 1
    source.close()


def test_compatible_contract_of_another_release_is_called() -> None:
    """As during every rollout."""
    other, schema = newer()
    asked = Asked(instance("a", contract=other))
    asked.schemas[other] = schema
    source = asked.source()
    source.poll()

    assert _ids(source)() == ["a"]
    assert source.incompatible("payment") == {}
    source.close()


def test_contract_that_cannot_be_read_waits_and_is_asked_for_again() -> None:
    """Nobody is called on a guess; other modules' instances are not held up."""
    other, schema = newer()
    asked = Asked(instance("a", contract=other), instance("n", module="notification"))
    source = asked.source()
    source.poll()
    assert _ids(source)() == []
    assert "not known here yet" in source.incompatible("payment")["a"]
    assert _ids(source, "notification")() == ["n"]

    asked.schemas[other] = schema
    source.poll()
    assert _ids(source)() == ["a"]
    source.close()


def test_forked_child_knows_and_goes_on_asking(source: RegistrySource) -> None:
    """As a pre-forking web server does it: the parent's thread is not there."""
    registry.register("a", said(), issuer="payment")
    eventually(lambda: _ids(source)() == ["a"])
    registry.register("b", said(), issuer="payment")
    eventually(lambda: _ids(source)() == ["a", "b"])

    def child() -> bool:
        at_once = _ids(source)() == ["a", "b"]
        before = source._polling._succeeded_at
        eventually(lambda: source._polling._succeeded_at != before)
        return at_once

    assert in_fork(child)
    eventually(lambda: (source.age() or 9) < 0.5)


@pytest.mark.parametrize("answer", ["no json", '{"instances": [{"id": "a"}]}'])
def test_answer_that_cannot_be_read_is_no_answer(answer: str, elsewhere: Elsewhere) -> None:
    """A list with one wrong instance is not believed at all."""
    with _client(elsewhere(200, answer)) as client, pytest.raises(RegistryAway, match="cannot be"):
        client.instances()


def test_server_that_is_no_registry_refuses(elsewhere: Elsewhere) -> None:
    """The message helps to find a wrong address."""
    said = "is this the registry's address"
    with _client(elsewhere(404, "<p>")) as client, pytest.raises(RegistryRefused, match=said):
        client.deregister("a")


def test_trouble_of_the_registry_is_being_away(elsewhere: Elsewhere) -> None:
    """A 500 says nothing about instances."""
    with _client(elsewhere(500, "")) as client, pytest.raises(RegistryAway, match="answered 500"):
        client.instances()
