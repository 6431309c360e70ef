"""A Django template engine for texts that operators write: no files, no imports, no surprises.

Only the tags and filters named here exist. What could load a template, reach Python, switch off
escaping in HTML, or make output of any length out of little input is not among them. Variables
are plain JSON data, so there are no methods to call.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

from django.template import Context, Engine, Library, Template, TemplateSyntaxError
from django.template import defaultfilters as filters
from django.template import defaulttags as tags
from django.template.base import Node, NodeList
from django.template.defaulttags import ForNode
from django.utils import translation
from django.utils.formats import number_format

from modules.platform.contracts.money import EXPONENTS

MAX_SOURCE = 64_000  # characters
MAX_NESTING = 2  # loops inside loops multiply
TAGS: dict[str, Any] = {
    "if": tags.do_if,
    "for": tags.do_for,
    "with": tags.do_with,
    "firstof": tags.firstof,
    "comment": tags.comment,
    "spaceless": tags.spaceless,
}
FILTERS: dict[str, Callable[..., Any]] = {
    "capfirst": filters.capfirst,
    "date": filters.date,
    "default": filters.default,
    "default_if_none": filters.default_if_none,
    "escape": filters.escape_filter,
    "first": filters.first,
    "join": filters.join,
    "last": filters.last,
    "length": filters.length,
    "linebreaks": filters.linebreaks_filter,
    "linebreaksbr": filters.linebreaksbr,
    "lower": filters.lower,
    "pluralize": filters.pluralize,
    "time": filters.time,
    "title": filters.title,
    "truncatechars": filters.truncatechars,
    "upper": filters.upper,
    "urlencode": filters.urlencode,
    "yesno": filters.yesno,
}


def money(value: Any) -> str:
    """``{"amount": 1999, "currency": "EUR"}`` as ``19.99 EUR``, by the locale's rules."""
    if not isinstance(value, dict) or not isinstance(value.get("amount"), int):
        return ""
    currency = str(value.get("currency", ""))
    places = EXPONENTS.get(currency, 2)
    amount = Decimal(value["amount"]).scaleb(-places)
    return f"{number_format(amount, places, use_l10n=True, force_grouping=True)} {currency}"


def moment(value: Any) -> datetime | None:
    """An RFC 3339 text as a time, for the filter ``date``."""
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def _library() -> Library:
    library = Library()
    for name, tag in TAGS.items():
        library.tag(name, tag)
    for name, function in FILTERS.items():
        library.filter(name, function)
    library.filter("money", money)
    library.filter("moment", moment)
    return library


class SandboxEngine(Engine):
    """An engine whose only library is the one above."""

    default_builtins: ClassVar[list[str]] = []

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape, app_dirs=False, debug=False)
        self.template_builtins = [_library()]


_HTML = SandboxEngine(autoescape=True)
_TEXT = SandboxEngine(autoescape=False)


class SandboxError(ValueError):
    """The template cannot be read or does what it may not; the message is for its author."""


@lru_cache(maxsize=512)
def compiled(source: str, *, html: bool) -> Template:
    """``source`` ready to render. Raises SandboxError."""
    if len(source) > MAX_SOURCE:
        raise SandboxError(f"a template has at most {MAX_SOURCE:,} characters")
    try:
        template = Template(source, engine=_HTML if html else _TEXT)
    except (TemplateSyntaxError, RecursionError) as error:
        raise SandboxError(str(error).splitlines()[0]) from error
    _check_nesting(template.nodelist, 0)
    return template


def render(source: str, variables: dict[str, Any], *, locale: str, html: bool) -> str:
    """``source`` filled with ``variables`` as ``locale`` writes numbers and dates.

    Raises SandboxError, also for what only shows with these variables.
    """
    template = compiled(source, html=html)
    context = Context(variables, autoescape=html)
    with translation.override(locale):
        try:
            return _plain(template.render(context))
        except (TemplateSyntaxError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise SandboxError(f"{type(error).__name__}: {error}"[:300]) from error


def _plain(text: str) -> str:
    """Django's SafeString as a ``str`` and nothing more: codecs know no subclasses."""
    return text[:]


def _check_nesting(nodes: NodeList, depth: int) -> None:
    for node in nodes:
        inner = depth + isinstance(node, ForNode)
        if inner > MAX_NESTING:
            raise SandboxError(f"loops are nested more than {MAX_NESTING} deep")
        for children in _children(node):
            _check_nesting(children, inner)


def _children(node: Node) -> list[NodeList]:
    found = [getattr(node, name, None) for name in node.child_nodelists]
    if hasattr(node, "conditions_nodelists"):
        found += [nodelist for _, nodelist in node.conditions_nodelists]
    return [nodelist for nodelist in found if isinstance(nodelist, NodeList)]
