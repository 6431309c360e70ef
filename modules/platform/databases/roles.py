"""One PostgreSQL role per module, owner of its schema and of nothing else.

Two ways to use them. With ``DATABASE_ROLES=true`` one login works in each schema as that module's
role: PostgreSQL refuses what crosses a boundary by mistake. In production each role has a login
of its own, and ``<MODULE>_DATABASE_URL`` names it: then a stolen connection reaches one schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from django.db import connections
from psycopg import sql

from modules.platform.databases.aliases import alias_of, role_of

# What an alias adds to a libpq connection, and the settings that make it work as its role.
_DJANGOS_OWN = ("cursor_factory", "context", "pool", "prepare_threshold", "options")
_LOCK = "SELECT pg_advisory_lock(hashtext('ficus.ensure_schema'))"

_STATE = """
SELECT r.rolname IS NOT NULL AS exists,
       coalesce(r.rolcanlogin, false) AS can_login,
       coalesce(r.rolsuper, false) AS is_superuser,
       n.nspowner IS NOT DISTINCT FROM r.oid AND r.oid IS NOT NULL AS owns_schema,
       (SELECT count(*) FROM pg_class c
         WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
           AND c.relowner IS DISTINCT FROM r.oid) AS strays,
       ARRAY(SELECT o.nspname FROM pg_namespace o
              WHERE o.nspname = ANY (%(others)s) AND r.oid IS NOT NULL
                AND has_schema_privilege(r.oid, o.oid, 'USAGE')
              ORDER BY 1) AS reaches
FROM (SELECT) one
LEFT JOIN pg_roles r ON r.rolname = %(role)s
LEFT JOIN pg_namespace n ON n.nspname = %(schema)s
"""

# Tables before sequences: a column's own sequence follows its table.
_STRAYS = """
SELECT CASE WHEN c.relkind = 'S' THEN 'SEQUENCE' WHEN c.relkind = 'v' THEN 'VIEW'
            WHEN c.relkind = 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
       format('%%I.%%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  AND pg_get_userbyid(c.relowner) <> %(role)s
  AND NOT (c.relkind = 'S' AND EXISTS (
      SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i')
        AND d.refobjsubid > 0))
UNION ALL
SELECT 'ROUTINE', format('%%s', p.oid::regprocedure)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = %(schema)s AND pg_get_userbyid(p.proowner) <> %(role)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleState:
    """How a module's role stands. ``strays`` counts what lies in its schema and is not its own;
    ``reaches`` are other modules' schemas that it may use: there must be none.
    """

    module: str
    role: str
    exists: bool
    can_login: bool
    is_superuser: bool
    owns_schema: bool
    strays: int
    reaches: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether PostgreSQL keeps this module within its schema, and lets it work there."""
        confined = self.owns_schema and not self.is_superuser
        return self.exists and confined and not self.strays and not self.reaches


@contextmanager
def login(alias: str) -> Iterator[psycopg.Connection]:
    """A connection of ``alias``'s login as itself, not as the module's role; autocommit."""
    with logged_in(alias) as connection:
        yield connection


def logged_in(alias: str) -> psycopg.Connection:
    """The same, for the caller to close."""
    parameters = connections[alias].get_connection_params()
    for own in _DJANGOS_OWN:
        parameters.pop(own, None)
    return psycopg.connect(**parameters, autocommit=True)


@contextmanager
def one_at_a_time(connection: psycopg.Connection) -> Iterator[None]:
    """Keep other processes from making schemas and roles; two CREATEs at once can collide."""
    connection.execute(_LOCK)
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock_all()")


def ensure_role(connection: psycopg.Connection, module: str) -> None:
    """Make the module's role unless it is there, and let this login work as it.

    Raises ``psycopg.Error`` when the login may not create roles.
    """
    role = sql.Identifier(role_of(module))
    if not connection.execute(
        "SELECT 1 FROM pg_roles WHERE rolname = %s", [role_of(module)]
    ).fetchone():
        # Roles belong to the server: another database's migration may be faster.
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
    # Since version 16 who makes a role may grant it, but not yet work as it.
    privilege = "SET" if connection.info.server_version >= 160_000 else "MEMBER"
    row = connection.execute(
        "SELECT pg_has_role(current_user, %s, %s)", [role_of(module), privilege]
    ).fetchone()
    if row is not None and not row[0]:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))


def create_schema(connection: psycopg.Connection, module: str) -> None:
    """Create the module's schema unless it is there.

    Looks first: CREATE SCHEMA IF NOT EXISTS wants the right to create even when it need not, and
    a production login has none.
    """
    found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [module])
    if found.fetchone() is None:
        name = sql.Identifier(module)
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))


def own_schema(connection: psycopg.Connection, module: str) -> None:
    """Make the role owner of its schema and of all that lies in it, so that it can migrate it."""
    role, schema = sql.Identifier(role_of(module)), sql.Identifier(module)
    state = state_of(connection, module, others=())
    if not state.owns_schema:
        connection.execute(sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(schema, role))
    names = {"schema": module, "role": role_of(module)}
    for kind, name in connection.execute(_STRAYS, names).fetchall():
        # Both texts come from the catalogue, quoted by it.
        connection.execute(
            sql.SQL("ALTER {} {} OWNER TO {}").format(sql.SQL(kind), sql.SQL(name), role)
        )


def allow_login(connection: psycopg.Connection, module: str, password: str) -> None:
    """Let the role log in with ``password``; the server sees its SCRAM verifier only."""
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role_of(module).encode(), b"scram-sha-256"
    )
    connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
            sql.Identifier(role_of(module)), sql.Literal(verifier.decode())
        )
    )


def state_of(connection: psycopg.Connection, module: str, *, others: Sequence[str]) -> RoleState:
    """How the module's role stands towards its schema and ``others``."""
    parameters = {"role": role_of(module), "schema": module, "others": list(others)}
    row = connection.execute(_STATE, parameters).fetchone()
    assert row is not None  # noqa: S101 - the query has one row by construction
    exists, can_login, is_superuser, owns_schema, strays, reaches = row
    return RoleState(
        module=module,
        role=role_of(module),
        exists=exists,
        can_login=can_login,
        is_superuser=is_superuser,
        owns_schema=owns_schema,
        strays=strays,
        reaches=tuple(reaches),
    )


def role_states(modules: Sequence[str]) -> tuple[RoleState, ...]:
    """How every module's role stands, each on the server of its own alias."""
    states = []
    for module in modules:
        with login(alias_of(module)) as connection:
            others = [other for other in modules if other != module]
            states.append(state_of(connection, module, others=others))
    return tuple(states)


def create_roles(modules: Sequence[str], *, passwords: Mapping[str, str]) -> None:
    """Make every module's role, schema and ownership; those in ``passwords`` may log in.

    Safe to repeat. Raises ``psycopg.Error`` when the login may not.
    """
    for module in modules:
        with login(alias_of(module)) as connection, one_at_a_time(connection):
            ensure_role(connection, module)
            create_schema(connection, module)
            own_schema(connection, module)
            if module in passwords:
                allow_login(connection, module, passwords[module])
