"""Who sits at the dashboard, and where its processes work."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from psycopg.conninfo import make_conninfo

from modules.accounts.models import User
from modules.extraction.dashboard import pressing, sections
from modules.extraction.dashboard.launching import launch
from modules.extraction.targets import source_url

LogIn = Callable[..., Client]
Started = list[subprocess.Popen[bytes]]
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Nothing is known from another test, whose database was wiped."""
    sections.KEPT.forget()


@pytest.fixture
def pressed(place: None, monkeypatch: Any) -> list[int]:
    """Buttons are on record, and their processes are not started: which ones would be."""
    numbers: list[int] = []
    monkeypatch.setattr(pressing, "launch", numbers.append)
    return numbers


@pytest.fixture
def processes(place: None, tmp_path: Path, monkeypatch: Any) -> Iterator[Started]:
    """Processes that buttons start work on this worker's database, with this test's secrets."""
    monkeypatch.setenv("DATABASE_URL", make_conninfo(source_url("payment"), options=""))
    monkeypatch.setenv("FICUS_HOME", str(tmp_path))
    started: Started = []

    def launched(press: int) -> None:
        started.append(launch(press))

    monkeypatch.setattr(pressing, "launch", launched)
    yield started
    for process in started:
        if process.poll() is None:  # of a test that failed
            process.kill()
        process.wait()


@pytest.fixture
def log_in() -> LogIn:
    """``log_in("ada", "move_capability")``: a client of staff with these permissions."""

    def staff(name: str, *permissions: str, csrf: bool = False) -> Client:
        user = User.objects.create_user(email=f"{name}@shop.test", password="x")
        user.is_staff = True
        user.save()
        rows = Permission.objects.filter(
            content_type__app_label="extraction", codename__in=permissions
        )
        user.user_permissions.set(rows)
        client = Client(enforce_csrf_checks=csrf)
        client.force_login(user, backend=BACKEND)
        return client

    return staff


@pytest.fixture
def viewer(log_in: LogIn) -> Client:
    """May look, and nothing more."""
    return log_in("vera", "view_capability")


@pytest.fixture
def mover(log_in: LogIn) -> Client:
    """May move modules, and not retire them."""
    return log_in("ada", "view_capability", "move_capability")
