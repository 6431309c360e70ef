"""Fixtures of notification's tests: templates in place, a server to send to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modules.notification import queueing, wording
from modules.notification.bootstrap import bootstrap
from modules.notification.contract import Channel
from modules.notification.providers.smtp import SmtpAddress, SmtpTransport
from modules.notification.providers.transport import Transport
from modules.notification.sending import Sender
from modules.platform.messaging.carrier import InlineCarrier, carried_by
from tests.modules.notification.world import Clock, Post, smtp_server


@pytest.fixture(autouse=True)
def broker() -> Iterator[InlineCarrier]:
    """A queue in this process instead of Celery."""
    queue = InlineCarrier()
    with carried_by(queue):
        yield queue


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def port(post: Post) -> Iterator[int]:
    with smtp_server(post) as number:
        yield number


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def smtp(port: int) -> Iterator[SmtpTransport]:
    """The real transport to the server."""
    address = SmtpAddress.parse(f"smtp://127.0.0.1:{port}")
    transport = SmtpTransport(address, "Shop <shop@shop.test>", timeout=3)
    yield transport
    transport.close()


@pytest.fixture
def sender(smtp: SmtpTransport, clock: Clock) -> Callable[[], int]:
    """Sends all that is due by the clock; how many went out."""

    def run(**others: Transport) -> int:
        transports = {Channel.EMAIL: smtp} | {Channel(name): way for name, way in others.items()}
        return Sender(transports, clock=clock).run()

    return run


@pytest.fixture
def templates(db: Any) -> None:
    """The shipped templates, nothing remembered of other tests."""
    wording.forget_cached()
    queueing.forget_endpoints()
    bootstrap()
