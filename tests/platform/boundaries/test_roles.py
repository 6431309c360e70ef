"""PostgreSQL itself refuses what crosses a schema: the last of the four fences."""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from modules.platform.databases import passwords, roles
from modules.platform.databases.aliases import database_settings, role_of
from modules.platform.databases.management.commands.database_roles import Command
from modules.platform.databases.schemas import ensure_schema

pytestmark = pytest.mark.django_db(transaction=True)


class Sandbox:
    """A database of its own with two modules that no other test has."""

    def __init__(self, name: str, one: str, other: str) -> None:
        self.name = name
        self.one = one
        self.other = other
        self.modules = (one, other)

    def admin(self) -> psycopg.Connection:
        return psycopg.connect(django_settings.DATABASE_URL, dbname=self.name, autocommit=True)

    def connect_as(self, module: str, **parameters: Any) -> psycopg.Connection:
        """A session in the module's schema, working as its role."""
        options = f"-c search_path={module} -c role={role_of(module)}"
        parameters = {"dbname": self.name, "autocommit": True, "options": options} | parameters
        return psycopg.connect(django_settings.DATABASE_URL, **parameters)


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    """Two modules with schemas, roles and a table each; roles belong to the server, so they are
    named for this test and dropped with it.
    """
    tag = uuid.uuid4().hex[:8]
    made = Sandbox(f"test_roles_{tag}", f"one_{tag}", f"other_{tag}")
    with psycopg.connect(django_settings.DATABASE_URL, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(made.name)))
    made_settings = database_settings(
        url=django_settings.DATABASE_URL, modules=made.modules, overrides={}, pool=None, roles=True
    )
    template = connections.settings["default"]
    for alias in made.modules:  # not "default", which is the other tests' too
        connections.settings[alias] = {**template, **made_settings[alias], "NAME": made.name}
    settings.FICUS_MODULES = ("accounts", *made.modules)
    settings.FICUS_CONTROL_PLANE = ()
    settings.DATABASE_ROLES = True
    yield made
    for alias in made.modules:
        connections[alias].close()
        delattr(connections._connections, alias)
        del connections.settings[alias]
    with psycopg.connect(django_settings.DATABASE_URL, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(made.name)))
        for module in made.modules:
            server.execute(
                sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role_of(module)))
            )


@pytest.fixture
def confined(sandbox: Sandbox) -> Sandbox:
    """Schemas and roles made as ``migrate`` makes them, and a table in each, made by its role."""
    for module in sandbox.modules:
        ensure_schema(module)
        with sandbox.connect_as(module) as session:
            session.execute("CREATE TABLE thing (id int PRIMARY KEY)")
            session.execute("INSERT INTO thing VALUES (1)")
    return sandbox


STATEMENTS = [
    "SELECT * FROM {}.thing",
    "INSERT INTO {}.thing VALUES (2)",
    "UPDATE {}.thing SET id = 3",
    "DELETE FROM {}.thing",
    "SELECT a.id FROM thing a JOIN {}.thing b ON a.id = b.id",
    "CREATE TABLE {}.mine (id int)",
    "CREATE TABLE mine (id int REFERENCES {}.thing (id))",
    "DROP TABLE {}.thing",
    "GRANT USAGE ON SCHEMA {} TO PUBLIC",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_postgresql_refuses_what_crosses_a_schema(confined: Sandbox, statement: str) -> None:
    """Reading, writing, joining, referring and granting: the server says no."""
    crossing = sql.SQL(statement).format(sql.Identifier(confined.other))

    with (
        confined.connect_as(confined.one) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute(crossing)


def test_module_is_free_in_its_own_schema(confined: Sandbox) -> None:
    """Its role owns what it makes: it can migrate, write and drop without anybody's help."""
    with confined.connect_as(confined.one) as session:
        session.execute("ALTER TABLE thing ADD COLUMN name text DEFAULT ''")
        session.execute("CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2'")
        assert session.execute("SELECT two(), count(*) FROM thing").fetchone() == (2, 1)
        session.execute("DROP TABLE thing")


def test_role_is_taken_by_django_too(confined: Sandbox) -> None:
    """The connection that Django opens for the alias works as the module's role."""
    alias = connections[confined.one]
    with alias.get_new_connection(alias.get_connection_params()) as session:
        who = session.execute("SELECT current_user, current_schema()").fetchone()
        assert who == (role_of(confined.one), confined.one)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for"):
            session.execute(_everything_of(confined.other))


def _everything_of(module: str) -> sql.Composed:
    return sql.SQL("SELECT * FROM {}.thing").format(sql.Identifier(module))


def test_ensuring_again_changes_nothing(confined: Sandbox) -> None:
    """Every start may do it."""
    before = roles.role_states(confined.modules)
    for module in confined.modules:
        ensure_schema(module)

    assert roles.role_states(confined.modules) == before
    assert all(state.holds for state in before)


def test_tables_from_before_the_roles_are_taken_over(sandbox: Sandbox, settings: Any) -> None:
    """Turning DATABASE_ROLES on for a database that has worked without."""
    settings.DATABASE_ROLES = False
    ensure_schema(sandbox.one)
    with sandbox.admin() as admin:
        admin.execute(f"SET search_path = {sandbox.one}")
        admin.execute("CREATE TABLE old (id bigserial, n int GENERATED ALWAYS AS IDENTITY)")
        admin.execute("CREATE TABLE parts (id int) PARTITION BY RANGE (id)")
        admin.execute("CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (9)")
        admin.execute("CREATE SEQUENCE numbers")
        admin.execute("CREATE VIEW seen AS SELECT * FROM old")
        admin.execute("CREATE FUNCTION f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    settings.DATABASE_ROLES = True

    ensure_schema(sandbox.one)

    with sandbox.connect_as(sandbox.one) as session:
        session.execute("INSERT INTO old DEFAULT VALUES")
        session.execute("ALTER TABLE parts_1 ADD CHECK (id > 0)")
        session.execute("DROP FUNCTION f(int, text)")
        assert session.execute("SELECT nextval('numbers'), count(*) FROM seen").fetchone() == (1, 1)
    (state, _) = roles.role_states(sandbox.modules)
    assert state.holds


def test_state_tells_what_leaks(confined: Sandbox) -> None:
    """A grant too many, a foreign owner and a superuser are all seen."""
    one, other = (sql.Identifier(role_of(module)) for module in confined.modules)
    with confined.admin() as admin:
        schema = sql.Identifier(confined.other)
        admin.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, one))
        admin.execute(sql.SQL("CREATE TABLE {}.stray (id int)").format(schema))
        admin.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(other))

    first, second = roles.role_states(confined.modules)

    assert first.reaches == (confined.other,)
    assert (second.strays, second.is_superuser) == (1, True)
    assert not first.holds
    assert not second.holds


def test_production_login_reaches_its_own_schema_only(confined: Sandbox) -> None:
    """With a password of its own; migrating again needs no right to create schemas."""
    roles.create_roles(confined.modules, passwords={confined.one: "s3cret ü"})
    login = {"user": role_of(confined.one), "password": "s3cret ü", "options": ""}

    with confined.connect_as(confined.one, **login) as session:
        session.execute(_everything_of(confined.one))
        roles.create_schema(session, confined.one)
        roles.ensure_role(session, confined.one)
        roles.own_schema(session, confined.one)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(_everything_of(confined.other))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("CREATE SCHEMA more")


def test_server_never_sees_a_password_in_the_clear(confined: Sandbox) -> None:
    """What is stored is the SCRAM verifier that the client computed."""
    roles.create_roles(confined.modules, passwords={confined.one: "s3cret"})

    with confined.admin() as admin:
        query = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
        row = admin.execute(query, [role_of(confined.one)]).fetchone()

    assert row is not None
    assert row[0].startswith("SCRAM-SHA-256$")


def _command(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, report and stderr of ``manage.py database_roles``."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(Command(stdout=out, stderr=err), *arguments, "--json")
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, json.loads(out.getvalue() or "{}"), err.getvalue()


@pytest.fixture
def only_these(sandbox: Sandbox, settings: Any) -> Sandbox:
    """The command sees the sandbox's modules only."""
    settings.FICUS_MODULES = sandbox.modules
    settings.FICUS_CONTROL_PLANE = ()
    return sandbox


def test_command_tells_that_nothing_holds_yet(only_these: Sandbox) -> None:
    """Exit code 3, and which role is missing."""
    code, report, _ = _command()

    assert code == 3
    assert [role["exists"] for role in report["roles"]] == [False, False]


def test_command_creates_and_then_all_holds(only_these: Sandbox) -> None:
    """After --create the report is clean and says so with 0."""
    code, report, _ = _command("--create")

    assert code == 0
    assert [role["can_login"] for role in report["roles"]] == [False, False]
    assert _command()[0] == 0


def test_command_writes_urls_that_work_to_a_private_file(
    only_these: Sandbox, tmp_path: Path
) -> None:
    """Nobody but the owner may read it, and each URL logs in as its role."""
    target = tmp_path / "urls.env"

    code, report, _ = _command("--create", "--urls", str(target))

    assert code == 0
    assert report["urls"] == str(target)
    assert os.stat(target).st_mode & 0o777 == 0o600
    urls = dict(line.split("=", 1) for line in target.read_text().splitlines())
    url = urls[f"{only_these.one.upper()}_DATABASE_URL"]
    with psycopg.connect(url, dbname=only_these.name) as session:
        row = session.execute("SELECT session_user").fetchone()
    assert row == (role_of(only_these.one),)


def test_command_does_not_overwrite_urls(only_these: Sandbox, tmp_path: Path) -> None:
    """The passwords in it may be the only copy."""
    target = tmp_path / "urls.env"
    target.write_text("precious")

    code, _, err = _command("--create", "--urls", str(target))

    assert code == 2
    assert "exists" in err.lower()
    assert target.read_text() == "precious"


def test_command_reads_passwords_from_a_file(only_these: Sandbox, tmp_path: Path) -> None:
    """One line a module."""
    source = tmp_path / "passwords"
    source.write_text(f"# of the vault\n{only_these.one}=a=b\n{only_these.other}=c d\n")

    assert _command("--create", "--passwords", str(source))[0] == 0
    with only_these.connect_as(only_these.one, user=role_of(only_these.one), password="a=b"):
        pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one=secret\nnonsense", "line 2 is not MODULE=PASSWORD of a known module"),
        ("two=secret", "line 1 is not"),
        ("one=", "line 1 is not"),
        ("", "no password for one"),
    ],
)
def test_list_of_passwords_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    """The message says which line, and never what is in it."""
    source = tmp_path / "passwords"
    source.write_text(text)

    with pytest.raises(passwords.UnreadablePasswords, match=message) as caught:
        passwords.read_passwords(str(source), ["one"])
    assert "secret" not in str(caught.value)


def test_passwords_come_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a vault can pipe them."""
    monkeypatch.setattr("sys.stdin", io.StringIO("one=x y"))

    assert passwords.read_passwords("-", ["one"]) == {"one": "x y"}


def test_command_needs_create_for_logins(only_these: Sandbox) -> None:
    """A report changes nothing."""
    code, _, err = _command("--passwords", "-")

    assert code == 2
    assert "--create" in err
