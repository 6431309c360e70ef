"""A sender that is refused because the module is being moved: what it sent is not sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connections

from modules.notification import tasks
from modules.notification.contract import Channel, MessageState
from modules.notification.models import MessageRow
from modules.notification.providers.smtp import SmtpTransport
from modules.notification.sending import Sender
from modules.platform.contracts import Moved
from modules.platform.messaging.carrier import InlineCarrier, carried_by
from tests.modules.notification.world import Clock, Post, confirmed, hear

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]
GUARD = """
CREATE FUNCTION public.refuse_marks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.state = 'sent' THEN
        RAISE EXCEPTION 'moved' USING ERRCODE = 'MV002', DETAIL = 'epoch 3';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_marks BEFORE UPDATE ON notification_message
    FOR EACH ROW EXECUTE FUNCTION public.refuse_marks();
"""
OPEN = "DROP FUNCTION IF EXISTS public.refuse_marks() CASCADE"


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


def test_without_a_queue_the_refusal_is_said(
    post: Post, transport_sender: Callable[..., Sender], moved: Callable[[], None]
) -> None:
    """As it was: the claim stays, and its lease decides."""
    hear(confirmed())
    with pytest.raises(Moved):
        transport_sender().run()
    assert MessageRow.objects.get().state == MessageState.SENDING
