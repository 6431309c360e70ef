"""What came into a shop's mailbox: missing, written twice, or only handed over twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

from tests.e2e.buyers import Bought


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it came. Two with one ``id`` are one that was handed over twice.

    A sender that is killed after a mail was taken, and before it could mark it, cannot know; so
    there may be one such double for each killed sender, and none where nobody was killed.
    """

    id: str  # Message-ID
    subject: str


def wrong_mails(mails: Mapping[str, list[Mail]], orders: Sequence[Bought]) -> Iterator[str]:
    """One confirmation to each buyer, and nothing else, however often it was handed over."""
    for order in orders:
        got = dict.fromkeys(mails.get(order.email, ()))
        if [order.number in mail.subject for mail in got] != [True]:
            yield f"order {order.number}: mails {[mail.subject for mail in got]}"


def repeated_mails(mails: Mapping[str, list[Mail]], orders: Sequence[Bought]) -> Iterator[str]:
    """Each time that a mail was handed over once more."""
    for order in orders:
        for mail, times in Counter(mails.get(order.email, ())).items():
            yield from [f"{mail.subject}: again with {mail.id}"] * (times - 1)


def mails_by_address(home: Path) -> dict[str, list[Mail]]:
    """All that came, by the address that it is for."""
    found: dict[str, list[Mail]] = {}
    for file in (home / "mailbox" / "new").iterdir():
        mail = message_from_bytes(file.read_bytes())
        came = Mail(id=str(mail["Message-ID"]), subject=str(mail["Subject"]))
        found.setdefault(str(mail["To"]), []).append(came)
    return found
