"""Use cases of templates: find by locale, edit, preview. What is found is cached for a moment."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from modules.notification.contract import (
    Channel,
    TemplateExists,
    TemplateInvalid,
    TemplateNotFound,
    TemplateUnknown,
)
from modules.notification.domain import fallbacks
from modules.notification.models import TemplateRow
from modules.notification.rendering import Rendered, Source, render_message
from modules.notification.sandbox import SandboxError, compiled
from modules.platform.contracts import StaleVersion
from modules.platform.databases import atomic

CACHED = 5.0  # seconds; an edited template is used that late at most

_cache: dict[tuple[str, str, str], tuple[float, Source]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What a template says."""

    subject: str
    text: str
    html: str
    category: str


def find(name: str, channel: str, locale: str) -> Source:
    """The template for the locale or its nearest fallback. Raises TemplateUnknown."""
    key = (name, channel, locale)
    known = _cache.get(key)
    if known is not None and known[0] > time.monotonic():
        return known[1]
    chain = fallbacks(locale)
    rows = TemplateRow.objects.filter(name=name, channel=channel, locale__in=chain)
    by_locale = {row.locale: row for row in rows}
    row = next((by_locale[each] for each in chain if each in by_locale), None)
    if row is None:
        raise TemplateUnknown(template=name)
    source = source_of(row)
    if len(_cache) > 2_000:  # locales come from outside
        _cache.clear()
    _cache[key] = (time.monotonic() + CACHED, source)
    return source


def forget_cached() -> None:
    """Ask the database again for every template."""
    _cache.clear()


def source_of(row: TemplateRow) -> Source:
    """The template as the renderer takes it."""
    return Source(
        locale=row.locale,
        category=row.category,
        subject=row.subject,
        text=row.text,
        html=row.html,
    )


def get(template_id: UUID) -> TemplateRow:
    """Raises TemplateNotFound."""
    row = TemplateRow.objects.filter(pk=template_id).first()
    if row is None:
        raise TemplateNotFound(template_id=template_id)
    return row


def create(*, name: str, channel: Channel, locale: str, texts: Texts) -> TemplateRow:
    """A new template. Raises TemplateInvalid, TemplateExists."""
    check(texts)
    row = TemplateRow(name=name, channel=channel, locale=locale, edited=True)
    _put(row, texts)
    try:
        with atomic("notification"):
            row.save(force_insert=True)
    except IntegrityError as error:
        raise TemplateExists(template=name, channel=channel, locale=locale) from error
    forget_cached()
    return row


def change(*, template_id: UUID, texts: Texts, expected: int | None) -> TemplateRow:
    """Replace what the template says. Raises TemplateNotFound, TemplateInvalid, StaleVersion."""
    check(texts)
    with atomic("notification"):
        row = _locked(template_id, expected)
        _put(row, texts)
        row.edited = True
        row.version += 1
        row.save()
    forget_cached()
    return row


def remove(*, template_id: UUID, expected: int | None) -> None:
    """Forget the template; a shipped one comes back with the next bootstrap.

    Raises TemplateNotFound, StaleVersion.
    """
    with atomic("notification"):
        _locked(template_id, expected).delete()
    forget_cached()


def check(texts: Texts) -> None:
    """Raises TemplateInvalid naming the part that cannot be read."""
    for part, html in (("subject", False), ("text", False), ("html", True)):
        try:
            compiled(getattr(texts, part), html=html)
        except SandboxError as error:
            raise TemplateInvalid(part=part, reason=str(error)) from error


def preview(source: Source, variables: dict[str, Any]) -> Rendered:
    """What a message would look like. Raises TemplateInvalid."""
    try:
        return render_message(source, variables)
    except SandboxError as error:
        raise TemplateInvalid(part="template", reason=str(error)) from error


def _locked(template_id: UUID, expected: int | None) -> TemplateRow:
    row = TemplateRow.objects.select_for_update().filter(pk=template_id).first()
    if row is None:
        raise TemplateNotFound(template_id=template_id)
    if expected is not None and expected != row.version:
        raise StaleVersion(expected=expected, actual=row.version)
    return row


def _put(row: TemplateRow, texts: Texts) -> None:
    row.subject, row.text, row.html = texts.subject, texts.text, texts.html
    row.category = texts.category
