"""A template and its variables to the subject, text and HTML of one message."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template import Context
from django.utils.safestring import mark_safe

from modules.notification.sandbox import compiled, render

LAYOUT = Path(__file__).parent / "defaults" / "layout.html"
MASK = "••••••"  # stands for a secret in what is kept
MAX_SUBJECT = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a template says, and in which language."""

    locale: str
    category: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A message ready to go. ``html`` is a whole page, or empty when the template has none."""

    subject: str
    text: str
    html: str


def render_message(
    source: Source, variables: dict[str, Any], *, unsubscribe_url: str = ""
) -> Rendered:
    """Fill the template; every template also knows ``shop`` (name, url). Raises SandboxError."""
    shop = {"name": settings.SHOP_NAME, "url": settings.SHOP_URL}
    known = variables | {"shop": shop, "unsubscribe_url": unsubscribe_url}
    subject = render(source.subject, known, locale=source.locale, html=False)
    text = render(source.text, known, locale=source.locale, html=False)
    if unsubscribe_url:
        text = f"{text.rstrip()}\n\n-- \n{unsubscribe_url}\n"
    html = render(source.html, known, locale=source.locale, html=True) if source.html else ""
    return Rendered(
        # A header is one line, whatever a customer calls themself.
        subject=" ".join(subject.split())[:MAX_SUBJECT],
        text=text,
        html=_page(html, source, known) if html else "",
    )


def _page(content: str, source: Source, known: dict[str, Any]) -> str:
    # The content was escaped by its own template.
    context = known | {"content": mark_safe(content), "locale": source.locale}  # noqa: S308
    return compiled(_layout(), html=True).render(Context(context))[:]  # a plain str


@cache
def _layout() -> str:
    return LAYOUT.read_text()
