"""Plants a fault into the protocol, to show that a test would see it."""

from __future__ import annotations

import psycopg


def plant(session: psycopg.Connection, function: str, old: str, new: str) -> None:
    """Replace ``old`` by ``new`` in a server function of the protocol; it must be in it."""
    found = session.execute(
        "SELECT pg_get_functiondef(p.oid) FROM pg_proc p "
        "WHERE p.pronamespace = 'till_move'::regnamespace AND p.proname = %s",
        [function],
    ).fetchone()
    assert found is not None
    assert old in found[0], found[0]
    session.execute(found[0].replace(old, new))
