"""A module's page: what it is for, whom to ask, and all by which it touches the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver

from modules.platform.boundaries.declarations import Declaration
from modules.platform.boundaries.source import Ref
from modules.platform.contracts.schema import Snapshot, snapshot
from modules.platform.databases.aliases import alias_of, installed_modules, role_of

API = "api/v1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What there is to know about a module. ``hears`` are the events it consumes, ``heard_by``
    maps its own to the modules that consume them.
    """

    name: str
    purpose: str
    owner: str
    extractable: bool
    alias: str
    schema: str
    role: str
    queues: tuple[str, ...]
    methods: tuple[str, ...]
    calls: tuple[str, ...]
    called_by: tuple[str, ...]
    publishes: tuple[str, ...]
    heard_by: dict[str, tuple[str, ...]]
    hears: tuple[str, ...]
    tables: tuple[str, ...]
    endpoints: tuple[str, ...]


def page_of(name: str, declarations: Mapping[str, Declaration]) -> Page:
    """The page of a module. Raises ``KeyError`` when it has no readable declaration."""
    one = declarations[name]
    return Page(
        name=name,
        purpose=one.purpose,
        owner=one.owner,
        extractable=one.extractable,
        alias=alias_of(name),
        schema=name,
        role=role_of(name),
        queues=(f"bus.{name}", f"bus.ack.{name}", f"outside.{name}"),
        methods=tuple(_methods(snapshot(name))),
        calls=_texts(one.calls),
        called_by=tuple(sorted(d.name for d in declarations.values() if name in d.called)),
        publishes=_texts(one.publishes),
        heard_by={str(ref): _hearers(ref, declarations) for ref in sorted(one.publishes)},
        hears=_texts(one.consumes),
        tables=_tables(name),
        endpoints=tuple(sorted(set(_endpoints(name)))),
    )


def as_markdown(page: Page) -> str:
    """The page for the docs."""
    lines = [f"# {page.name}", "", page.purpose, ""]
    lines += [f"- {label}: {text}" for label, text in _facts(page)]
    for title, items in _lists(page):
        lines += ["", f"## {title}", ""]
        lines += [f"- `{item}`" for item in items] or ["None."]
    return "\n".join(lines) + "\n"


def as_text(page: Page) -> str:
    """The page for a terminal."""
    lines = [f"{page.name}: {page.purpose}"]
    lines += [f"  {label:<12} {text}" for label, text in _facts(page)]
    for title, items in _lists(page):
        lines += ["", title.upper(), *(f"  {item}" for item in items or ["none"])]
    return "\n".join(lines)


def _facts(page: Page) -> list[tuple[str, str]]:
    return [
        ("Owner", page.owner),
        ("Extractable", "yes" if page.extractable else "no"),
        ("Alias", page.alias),
        ("Schema", page.schema),
        ("Role", page.role),
        ("Queues", ", ".join(page.queues)),
    ]


def _lists(page: Page) -> list[tuple[str, list[str]]]:
    published = [
        f"{name} -> {', '.join(page.heard_by[name]) or 'nobody here'}" for name in page.publishes
    ]
    return [
        ("Port", list(page.methods)),
        ("Calls", list(page.calls)),
        ("Called by", list(page.called_by)),
        ("Publishes", published),
        ("Hears", list(page.hears)),
        ("Tables", list(page.tables)),
        ("Endpoints", list(page.endpoints)),
    ]


def _methods(contract: Snapshot) -> Iterator[str]:
    for name, method in contract.methods.items():
        parameters = ", ".join(f"{key}: {one.type}" for key, one in method.parameters.items())
        yield f"{name}({parameters}) -> {method.returns}"


def _texts(refs: tuple[Ref, ...]) -> tuple[str, ...]:
    return tuple(sorted(str(ref) for ref in refs))


def _hearers(ref: Ref, declarations: Mapping[str, Declaration]) -> tuple[str, ...]:
    return tuple(sorted(one.name for one in declarations.values() if ref in one.consumes))


def _tables(name: str) -> tuple[str, ...]:
    if name not in installed_modules():
        return ()
    models = apps.get_app_config(name).get_models(include_auto_created=True)
    return tuple(sorted(model._meta.db_table for model in models))


def _endpoints(name: str) -> Iterator[str]:
    for route, view in _routes(get_resolver(), ""):
        if route == f"{API}{name}" or route.startswith(f"{API}{name}/"):
            yield f"{', '.join(_verbs(view))} /{route}"


def _routes(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, Any]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route, entry.callback
        else:
            yield from _routes(entry, route)


def _verbs(view: Any) -> list[str]:
    cls = getattr(view, "cls", None) or getattr(view, "view_class", None)
    known = ("get", "post", "put", "patch", "delete")
    return [verb.upper() for verb in known if hasattr(cls, verb)] or ["ANY"]
