"""The services that ``manage.py up`` starts beside the shop, as declarations."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from modules.platform.console import CommandFailed
from modules.platform.databases.aliases import ORIGIN
from modules.platform.hosting.running.process import Process, Stage
from modules.platform.hosting.settings.identity import JWKS
from shop.env import MODULES, load
from shop.running.processes import processes
from shop.running.services import prepare_services, service_urls

URL = "postgresql://ficus@db.example:5432/shop"
HOME = Path("/var/lib/shop")


def declared(modules: tuple[str, ...] = MODULES, **variables: str) -> dict[str, Process]:
    """The shop's processes by name."""
    env = load({"PLACE_MODULES": "true", "REDIS_URL": "redis://r", **variables})
    return {one.name: one for one in processes(env, HOME, modules, database_url=URL)}


def test_each_service_has_a_web_two_workers_and_an_announcer() -> None:
    """No relay, no beat and no stand-in of its own: those are the shop's."""
    names = [name for name in declared() if name.startswith(("payment", "notification"))]
    assert sorted(names) == [
        f"{service}-{process}"
        for service in ("notification", "payment")
        for process in ("announce", "outside", "web", "worker")
    ]


def test_a_service_works_on_the_shops_data_and_believes_its_keys() -> None:
    """Its tables are the shop's; sessions and operators are in a database of its own beside it."""
    theirs = declared(WEB_PORT="9001")["payment-worker"].environment
    assert theirs["INSTANCE_ROLE"] == ORIGIN
    assert theirs["PAYMENT_DATABASE_URL"] == URL
    assert "dbname=shop_payment" in theirs["DATABASE_URL"]
    assert theirs["SERVICE_TRUST"] == "shop=http://127.0.0.1:9001/rpc/keys"
    assert theirs["ACCESS_TOKEN_KEYS"] == f"http://127.0.0.1:9001{JWKS}"
    assert theirs["REGISTRY_URL"] == "http://127.0.0.1:9001/registry"
    assert theirs["FICUS_HOME"] == str(HOME)
    assert theirs["DJANGO_SETTINGS_MODULE"] == "extracted.payment.settings.dev"


def test_a_module_whose_data_is_elsewhere_keeps_it() -> None:
    """The shop's PAYMENT_DATABASE_URL is the service's, too."""
    theirs = declared(PAYMENT_DATABASE_URL="postgresql:///pay")["payment-web"].environment
    assert theirs["PAYMENT_DATABASE_URL"] == "postgresql:///pay"


def test_the_shop_believes_its_services_besides_whom_it_was_told() -> None:
    """Whoever announces itself is verified with its own published keys."""
    web = declared(SERVICE_TRUST="other=/keys", PAYMENT_PORT="9101")["web"]
    assert web.environment["SERVICE_TRUST"] == (
        "other=/keys,payment=http://127.0.0.1:9101/rpc/keys,"
        "notification=http://127.0.0.1:8102/rpc/keys"
    )


def test_ports_are_those_of_the_variables() -> None:
    """A taken one is named by the variable that changes it."""
    found = declared(PAYMENT_PORT="9101")["payment-web"]
    assert found.ports == {"PAYMENT_PORT": 9101}
    assert found.environment["WEB_PORT"] == "9101"


def test_services_come_after_the_shop_and_announcers_leave_before_it() -> None:
    """The shop has migrated and has keys by then; nobody is sent to a service that ends."""
    found = declared()
    for service in ("payment", "notification"):
        assert found[f"{service}-web"].after == "http://127.0.0.1:8001/livez"
        assert found[f"{service}-announce"].stage is Stage.DOOR


@pytest.mark.parametrize(
    ("modules", "variables", "services"),
    [
        (MODULES, {}, {"payment", "notification"}),
        (MODULES, {"PLACE_MODULES": "false"}, set()),
        (tuple(m for m in MODULES if m != "payment"), {}, {"notification"}),
    ],
)
def test_only_what_may_be_placed_has_a_service(
    modules: tuple[str, ...], variables: dict[str, str], services: set[str]
) -> None:
    """Of the modules that this shop composes, and only while work may be moved."""
    env = load({"PLACE_MODULES": "true", **variables})
    assert set(service_urls(env, modules)) == services
    names = {name.partition("-")[0] for name in declared(modules, **variables) if "-" in name}
    assert names == services


def test_a_services_database_is_made_once(tmp_path: Path) -> None:
    """Beside the shop's, on its server; the second start finds it."""
    name = f"beside_{os.getpid()}"
    parts = dict(conninfo_to_dict(settings.DATABASE_URL))
    env = load({"PLACE_MODULES": "true"})
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            url = make_conninfo(**{**parts, "dbname": name})
            for _ in range(2):
                prepare_services(env, tmp_path, ("payment",), database_url=url)
            made = "SELECT datname FROM pg_database WHERE datname LIKE %s ORDER BY 1"
            rows = server.execute(made, [f"{name}%"]).fetchall()
            assert rows == [(name,), (f"{name}_payment",)]
            assert (tmp_path / "metrics" / "payment").is_dir()
        finally:
            for one in (f"{name}_payment", name):
                drop = sql.SQL("DROP DATABASE IF EXISTS {}")
                server.execute(drop.format(sql.Identifier(one)))


def test_a_user_who_may_not_make_databases_is_told_what_to_do(tmp_path: Path) -> None:
    """One line that names the database and the way without."""
    role = f"poor_{os.getpid()}"
    parts = dict(conninfo_to_dict(settings.DATABASE_URL))
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        try:
            url = make_conninfo(**{**parts, "user": role})
            with pytest.raises(CommandFailed, match=r"may not make the database .*_payment"):
                prepare_services(
                    load({"PLACE_MODULES": "true"}), tmp_path, ("payment",), database_url=url
                )
        finally:
            server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
