"""The embedded Redis: starts, joins, keeps data, asks for its password, heals, stops."""

import os
import re
import signal
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from modules.platform.databases.embedded import ensure_redis, running_redis, stop_redis
from modules.platform.databases.embedded.redis_configuration import HOST
from tests.platform.databases.embedded_homes import fresh_home, processes_of, run_python

START = """
import sys, pathlib
from modules.platform.databases.embedded import ensure_redis
server = ensure_redis(pathlib.Path(sys.argv[1]))
print(server.pid, server.started)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with fresh_home() as path:
        yield path


def setting(url: str, name: str) -> str:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return str(client.config_get(name)[name])


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/")[0])


def test_first_call_starts_and_second_joins(home: Path) -> None:
    """One server per home: whoever comes second is told the same URL and pid."""
    first, second = ensure_redis(home), ensure_redis(home)
    assert (first.started, second.started) == (True, False)
    assert (first.url, first.pid) == (second.url, second.pid)


def test_data_port_and_password_survive_a_restart(home: Path) -> None:
    """Clients that reconnect find the same server with the same contents."""
    first = ensure_redis(home)
    with redis.Redis.from_url(first.url) as client:
        client.set("kept", 42)
    first.stop()
    second = ensure_redis(home)
    assert second.url == first.url
    with redis.Redis.from_url(second.url) as client:
        assert client.get("kept") == b"42"


def test_password_is_required_and_well_kept(home: Path) -> None:
    """Without it no command works; it is in a 0600 file, not in argv, the log or repr()."""
    server = ensure_redis(home)
    anonymous = redis.Redis(host=HOST, port=port_of(server.url))
    with anonymous, pytest.raises(redis.AuthenticationError):
        anonymous.ping()
    password = re.findall(r"redis://:(.+)@", server.url)[0]
    assert len(password) >= 32
    assert password not in "".join(processes_of(home))
    assert password not in Path(f"/proc/{server.pid}/cmdline").read_text()
    assert password not in (home / "redis/server.log").read_text()
    assert password not in repr(server)
    assert stat.S_IMODE((home / "redis/redis.conf").stat().st_mode) == 0o600


def test_listens_on_loopback_only_and_drops_nothing(home: Path) -> None:
    """Durable by default: append-only file, no eviction, no other address."""
    url = ensure_redis(home).url
    assert setting(url, "bind") == "127.0.0.1"
    assert setting(url, "protected-mode") == "yes"
    assert setting(url, "appendonly") == "yes"
    assert setting(url, "appendfsync") == "everysec"
    assert setting(url, "maxmemory-policy") == "noeviction"


def test_fleeting_server_writes_nothing(home: Path) -> None:
    """durable=False keeps no append-only file and no snapshot."""
    url = ensure_redis(home, durable=False).url
    assert setting(url, "appendonly") == "no"
    assert setting(url, "save") == ""


def test_heals_after_sigkill(home: Path) -> None:
    """The pid file of a killed server is no obstacle, and its data are read again."""
    first = ensure_redis(home)
    with redis.Redis.from_url(first.url) as client:
        client.set("kept", 42)
    os.kill(first.pid, signal.SIGKILL)
    second = ensure_redis(home)
    assert second.started
    with redis.Redis.from_url(second.url) as client:
        assert client.get("kept") == b"42"


def test_taken_port_is_replaced(home: Path) -> None:
    """If another program took our port meanwhile, the next start chooses a free one."""
    first = ensure_redis(home)
    first.stop()
    with socket.create_server((HOST, port_of(first.url))):
        second = ensure_redis(home)
        assert second.started
        assert port_of(second.url) != port_of(first.url)


def test_concurrent_starters_share_one_server(home: Path) -> None:
    """Of four processes at the same moment one starts and three join."""
    with ThreadPoolExecutor(4) as pool:
        lines = list(pool.map(lambda _: run_python(START, str(home))[0], range(4)))
    pids, started = zip(*(line.split() for line in lines), strict=True)
    assert len(set(pids)) == 1
    assert sorted(started) == ["False", "False", "False", "True"]


def test_homes_have_servers_of_their_own() -> None:
    """Two clones on one machine do not meet."""
    with fresh_home() as one, fresh_home() as other:
        assert ensure_redis(one).url != ensure_redis(other).url


def test_deep_and_odd_directory_works() -> None:
    """Neither the length nor the characters of the path matter."""
    with fresh_home(below="/".join(["deep, 'é\" "] * 25)) as home:
        assert len(str(home)) > 200
        assert ensure_redis(home).started


def test_stop_leaves_no_process_and_may_be_repeated(home: Path) -> None:
    """After stop nothing of the server lives; stopping again, or never having started, is fine."""
    stop_redis(home)
    server = ensure_redis(home)
    server.stop()
    assert running_redis(home) is None
    assert not Path(f"/proc/{server.pid}").exists()
    server.stop()
