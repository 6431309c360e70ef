"""The structure of a schema, read from the catalogue and built again."""

from __future__ import annotations

import psycopg
import pytest

from modules.extraction.blueprints import Unwritable, build, read
from modules.platform.databases.roles import login
from tests.extraction.protocol.conftest import ROWS
from tests.extraction.protocol.conftest import urls as urls
from tests.extraction.protocol.shop import lines, till


def test_what_is_built_reads_as_what_was_read(urls: tuple[str, ...]) -> None:
    """Identity, generated columns, partitions, deferred keys, functions, triggers, sequences."""
    source, target = urls
    till(source, target)
    with (
        psycopg.connect(source, autocommit=True) as one,
        psycopg.connect(target, autocommit=True) as other,
    ):
        one.execute(ROWS)
        plan = read(one, "till")
        other.execute("DROP SCHEMA till CASCADE")
        build(other, [*plan.before, *plan.after])
        assert read(other, "till") == plan
        other.execute("INSERT INTO till.account (name) VALUES ('next')")
        row = other.execute("SELECT id FROM till.account").fetchone()
        assert row == (51,)  # where the sequence stood
        assert lines(one) != lines(other)
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            other.execute("UPDATE till.entry SET amount = 1")


@pytest.mark.django_db(transaction=True)
def test_a_real_modules_structure_is_written_down_whole(urls: tuple[str, ...]) -> None:
    """payment's, with the bus's partitions and all that its migrations made. PostgreSQL writes a
    list of texts in another form once it has read its own; after that nothing changes.
    """
    with login("payment") as here:
        plan = read(here, "payment")
    with psycopg.connect(urls[1], autocommit=True) as there:
        there.execute("DROP SCHEMA IF EXISTS payment CASCADE")
        build(there, [*plan.before, *plan.after])
        once = read(there, "payment")
        there.execute("DROP SCHEMA payment CASCADE")
        assert (once.before, once.tables) == (plan.before, plan.tables)
        assert len(once.after) == len(plan.after)
        build(there, [*once.before, *once.after])
        assert read(there, "payment") == once
        there.execute("DROP SCHEMA payment CASCADE")


def test_what_cannot_be_written_down_is_refused(urls: tuple[str, ...]) -> None:
    """By name; better than left out unseen."""
    till(*urls)
    with psycopg.connect(urls[0], autocommit=True) as one:
        one.execute("CREATE VIEW till.rich AS SELECT * FROM till.account WHERE balance > 9")
        one.execute("CREATE TYPE till.mood AS ENUM ('good', 'bad')")
        with pytest.raises(Unwritable, match=r"till.*: type mood, view rich"):
            read(one, "till")
