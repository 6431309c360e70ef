"""Which database alias belongs to which module, and the settings that make it so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

from modules.platform.databases.backend.reasons import Session

# Django's auth, sessions, content types and admin log live with identity: with accounts, and in
# a host without it in the host's own schema, which is no module's.
ACCOUNTS, HOST = "accounts", "host"
# Where the server's host has gone without a word, over TCP: seconds to connect, and some 10 until a
# session with it is given up. The system's own are two minutes and a quarter of an hour.
GONE = {
    "connect_timeout": 10,
    "tcp_user_timeout": 10_000,  # milliseconds; ignored where the system has no such thing
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
# What an instance of a standalone host is bound to for life: a database of its own, or the schema
# of the monolith, which the monolith migrates.
OWN, ORIGIN = "own", "origin"


def identity_of(modules: Sequence[str]) -> str:
    """Whose schema Django's own tables stand in, in a host that composes ``modules``."""
    return ACCOUNTS if ACCOUNTS in modules else HOST


def identity() -> str:
    """Whose schema this host's ``default`` alias reaches: ``accounts`` or ``host``."""
    return identity_of(settings.FICUS_MODULES)


def alias_of(module: str) -> str:
    """The database alias of ``module``: its own name, but ``default`` for identity's."""
    return "default" if module == identity() else module


def module_of_alias(alias: str) -> str:
    """The module whose tables ``alias`` reaches; ``host`` for a standalone host's own."""
    return identity() if alias == "default" else alias


def installed_modules() -> tuple[str, ...]:
    """The modules this host composes, in order."""
    return tuple(settings.FICUS_MODULES)


def schema_owners() -> tuple[str, ...]:
    """Whose schemas this host's aliases reach: its modules, and the control plane above them."""
    return (*installed_modules(), *getattr(settings, "FICUS_CONTROL_PLANE", ()))


def module_aliases() -> dict[str, str]:
    """Module to alias, for the modules this host composes."""
    return {module: alias_of(module) for module in installed_modules()}


def is_migrated_here(alias: str) -> bool:
    """Whether this host brings the schema of ``alias`` up to date; not the monolith's."""
    return alias == "default" or getattr(settings, "INSTANCE_ROLE", OWN) == OWN


def database_settings(
    *,
    url: str,
    modules: Sequence[str],
    overrides: Mapping[str, str],
    pool: Mapping[str, Any] | None,
    roles: bool,
) -> dict[str, dict[str, Any]]:
    """Django's DATABASES: one alias per module, each with its own ``search_path``, and
    ``default`` for identity's.

    ``url`` is a libpq connection string; ``overrides`` maps a module to one of its own; ``pool``
    has the options of each alias's psycopg pool, None is without. With
    ``roles`` each alias works as the PostgreSQL role ``ficus_<module>``.
    Raises ``psycopg.ProgrammingError`` for a string that libpq cannot read.
    """
    owner = identity_of(modules)
    return {
        "default" if schema == owner else schema: _alias(
            schema, overrides.get(schema) or url, pool, roles
        )
        for schema in dict.fromkeys((owner, *modules))
    }


def _alias(module: str, url: str, pool: Mapping[str, Any] | None, roles: bool) -> dict[str, Any]:
    parts: dict[str, Any] = dict(conninfo_to_dict(url))
    options = [parts.pop("options", None), f"-c search_path={module}"]
    if roles:
        options.append(f"-c role={role_of(module)}")
    return {
        "ENGINE": "modules.platform.databases.backend",
        "NAME": parts.pop("dbname", "ficus"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "")),
        "ATOMIC_REQUESTS": False,
        "DISABLE_SERVER_SIDE_CURSORS": False,
        "OPTIONS": {
            # The same few statements run in every order: prepared, they cost less CPU on
            # both sides. A PgBouncer in between must be 1.21 or newer.
            "server_side_binding": True,
            "prepare_threshold": 2,
            **GONE,
            **parts,
            "options": " ".join(option for option in options if option),
            **({"pool": {**pool, "connection_class": Session}} if pool else {}),
        },
    }


def role_of(module: str) -> str:
    """The PostgreSQL role that owns the module's schema."""
    return f"ficus_{module}"
