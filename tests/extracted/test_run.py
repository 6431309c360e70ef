"""``manage.py run``: a container's one process; and commands that say what is wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from shop.env import ROOT
from tests import plain
from tests.extracted.alone import inherited, manage
from tests.ports import free_port
from tests.waiting import eventually

SERVERS = {"DATABASE_URL": settings.DATABASE_URL, "REDIS_URL": settings.REDIS_URL}


@pytest.mark.processes
def test_it_becomes_the_process(tmp_path: Path) -> None:
    """``run web`` serves under the pid that was started, from any folder, and ends on SIGTERM."""
    port = str(free_port())
    env = {**inherited(), **SERVERS, "FICUS_HOME": str(tmp_path), "WEB_PORT": port}
    command = [sys.executable, str(ROOT / "extracted/notification/manage.py"), "run", "web"]
    with (tmp_path / "log").open("wb") as log:
        web = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log)
    try:
        eventually(lambda: _lives(port), within=60, what="an answer")
        line = Path(f"/proc/{web.pid}/cmdline").read_bytes().decode()
        assert "extracted.notification.wsgi:application" in line
        web.send_signal(signal.SIGTERM)
        assert web.wait(20) == 0
    finally:
        if web.poll() is None:
            web.kill()
            web.wait()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "door"], "there is no process door; there are standin, "),
        (["operator_link", "--label", " "], "--label is empty"),
    ],
)
def test_wrong_input_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    """And exit code 2."""
    done = manage("payment", *arguments, env={**SERVERS, "FICUS_HOME": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_up_names_what_it_does_not_have(tmp_path: Path) -> None:
    """``--only`` with a name that is none."""
    env = {**SERVERS, "FICUS_HOME": str(tmp_path)}
    done = manage("payment", "up", "--only", "web,door", env=env)
    assert done.returncode == 1
    assert "there is no process door; there are standin, " in done.stderr


def _lives(port: str) -> bool:
    try:
        return plain.get(f"http://127.0.0.1:{port}/livez", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
