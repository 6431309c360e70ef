"""The service's database: made on the monolith's server, or given by its owner; and undone again.

Its address is kept in a file that only this host's user may read, never in a table or an argument.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from modules.platform.databases.aliases import alias_of, schema_owners
from modules.platform.databases.roles import login
from modules.platform.hosting.secrets import secret_file

CONTROL_PLANE = "extraction"
BYTES = 24  # of randomness in a password
# What an alias adds to a libpq connection, and what makes it work as its role.
_DJANGOS = ("cursor_factory", "context", "pool", "prepare_threshold", "options")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``url`` is the service's own login, ``admin_url`` the one that the control plane works
    with. ``is_ours``: made here, so ``cancel`` removes it.
    """

    url: str
    admin_url: str
    is_ours: bool

    @property
    def place(self) -> str:
        """For people: without a password."""
        parts = conninfo_to_dict(self.admin_url)
        where = str(parts.get("host") or "localhost")
        where = "unix socket" if where.startswith("/") else where
        port = f":{parts['port']}" if parts.get("port") else ""
        return f"{parts.get('dbname')} at {where}{port}"


def source_url(module: str) -> str:
    """The login of this host's alias of ``module``, as itself and not as the module's role.

    One that is retired has no alias any more: its schema was beside the control plane's.
    """
    alias = alias_of(module) if module in schema_owners() else CONTROL_PLANE
    given: dict[str, Any] = dict(connections[alias].get_connection_params())
    return make_conninfo(**{k: v for k, v in given.items() if k not in _DJANGOS})


def name_of(module: str) -> str:
    """The database and the role that are made for ``module``'s service."""
    return f"{conninfo_to_dict(source_url(module)).get('dbname')}_{module}_service"


def address_file(module: str) -> Path:
    """Where the address is kept."""
    return secret_file(Path(settings.FICUS_HOME), f"{module}_service_database")


def planned(module: str, given: str = "") -> Target:
    """The target that ``create`` would use; ``given`` is a connection string of its owner's."""
    if given:
        return Target(url=given, admin_url=given, is_ours=False)
    here: dict[str, Any] = dict(conninfo_to_dict(source_url(module)))
    name = name_of(module)
    admin = make_conninfo(**{**here, "dbname": name})
    own = make_conninfo(**{**here, "dbname": name, "user": name, "password": _password()})
    return Target(url=own, admin_url=admin, is_ours=True)


def known(module: str) -> Target | None:
    """The one that was created; None when there is none."""
    path = address_file(module)
    if not path.is_file():
        return None
    url, admin_url, made = path.read_text().splitlines()
    return Target(url=url, admin_url=admin_url, is_ours=made == "made here")


def keep(module: str, target: Target) -> None:
    """Write the address down, readable to this host's user only."""
    path = address_file(module)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    made = "made here" if target.is_ours else "given"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{target.url}\n{target.admin_url}\n{made}\n")
    draft.replace(path)


def forget(module: str) -> None:
    """Remove the file."""
    address_file(module).unlink(missing_ok=True)


def make(module: str, target: Target) -> None:
    """Its role and its database, unless they are there. Raises psycopg's errors."""
    name, parts = name_of(module), conninfo_to_dict(target.url)
    with login(alias_of(module)) as connection:
        if not _exists(connection, "pg_roles", "rolname", name):
            _run(connection, "CREATE ROLE {} NOLOGIN", name)
        # To make objects as it, and to make it an owner.
        with suppress(psycopg.errors.InvalidGrantOperation):
            _run(connection, "GRANT {} TO CURRENT_USER", name)
        _allow_login(connection, name, str(parts["password"]))
        if not _exists(connection, "pg_database", "datname", name):
            _run(connection, "CREATE DATABASE {0} OWNER {0}", name)


def remove(module: str, target: Target) -> None:
    """Take away what ``make`` has made, with everything in it; a given one is left as it is."""
    if not target.is_ours:
        return
    name = name_of(module)
    with login(alias_of(module)) as connection:
        _run(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        _run(connection, "DROP ROLE IF EXISTS {}", name)


def is_there(target: Target) -> bool:
    """Whether it can be connected to."""
    try:
        with psycopg.connect(target.admin_url, connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def host_environment(module: str, target: Target, home: Path) -> Mapping[str, str]:
    """The variables with which the service's host works on ``target``, with a home of its own."""
    ours = ("DATABASE_", "DJANGO_", "FICUS_", "INSTANCE_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and not name.endswith("_DATABASE_URL")
    }
    return {
        **kept,
        "DATABASE_URL": target.url,
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": settings.SECRET_KEY,
        "FICUS_HOME": str(home),
        "INSTANCE_ROLE": "own",
    }


def _password() -> str:
    return secrets.token_urlsafe(BYTES)


def _exists(connection: psycopg.Connection[Any], table: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(
        sql.Identifier(table), sql.Identifier(column)
    )
    return connection.execute(query, [name]).fetchone() is not None


def _allow_login(connection: psycopg.Connection[Any], name: str, password: str) -> None:
    """The server sees the password's SCRAM verifier only, and so does its log."""
    verifier = connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    )
    statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
        sql.Identifier(name), sql.Literal(verifier.decode())
    )
    connection.execute(statement)


def _run(connection: psycopg.Connection[Any], statement: str, name: str) -> None:
    connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
