"""Notification's defaults: the shipped templates, from ``defaults/<locale>/``.

``<name>.txt`` begins with ``Subject: ...`` and an empty line; ``<name>.html`` is what stands
inside ``layout.html``; ``<name>.sms.txt`` is the text of an SMS.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from modules.notification.contract import Category, Channel
from modules.notification.domain import MARKETING
from modules.notification.models import TemplateRow
from modules.notification.wording import Texts, check, forget_cached
from modules.platform.databases import atomic

DEFAULTS = Path(__file__).parent / "defaults"


def bootstrap() -> None:
    """Put the shipped templates in place; those that somebody edited stay as they are."""
    with atomic("notification"):
        for name, channel, locale, texts in shipped():
            check(texts)
            row = TemplateRow.objects.filter(name=name, channel=channel, locale=locale).first()
            row = row or TemplateRow(name=name, channel=channel, locale=locale, version=0)
            if not row.edited and _differs(row, texts):
                row.subject, row.text, row.html = texts.subject, texts.text, texts.html
                row.category = texts.category
                row.version += 1
                row.save()
    forget_cached()


def shipped() -> Iterator[tuple[str, Channel, str, Texts]]:
    """Name, channel, locale and texts of every template in ``defaults/``."""
    for path in sorted(DEFAULTS.glob("*/*.txt")):
        locale, name = path.parent.name, path.name.partition(".")[0]
        if path.name.endswith(".sms.txt"):
            yield name, Channel.SMS, locale, _texts(name, "", path.read_text(), "")
            continue
        head, _, text = path.read_text().partition("\n\n")
        html = path.with_suffix(".html").read_text()
        yield name, Channel.EMAIL, locale, _texts(name, head, text, html)


def _texts(name: str, head: str, text: str, html: str) -> Texts:
    category = Category.MARKETING if name in MARKETING else Category.TRANSACTIONAL
    subject = head.removeprefix("Subject: ").strip()
    return Texts(subject=subject, text=text, html=html, category=category)


def _differs(row: TemplateRow, texts: Texts) -> bool:
    present = Texts(subject=row.subject, text=row.text, html=row.html, category=row.category)
    return present != texts
