"""A sender that is refused because the module is being moved: what it sent is not sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

import pytest
from django.db import connections

from modules.notification import tasks
from modules.notification.claims import Settled
from modules.notification.contract import Channel, MessageState
from modules.notification.models import MessageRow
from modules.notification.providers.smtp import SmtpTransport
from modules.notification.sending import Sender
from modules.platform.contracts import Moved
from modules.platform.messaging.carrier import InlineCarrier, carried_by
from tests.modules.notification.world import Clock, Post, confirmed, hear

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]
GUARD = """
CREATE FUNCTION notification.refuse_marks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.state = 'sent' THEN
        RAISE EXCEPTION 'moved' USING ERRCODE = 'MV002', DETAIL = 'epoch 3';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_marks BEFORE UPDATE ON notification_message
    FOR EACH ROW EXECUTE FUNCTION notification.refuse_marks();
"""
OPEN = "DROP FUNCTION IF EXISTS notification.refuse_marks() CASCADE"


@pytest.fixture
def moved() -> Iterator[Callable[[], None]]:
    """The module moves away after a message is claimed; called, it is there again."""
    with connections["notification"].cursor() as cursor:
        cursor.execute(GUARD)
        try:
            yield lambda: cursor.execute(OPEN)
        finally:
            cursor.execute(OPEN)


@pytest.fixture
def transport_sender(smtp: SmtpTransport, clock: Clock) -> Callable[..., Sender]:
    """A sender of mails, made as the test says."""
    return lambda **more: Sender({Channel.EMAIL: smtp}, clock=clock, **more)


def test_what_was_sent_is_marked_by_whoever_has_the_module_next(
    post: Post, transport_sender: Callable[..., Sender], moved: Callable[[], None]
) -> None:
    """The mail goes out once: its mark waits in the module's queue for the new authority."""
    queue = InlineCarrier()
    with carried_by(queue):
        hear(confirmed())
        queue.waiting.clear()
        transport_sender(hand_on=tasks._hand_on).run()
        assert MessageRow.objects.get().state == MessageState.SENDING
        assert len(queue.waiting) == 1
        moved()
        queue.pump()
    row = MessageRow.objects.get()
    assert (row.state, row.claim) == (MessageState.SENT, None)
    assert len(post.mails) == 1


def test_each_mail_of_a_batch_is_handed_on_as_soon_as_it_is_sent(
    post: Post, transport_sender: Callable[..., Sender], moved: Callable[[], None]
) -> None:
    """A sender that dies then leaves one unmarked at most, here as elsewhere."""
    handed: list[tuple[int, int]] = []  # mails that were out, and marks in this lot

    def hand_on(holder: UUID, settled: Sequence[Settled]) -> None:
        handed.append((len(post.mails), len(settled)))
        tasks._hand_on(holder, settled)

    queue = InlineCarrier()
    with carried_by(queue):
        for number in range(3):
            hear(confirmed(number=f"F-{number}"))
        queue.waiting.clear()
        transport_sender(hand_on=hand_on).run()
        assert handed == [(1, 1), (2, 1), (3, 1)]
        moved()
        queue.pump()
    states = MessageRow.objects.values_list("state", flat=True)
    assert list(states) == [MessageState.SENT] * 3
    assert transport_sender().run() == 0
    assert len(post.mails) == 3


def test_without_a_queue_the_refusal_is_said(
    post: Post, transport_sender: Callable[..., Sender], moved: Callable[[], None]
) -> None:
    """As it was: the claim stays, and its lease decides."""
    hear(confirmed())
    with pytest.raises(Moved):
        transport_sender().run()
    assert MessageRow.objects.get().state == MessageState.SENDING
