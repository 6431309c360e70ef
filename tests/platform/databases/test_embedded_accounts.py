"""Embedded servers for root, for root below a 0700 directory, and for an ordinary user."""

import multiprocessing
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg
import pytest

from modules.platform.databases.embedded import (
    EmbeddedServerError,
    ensure_postgres,
    ensure_redis,
    running_postgres,
)
from modules.platform.databases.embedded.__main__ import main
from modules.platform.databases.embedded.accounts import OWN_ID
from tests.platform.databases.embedded_homes import (
    both_stopped,
    clear,
    copy_wheels,
    fresh_home,
    processes_of,
    run_python,
)

NOBODY = 65_534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change the OS user")
START = """
import sys, pathlib
from modules.platform.databases.embedded import binaries, ensure_postgres
server = ensure_postgres(pathlib.Path(sys.argv[1]), durable=False)
print(server.url)
print(pathlib.Path(f"/proc/{server.pid}/cmdline").read_text().split(chr(0))[0])
"""


def ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        return row[0] if row else None


@contextmanager
def below_closed_directory() -> Iterator[Path]:
    """A directory below a 0700 one: /root in small."""
    top = Path(tempfile.mkdtemp(prefix="ficus-test-", dir="/tmp"))
    clone = top / "clone"
    clone.mkdir()
    try:
        yield clone
    finally:
        clear(clone / ".ficus")
        shutil.rmtree(top)


@as_root
def test_root_runs_postgres_as_a_user_of_its_own() -> None:
    """The postmaster is not root, and no other user can enter its data or its socket."""
    with fresh_home() as home:
        server = ensure_postgres(home, durable=False)
        assert Path(f"/proc/{server.pid}").stat().st_uid == OWN_ID
        assert not (home / "postgres").is_symlink()
        assert stat.S_IMODE((home / "postgres/data").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "postgres/run").stat().st_mode) == 0o700
        assert all(entry.stat().st_uid == OWN_ID for entry in (home / "postgres/data").iterdir())


@as_root
def test_clone_below_a_closed_directory_works() -> None:
    """The data go where the server reaches them; a link leads there and a restart finds them."""
    with below_closed_directory() as clone:
        home = clone / ".ficus"
        first = ensure_postgres(home, durable=False)
        with psycopg.connect(first.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert (home / "postgres").is_symlink()
        assert (home / "postgres/data/PG_VERSION").exists()
        first.stop()
        second = ensure_postgres(home, durable=False)
        assert ask(second.url, "SELECT answer FROM kept") == 42
        assert ensure_redis(home).started


@as_root
def test_environment_below_a_closed_directory_works() -> None:
    """The programs are copied once to where the server's user can execute them."""
    with below_closed_directory() as clone:
        wheels = clone / ".venv/lib/site-packages"
        copy_wheels(wheels)
        url, program = run_python(START, str(clone / ".ficus"), path=wheels)
        assert ask(url, "SELECT 1") == 1
        assert not program.startswith(str(clone))
        assert ask(url, "SELECT 'b' COLLATE \"C\" > 'a'") is True
        with psycopg.connect(url, autocommit=True) as connection:  # shared files came along
            connection.execute("CREATE EXTENSION vector")


@as_root
def test_copied_clone_below_a_closed_directory_has_data_of_its_own() -> None:
    """The copy's link leads to the original's data; it is replaced, not followed."""
    with below_closed_directory() as clone:
        original = ensure_postgres(clone / ".ficus", durable=False)
        copy = clone.parent / "copy"
        shutil.copytree(clone, copy, symlinks=True)
        try:
            assert running_postgres(copy / ".ficus") is None
            copied = ensure_postgres(copy / ".ficus", durable=False)
            assert copied.started
            assert copied.pid != original.pid
        finally:
            clear(copy / ".ficus")
        assert ask(original.url, "SELECT 1") == 1


@as_root
def test_moved_clone_below_a_closed_directory_keeps_its_data() -> None:
    """The link still leads to the data and nobody else claims them."""
    with below_closed_directory() as clone:
        server = ensure_postgres(clone / ".ficus", durable=False)
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server.stop()
        moved = clone.rename(clone.parent / "moved")
        try:
            again = ensure_postgres(moved / ".ficus", durable=False)
            assert ask(again.url, "SELECT answer FROM kept") == 42
        finally:
            clear(moved / ".ficus")


@as_root
def test_clone_moved_below_a_closed_directory_takes_its_data_along() -> None:
    """Data that the server could reach and now cannot are moved, not lost."""
    with fresh_home() as home, below_closed_directory() as clone:
        server = ensure_postgres(home, durable=False)
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server.stop()
        home.rename(clone / ".ficus")
        again = ensure_postgres(clone / ".ficus", durable=False)
        assert ask(again.url, "SELECT answer FROM kept") == 42


@as_root
def test_plain_copy_by_root_works() -> None:
    """cp -r gives every file to root; the server's user gets its own back, rows included."""
    with fresh_home() as home:
        server = ensure_postgres(home, durable=False)
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server.stop()
        copy = home.parent / "copy" / ".ficus"
        shutil.copytree(home, copy)
        assert (copy / "postgres/data").stat().st_uid == 0
        assert ask(ensure_postgres(copy, durable=False).url, "SELECT answer FROM kept") == 42


def _as_nobody(home: str, wheels: str, report: Connection) -> None:
    """In a forked child: become an ordinary user, then use the servers as that user does."""
    import sys

    sys.path.insert(0, wheels)  # our own environment may be closed to that user
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    try:
        postgres, cache = ensure_postgres(Path(home), durable=False), ensure_redis(Path(home))
        owners = {Path(f"/proc/{server.pid}").stat().st_uid for server in (postgres, cache)}
        answer = ask(postgres.url, "SELECT 42")
        joined = not ensure_postgres(Path(home)).started
        cache.stop()
        postgres.stop()
        report.send((answer, joined, owners, both_stopped(Path(home))))
    except BaseException as error:
        report.send(repr(error))


@as_root
def test_ordinary_user_runs_both_servers() -> None:
    """Without any privilege everything works as that user, in place."""
    with fresh_home() as home:
        os.chown(home.parent, NOBODY, NOBODY)
        wheels = home.parent / "wheels"
        copy_wheels(wheels)
        ours, theirs = multiprocessing.Pipe()
        arguments = (str(home), str(wheels), theirs)
        child = multiprocessing.get_context("fork").Process(target=_as_nobody, args=arguments)
        child.start()
        child.join(timeout=60)
        assert ours.poll(), "the child said nothing"
        assert ours.recv() == (42, True, {NOBODY}, True)
        assert not (home / "postgres").is_symlink()
        assert processes_of(home) == []
        ours.close()
        theirs.close()


def _denied(home: str, report: Connection) -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    try:
        ensure_postgres(Path(home))
    except EmbeddedServerError as error:
        report.send(str(error))


@as_root
def test_another_users_home_is_refused_clearly() -> None:
    """An ordinary user cannot join root's server and is told why."""
    with fresh_home() as home:
        ensure_postgres(home, durable=False)
        ours, theirs = multiprocessing.Pipe()
        child = multiprocessing.get_context("fork").Process(
            target=_denied, args=(str(home), theirs)
        )
        child.start()
        child.join(timeout=30)
        assert ours.poll(), "no EmbeddedServerError was raised"
        assert "closed to uid 65534" in ours.recv()
        ours.close()
        theirs.close()


def test_command_line_starts_shows_and_stops(capsys: pytest.CaptureFixture[str]) -> None:
    """start prints both URLs, status repeats them, stop ends both; exit codes say how it is."""
    with fresh_home() as home:
        place = ["--home", str(home)]
        assert main(["start", *place]) == 0
        started = capsys.readouterr().out
        assert "postgresql:///ficus?host=" in started
        assert "redis://:" in started
        assert main(["status", *place]) == 0
        assert capsys.readouterr().out == started
        assert main(["stop", *place]) == 0
        assert main(["status", *place]) == 1
        assert capsys.readouterr().out == "postgres\tstopped\nredis\tstopped\n"
