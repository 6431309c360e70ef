"""The embedded PostgreSQL: starts, joins, keeps data, heals, stops."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from modules.platform.databases.embedded import (
    EmbeddedServerError,
    ensure_postgres,
    lifecycle,
    logs,
    running_postgres,
    stop_postgres,
)
from modules.platform.databases.embedded.errors import DataMismatch, ServerDidNotStart
from modules.platform.databases.embedded.postgres import Postgres
from modules.platform.databases.embedded.processes import Stage
from tests.platform.databases.embedded_homes import REPOSITORY, fresh_home, processes_of, run_python

START = """
import sys, pathlib
from modules.platform.databases.embedded import ensure_postgres
server = ensure_postgres(pathlib.Path(sys.argv[1]), durable=False)
print(server.pid, server.started)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with fresh_home() as path:
        yield path


class Impatient(Postgres):
    """Waits a tenth of a second where the real one waits ten."""

    stages: Sequence[Stage] = (
        Stage(signal=signal.SIGINT, patience=0.1),
        Stage(signal=signal.SIGQUIT, patience=0.1),
    )


class Interrupted(Postgres):
    """Ctrl-C comes while the new server is asked for the first time."""

    def greets(self, url: str) -> bool:
        raise KeyboardInterrupt


def ask(url: str, query: str) -> object:
    """The first value of the first row."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
        return row[0] if row else None


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def test_first_call_starts_and_second_joins(home: Path) -> None:
    """One server per home: whoever comes second is told the same URL and pid."""
    first = ensure_postgres(home, durable=False)
    second = ensure_postgres(home, durable=False)
    assert (first.started, second.started) == (True, False)
    assert (first.url, first.pid) == (second.url, second.pid)
    assert ask(first.url, "SELECT current_user || '@' || current_database()") == "ficus@ficus"


def test_data_survives_a_restart(home: Path) -> None:
    """What was committed before a stop is there after the next start."""
    server = ensure_postgres(home, durable=False)
    execute(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    assert ask(ensure_postgres(home, durable=False).url, "SELECT answer FROM kept") == 42


def test_settings_are_durable_by_default(home: Path) -> None:
    """A crash of the machine loses nothing, and the shop's limits are set."""
    url = ensure_postgres(home).url
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "max_connections": "400",
        "shared_buffers": "256MB",
        "max_locks_per_transaction": "256",
        "wal_level": "replica",
        "max_wal_size": "2GB",
        "random_page_cost": "1.1",
        "jit": "off",
        "TimeZone": "UTC",
        "listen_addresses": "",
        "server_encoding": "UTF8",
    }
    assert {name: ask(url, f"SHOW {name}") for name in expected} == expected
    locale = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'ficus'"
    assert ask(url, locale) == "bC.UTF-8"
    assert str(ask(url, "SHOW server_version")).startswith("18.")


def test_fleeting_server_trades_durability_for_speed(home: Path) -> None:
    """durable=False switches off all three guards against a crash of the machine."""
    url = ensure_postgres(home, durable=False).url
    names = ("fsync", "synchronous_commit", "full_page_writes")
    assert {ask(url, f"SHOW {name}") for name in names} == {"off"}


def test_heals_after_sigkill(home: Path) -> None:
    """A killed postmaster's pid file, socket and orphans are no obstacle, and commits are kept."""
    first = ensure_postgres(home)
    execute(first.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(first.pid, signal.SIGKILL)
    second = ensure_postgres(home)
    assert second.started
    assert second.pid != first.pid
    assert ask(second.url, "SELECT answer FROM kept") == 42


def test_heals_after_sigkill_under_a_running_query(home: Path) -> None:
    """A backend that computes on without its postmaster is ended before the next start."""
    first = ensure_postgres(home, durable=False)
    busy = psycopg.connect(first.url)
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000000)")
    os.kill(first.pid, signal.SIGKILL)
    assert ensure_postgres(home, durable=False).started
    busy.close()


def test_pid_file_with_a_strangers_pid_is_not_believed(home: Path) -> None:
    """After a reboot the noted pid may be anyone's, here our own; nobody is signalled."""
    first = ensure_postgres(home, durable=False)
    note = home / "postgres/data/postmaster.pid"
    lines = note.read_text().splitlines()
    first.stop()
    note.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    shutil.chown(note, (home / "postgres/data").stat().st_uid)
    assert running_postgres(home) is None
    stop_postgres(home)
    assert ensure_postgres(home, durable=False).started


def test_copied_home_gets_a_server_of_its_own(home: Path) -> None:
    """A copy made while the original runs neither joins nor disturbs it."""
    original = ensure_postgres(home, durable=False)
    copy = home.parent / "copy" / ".ficus"
    copy.parent.mkdir()
    os.system(f"cp -a {home} {copy}")  # noqa: S605 - keeps owners, as a person would
    copied = ensure_postgres(copy, durable=False)
    assert copied.started
    assert copied.url != original.url
    assert ask(original.url, "SELECT 1") == 1


def test_concurrent_starters_share_one_server(home: Path) -> None:
    """Of four processes at the same moment one starts and three join."""
    with ThreadPoolExecutor(4) as pool:
        lines = list(pool.map(lambda _: run_python(START, str(home))[0], range(4)))
    pids, started = zip(*(line.split() for line in lines), strict=True)
    assert len(set(pids)) == 1
    assert sorted(started) == ["False", "False", "False", "True"]


def test_server_outlives_its_starter(home: Path) -> None:
    """The process that started it ends; the server stays and a later one joins it."""
    pid = run_python(START, str(home))[0].split()[0]
    joined = ensure_postgres(home, durable=False)
    assert (str(joined.pid), joined.started) == (pid, False)
    assert os.getsid(joined.pid) == joined.pid


def test_deep_directory_works() -> None:
    """A path too long for a socket only moves the socket."""
    with fresh_home(below="/".join(["deep" * 10] * 6)) as home:
        assert len(str(home)) > 200
        assert ask(ensure_postgres(home, durable=False).url, "SELECT 1") == 1
        assert (home / "postgres/data/PG_VERSION").exists()


def test_odd_characters_in_the_path_work() -> None:
    """Commas, quotes, spaces and accents mean something to libpq or a shell, not to us."""
    with fresh_home(below="a, b'c \"é%") as home:
        assert ask(ensure_postgres(home, durable=False).url, "SELECT 1") == 1


def test_stop_leaves_no_process_and_may_be_repeated(home: Path) -> None:
    """After stop nothing of the server lives; stopping again, or never having started, is fine."""
    stop_postgres(home)
    server = ensure_postgres(home, durable=False)
    with psycopg.connect(server.url):  # an open session must not delay it
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 5
    assert running_postgres(home) is None
    assert processes_of(home) == []
    assert not Path(f"/proc/{server.pid}").exists()
    server.stop()


def test_hung_server_is_ended_in_bounded_time(home: Path) -> None:
    """A stopped (SIGSTOP) server answers no one: joining fails clearly, stopping works."""
    server = ensure_postgres(home, durable=False)
    os.kill(server.pid, signal.SIGSTOP)
    with pytest.raises(ServerDidNotStart, match="does not answer"):
        ensure_postgres(home, timeout=1)
    lifecycle.stop(Impatient(), home)
    assert processes_of(home) == []


def test_failure_names_cause_log_and_way_out(home: Path) -> None:
    """The message is one line; the end of the log comes as a note."""
    ensure_postgres(home, durable=False).stop()
    (home / "postgres/data/global/pg_control").unlink()
    with pytest.raises(ServerDidNotStart) as caught:
        ensure_postgres(home, durable=False)
    assert "\n" not in str(caught.value)
    assert "server.log" in str(caught.value)
    assert any("pg_control" in line for line in caught.value.log_tail)
    assert processes_of(home) == []


def test_data_of_another_major_version_is_refused(home: Path) -> None:
    """We do not touch it and say what to do."""
    ensure_postgres(home, durable=False).stop()
    (home / "postgres/data/PG_VERSION").write_text("16\n")
    with pytest.raises(DataMismatch, match="written by version 16"):
        ensure_postgres(home, durable=False)


def test_home_that_cannot_be_made_is_our_error(home: Path) -> None:
    """A file in the way of the home is reported as an EmbeddedServerError."""
    home.write_text("in the way")
    with pytest.raises(EmbeddedServerError):
        ensure_postgres(home)
    home.unlink()


def test_interrupted_initdb_is_begun_anew(home: Path) -> None:
    """Half a cluster left by a killed first start does no harm."""
    draft = home / "postgres/data.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    assert ask(ensure_postgres(home, durable=False).url, "SELECT 1") == 1
    assert not draft.exists()


def test_starter_killed_during_initdb_does_no_harm(home: Path) -> None:
    """initdb goes on alone for a moment; the next starter waits for it and begins anew."""
    starter = subprocess.Popen([sys.executable, "-c", START, str(home)], cwd=REPOSITORY)
    while not (home / "postgres/data.new/base").exists():
        assert starter.poll() is None
        time.sleep(0.005)
    starter.kill()
    starter.wait()
    assert ask(ensure_postgres(home, durable=False).url, "SELECT 1") == 1


def test_interrupted_start_leaves_no_process(home: Path) -> None:
    """Ctrl-C while we wait for the server ends the server too."""
    ensure_postgres(home, durable=False).stop()
    with pytest.raises(KeyboardInterrupt):
        Interrupted().start(home, deadline=time.monotonic() + 30, durable=False)
    assert ensure_postgres(home, durable=False).started


def test_time_limit_holds(home: Path) -> None:
    """A start that is too slow for its caller fails in time and leaves nothing behind."""
    with pytest.raises(ServerDidNotStart, match="no answer in time"):
        ensure_postgres(home, timeout=0.05)
    assert processes_of(home) == []


def test_large_log_is_cut_while_the_server_writes(home: Path) -> None:
    """The log goes to server.log.1 and starts anew; the server's next line is at its start."""
    ensure_postgres(home, durable=False)
    log = home / "postgres/server.log"
    with log.open("ab") as stream:
        stream.write(b"x" * (logs.MAX_BYTES + 1))
    url = ensure_postgres(home, durable=False).url
    with pytest.raises(psycopg.errors.UndefinedTable):
        execute(url, "SELECT * FROM missing")
    assert (
        log.read_text()
        .splitlines()[0]
        .endswith('relation "missing" does not exist at character 15')
    )
    assert log.with_name("server.log.1").stat().st_size > logs.MAX_BYTES


def test_package_needs_no_settings() -> None:
    """Settings may import it: Django is not configured by then."""
    script = "import modules.platform.databases.embedded as e; print(len(e.__all__))"
    assert run_python(script) == ["8"]
