"""Which database alias belongs to which module, and the settings that make it so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

# Django's auth, sessions, content types and admin log live with identity.
IDENTITY = "accounts"


def alias_of(module: str) -> str:
    """The database alias of ``module``: its own name, but ``default`` for accounts."""
    return "default" if module == IDENTITY else module


def module_of_alias(alias: str) -> str:
    """The module whose tables ``alias`` reaches."""
    return IDENTITY if alias == "default" else alias


def installed_modules() -> tuple[str, ...]:
    """The modules this host composes, in order."""
    return tuple(settings.FICUS_MODULES)


def module_aliases() -> dict[str, str]:
    """Module to alias, for the modules this host composes."""
    return {module: alias_of(module) for module in installed_modules()}


def database_settings(
    *,
    url: str,
    modules: Sequence[str],
    overrides: Mapping[str, str],
    pool: Mapping[str, Any] | bool,
    roles: bool,
) -> dict[str, dict[str, Any]]:
    """Django's DATABASES: one alias per module, each with its own ``search_path``.

    ``url`` is a libpq connection string; ``overrides`` maps a module to one of its own. With
    ``roles`` each alias works as the PostgreSQL role ``ficus_<module>``.
    Raises ``psycopg.ProgrammingError`` for a string that libpq cannot read.
    """
    return {
        alias_of(module): _alias(module, overrides.get(module) or url, pool, roles)
        for module in modules
    }


def _alias(module: str, url: str, pool: Mapping[str, Any] | bool, roles: bool) -> dict[str, Any]:
    parts: dict[str, Any] = dict(conninfo_to_dict(url))
    options = [parts.pop("options", None), f"-c search_path={module}"]
    if roles:
        options.append(f"-c role={role_of(module)}")
    return {
        "ENGINE": "django.db.backends.postgresql",
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
            **parts,
            "options": " ".join(option for option in options if option),
            **({"pool": pool} if pool else {}),
        },
    }


def role_of(module: str) -> str:
    """The PostgreSQL role that owns the module's schema."""
    return f"ficus_{module}"
