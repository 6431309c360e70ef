"""``migrate``: every schema has its own tables, and each knows of all migrations."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.db.migrations.loader import MigrationLoader

from modules.platform.databases.management.commands.migrate import note_what_is_elsewhere
from tests.platform.example import EXAMPLE

pytestmark = pytest.mark.django_db(databases="__all__")


def recorded(alias: str) -> set[tuple[Any, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        return set(cursor.fetchall())


def forget(alias: str, app: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = %s", [app])


@pytest.mark.parametrize("alias", list(connections))
def test_every_schema_knows_of_all_migrations(alias: str) -> None:
    """So nothing is left to do there, whichever app's tables it has."""
    assert recorded(alias) == set(MigrationLoader(None).graph.nodes)


def test_what_is_elsewhere_is_noted_and_nothing_of_ones_own() -> None:
    """An app of this schema that was not migrated is left to be migrated."""
    with transaction.atomic(EXAMPLE):
        for app in ("orders", EXAMPLE, "messaging"):
            forget(EXAMPLE, app)
        note_what_is_elsewhere(EXAMPLE)
        assert {app for app, _ in recorded(EXAMPLE)} & {"orders", EXAMPLE, "messaging"} == {
            "orders"
        }
        transaction.set_rollback(True, EXAMPLE)


@pytest.mark.parametrize("option", ["plan", "check_unapplied"])
def test_who_only_looks_changes_nothing(option: str) -> None:
    """Not even what is elsewhere is noted."""
    with transaction.atomic(EXAMPLE):
        forget(EXAMPLE, "orders")
        try:
            call_command("migrate", **{option: True}, stdout=StringIO(), stderr=StringIO())
        except SystemExit:
            assert option == "check_unapplied"
        assert "orders" not in {app for app, _ in recorded(EXAMPLE)}
        transaction.set_rollback(True, EXAMPLE)
