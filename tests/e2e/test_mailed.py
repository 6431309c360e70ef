"""How the mails of a trial are judged: each sort of fault is seen, and told from the others."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.buyers import Bought
from tests.e2e.mailed import Mail, mails_by_address, repeated_mails, wrong_mails

ADA = Bought("ord_1", "F-1", "ada@example.com", 500)
MAIL = Mail(id="<1@shop>", subject="Order F-1 is confirmed")


def judged(*mails: Mail) -> tuple[int, int]:
    """How many faults, and how many repetitions."""
    got = {ADA.email: list(mails)}
    return len(list(wrong_mails(got, [ADA]))), len(list(repeated_mails(got, [ADA])))


def test_one_mail_is_right() -> None:
    """And nothing came again."""
    assert judged(MAIL) == (0, 0)


def test_mail_that_came_again_with_its_id_is_a_repetition() -> None:
    """As often as it came again; that is no second mail."""
    assert judged(MAIL, MAIL, MAIL) == (0, 2)


def test_second_mail_is_a_fault() -> None:
    """The same words under another id were written twice, not handed over twice."""
    assert judged(MAIL, Mail(id="<2@shop>", subject=MAIL.subject)) == (1, 0)


def test_missing_mail_is_a_fault() -> None:
    """So is one about another order."""
    assert judged() == (1, 0)
    assert judged(Mail(id="<1@shop>", subject="Order F-2 is confirmed")) == (1, 0)


def test_mails_are_read_from_the_mailbox(tmp_path: Path) -> None:
    """By address, with their ids."""
    box = tmp_path / "mailbox" / "new"
    box.mkdir(parents=True)
    lines = (f"To: {ADA.email}", f"Subject: {MAIL.subject}", f"Message-ID: {MAIL.id}", "", "hello")
    for name in ("1", "2"):
        (box / name).write_text("\n".join(lines))
    assert mails_by_address(tmp_path) == {ADA.email: [MAIL, MAIL]}
