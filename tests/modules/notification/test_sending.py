"""Messages over real SMTP: once, in the end, whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import IntegrityError, connections

from modules.notification import claims
from modules.notification.contract import Channel, MessageState
from modules.notification.domain import LEASE, MAX_ATTEMPTS, PATIENCE
from modules.notification.models import MessageRow
from modules.notification.providers.smtp import SmtpAddress, SmtpTransport
from modules.notification.sending import BATCH, Sender
from modules.platform.databases import alias_of, atomic
from tests.modules.notification.world import Clock, Post, confirmed, hear, smtp_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


def only() -> MessageRow:
    return MessageRow.objects.get()


def test_a_mail_goes_out_with_text_html_and_a_stable_message_id(
    post: Post, sender: Callable[[], int]
) -> None:
    """Subject, both bodies, From, To, Date and Message-ID are what they should be."""
    hear(confirmed())
    assert sender() == 1
    (mail,) = post.mails
    row = only()
    assert mail["Subject"] == "Order F-1001 is confirmed"
    assert mail["Message-ID"] == f"<{row.pk}@shop.test>"
    assert mail["From"] == "Shop <shop@shop.test>"
    assert mail["To"] == "ada@example.com"
    assert mail["Date"]
    assert mail.get_content_type() == "multipart/alternative"
    text, html = (part.get_content() for part in mail.iter_parts())
    assert "2 x Tea <green>: 10.00 EUR" in text
    assert "1,234.56 EUR" in text
    assert "Tea &lt;green&gt;" in html
    assert row.state == MessageState.SENT
    assert row.sent_at is not None
    assert row.text == text.replace("\r\n", "\n")


def test_the_same_event_twice_is_one_mail(post: Post, sender: Callable[[], int]) -> None:
    """A redelivered or replayed event finds its message there."""
    event, event_id = confirmed(), uuid4()
    hear(event, event_id)
    hear(event, event_id)
    sender()
    hear(event, event_id)
    sender()
    assert len(post.mails) == 1


def test_the_database_refuses_a_second_message_of_the_same_source() -> None:
    """The UNIQUE constraint holds, not only the code above it."""
    hear(confirmed())
    row = only()
    row.pk = uuid4()
    with pytest.raises(IntegrityError), atomic("notification"):
        row.save(force_insert=True)


def test_a_4xx_answer_is_tried_again_later(
    post: Post, sender: Callable[[], int], clock: Clock
) -> None:
    """451 now, 250 after the pause; not before it."""
    post.answers = ["451 4.3.0 busy"]
    hear(confirmed())
    assert sender() == 0
    row = only()
    assert (row.state, row.attempts) == (MessageState.RETRYING, 1)
    assert "451" in row.last_error
    assert sender() == 0, "not before its time"
    clock.advance(minutes=1)
    assert sender() == 1
    assert len(post.mails) == 1


def test_a_5xx_answer_makes_a_dead_letter_at_once(
    post: Post, sender: Callable[[], int], clock: Clock
) -> None:
    """A mailbox that does not exist will not come into being."""
    post.refuse = {"ada@example.com": "550 5.1.1 no such user"}
    hear(confirmed())
    sender()
    clock.advance(days=1)
    assert sender() == 0
    assert only().state == MessageState.DEAD
    assert "550" in only().last_error


def test_endless_4xx_answers_end_in_a_dead_letter(
    post: Post, sender: Callable[[], int], clock: Clock
) -> None:
    """After MAX_ATTEMPTS nobody tries any more."""
    post.answers = ["451 busy"] * 50
    hear(confirmed())
    for _ in range(MAX_ATTEMPTS + 3):
        sender()
        clock.advance(hours=2)
    assert only().state == MessageState.DEAD
    assert len(post.answers) == 50 - MAX_ATTEMPTS


def test_while_the_server_is_down_messages_wait_and_then_all_go_out_once(
    post: Post, clock: Clock
) -> None:
    """An outage uses up no attempts; afterwards everything arrives, once."""
    with smtp_server(Post()) as port:
        pass  # now nobody listens there
    transport = SmtpTransport(SmtpAddress.parse(f"smtp://127.0.0.1:{port}"), "shop@shop.test")
    for number in range(2 * BATCH + 1):
        hear(confirmed(number=f"F-{number}"))
    for _ in range(10):
        assert Sender({Channel.EMAIL: transport}, clock=clock).run() == 0
        clock.advance(seconds=30)
    assert set(MessageRow.objects.values_list("attempts", flat=True)) <= {0}
    with smtp_server(post, port):
        Sender({Channel.EMAIL: transport}, clock=clock).run()
    subjects = [mail["Subject"] for mail in post.mails]
    assert len(subjects) == len(set(subjects)) == 2 * BATCH + 1
    assert len(post.sessions) == 1, "one connection for all of it"


def test_a_batch_is_no_larger_than_it_may_be_whatever_the_plan(clock: Clock) -> None:
    """Also where the planner takes the table for one row, and looks for the due ones in a loop."""
    hear(confirmed(number="F-0"))
    with connections[alias_of("notification")].cursor() as cursor:
        cursor.execute("ANALYZE notification_message")
    for number in range(1, 5):  # no more than one page of the table holds
        hear(confirmed(number=f"F-{number}"))
    assert len(claims.claim(uuid4(), now=clock(), limit=2)) == 2


def test_an_outage_of_days_ends_in_dead_letters(clock: Clock) -> None:
    """Nobody wants last week's mail by surprise."""
    with smtp_server(Post()) as port:
        pass
    transport = SmtpTransport(SmtpAddress.parse(f"smtp://127.0.0.1:{port}"), "shop@shop.test")
    hear(confirmed())
    clock.advance(seconds=PATIENCE.total_seconds() + 60)
    Sender({Channel.EMAIL: transport}, clock=clock).run()
    assert only().state == MessageState.DEAD


def test_a_connection_the_server_closed_is_made_again(
    post: Post, smtp: SmtpTransport, clock: Clock
) -> None:
    """421 between two mails costs a reconnect, not a mail."""
    hear(confirmed(number="F-1"))
    hear(confirmed(number="F-2"))
    post.answers = ["421 closing down"]
    Sender({Channel.EMAIL: smtp}, clock=clock).run()
    clock.advance(minutes=1)
    Sender({Channel.EMAIL: smtp}, clock=clock).run()
    assert sorted(mail["Subject"].split()[1] for mail in post.mails) == ["F-1", "F-2"]


def test_messages_of_a_sender_that_died_are_sent_when_its_lease_ends(
    post: Post, smtp: SmtpTransport, sender: Callable[[], int], clock: Clock
) -> None:
    """Claimed and forgotten is not lost; the Message-ID shows a double for what it is."""
    hear(confirmed())
    dead = Sender({Channel.EMAIL: smtp}, clock=clock)
    (claimed,) = dead._claim()
    dead._send_batch  # noqa: B018  it died before it got here
    assert sender() == 0, "the lease holds"
    clock.advance(seconds=LEASE.total_seconds() + 1)
    assert sender() == 1
    assert post.mails[0]["Message-ID"].startswith(f"<{claimed.id}")


def test_a_sender_whose_lease_ended_marks_nothing(
    post: Post, smtp: SmtpTransport, sender: Callable[[], int], clock: Clock
) -> None:
    """Whoever was too slow finds the message in other hands and leaves it alone."""
    hear(confirmed())
    slow = Sender({Channel.EMAIL: smtp}, clock=clock)
    claimed = slow._claim()
    clock.advance(seconds=LEASE.total_seconds() + 1)
    other = Sender({Channel.EMAIL: smtp}, clock=clock)
    assert other._claim()
    slow._send_batch(claimed)
    assert only().state == MessageState.SENDING


def test_a_message_that_kills_every_sender_is_given_up(smtp: SmtpTransport, clock: Clock) -> None:
    """Attempts are counted when claimed, so that a poisonous message ends."""
    hear(confirmed())
    for _ in range(MAX_ATTEMPTS):
        assert Sender({Channel.EMAIL: smtp}, clock=clock)._claim()
        clock.advance(seconds=LEASE.total_seconds() + 1)
    assert Sender({Channel.EMAIL: smtp}, clock=clock).run() == 0
    assert only().state == MessageState.DEAD


def test_many_senders_at_once_send_each_message_once(post: Post, port: int, clock: Clock) -> None:
    """SKIP LOCKED: no message is taken by two."""
    for number in range(40):
        hear(confirmed(number=f"F-{number}"))

    def send() -> None:
        address = SmtpAddress.parse(f"smtp://127.0.0.1:{port}")
        try:
            Sender({Channel.EMAIL: SmtpTransport(address, "shop@shop.test")}, clock=clock).run()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    subjects = [mail["Subject"] for mail in post.mails]
    assert len(subjects) == len(set(subjects)) == 40


def test_a_recipient_that_smuggles_a_header_is_a_dead_letter(
    post: Post, sender: Callable[[], int]
) -> None:
    """A line break in an address reaches no server."""
    hear(confirmed(email="ada@example.com\nBcc: all@example.com"))
    sender()
    assert post.mails == []
    assert only().state == MessageState.DEAD


def test_a_missing_template_is_a_dead_letter_that_says_so(sender: Callable[[], int]) -> None:
    """It is sent once somebody puts the template back and queues it again."""
    hear(confirmed())
    MessageRow.objects.update(template="gone")
    sender()
    assert only().state == MessageState.DEAD
    assert "gone" in only().last_error
