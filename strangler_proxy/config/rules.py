"""What is changed of requests and answers, and what is answered without an upstream."""

from __future__ import annotations

from strangler_proxy.config.kinds import HeaderName, HeaderValue, Part, Path, Status


class Headers(Part, frozen=True):
    """Header rules in this order: remove, rename (old: new), set (instead), add (beside)."""

    remove: tuple[HeaderName, ...] = ()
    rename: dict[HeaderName, HeaderName] = {}
    set: dict[HeaderName, HeaderValue] = {}
    add: dict[HeaderName, HeaderValue] = {}


class Fields(Part, frozen=True):
    """Rules for a JSON body or a query, in this order: remove, rename, add (where missing).

    In a body a path is dotted, ``[]`` steps into every element, and ``rename`` gives the new name
    alone: ``lines[].sku: code``. In a query these are plain names. Where the new name came as
    well, that one stays. Bodies over 256 KiB are not changed.
    """

    remove: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    add: dict[str, str | int | float | bool | None] = {}


class RequestRules(Part, frozen=True):
    """What is changed on the way in. ``prefix`` replaces the route's own prefix."""

    prefix: Path | None = None
    headers: Headers = Headers()
    query: Fields = Fields()
    body: Fields = Fields()


class ResponseRules(Part, frozen=True):
    """What is changed on the way out."""

    headers: Headers = Headers()
    body: Fields = Fields()


class Answer(Part, frozen=True):
    """A fixed answer."""

    status: Status = 503
    headers: dict[HeaderName, HeaderValue] = {}
    body: str = ""
