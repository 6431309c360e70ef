"""Who does it: the one whom a request names, else the account of the machine."""

from __future__ import annotations

import getpass
import socket

from modules.platform.contracts import current_context

LONGEST = 200  # characters, as in the record


def acting() -> str:
    """For the record: ``ada@example.com``, or ``ada@host-7`` at a terminal."""
    actor = current_context().actor
    return (actor.label or actor.id or f"{_account()}@{socket.gethostname()}")[:LONGEST]


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return "console"
