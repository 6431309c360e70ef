"""The port and the use cases on messages: commands once, secrets forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from modules.notification import service, tasks
from modules.notification.bootstrap import bootstrap
from modules.notification.contract import (
    Channel,
    MessageState,
    NotRetryable,
    SendMessage,
    TemplateUnknown,
    Variable,
)
from modules.notification.domain import KEPT, MAX_ATTEMPTS, SECRETS_KEPT, fallbacks, pause_after
from modules.notification.models import MessageRow, TemplateRow
from modules.notification.rendering import MASK
from modules.notification.service import NotificationService
from modules.platform.databases import atomic
from modules.platform.messaging.carrier import InlineCarrier
from tests.modules.notification.world import Post, confirmed, hear

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


def reset(key: str = "accounts:1") -> SendMessage:
    return SendMessage(
        idempotency_key=key,
        template="password_reset",
        recipient="ada@example.com",
        owner=f"customer:{uuid4()}",
        locale="de-AT",
        variables=(
            Variable(name="name", value="Ada"),
            Variable(name="hours", value="1"),
            Variable(name="link", value="https://shop.test/reset?token=s3cret", secret=True),
        ),
    )


def test_a_command_is_one_message_however_often_it_comes() -> None:
    """The same key gives the same message."""
    port = NotificationService()
    command = reset()
    assert port.send(command).id == port.send(command).id
    assert MessageRow.objects.count() == 1


def test_a_template_nobody_has_is_refused_at_once() -> None:
    """The caller hears of it, not only the dead letters."""
    command = SendMessage(
        idempotency_key="x", template="gone", recipient="ada@example.com", owner="customer:1"
    )
    with pytest.raises(TemplateUnknown):
        NotificationService().send(command)


def test_a_secret_is_sent_and_then_forgotten(post: Post, sender: Callable[[], int]) -> None:
    """The mail has it, what is kept has a mask."""
    NotificationService().send(reset())
    assert "s3cret" in (MessageRow.objects.get().secrets or "")
    sender()
    text = post.mails[0].get_body(("plain",)).get_content()
    assert "token=s3cret" in text
    row = MessageRow.objects.get()
    assert row.secrets is None
    assert "s3cret" not in row.text + row.html + row.variables
    assert MASK in row.text


def test_the_database_keeps_no_secret_of_a_sent_message() -> None:
    """A CHECK, not only the code above it."""
    NotificationService().send(reset())
    with pytest.raises(IntegrityError), atomic("notification"):
        MessageRow.objects.update(state=MessageState.SENT, sent_at=timezone.now())


def test_a_sent_message_has_its_time_and_no_other_has() -> None:
    """A CHECK in both directions."""
    hear(confirmed())
    with pytest.raises(IntegrityError), atomic("notification"):
        MessageRow.objects.update(state=MessageState.SENT)
    with pytest.raises(IntegrityError), atomic("notification"):
        MessageRow.objects.update(sent_at=timezone.now())


def test_a_secret_that_did_not_get_out_in_a_day_is_purged() -> None:
    """The message is dead and cannot be sent without it."""
    NotificationService().send(reset())
    hear(confirmed())
    old = timezone.now() - SECRETS_KEPT - timedelta(minutes=1)
    MessageRow.objects.update(created_at=old)
    tasks.purge()
    row = MessageRow.objects.get(template="password_reset")
    assert (row.state, row.secrets) == (MessageState.DEAD, None)
    assert MessageRow.objects.get(template="order_confirmed").state == MessageState.QUEUED
    with pytest.raises(NotRetryable):
        service.requeue(message_id=row.pk, reason="try anyway")


def test_old_messages_are_purged() -> None:
    """After KEPT nobody asks for them."""
    hear(confirmed())
    hear(confirmed())
    one = MessageRow.objects.order_by("id")[0]
    MessageRow.objects.filter(pk=one.pk).update(created_at=timezone.now() - KEPT * 1.01)
    assert tasks.purge() == 1
    assert MessageRow.objects.count() == 1


def test_messages_of_orders_come_oldest_first() -> None:
    """And only of those asked for."""
    first, second, other = confirmed(), confirmed(), confirmed()
    for event in (first, second, other):
        hear(event)
    found = NotificationService().messages(order_ids=(second.order_id, first.order_id))
    assert [each.order_id for each in found] == [first.order_id, second.order_id]


def test_a_batch_of_events_starts_one_sender(broker: InlineCarrier) -> None:
    """However many messages a transaction queues, one task is started after it."""
    with atomic("notification"):
        for _ in range(5):
            queue_one()
    assert len(broker.waiting) == 1


def queue_one() -> None:
    from modules.notification.queueing import Draft, queue

    draft = Draft(
        source=str(uuid4()),
        template="welcome",
        recipient="ada@example.com",
        owner="customer:1",
        locale="en",
        variables="{}",
        channel=Channel.EMAIL,
    )
    queue(draft, now=timezone.now())


def test_a_rolled_back_use_case_sends_nothing(broker: InlineCarrier) -> None:
    """The message goes with the transaction."""
    with atomic("notification"):
        queue_one()
        transaction.set_rollback(True, using="notification")
    assert not MessageRow.objects.exists()
    assert not broker.waiting


def test_bootstrap_leaves_edited_templates_alone_and_updates_the_rest() -> None:
    """Operators' words outlive an upgrade."""
    edited = TemplateRow.objects.get(name="welcome", locale="en")
    edited.subject, edited.edited = "Hello there", True
    edited.save()
    TemplateRow.objects.filter(name="welcome", locale="de").update(subject="old")
    bootstrap()
    edited.refresh_from_db()
    assert edited.subject == "Hello there"
    assert TemplateRow.objects.get(name="welcome", locale="de").subject != "old"
    before = set(TemplateRow.objects.values_list("pk", "version"))
    bootstrap()
    assert set(TemplateRow.objects.values_list("pk", "version")) == before


@pytest.mark.parametrize(
    ("locale", "chain"),
    [
        ("de-AT", ("de-AT", "de", "en")),
        ("de", ("de", "en")),
        ("en", ("en",)),
        ("en-GB", ("en-GB", "en")),
    ],
)
def test_locales_fall_back_to_their_language_and_then_to_english(
    locale: str, chain: tuple[str, ...]
) -> None:
    """de-AT -> de -> en."""
    assert fallbacks(locale) == chain


def test_pauses_grow_jittered_and_bounded() -> None:
    """Between half and all of 15 s * 3^n, an hour at most."""
    from random import Random

    pauses = [pause_after(n, Random(7)).total_seconds() for n in range(1, MAX_ATTEMPTS + 1)]
    for number, pause in enumerate(pauses):
        longest = min(3600.0, 15.0 * 3**number)
        assert longest / 2 <= pause <= longest
