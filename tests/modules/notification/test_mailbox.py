"""The local mailbox: a real process, a maildir, and its page in the admin."""

from __future__ import annotations

import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.test import client
from django.urls import reverse

from modules.accounts.bootstrap import bootstrap as make_roles
from modules.accounts.models import User
from modules.notification import mailbox
from modules.notification.contract import Channel
from modules.notification.models import MessageRow, Preference, TemplateRow, WebhookEndpoint
from modules.notification.providers.smtp import SmtpAddress, SmtpTransport
from modules.notification.sending import Sender
from tests.modules.notification.world import Clock, Post, confirmed, hear
from tests.ports import free_port

ROOT = Path(django_settings.BASE_DIR)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The mailbox as ``make up`` starts it: its port and directory."""
    port, directory = free_port(), tmp_path / "home" / "mailbox"
    command = [sys.executable, "-m", "modules.notification.mailbox"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--dir", str(directory)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield port, directory
    process.send_signal(signal.SIGTERM)
    _, shown = process.communicate(timeout=10)
    assert process.returncode == 0, shown.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("templates")
def test_what_the_shop_sends_is_there_to_read(
    box: tuple[int, Path], client: client.Client, clock: Clock, settings: Any
) -> None:
    """From an order's event over SMTP into the admin's page."""
    port, directory = box
    settings.FICUS_HOME = directory.parent
    settings.SMTP_URL = f"smtp://127.0.0.1:{port}"
    transport = SmtpTransport(SmtpAddress.parse(settings.SMTP_URL), "Shop <shop@shop.test>")
    hear(confirmed(locale="de"))
    hear(confirmed(number="F-1002"))
    assert Sender({Channel.EMAIL: transport}, clock=clock).run() == 2
    keys = mailbox.newest_keys(mailbox.open_box(directory))
    mail = mailbox.read(mailbox.open_box(directory), keys[-1])
    assert "bestätigt" in mail.subject
    assert "Tea &lt;green&gt;" in mail.html
    boss = User.objects.create_superuser("boss@example.com", "x")
    client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    listed = client.get(reverse("admin:notification_mailboxmail_changelist")).content.decode()
    assert "bestätigt" in listed
    assert "F-1002" in listed
    url = reverse("admin:notification_mailboxmail_mail", args=[keys[-1]])
    shown = client.get(url).content.decode()
    assert "<iframe sandbox " in shown
    assert "Message-ID" in shown
    assert "Tea &lt;green&gt;: 10,00 EUR" in shown
    assert client.get(url + "x").status_code == 404


def test_any_client_may_send_8_bit_and_long_mails(box: tuple[int, Path]) -> None:
    """It is a real SMTP server, not a stub of ours."""
    port, directory = box
    body = "Grüße und so weiter\r\n" * 5000
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        smtp.sendmail("a@b.test", ["c@d.test"], f"Subject: hallo\r\n\r\n{body}".encode())
    opened = mailbox.open_box(directory)
    (key,) = mailbox.newest_keys(opened)
    assert mailbox.read(opened, key).subject == "hallo"


def test_a_taken_port_is_said_in_one_sentence(box: tuple[int, Path], tmp_path: Path) -> None:
    """No traceback for whoever runs make up twice."""
    command = [sys.executable, "-m", "modules.notification.mailbox"]
    done = subprocess.run(
        [*command, "--port", str(box[0]), "--dir", str(tmp_path / "other")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("mailbox: cannot listen on")
    assert "Traceback" not in done.stderr


@pytest.fixture
def office(client: client.Client, templates: None) -> client.Client:
    boss = User.objects.create_superuser("boss@example.com", "x")
    client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.django_db(transaction=True)
def test_without_a_local_mailbox_the_page_says_where_mails_go(
    office: client.Client, settings: Any
) -> None:
    """A shop in production does not read its customers' mails here."""
    settings.SMTP_URL = "smtps://user:pw@mail.example.com"
    page = office.get(reverse("admin:notification_mailboxmail_changelist")).content.decode()
    assert "mail.example.com" in page
    assert "pw" not in page.partition("<main")[2].partition("mail.example.com")[0][-200:]


@pytest.mark.django_db(transaction=True)
def test_the_mailbox_is_for_those_who_may_view_it(client: client.Client, templates: None) -> None:
    """Reset links are in there."""
    make_roles()
    clerk = User.objects.create_user("clerk@example.com", "x", is_staff=True)
    client.force_login(clerk, backend="django.contrib.auth.backends.ModelBackend")
    url = reverse("admin:notification_mailboxmail_changelist")
    assert client.get(url).status_code == 403
    clerk.groups.add(Group.objects.get(name="notification-viewer"))
    assert client.get(url).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "page", ["templaterow", "messagerow", "preference", "ordercontact", "webhookendpoint"]
)
def test_every_list_and_page_opens(office: client.Client, page: str) -> None:
    """With something in it."""
    hear(confirmed())
    Preference.objects.create(holder="email:a@b.test", category="marketing", wanted=False)
    WebhookEndpoint.objects.create(
        url="https://x.test/", secret="whsec_eA==", templates=["welcome"]
    )
    assert office.get(reverse(f"admin:notification_{page}_changelist")).status_code == 200
    row = apps.get_model("notification", page).objects.all()[0]
    url = reverse(f"admin:notification_{page}_change", args=[row.pk])
    shown = office.get(url)
    assert shown.status_code == 200
    assert "whsec_" not in shown.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_template_is_edited_and_previewed(office: client.Client) -> None:
    """A bad one is refused with its reason; the preview shows sample data in a sandbox."""
    row = TemplateRow.objects.get(name="order_confirmed", channel="email", locale="en")
    url = reverse("admin:notification_templaterow_change", args=[row.pk])
    body = {"category": "transactional", "subject": "S {{ number }}", "text": "T", "html": ""}
    bad = office.post(url, body | {"text": "{% load static %}"})
    assert b"load" in bad.content
    assert office.post(url, body).status_code == 302
    row.refresh_from_db()
    assert (row.subject, row.edited, row.version) == ("S {{ number }}", True, 2)
    preview = reverse("admin:notification_templaterow_preview", args=[row.pk])
    assert "S F-1001" in office.get(preview).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_dead_letter_is_queued_again_with_a_reason(
    office: client.Client, post: Post, sender: Callable[[], int]
) -> None:
    """The operator says why; the message goes out."""
    post.refuse = {"ada@example.com": "550 no such user"}
    hear(confirmed())
    sender()
    post.refuse = {}
    row = MessageRow.objects.get()
    url = reverse("admin:notification_messagerow_changelist")
    body = {"action": "send_again", "_selected_action": [str(row.pk)]}
    assert b"Why?" in office.post(url, body).content
    office.post(url, body | {"reason": "the mailbox exists now"})
    assert sender() == 1
