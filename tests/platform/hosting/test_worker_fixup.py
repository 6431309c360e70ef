"""Workers keep their database connections between two tasks, and load what tasks need."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from celery.fixups.django import DjangoWorkerFixup
from django.db import connections

from modules.platform.hosting.worker_fixup import Fixup, WorkerFixup
from shop.celery import app
from tests.platform.example import EXAMPLE
from tests.sessions import end_sessions
from tests.waiting import eventually


def backend() -> int:
    """The PostgreSQL session that serves the next statement."""
    with connections[EXAMPLE].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def lives(session: int) -> bool:
    """Whether PostgreSQL still has the session, as another one sees it."""
    with connections["orders"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [session])
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_session_outlives_the_task_that_used_it() -> None:
    """Between two tasks the connection goes back to its pool and its session goes on."""
    session = backend()
    WorkerFixup(app).close_database()
    assert connections[EXAMPLE].connection is None
    assert lives(session)


@pytest.mark.django_db(transaction=True)
def test_celery_s_own_would_end_it() -> None:
    """The fixup that is replaced ends the session: what the test above is about."""
    session = backend()
    replaced = DjangoWorkerFixup(app)
    replaced.worker = SimpleNamespace(pool_cls="celery.concurrency.prefork:TaskPool")
    replaced.close_database()
    eventually(lambda: not lives(session), what="the session's end")


@pytest.mark.django_db(transaction=True)
def test_a_session_that_died_is_not_used_again() -> None:
    """After its session was ended a connection is dropped, and the next task gets another."""
    fixup = WorkerFixup(app)
    first = backend()
    end_sessions(first)
    with pytest.raises(Exception, match=r"terminat|closed"):
        backend()
    fixup.close_database()
    assert backend() != first


STARTED = """
import sys
from shop.celery import app
app.loader.import_default_modules()
app._fixups[0].worker_fixup.validate_models()
print(*sorted({"modules.orders.tasks", "rest_framework.views", "shop.urls"} & set(sys.modules)))
"""


def test_a_worker_loads_no_views() -> None:
    """Nor anything else that only its system checks would need."""
    command = [sys.executable, "-c", STARTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["modules.orders.tasks"]


def test_the_shop_s_app_has_it() -> None:
    """The app is made with the pooled fixup and not with Celery's own."""
    assert [type(each) for each in app._fixups] == [Fixup]
