"""Makes each module's schema, and its role where roles are on, before Django migrates it."""

from __future__ import annotations

from django.conf import settings

from modules.platform.databases.aliases import module_of_alias
from modules.platform.databases.roles import (
    create_schema,
    ensure_role,
    login,
    one_at_a_time,
    own_schema,
)


def ensure_schema(alias: str) -> None:
    """Create the schema (and role) of ``alias``'s module unless it is there.

    Connects without the alias's own role: making a schema needs CREATE on the database.
    Two processes may do this at once. Raises ``psycopg.Error`` when the login may not.
    """
    module = module_of_alias(alias)
    with login(alias) as connection, one_at_a_time(connection):
        if settings.DATABASE_ROLES:
            ensure_role(connection, module)
        create_schema(connection, module)
        if settings.DATABASE_ROLES:
            own_schema(connection, module)
