"""The host as it is installed: a module's own way is split, to whoever registered."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from modules.inventory.contract import Inventory
from modules.platform.binding import table as bindings
from modules.platform.binding import use
from modules.platform.messaging.carrier import queue_of
from modules.platform.placement import table
from modules.platform.placement.installing import install, placeable_modules
from modules.platform.placement.metrics import FALLBACKS
from modules.platform.placement.watching import of
from modules.platform.rpc import Calls
from modules.platform.rpc.metrics import CALLS
from tests.contracts.hosted import ISSUER, Hosted, hosted, trusting
from tests.platform.example import EXAMPLE
from tests.platform.placement.instances import enlist
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = CALLS.labels(f"{EXAMPLE}.availability", "answered")._value
NEVER_STOCKED = ("never-stocked",)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    """Answers this process's calls."""
    with hosted(tmp_path) as running, trusting(running):
        calls = Calls(issuer=ISSUER, keys=running.caller_keys)
        monkeypatch.setattr(sys.modules[Calls.__module__], "_calls", calls)
        yield running
        calls.close()  # else the host waits for its connections to end


def test_modules_that_may_be_moved_are_those_that_say_so() -> None:
    """As the routing document has it."""
    able = ("inventory", "payment", "shipping", "notification")
    assert placeable_modules() == tuple(name for name in able if name in settings.FICUS_MODULES)


def test_calls_go_where_the_table_says_from_the_installed_host(host: Hosted) -> None:
    """Here, then at the instance that registered, then here again when it has gone."""
    enlist(url=host.url)
    before = ASKED.get()
    assert use(Inventory).availability(skus=NEVER_STOCKED) == ()
    assert ASKED.get() == before

    table.swap(EXAMPLE, percent=100, actor="t", reason="a test")
    eventually(lambda: of(EXAMPLE).percent == 100)
    eventually(
        lambda: use(Inventory).availability(skus=NEVER_STOCKED) == () and ASKED.get() > before
    )
    assert queue_of(EXAMPLE) == f"bus.{EXAMPLE}.service"

    table.swap(EXAMPLE, percent=0, actor="t", reason="home")
    eventually(lambda: of(EXAMPLE).percent == 0)
    before = ASKED.get()
    assert use(Inventory).availability(skus=NEVER_STOCKED) == ()
    assert ASKED.get() == before
    assert queue_of(EXAMPLE) == f"bus.{EXAMPLE}"


def test_share_that_nobody_serves_is_answered_here() -> None:
    """The instance has died since it was placed."""
    table.swap("shipping", percent=100, actor="t", reason="a test")
    table.swap(EXAMPLE, percent=100, actor="t", reason="a test")
    eventually(lambda: of(EXAMPLE).percent == 100)
    fallbacks = FALLBACKS.labels(EXAMPLE)._value

    def falls_back() -> bool:
        before = fallbacks.get()
        assert use(Inventory).availability(skus=NEVER_STOCKED) == ()
        return fallbacks.get() > before

    eventually(falls_back)


def test_placement_before_the_modules_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says what to change."""
    assert apps.get_app_config("placement").verbose_name == "Placement"
    assert EXAMPLE in settings.FICUS_MODULES
    monkeypatch.delitem(bindings._answered, EXAMPLE)
    with pytest.raises(ImproperlyConfigured, match="comes after the modules' apps"):
        install()
