"""INSTANCE_ROLE: a database of its own, or the monolith's schema, which is left as it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.extracted.alone import manage
from tests.ports import free_port


class Databases(NamedTuple):
    """Two empty databases: the host's own, and one that plays the monolith's."""

    own: str
    origin: str


@pytest.fixture
def databases() -> Iterator[Databases]:
    names = [f"role_{kind}_{os.getpid()}" for kind in ("own", "origin")]
    server = settings.DATABASE_URL
    parts = dict(conninfo_to_dict(server))
    with psycopg.connect(server, autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield Databases(*(make_conninfo(**{**parts, "dbname": name}) for name in names))
        for name in names:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


def environment(home: Path, databases: Databases, **more: str) -> dict[str, str]:
    return {
        "DATABASE_URL": databases.own,
        "REDIS_URL": settings.REDIS_URL,
        "FICUS_HOME": str(home),
        **more,
    }


def schemas(url: str) -> set[str]:
    """Those that are not PostgreSQL's own."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'"
        ).fetchall()
    return {name for (name,) in rows}


def test_own_migrates_both_schemas(tmp_path: Path, databases: Databases) -> None:
    """By default the module's tables stand beside Django's, in a database of its own."""
    done = manage("payment", "migrate", "-v", "0", env=environment(tmp_path, databases))
    assert done.returncode == 0, done.stderr
    assert schemas(databases.own) == {"host", "payment"}


def test_own_may_keep_the_module_elsewhere(tmp_path: Path, databases: Databases) -> None:
    """PAYMENT_DATABASE_URL names the module's database; the host's tables stay."""
    env = environment(tmp_path, databases, PAYMENT_DATABASE_URL=databases.origin)
    done = manage("payment", "migrate", "-v", "0", env=env)
    assert done.returncode == 0, done.stderr
    assert (schemas(databases.own), schemas(databases.origin)) == ({"host"}, {"payment"})


def test_own_works_under_roles(tmp_path: Path, databases: Databases) -> None:
    """With DATABASE_ROLES each schema belongs to a role of its own, the host's as well."""
    env = environment(tmp_path, databases, DATABASE_ROLES="true")
    done = manage("payment", "migrate", "-v", "0", env=env)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(databases.own) as connection:
        owners = connection.execute(
            "SELECT DISTINCT schemaname, tableowner FROM pg_tables "
            "WHERE schemaname IN ('host', 'payment') ORDER BY 1"
        ).fetchall()
    assert owners == [("host", "ficus_host"), ("payment", "ficus_payment")]


def test_origin_leaves_the_monoliths_schema_alone(tmp_path: Path, databases: Databases) -> None:
    """It migrates its own tables only, and says whose the others are."""
    env = environment(
        tmp_path, databases, INSTANCE_ROLE="origin", PAYMENT_DATABASE_URL=databases.origin
    )
    done = manage("payment", "migrate", "-v", "0", env=env)
    assert done.returncode == 0, done.stderr
    assert "payment is not migrated here: with INSTANCE_ROLE=origin" in done.stderr
    assert (schemas(databases.own), schemas(databases.origin)) == ({"host"}, set())
    asked = manage("payment", "migrate", "--database", "payment", env=env)
    assert asked.returncode == 1
    assert "the monolith migrates it" in asked.stderr
    assert schemas(databases.origin) == set()


def test_origin_puts_no_defaults_there(tmp_path: Path, databases: Databases) -> None:
    """Templates and the like are the monolith's to put in place."""
    env = environment(
        tmp_path, databases, INSTANCE_ROLE="origin", NOTIFICATION_DATABASE_URL=databases.origin
    )
    done = manage("notification", "bootstrap", "--json", env=env)
    assert (done.returncode, done.stdout.strip()) == (0, '{"modules":[]}'), done.stderr


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"INSTANCE_ROLE": "mine"}, "INSTANCE_ROLE='mine' is none of own, origin"),
        ({"INSTANCE_ROLE": "origin"}, "INSTANCE_ROLE=origin needs PAYMENT_DATABASE_URL"),
        ({"WEB_PORT": "many"}, "WEB_PORT='many' is not a valid Port"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "127.0.0.1"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "127.0.0.1:1"),
    ],
)
def test_a_wrong_environment_is_one_line(
    tmp_path: Path, databases: Databases, variables: dict[str, str], said: str
) -> None:
    """The variable and what would be right; exit code 1, no traceback, nothing started."""
    env = {**environment(tmp_path, databases), "STANDIN_PORT": str(free_port()), **variables}
    done = manage("payment", "up", env=env)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_production_names_what_is_missing(tmp_path: Path) -> None:
    """Secrets and servers have no default there."""
    env = {
        "FICUS_HOME": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "extracted.payment.settings.prod",
    }
    done = manage("payment", "check", env=env)
    assert done.returncode == 1
    assert "production needs SECRET_KEY, DATABASE_URL, REDIS_URL" in done.stderr


def test_production_passes_djangos_own_check(tmp_path: Path, databases: Databases) -> None:
    """``check --deploy`` has nothing to say."""
    env = environment(
        tmp_path,
        databases,
        DJANGO_SETTINGS_MODULE="extracted.payment.settings.prod",
        SECRET_KEY="x" * 50 + "0123456789",
        ALLOWED_HOSTS="payment.example.com",
    )
    done = manage("payment", "check", "--deploy", "--fail-level", "WARNING", env=env)
    assert done.returncode == 0, done.stderr
