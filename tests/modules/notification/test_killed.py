"""A sender's process is killed in the middle of a batch: at most one mail goes out twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings
from django.db import connections
from psycopg.conninfo import make_conninfo

from modules.notification.contract import MessageState
from modules.notification.domain import LEASE
from modules.notification.models import MessageRow
from modules.notification.sending import BATCH
from tests.modules.notification.world import Clock, Post, confirmed, hear, smtp_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]
SEND = """
import django
django.setup()
from modules.notification.tasks import send_messages
send_messages()
"""
WITHIN = 60  # seconds, on a busy machine


class Deadly(Post):
    """Kills its client at a mail: when it has taken ``takes`` mails, or is offered one more."""

    def __init__(self, *, takes: int, offered: bool) -> None:
        super().__init__()
        self.takes, self.offered = takes, offered
        self.victim: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        if self.victim is not None:
            os.kill(self.victim.pid, signal.SIGKILL)
            self.victim.wait()
            self.victim = None

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.offered and len(self.mails) == self.takes:
            self.kill()
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        if not self.offered and len(self.mails) == self.takes:
            self.kill()  # the mail is there, and its sender will never hear so
        return answer


def sent_by_a_process(port: int) -> subprocess.Popen[bytes]:
    """A worker's task in a process of its own, on this test's database."""
    name = connections["notification"].settings_dict["NAME"]
    environment = os.environ | {
        "DATABASE_URL": make_conninfo(settings.DATABASE_URL, dbname=name),
        "SMTP_URL": f"smtp://127.0.0.1:{port}",
        "MAIL_FROM": "Shop <shop@shop.test>",
    }
    return subprocess.Popen(
        [sys.executable, "-c", SEND],
        cwd=Path(__file__).parents[3],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize(
    ("offered", "marked", "doubles"),
    [
        pytest.param(False, 3, 1, id="as the server has taken a mail and not said so"),
        pytest.param(True, 4, 0, id="between two mails"),
    ],
)
def test_killed_sender_repeats_one_mail_at_most(
    sender: Callable[[], int], post: Post, clock: Clock, offered: bool, marked: int, doubles: int
) -> None:
    """What was sent before it is marked; all others go out once; the double has the same id."""
    for number in range(BATCH):
        hear(confirmed(number=f"F-{number}"))
    deadly = Deadly(takes=4, offered=offered)
    with smtp_server(deadly) as port:
        process = deadly.victim = sent_by_a_process(port)
        _, said = process.communicate(timeout=WITHIN)
    assert process.returncode == -signal.SIGKILL, said.decode()
    states = Counter(MessageRow.objects.values_list("state", flat=True))
    assert states == {MessageState.SENT: marked, MessageState.SENDING: BATCH - marked}
    assert sender() == 0, "the lease holds"
    clock.advance(seconds=LEASE.total_seconds() + 1)
    assert sender() == BATCH - marked
    subjects = Counter(str(mail["Subject"]) for mail in (*deadly.mails, *post.mails))
    ids = Counter(str(mail["Message-ID"]) for mail in (*deadly.mails, *post.mails))
    assert len(subjects) == len(ids) == BATCH
    assert sorted(ids.values()) == [1] * (BATCH - doubles) + [2] * doubles
