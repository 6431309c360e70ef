"""The services with a database of their own that ``manage.py up`` runs while a module is moved."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError

from modules.extraction import targets
from modules.extraction.phases import Phase, Standing
from modules.extraction.targets import Target
from modules.payment.variables import STANDIN
from modules.platform.databases.aliases import OWN
from modules.platform.hosting.running.process import Process, Stage
from modules.platform.hosting.secrets import secret_file
from shop.env import MODULES, load
from shop.running.own_services import OwnServices
from tests.ports import free_port

SHOP = "postgresql://ficus@db.example:5432/shop"
THEIRS = "dbname=shop_payment_service user=shop_payment_service host=db.example"
PROCESSES = ("announce", "beat", "outside", "relay", "web", "worker")
PORTS = ("PAYMENT_OWN", "NOTIFICATION_OWN", "STANDIN", "MAILBOX")


class Place:
    """A shop's home in which modules stand as a test says."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.standings: dict[str, Standing] = {}
        self.is_away = False

    def services(self, **variables: str) -> OwnServices:
        free = {f"{name}_PORT": str(free_port()) for name in PORTS}
        env = load({"PLACE_MODULES": "true", "REDIS_URL": "redis://r", **free, **variables})
        return OwnServices(env, self.home, MODULES, database_url=SHOP, ask=self._ask)

    def create(
        self, module: str = "payment", phase: Phase = Phase.SHADOW, url: str = THEIRS
    ) -> None:
        targets.keep(module, Target(url=url, admin_url=url, is_ours=True))
        self.standings[module] = Standing(phase=phase)

    def _ask(self, module: str) -> Standing:
        if self.is_away:
            raise DatabaseError("away")
        return self.standings[module]


@pytest.fixture
def place(settings: Any, tmp_path: Path) -> Place:
    settings.FICUS_HOME = tmp_path
    return Place(tmp_path)


def names(services: OwnServices) -> list[str]:
    """Of what it wants; it complains of nothing."""
    wanted = services()
    assert wanted.trouble == ""
    return sorted(process.name for process in wanted.processes)


def found(services: OwnServices) -> dict[str, Process]:
    return {process.name: process for process in services().processes}


def test_nothing_runs_before_create_and_after_cancel(place: Place) -> None:
    """In between a whole host and what carries the changes; of the module that is moved only."""
    services = place.services()
    assert names(services) == []
    place.create()
    assert names(services) == [*(f"payment-own-{one}" for one in PROCESSES), "payment-watch"]
    targets.forget("payment")
    assert names(services) == []


def test_nothing_runs_while_the_database_is_being_made(place: Place) -> None:
    """The file is there before the tables are: where the module stands decides."""
    place.create(phase=Phase.MONOLITH)
    assert names(place.services()) == []


def test_another_start_of_the_shop_finds_them_again(place: Place) -> None:
    """What is known of it lies in the home and in the table, not in the process."""
    place.create("notification", Phase.EXTRACTED)
    assert names(place.services()) == names(place.services())
    assert "notification-own-web" in names(place.services())


def test_a_retired_modules_surroundings_are_those_that_the_shop_had(place: Place) -> None:
    """The stand-in goes on with the same books and the same secret; beat has a place of its own."""
    services = place.services(RETIRED_MODULES="payment")
    place.create(phase=Phase.RETIRED)
    running = found(services)
    words = running["payment-own-standin"].command
    assert words[words.index("--state") + 1] == str(place.home / "standin.jsonl")
    secret = words[words.index("--webhook-secret-file") + 1]
    assert secret == str(secret_file(place.home, STANDIN))
    schedule = running["payment-own-beat"].command
    assert str(place.home / OWN / "payment" / "beat-schedule") in schedule


def test_a_retired_modules_stand_in_signs_with_what_the_service_verifies_by(place: Place) -> None:
    """Where the shop's environment has the secret both take it from there, and from no file."""
    services = place.services(RETIRED_MODULES="payment", STANDIN_WEBHOOK_SECRET="hush")
    place.create(phase=Phase.RETIRED)
    running = found(services)
    assert "--webhook-secret-file" not in running["payment-own-standin"].command
    parts = [running[f"payment-own-{name}"] for name in ("standin", "web", "worker")]
    assert {one.environment["STANDIN_WEBHOOK_SECRET"] for one in parts} == {"hush"}


def test_a_retired_module_is_not_watched(place: Place) -> None:
    """Nothing is carried any more; its service is all there is of it."""
    place.create(phase=Phase.RETIRED)
    assert names(place.services()) == [f"payment-own-{one}" for one in PROCESSES]


def test_where_nothing_may_be_placed_nothing_runs(place: Place) -> None:
    """Without services beside the shop nobody could find them."""
    place.create()
    assert names(place.services(PLACE_MODULES="false")) == []


def test_its_host_works_on_its_own_database(place: Place) -> None:
    """As the role ``own``, whatever the shop is told of the module's database and of roles."""
    place.create()
    services = place.services(
        PAYMENT_OWN_PORT="9711", WEB_PORT="9001", PAYMENT_DATABASE_URL=SHOP, DATABASE_ROLES="true"
    )
    worker = found(services)["payment-own-worker"].environment
    assert worker["INSTANCE_ROLE"] == OWN
    assert worker["DATABASE_URL"] == THEIRS
    assert worker["PAYMENT_DATABASE_URL"] == ""
    assert worker["DATABASE_ROLES"] == "false"
    assert worker["WEB_PORT"] == "9711"
    assert worker["REGISTRY_URL"] == "http://127.0.0.1:9001/registry"
    assert worker["FICUS_HOME"] == str(place.home)


def test_its_processes_are_small_and_not_vital(place: Place) -> None:
    """One process of each sort; the shop does not end with one of its modules."""
    place.create()
    everything = found(place.services(WEB_WORKERS="4", WORKER_PROCESSES="8"))
    assert not any(one.vital for one in everything.values())
    web = everything["payment-own-web"]
    assert web.command[web.command.index("--workers") + 1] == "1"
    worker = everything["payment-own-worker"].command
    assert worker[worker.index("--concurrency") + 1] == "1"


def test_its_queues_are_the_modules_and_its_periods_its_own(place: Place) -> None:
    """Beat's memory is a file that it must not share with the shop's."""
    place.create()
    everything = found(place.services())
    worker = everything["payment-own-worker"].command
    queues = worker[worker.index("--queues") + 1].split(",")
    assert {"bus.payment", "bus.ack.payment"} < set(queues)
    outside = everything["payment-own-outside"].command
    assert outside[outside.index("--queues") + 1] == "outside.payment"
    beat = everything["payment-own-beat"].command
    assert beat[beat.index("-s") + 1] == str(place.home / "own" / "payment" / "beat-schedule")


def test_it_is_announced_as_own_and_leaves_first(place: Place) -> None:
    """So that a cutover and the front door find it, and nobody is sent to one that ends."""
    place.create()
    announce = found(place.services(PAYMENT_OWN_PORT="9711"))["payment-own-announce"]
    assert announce.command[announce.command.index("--role") + 1] == OWN
    assert "http://127.0.0.1:9711" in announce.command
    assert announce.stage is Stage.DOOR


def test_another_database_is_another_declaration(place: Place) -> None:
    """So whoever keeps them running starts them anew."""
    place.create()
    services = place.services()
    before = found(services)["payment-own-web"]
    assert found(services)["payment-own-web"] == before
    place.create(url="dbname=given")
    assert found(services)["payment-own-web"] != before


def test_taken_port_is_one_line_and_tried_again(place: Place) -> None:
    """Nothing of that service begins; the other's does."""
    place.create()
    place.create("notification")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        services = place.services(PAYMENT_OWN_PORT=str(port))
        wanted = services()
        assert {one.name.partition("-")[0] for one in wanted.processes} == {"notification"}
        assert f"port {port} for payment-own-web is taken" in wanted.trouble
        assert "PAYMENT_OWN_PORT=" in wanted.trouble
        assert "\n" not in wanted.trouble
    assert "payment-own-web" in names(services)


def test_port_that_they_listen_on_themselves_is_no_trouble(place: Place) -> None:
    """It is looked at when they begin, and not again."""
    place.create()
    with socket.socket() as ours:
        port = free_port()
        services = place.services(PAYMENT_OWN_PORT=str(port))
        assert "payment-own-web" in names(services)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ours.bind(("127.0.0.1", port))
        ours.listen()
        assert "payment-own-web" in names(services)


def test_while_the_table_cannot_be_read_they_go_on(place: Place) -> None:
    """A database that is away for a moment ends nothing; one that never answered begins nothing."""
    place.create()
    services, late = place.services(), place.services()
    before = names(services)
    place.is_away = True
    assert names(services) == before
    assert names(late) == []
