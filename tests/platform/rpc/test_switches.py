"""Calls turned off by an operator, for every process, and on again."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings
from django.core.management import call_command

from modules.platform.binding import use
from modules.platform.resilience import SwitchedOff
from modules.platform.rpc import MethodSwitchedOff
from modules.platform.rpc.management.commands.service_calls import Command
from modules.platform.rpc.switches import KEY, LOOK_AGAIN, SharedSwitches
from tests.contracts.relay import Relay
from tests.platform.rpc.conftest import Connect
from tests.platform.rpc.desk import ID, KEEP, NOTE, Desk


class Clock:
    """Moves when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _all_on() -> Iterator[None]:
    yield
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(KEY)


def test_another_process_hears_of_it_soon() -> None:
    """After LOOK_AGAIN at the latest, off and on."""
    clock = Clock()
    operator, caller = (
        SharedSwitches(settings.REDIS_URL),
        SharedSwitches(settings.REDIS_URL, clock=clock),
    )
    caller.check("payment.refund")
    operator.turn_off("payment.*", reason="audit")
    clock.now += LOOK_AGAIN
    with pytest.raises(SwitchedOff, match="audit"):
        caller.check("payment.refund")
    caller.check("orders.orders")
    operator.turn_on("payment.*")
    clock.now += LOOK_AGAIN
    caller.check("payment.refund")
    operator.close()
    caller.close()


def test_what_the_settings_turn_off_stays_off() -> None:
    """Whatever stands in Redis."""
    switches = SharedSwitches(settings.REDIS_URL, {"cart.begin": "settings"})
    switches.turn_on("cart.begin")
    with pytest.raises(SwitchedOff, match="settings"):
        switches.check("cart.begin")
    switches.close()


def test_what_was_seen_last_holds_while_redis_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """Calls go on; it is logged, and not at each call."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"redis://127.0.0.1:{taken.getsockname()[1]}"
    switches = SharedSwitches(nowhere, {"cart.begin": "settings"})
    for _ in range(5):
        switches.check("cart.open")
    with pytest.raises(SwitchedOff):
        switches.check("cart.begin")
    assert caplog.text.count("rpc.switches_away") == 1
    switches.close()


def test_a_call_that_is_off_is_not_made(connect: Connect, relay: Relay) -> None:
    """The caller gets the operator's reason."""
    switches = SharedSwitches(settings.REDIS_URL)
    connect(relay.url, switches=switches)
    switches.turn_off("desk.keep", reason="stocktaking")
    with pytest.raises(MethodSwitchedOff, match="stocktaking"):
        use(Desk).keep(KEEP)
    assert use(Desk).notes(ids=(ID,)) == (NOTE,)
    assert len(relay.seen) == 1
    switches.close()


def test_an_operator_turns_calls_off_and_on(capsys: pytest.CaptureFixture[str]) -> None:
    """``manage.py service_calls``; a name and a reason are needed."""

    def off(*arguments: str) -> dict[str, str]:
        call_command(Command(), *arguments, "--json")
        lines = json.loads(capsys.readouterr().out)["off"]
        return {line["name"]: line["reason"] for line in lines}

    assert off("list") == {}
    assert off("off", "payment.refund", "--reason", "audit") == {"payment.refund": "audit"}
    assert off("on", "payment.refund") == {}
    for wrong in (("off", "payment.refund"), ("off",), ("on",)):
        with pytest.raises(SystemExit) as failure:
            call_command(Command(), *wrong)
        assert failure.value.code == 2
