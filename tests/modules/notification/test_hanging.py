"""A mail server that accepts connections and says nothing: how many threads it may take."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections

from modules.notification.contract import MessageState
from modules.notification.domain import SENDERS
from modules.notification.models import MessageRow
from modules.notification.sending import BATCH
from modules.notification.tasks import send_messages
from modules.platform.messaging.carrier import InlineCarrier
from tests.modules.notification.world import Post, confirmed, hear, smtp_server
from tests.waiting import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]
THREADS = 2 * SENDERS


class Silent:
    """Takes every connection and keeps it open."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.held: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                self.held.append(self._listening.accept()[0])
            except OSError:  # closed
                return

    def hang_up(self) -> None:
        """End it, and every connection with it."""
        with suppress(OSError):  # it was ended before
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self.held:
            one.close()


@pytest.fixture
def silent(settings: Any) -> Iterator[Silent]:
    server = Silent()
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    yield server
    server.hang_up()


def _send() -> int:
    try:
        return send_messages()
    finally:
        connections.close_all()


def _due() -> None:
    MessageRow.objects.update(state=MessageState.QUEUED, next_at=datetime.now(UTC))


def test_takes_some_of_the_threads_only(silent: Silent, broker: InlineCarrier) -> None:
    """Those beyond it come back at once; afterwards what they were called for is looked after."""
    for _ in range(THREADS * BATCH):
        hear(confirmed())
    broker.waiting.clear()
    with ThreadPoolExecutor(THREADS) as threads:
        tasks = [threads.submit(_send) for _ in range(THREADS)]
        eventually(lambda: len(silent.held) == SENDERS, within=10, what="senders that hang")
        done, hanging = wait(tasks, timeout=1)
        assert (len(done), len(hanging)) == (THREADS - SENDERS, SENDERS)
        assert len(silent.held) == SENDERS
        silent.hang_up()
    assert broker.waiting


def test_places_are_given_back(silent: Silent, settings: Any) -> None:
    """However many have hung, a server that answers again gets everything."""
    hear(confirmed())
    for _ in range(SENDERS + 1):
        _due()
        threading.Timer(0.2, lambda: [one.close() for one in silent.held]).start()
        _send()
    post = Post()
    with smtp_server(post) as port:
        settings.SMTP_URL = f"smtp://127.0.0.1:{port}"
        _due()
        assert _send() == 1
    assert len(post.mails) == 1
