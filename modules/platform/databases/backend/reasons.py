"""Why there is no session. psycopg's pool connects in threads of its own and tells its log why that
failed; who waits for a session is only told that none came. Here the reason reaches who waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

# What tells one alias's sessions from another's: also the role that it works as is an option.
_PARAMETERS = ("host", "port", "dbname", "user", "options")


@dataclass(frozen=True, slots=True)
class Reason:
    """In one line, and whether the server is there all the same: one that starts or goes asks
    nobody for a password. Where none is needed that is not known, and ``is_there`` is False.
    """

    text: str
    is_there: bool


# Of this process, until the same succeeds.
_reasons: dict[tuple[object, ...], Reason] = {}


class Session(psycopg.Connection[Any]):
    """What pools are to connect with."""

    @classmethod
    def connect(cls, conninfo: str = "", **parameters: Any) -> Session:
        """As psycopg's. Raises ``psycopg.OperationalError``, and remembers why."""
        try:
            session = super().connect(conninfo, **parameters)
        except psycopg.OperationalError as error:
            # The lines below are advice, or each of the addresses that were tried.
            text = str(error).strip().partition("\n")[0]
            is_there = error.pgconn is not None and bool(error.pgconn.used_password)
            _reasons[who(parameters)] = Reason(text, is_there)
            raise
        _reasons.pop(who(parameters), None)
        return session


def reason(parameters: Mapping[str, Any]) -> Reason | None:
    """Why the last attempt to connect with ``parameters`` failed; None if it did not."""
    return _reasons.get(who(parameters))


def who(parameters: Mapping[str, Any]) -> tuple[object, ...]:
    """What all sessions that are connected with ``parameters`` have in common."""
    return tuple(parameters.get(name) for name in _PARAMETERS)
