"""In production no session is a superuser's, and each module's schema has an owner of its own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from modules.extraction.protocol import cutover, preflight, rollback, uninstall
from modules.extraction.protocol.checking import OLD_TRANSACTION
from modules.extraction.protocol.controlling import Controller
from tests.extraction.protocol.conftest import Pair

GIVE = """
CREATE ROLE {owner};
CREATE ROLE {login} LOGIN PASSWORD 'word' IN ROLE {owner};
GRANT SET ON PARAMETER session_replication_role TO {login};
"""
OWN = """
GRANT CREATE ON DATABASE {database} TO {owner};
ALTER SCHEMA till OWNER TO {owner};
ALTER TABLE till.account OWNER TO {owner}; ALTER TABLE till.note OWNER TO {owner};
ALTER TABLE till.entry OWNER TO {owner}; ALTER TABLE till.entry_1 OWNER TO {owner};
ALTER TABLE till.entry_2 OWNER TO {owner};
"""
OPEN = "open transactions of the module"
TAKE = """
REVOKE ALL ON PARAMETER session_replication_role FROM {login};
DROP ROLE {login}; DROP ROLE {owner};
"""


@pytest.fixture
def owned(pair: Pair) -> Iterator[Pair]:
    """The pair with a login that is only a member of the owner, and sessions of the owner."""
    names = {name: sql.Identifier(f"{name}_{uuid.uuid4().hex[:8]}") for name in ("owner", "login")}
    sessions = pair.source, pair.target
    pair.source.execute(sql.SQL(GIVE).format(**names))
    for session in sessions:
        database = sql.Identifier(session.info.dbname)
        session.execute(sql.SQL(OWN).format(database=database, **names))
        session.execute(sql.SQL("SET ROLE {}").format(names["owner"]))
    login = names["login"].as_string(pair.source).strip('"')
    source, target = (
        replace(side, url=make_conninfo(side.url, user=login, password="word"))
        for side in pair.move.sides
    )
    try:
        yield Pair(replace(pair.move, source=source, target=target), *sessions)
    finally:
        for session in sessions:
            session.execute("RESET ROLE")
            session.execute("DROP SCHEMA IF EXISTS till_move, till CASCADE")
            session.execute(sql.SQL("DROP OWNED BY {owner}").format(**names))
        pair.source.execute(sql.SQL(TAKE).format(**names))


def test_the_protocol_needs_one_grant_and_the_owners_role(owned: Pair) -> None:
    """Everything is made as the owner, and the module's own role is guarded and captured."""
    owned.ready()
    owned.source.execute("UPDATE till.account SET balance = 1")
    cutover(owned.move)
    with pytest.raises(psycopg.DatabaseError, match="has moved"):
        owned.source.execute("UPDATE till.account SET balance = 1")
    owned.target.execute("UPDATE till.account SET balance = 2")
    rollback(owned.move)
    assert owned.same()
    uninstall(owned.move)


def test_transactions_of_the_same_login_are_seen_and_ended(owned: Pair) -> None:
    """The application's sessions have the login of the controller, and work as the owner too."""
    owned.ready()
    side = owned.move.source
    owner = owned.source.execute("SELECT current_user").fetchone()
    assert owner is not None
    with psycopg.connect(side.url, options=f"-c role={owner[0]}") as application:
        application.execute("SELECT 1 FROM till.account WHERE id = 1 FOR UPDATE")
        time.sleep(OLD_TRANSACTION.total_seconds() * 1.5)
        assert _idle(owned) == (False, "1")
        with Controller(owned.move) as controller:
            now = owned.source.execute("SELECT clock_timestamp()").fetchone()
            assert now is not None
            assert controller.end_lock_holders(side, now[0]) == 1
        with pytest.raises(psycopg.OperationalError):
            application.execute("SELECT 1")
    assert _idle(owned) == (True, "none")


def _idle(pair: Pair) -> tuple[bool, str]:
    """Whether that condition of a cutover is met, and the first word of what it has."""
    (found,) = [one for one in preflight(pair.move) if one.name == OPEN]
    return found.ok, found.have.partition(",")[0]
