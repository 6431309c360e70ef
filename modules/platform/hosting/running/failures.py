"""What a person should read when the surroundings, and not the code, are at fault."""

from __future__ import annotations

import django.db
import psycopg
import redis

from modules.platform.databases.embedded import EmbeddedServerError
from modules.platform.hosting.environment import EnvError


def one_line(error: Exception) -> str | None:
    """One line for a wrong environment or an unreachable server; None for a bug."""
    flat = " ".join(str(error).split())
    match error:
        case EnvError() | EmbeddedServerError():
            return flat
        case psycopg.OperationalError() | django.db.OperationalError():
            return f"PostgreSQL cannot be used (DATABASE_URL): {flat}"
        case redis.ConnectionError() | redis.TimeoutError():
            return f"Redis cannot be reached (REDIS_URL): {flat}"
        case _:
            return None
