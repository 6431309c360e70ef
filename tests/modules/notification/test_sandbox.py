"""Templates of operators: what they may say, and what they may not do."""

from __future__ import annotations

import pytest

from modules.notification.bootstrap import shipped
from modules.notification.rendering import Source, render_message
from modules.notification.sandbox import SandboxError, compiled, render
from modules.notification.wording import Texts


@pytest.mark.parametrize(
    "source",
    [
        "{% load static %}",
        "{% include 'admin/base.html' %}",
        "{% extends 'admin/base.html' %}",
        "{% autoescape off %}{{ name }}{% endautoescape %}",
        "{% debug %}",
        "{% now 'Y' %}",
        "{% url 'admin:index' %}",
        "{% csrf_token %}",
        "{% cycle 'a' 'b' %}",
        "{% widthratio 1 1 1 %}",
        "{{ name|safe }}",
        "{{ name|ljust:999999999 }}",
        "{{ name|center:999999999 }}",
        "{{ name|stringformat:'999999999s' }}",
        "{{ name|pprint }}",
        "{{ name.__class__ }}",
        "{{ name._private }}",
        "{% if %}",
        "{% for a in x %}{% for b in x %}{% for c in x %}.{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in x %}{% if a %}{% for b in x %}{% with c=b %}{% for d in x %}."
        "{% endfor %}{% endwith %}{% endfor %}{% endif %}{% endfor %}",
        "x" * 64_001,
    ],
)
def test_what_reaches_out_or_blows_up_is_refused(source: str) -> None:
    """No tag or filter outside the list, no deep loops, no giants."""
    with pytest.raises(SandboxError):
        compiled(source, html=True)


def test_html_is_escaped_and_text_is_not() -> None:
    """A customer's name is no markup in HTML, and no entity in plain text."""
    variables = {"name": "<b>Ada & Co</b>"}
    html = render("{{ name }}", variables, locale="en", html=True)
    assert html == "&lt;b&gt;Ada &amp; Co&lt;/b&gt;"
    assert render("{{ name }}", variables, locale="en", html=False) == "<b>Ada & Co</b>"


def test_a_subject_stays_one_line_and_is_bounded() -> None:
    """Names with line breaks add no headers."""
    source = Source(
        locale="en", category="transactional", subject="Hi {{ name }}", text="x", html=""
    )
    rendered = render_message(source, {"name": "Ada\r\nBcc: all@example.com" + "!" * 500})
    assert "\n" not in rendered.subject
    assert "\r" not in rendered.subject
    assert len(rendered.subject) == 200


def test_data_is_not_called() -> None:
    """Variables are plain data; a missing one is empty, not an error."""
    source = "{{ order.items }}|{{ missing.deep.path }}|{{ lines.0.name }}"
    variables = {"order": {"items": 3}, "lines": [{"name": "Tea"}]}
    assert render(source, variables, locale="en", html=False) == "3||Tea"


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "shown"),
    [
        (123456, "EUR", "en", "1,234.56 EUR"),
        (123456, "EUR", "de", "1.234,56 EUR"),
        (-5, "EUR", "en", "-0.05 EUR"),
        (1500, "JPY", "en", "1,500 JPY"),
        (1500, "KWD", "en", "1.500 KWD"),
    ],
)
def test_money_is_written_as_the_locale_does(
    amount: int, currency: str, locale: str, shown: str
) -> None:
    """Minor units, with the currency's own number of places."""
    value = {"amount": amount, "currency": currency}
    assert render("{{ v|money }}", {"v": value}, locale=locale, html=False) == shown


def test_what_is_no_money_or_time_is_empty() -> None:
    """A wrong variable spoils its place, not the message."""
    source = "[{{ v|money }}{{ v|moment|date:'Y' }}]"
    assert render(source, {"v": "soon"}, locale="en", html=False) == "[]"


SHIPPED = list(shipped())


@pytest.mark.parametrize(
    ("locale", "said"),
    [(locale, said) for _, _, locale, said in SHIPPED],
    ids=[f"{name}-{channel}-{locale}" for name, channel, locale, _ in SHIPPED],
)
def test_every_shipped_template_renders_without_any_variable(locale: str, said: Texts) -> None:
    """Old events lack fields that new templates use."""
    source = Source(
        locale=locale,
        category=said.category,
        subject=said.subject,
        text=said.text,
        html=said.html,
    )
    assert render_message(source, {}).text.strip()
