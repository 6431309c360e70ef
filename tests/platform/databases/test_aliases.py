"""Aliases and schemas, with accounts and without."""

from __future__ import annotations

from typing import Any

import pytest

from modules.platform.databases.aliases import (
    alias_of,
    database_settings,
    identity,
    is_migrated_here,
    module_of_alias,
)
from modules.platform.databases.router import ModuleRouter

URL = "postgresql:///ficus"


def made(*modules: str, **overrides: str) -> dict[str, dict[str, Any]]:
    return database_settings(url=URL, modules=modules, overrides=overrides, pool=None, roles=False)


def schema(alias: dict[str, Any]) -> str:
    return str(alias["OPTIONS"]["options"]).partition("search_path=")[2]


def test_with_accounts_default_is_its_schema() -> None:
    """Django's own tables live with identity; each other module has an alias of its own name."""
    found = made("catalog", "accounts")
    assert {alias: schema(one) for alias, one in found.items()} == {
        "default": "accounts",
        "catalog": "catalog",
    }


def test_without_accounts_default_is_the_hosts_own() -> None:
    """The module may be elsewhere: what is Django's stays with the host."""
    found = made("payment", payment="postgresql:///money")
    assert {alias: (one["NAME"], schema(one)) for alias, one in found.items()} == {
        "default": ("ficus", "host"),
        "payment": ("money", "payment"),
    }


def test_names_follow_what_is_composed(settings: Any) -> None:
    """The same question has another answer in another host."""
    assert (identity(), alias_of("accounts"), module_of_alias("default")) == (
        "accounts",
        "default",
        "accounts",
    )
    settings.FICUS_MODULES = ("payment",)
    assert (identity(), alias_of("payment"), module_of_alias("default")) == (
        "host",
        "payment",
        "host",
    )


@pytest.mark.parametrize(
    ("app", "on_default", "on_payment"),
    [
        ("payment", False, True),
        ("auth", True, False),
        ("operators", True, False),
        ("messaging", False, True),
        ("sagas", False, True),
    ],
)
def test_tables_stand_where_they_belong(
    settings: Any, app: str, on_default: bool, on_payment: bool
) -> None:
    """In a standalone host the bus's tables are the module's: nothing of it is in ``host``."""
    settings.FICUS_MODULES = ("payment",)
    router = ModuleRouter()
    assert router.allow_migrate("default", app) is on_default
    assert router.allow_migrate("payment", app) is on_payment


def test_the_monoliths_schema_is_not_migrated_here(settings: Any) -> None:
    """An instance of role origin leaves it alone, and still migrates its own."""
    assert is_migrated_here("payment")
    settings.INSTANCE_ROLE = "origin"
    assert not is_migrated_here("payment")
    assert is_migrated_here("default")
