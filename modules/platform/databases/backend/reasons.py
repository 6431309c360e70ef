"""Why there is no session. psycopg's pool connects in threads of its own and tells its log why that
failed; who waits for a session is only told that none came. Here the reason reaches who waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

# What tells one alias's sessions from another's: also the role that it works as is an option.
_PARAMETERS = ("host", "port", "dbname", "user", "options")
# Of this process, until the same succeeds.
_reasons: dict[tuple[object, ...], str] = {}


class Session(psycopg.Connection[Any]):
    """What pools are to connect with."""

    @classmethod
    def connect(cls, conninfo: str = "", **parameters: Any) -> Session:
        """As psycopg's. Raises ``psycopg.OperationalError``, and remembers why."""
        try:
            session = super().connect(conninfo, **parameters)
        except psycopg.OperationalError as error:
            # The lines below are advice, or each of the addresses that were tried.
            _reasons[_key(parameters)] = str(error).strip().partition("\n")[0]
            raise
        _reasons.pop(_key(parameters), None)
        return session


def reason(parameters: Mapping[str, Any]) -> str:
    """Why the last attempt to connect with ``parameters`` failed; empty if it did not."""
    return _reasons.get(_key(parameters), "")


def _key(parameters: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(parameters.get(name) for name in _PARAMETERS)
