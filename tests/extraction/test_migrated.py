"""What tests are given in place of a database that the service's host has migrated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from modules.extraction import structure, targets
from modules.extraction.targets import Target
from tests.extraction import migrated
from tests.extraction.commands import SCHEMA

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

# Names, kinds, owners and rights; definitions; what is recorded as applied. PostgreSQL writes the
# casts and parentheses of a condition differently once it has read its own words.
LOOKS = (
    r"""SELECT nspname, relname, relkind, pg_get_userbyid(relowner), relacl, relispartition,
        pg_get_expr(relpartbound, c.oid),
        regexp_replace(pg_get_indexdef(c.oid), '::(text|character varying)(\[\])?|[()]', '', 'g')
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname IN ('payment', 'host') ORDER BY 1, 2""",
    """SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,
        attidentity, attgenerated, pg_get_expr(adbin, adrelid)
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p')
      AND relnamespace::regnamespace::text IN ('payment', 'host') ORDER BY 1, 2""",
    r"""SELECT conrelid::regclass::text, conname, convalidated,
        regexp_replace(pg_get_constraintdef(oid), '::(text|character varying)(\[\])?|[()]', '', 'g')
    FROM pg_constraint
    WHERE connamespace::regnamespace::text IN ('payment', 'host') ORDER BY 1, 2""",
    """SELECT tgrelid::regclass::text, pg_get_triggerdef(oid), tgenabled FROM pg_trigger
    WHERE NOT tgisinternal ORDER BY 1, 2""",
    """SELECT proname, pg_get_functiondef(oid), pg_get_userbyid(proowner), proacl FROM pg_proc
    WHERE pronamespace::regnamespace::text IN ('payment', 'host') ORDER BY 1, 2""",
    "SELECT app, name FROM payment.django_migrations ORDER BY 1, 2",
    "SELECT app, name FROM host.django_migrations ORDER BY 1, 2",
)


@pytest.fixture
def target(place: None) -> Iterator[Target]:
    """An empty database, as ``create`` makes it."""
    target = targets.planned(SCHEMA)
    targets.make(SCHEMA, target)
    yield target
    targets.remove(SCHEMA, target)


def look(target: Target) -> list[list[tuple[object, ...]]]:
    with psycopg.connect(target.admin_url) as database:
        return [database.execute(one.encode()).fetchall() for one in LOOKS]


def test_the_next_database_is_as_the_host_has_made_the_first(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every table, constraint, trigger, function, owner, right and recorded migration."""
    monkeypatch.setenv("FICUS_HOME", str(tmp_path))
    migrated.migrate(SCHEMA, target)
    by_host = look(target)
    targets.remove(SCHEMA, target)
    targets.make(SCHEMA, target)
    monkeypatch.setattr(migrated, "_by_host", lambda module, target: pytest.fail("by the host"))
    migrated.migrate(SCHEMA, target)
    for found, expected in zip(look(target), by_host, strict=True):
        assert set(found) ^ set(expected) == set()
        assert expected


def test_a_database_that_is_given_is_migrated_by_the_host(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only an empty one that was made here is known to be as the first was."""
    asked = []
    monkeypatch.setattr(migrated, "_by_host", lambda module, target: asked.append(target))
    given = Target(url=target.url, admin_url=target.admin_url, is_ours=False)
    migrated.migrate(SCHEMA, given)
    assert asked == [given]
    assert structure.migrate is migrated.migrate
