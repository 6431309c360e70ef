"""What ``manage.py up`` starts of a shop whose payment is retired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modules.extraction import standings, targets
from modules.extraction.phases import Phase, Standing
from modules.extraction.targets import Target
from modules.platform.console import CommandFailed
from modules.platform.hosting.environment import Environment
from modules.platform.hosting.running.process import Process
from shop.env import MODULES, load
from shop.management.commands.up import Command
from shop.running.routing import routing_document
from tests.ports import free_port

pytestmark = pytest.mark.django_db(transaction=True)
THEIRS = "dbname=shop_payment_service user=shop_payment_service host=db.example"


class Shop:
    """As the command sees it: its variables, its home, and where its modules stand."""

    def __init__(self, home: Path, env: Environment) -> None:
        self.home, self.env = home, env
        self.command = Command()

    def own(self) -> dict[str, Process]:
        """What runs from the beginning."""
        return {one.name: one for one in self.command.processes(self.env, self.home)}

    def joining(self) -> dict[str, Process]:
        """What joins them while the supervisor looks; nothing is complained of."""
        wanted = self.command.source(self.env, self.home)()
        assert wanted.trouble == ""
        return {one.name: one for one in wanted.processes}


@pytest.fixture
def shop(settings: Any, tmp_path: Path) -> Shop:
    """It was left by ``strangler retire payment``, and is told so."""
    variables = {"PLACE_MODULES": "true", "RETIRED_MODULES": "payment"}
    ports = {f"{name}_PORT": str(free_port()) for name in ("PAYMENT_OWN", "STANDIN")}
    settings.FICUS_HOME = tmp_path
    settings.FICUS_RETIRED = ("payment",)
    settings.FICUS_MODULES = [name for name in MODULES if name != "payment"]
    targets.keep("payment", Target(url=THEIRS, admin_url=THEIRS, is_ours=True))
    standings.put("payment", Standing(phase=Phase.RETIRED, percent=100), reason="planted")
    return Shop(tmp_path, load({"REDIS_URL": "redis://r", **variables, **ports}))


def test_its_service_joins_the_shop_and_nothing_carries_to_it(shop: Shop) -> None:
    """A whole host on its own database, with the stand-in that was the shop's; no ``watch``."""
    parts = ("announce", "beat", "outside", "relay", "standin", "web", "worker")
    found = shop.joining()
    assert sorted(found) == [f"payment-own-{part}" for part in parts]
    assert {one.environment["DATABASE_URL"] for one in found.values()} == {THEIRS}
    assert {one.environment["INSTANCE_ROLE"] for one in found.values()} == {"own"}


def test_the_shop_starts_nothing_of_it(shop: Shop) -> None:
    """No host on the shop's data, no stand-in, and its workers leave the module's queues alone."""
    own = shop.own()
    assert not [name for name in own if "payment" in name or "standin" in name]
    assert {"web", "worker", "outside", "relay", "beat", "proxy", "notification-web"} <= set(own)
    for name, first in {"worker": "bus.orders", "outside": "outside.orders"}.items():
        command = own[name].command
        queues = command[command.index("--queues") + 1].split(",")
        assert first in queues
        assert not [queue for queue in queues if "payment" in queue]


def test_both_believe_each_other(shop: Shop) -> None:
    """The shop has the keys of the service where that listens, and the service the shop's."""
    web = shop.joining()["payment-own-web"]
    port = web.ports["PAYMENT_OWN_PORT"]
    trusted = shop.own()["web"].environment["SERVICE_TRUST"].split(",")
    assert f"payment=http://127.0.0.1:{port}/rpc/keys" in trusted
    shops = f"http://127.0.0.1:{shop.env.read('WEB_PORT')}"
    assert web.environment["SERVICE_TRUST"] == f"shop={shops}/rpc/keys"
    assert web.environment["REGISTRY_URL"] == f"{shops}/registry"


def test_the_front_door_is_told(shop: Shop) -> None:
    """All of the module's addresses lead to instances with their own database, from the start."""
    document = routing_document(shop.env, shop.home)
    capability = document["capabilities"]["payment"]
    assert (capability["phase"], capability["service"]) == ("retired", "payment-own")
    at = document["upstreams"]["payment-own"]["registry"]
    assert (at["role"], at["url"].partition("?")[2]) == ("own", "module=payment")


def test_a_shop_whose_payment_is_not_retired_does_not_start_without_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``up`` ends before anything runs: its data is here, and nobody would have it."""
    standings.put("payment", Standing(phase=Phase.SHADOW), reason="planted")
    monkeypatch.setattr("shop.management.commands.up.prepare", lambda home, with_data: False)
    with pytest.raises(CommandFailed, match="phase shadow: its data is here"):
        shop.command.prepare(shop.env, shop.home, no_data=True)
    assert not (shop.home / "proxy").exists()
