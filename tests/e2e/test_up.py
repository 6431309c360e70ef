"""``manage.py up``: one command starts all, Ctrl-C leaves nothing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from shop.env import ROOT
from tests import plain
from tests.e2e.mailed import mails_by_address
from tests.e2e.retiring import stock, stock_and_retire, wait_for_door, wait_for_own
from tests.e2e.running import PORTS
from tests.e2e.shopper import Shopper
from tests.ports import free_port
from tests.rabbit import running_rabbit
from tests.waiting import eventually

# Those of the test session, where the command does not get as far as to use them.
SERVERS = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of its own, so that embedded servers are started by the command itself."""
    with _new_home() as made:
        yield made


@pytest.fixture(scope="module")
def used_home() -> Iterator[Path]:
    """One that several starts share, each with other ports: what one leaves serves the next."""
    with _new_home() as made:
        yield made


@contextmanager
def _new_home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="ficus-up-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def environment(home: Path, **more: str) -> dict[str, str]:
    """No URLs of servers: the command must start its own."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "FICUS", "DJANGO", "DATABASE", "REDIS"))
    }
    ports = {f"{name}_PORT": str(free_port()) for name in PORTS}
    return {**inherited, **ports, "FICUS_HOME": str(home), "PYTHONUNBUFFERED": "1", **more}


def processes_of(home: Path) -> list[str]:
    """Pids and command lines of the processes that were given ``home``, or work in it: what Redis
    was started with is not to be seen any more.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes()
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            place = (entry / "cwd").readlink()
        except OSError:
            continue
        is_given = f"FICUS_HOME={home}".encode() in variables or str(home) in line
        if line and (is_given or place.is_relative_to(home)):
            found.append(f"{entry.name} {line}")
    return found


@contextmanager
def running_up(
    home: Path, env: dict[str, str], *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    """``manage.py up`` that has said that the shop is open; its log is ``home/up.log``."""
    command = [sys.executable, "manage.py", "up", "--no-data", *arguments]
    log = home / "up.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=output, stderr=output, start_new_session=True
        )
    try:
        eventually(
            lambda: running.poll() is None and "Ctrl-C stops" in log.read_text(),
            within=90,
            what="the shop's opening",
        )
        yield running
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            for line in processes_of(home):  # else they would outlive a failed test
                os.kill(int(line.split()[0]), signal.SIGKILL)
    eventually(lambda: not processes_of(home), within=15, what="the end of every process")


def test_up_opens_the_shop_and_ctrl_c_leaves_nothing(home: Path) -> None:
    """It says where the shop, the admin and the services are; after SIGINT nothing runs. The same
    when payment was retired in it: its service comes along, and is what orders are paid with.
    """
    env = environment(home)
    door = f"http://localhost:{env['PROXY_PORT']}"
    with running_up(home, env):
        said = (home / "up.log").read_text()
        assert f"{door}/admin/" in said
        assert "admin@example.com / " in said
        assert _status(f"{door}/api/v1/catalog/products") == 200
        assert _status(f"{door}/admin/login/") == 200
        for service in ("PAYMENT", "NOTIFICATION"):
            url = f"http://localhost:{env[f'{service}_PORT']}"
            assert url in said
            assert _status(f"{url}/readyz") == 200
        stock_and_retire(home, env)
    with running_up(home, {**env, "RETIRED_MODULES": "payment", "WEB_WORKERS": "1"}):
        wait_for_own(env)
        wait_for_door(env)
        _buys(door)
        begun = _begun(home)
        assert {"web", "notification-web", "payment-own-web"} <= begun
        assert begun.isdisjoint({"payment-web", "payment-watch", "standin"})


@pytest.mark.debian
def test_rabbitmq_carries_all_of_a_shop(home: Path) -> None:
    """Orders are paid and mailed, by the monolith's workers and by a service's."""
    with running_rabbit() as rabbit:
        env = environment(home, BROKER_URL=rabbit.url, WEB_WORKERS="1")
        with running_up(home, env):
            stock(home, env)
            _is_mailed(home, env)
            given = ("notification", "--percent", "100", "--reason", "to see it work")
            done = _manage(env, "placement", "set", *given)
            assert done.returncode == 0, done.stderr
            _is_mailed(home, env)


def _is_mailed(home: Path, env: dict[str, str]) -> None:
    """A guest buys, and the confirmation comes."""
    door = f"http://localhost:{env['PROXY_PORT']}"
    with plain.client(base_url=door, timeout=40) as http:
        guest = Shopper(http)
        taken = guest.buy("E2E-1")
        assert taken.status_code == 201, taken.text
    eventually(lambda: mails_by_address(home).get(guest.email), what="the mail")


def _begun(home: Path) -> set[str]:
    """Who has said something: each line has the time and a process's name before it."""
    lines = (home / "up.log").read_text().splitlines()
    return {line.split()[1] for line in lines if "|" in line}


def _buys(door: str) -> None:
    """A guest: the order is taken, and its one payment is known."""
    with plain.client(base_url=door, timeout=40) as http:
        guest = Shopper(http)
        taken = guest.buy("E2E-1")
        assert taken.status_code == 201, taken.text
        order = taken.json()
        (payment,) = guest.payments(order["id"])
        assert (payment["order_id"], payment["amount"]) == (order["id"], order["total"])


def test_killed_front_door_is_started_again(used_home: Path) -> None:
    """SIGKILL of the front door: the shop answers again without anybody's doing."""
    env = environment(used_home)
    door = f"http://localhost:{env['PROXY_PORT']}/api/v1/catalog/products"
    with running_up(used_home, env, "--only", "proxy,web"):
        (victim,) = [line for line in processes_of(used_home) if "strangler_proxy" in line]
        os.kill(int(victim.split()[0]), signal.SIGKILL)
        again = "proxy was ended by SIGKILL; it is started again"
        log = used_home / "up.log"
        eventually(lambda: again in log.read_text(), within=10, what="the news of its end")
        eventually(lambda: _status(door) == 200, within=30, what="its new beginning")


def test_only_some_processes(used_home: Path) -> None:
    """``--only web`` runs that alone, and says its own address."""
    env = environment(used_home)
    with running_up(used_home, env, "--only", "web"):
        said = (used_home / "up.log").read_text()
        assert f"http://localhost:{env['WEB_PORT']}/admin/" in said
        assert _status(f"http://localhost:{env['PROXY_PORT']}/livez") == 0


def _status(url: str) -> int:
    """Of the answer; 0 for none."""
    try:
        return plain.get(url, timeout=5).status_code
    except httpx.HTTPError:
        return 0


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("PROXY_PORT", "proxy"),
        ("PROXY_ADMIN_PORT", "proxy"),
        ("WEB_PORT", "web"),
        ("PAYMENT_PORT", "payment-web"),
    ],
)
def test_taken_port_is_named(home: Path, variable: str, name: str) -> None:
    """A port that somebody else has is one line with its number and its variable; exit code 1."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        done = _manage(environment(home, **SERVERS, **{variable: port}), "up", "--no-data")
    assert done.returncode == 1
    assert f"port {port} for {name} is taken" in done.stderr
    assert f"{variable}=" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_processes_on_one_port_are_named(home: Path) -> None:
    """Two variables with the same port are one line that names both."""
    port = str(free_port())
    env = environment(home, **SERVERS, WEB_PORT=port, PROXY_PORT=port)
    done = _manage(env, "up", "--no-data")
    assert done.returncode == 1
    assert f"WEB_PORT and PROXY_PORT are both {port}" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("WEB_PORT", "many", "WEB_PORT='many' is not a valid Port"),
        ("TRUSTED_PROXIES", "the door", "TRUSTED_PROXIES: 'the door' is no network"),
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "127.0.0.1"),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "127.0.0.1:1"),
        ("BROKER_URL", "amqp://127.0.0.1:1//", "the broker cannot be used (BROKER_URL)"),
    ],
)
def test_wrong_environment_is_one_line(home: Path, variable: str, value: str, said: str) -> None:
    """A wrong variable or an unreachable server is one clear line and exit code 1."""
    done = _manage(environment(home, **{variable: value}), "up", "--no-data")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def _manage(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
