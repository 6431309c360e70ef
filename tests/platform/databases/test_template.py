"""How the databases of a test session are made: migrated once, then copied; files in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests import memory, template

FIRST, SECOND = f"template_first_{os.getpid()}", f"template_second_{os.getpid()}"


def connected(name: str) -> psycopg.Connection:
    return psycopg.connect(make_conninfo(os.environ["DATABASE_URL"], dbname=name), autocommit=True)


def fill(name: str) -> None:
    """What stands for migrations."""
    with connected(name) as database:
        database.execute(
            "CREATE TABLE made (by text); INSERT INTO made VALUES (current_database())"
        )


def made_by(name: str) -> list[tuple[str, ...]]:
    with connected(name) as database:
        return database.execute("SELECT by FROM made").fetchall()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A worker of a session of its own; the draft's name."""
    name = f"template_session_{os.getpid()}"
    monkeypatch.setenv(template.NAME, name)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    yield f"{name}_draft"
    template.drop_database(FIRST)
    template.drop_database(SECOND)
    template.forget()


def test_only_the_first_worker_migrates(session: str) -> None:
    """The second gets a copy of what the first made, and each has its own."""
    template.make_database(FIRST, fill)
    template.make_database(SECOND, lambda name: pytest.fail("migrated again"))
    assert made_by(FIRST) == made_by(SECOND) == [(session,)]
    with connected(FIRST) as database:
        database.execute("DELETE FROM made")
    assert made_by(SECOND) == [(session,)]


def test_after_a_failure_the_next_begins_anew(session: str) -> None:
    """Half a template is nobody's database."""

    def half(name: str) -> None:
        fill(name)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        template.make_database(FIRST, half)
    template.make_database(SECOND, fill)
    assert made_by(SECOND) == [(session,)]


def test_alone_it_migrates_its_own(session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy would cost more than it saves."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER")
    template.make_database(FIRST, fill)
    assert made_by(FIRST) == [(FIRST,)]


def test_files_are_in_memory_only_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small /dev/shm, as containers have it, one that is missing, and TMPDIR are respected."""
    monkeypatch.delenv("TMPDIR", raising=False)
    assert memory.directory(tmp_path, room=1) == tmp_path
    assert memory.directory(tmp_path, room=2**60) is None
    assert memory.directory(tmp_path / "none", room=1) is None
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert memory.directory(tmp_path, room=1) is None
