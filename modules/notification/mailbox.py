"""A real SMTP server that keeps what it gets: the shop's own mailbox on one machine.

    python -m modules.notification.mailbox --port 8025 --dir .ficus/mailbox

Mails are files in a maildir, so that any mail program can read them. It listens on this machine
only, and knows nothing of Django.
"""

from __future__ import annotations

import argparse
import asyncio
import email
import email.policy
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from mailbox import Maildir
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"
MAX_SIZE = 10_000_000  # bytes of one mail
KEPT = 2_000  # mails; older ones are removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A received mail. ``text`` and ``html`` may be empty."""

    key: str
    received_at: datetime
    sender: str
    to: str
    subject: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str


class KeepInMaildir:
    """aiosmtpd's handler: each mail becomes a file before the sender hears 250."""

    def __init__(self, directory: Path) -> None:
        self.box = open_box(directory)
        self._since_purge = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        data = content if isinstance(content, bytes) else str(content).encode()
        await asyncio.to_thread(self._keep, data)
        return "250 OK"

    def _keep(self, data: bytes) -> None:
        self.box.add(data)
        self._since_purge += 1
        if self._since_purge >= KEPT // 10:
            self._since_purge = 0
            for key in newest_keys(self.box)[KEPT:]:
                self.box.discard(key)


def open_box(directory: Path) -> Maildir:
    """The maildir in ``directory``, made when it is not there."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    return Maildir(str(directory), factory=None, create=True)


def newest_keys(box: Maildir) -> list[str]:
    """The keys of all mails, newest first; maildir names begin with the time of arrival."""
    return sorted(box.iterkeys(), key=_arrival, reverse=True)


def read(box: Maildir, key: str) -> Mail:
    """One mail. Raises ``KeyError`` when it is not there."""
    message = email.message_from_bytes(box.get_bytes(key), policy=email.policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101
    return Mail(
        key=key,
        received_at=datetime.fromtimestamp(_arrival(key)[0], tz=UTC),
        sender=str(message.get("From", "")),
        to=str(message.get("To", "")),
        subject=str(message.get("Subject", "")),
        headers=tuple((name, str(value)) for name, value in message.items()),
        text=_body(message, "plain"),
        html=_body(message, "html"),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""


def _arrival(key: str) -> tuple[float, str]:
    seconds, _, rest = key.partition(".")
    microseconds = rest.partition("M")[2].partition("P")[0]
    try:
        return float(seconds) + float(microseconds or 0) / 1e6, key
    except ValueError:
        return 0.0, key


async def serve(port: int, directory: Path) -> None:
    """Take mails until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    handler = KeepInMaildir(directory)

    def protocol() -> SMTP:
        return SMTP(handler, data_size_limit=MAX_SIZE, enable_SMTPUTF8=True, loop=loop)

    server = await loop.create_server(protocol, host=HOST, port=port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sys.stderr.write(f"mailbox: smtp://{HOST}:{port}, mails in {directory}\n")
    async with server:
        await stop.wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="mailbox", description="A local mailbox over SMTP.")
    parser.add_argument("--port", type=int, required=True, help="TCP port to listen on.")
    parser.add_argument("--dir", type=Path, required=True, help="Where mails are kept (maildir).")
    given = parser.parse_args()
    try:
        asyncio.run(serve(given.port, given.dir))
    except OSError as error:
        sys.exit(f"mailbox: cannot listen on {HOST}:{given.port}: {error.strerror}")


if __name__ == "__main__":
    main()
