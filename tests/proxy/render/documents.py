"""A routing document in which every option is there, and another value for each of them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from strangler_proxy.config import Document, Part
from strangler_proxy.document.checks import document_findings

FULL: dict[str, Any] = {
    "version": 1,
    "revision": 7,
    "listen": [
        {
            "address": "127.0.0.1:8443",
            "tls": {"certificate": "tls/a.pem", "key": "tls/a.pem.key", "client_ca": "tls/ca.pem"},
            "trusted_proxies": ["10.0.0.0/8"],
        }
    ],
    "admin": {
        "address": "127.0.0.1:8009",
        "token_file": "tokens/admin",
        "registration_token_file": "tokens/registration",
    },
    "authentication": {
        "keys": {"file": "keys/published.json"},
        "issuer": "https://shop.example",
        "audience": "ficus-api",
        "algorithms": ["ES256"],
        "opaque_headers": ["Api-Key"],
    },
    "rate_limits": {"few": {"requests": 3, "seconds": 60}},
    "shared_limits": {"redis": "redis://127.0.0.1:6379/0"},
    "state": "state",
    "upstreams": {
        "shop": {
            "instances": [
                {"address": "127.0.0.1:9001", "weight": 2},
                {"address": "127.0.0.1:9002"},
            ],
            "tls": {"server_name": "shop.internal", "ca": "tls/ca.pem"}
            | {"certificate": "tls/client.pem", "key": "tls/client.pem.key"},
            "health": {"host": "checks.internal"},
        },
        "payment": {"dns": {"name": "localhost", "port": 9003}},
        "search": {"registry": {"url": "http://127.0.0.1:9005/search", "role": "own"}},
        "spare": {"instances": [{"address": "127.0.0.1:9004"}]},
    },
    "cors": {"origins": ["https://shop.example"]},
    "capabilities": {
        "payment": {
            "monolith": "shop",
            "service": "payment",
            "phase": "canary",
            "percent": 30,
        },
        "cart": {
            "monolith": "shop",
            "service": "spare",
            "phase": "shadow",
            "mirror": {"upstream": "spare", "record": True, "confirm_seconds": 0.3},
        },
    },
    "routes": [
        {
            "name": "payment",
            "prefix": "/api/v1/payment",
            "hosts": ["shop.example"],
            "capability": "payment",
            "scopes": ["payment:read"],
            "sticky": ["identity", "header:X-Key", "cookie:visitor", "address"],
            "rate_limits": ["few"],
            "fallback": {"answer": {"status": 503, "body": "later", "headers": {"X-A": "1"}}},
            "upgrade": ["websocket"],
        },
        {
            "name": "cart",
            "prefix": "/api/v1/cart",
            "capability": "cart",
            "cache": {"stale_if_error_seconds": 60},
            "request": {
                "prefix": "/cart",
                "headers": {
                    "remove": ["X-Gone"],
                    "rename": {"X-Old": "X-New"},
                    "set": {"X-Set": "1"},
                    "add": {"X-Added": "1"},
                },
                "query": {"remove": ["gone"], "rename": {"old": "new"}, "add": {"page": 1}},
                "body": {"remove": ["gone"], "rename": {"old": "new"}, "add": {"n": 1}},
            },
            "response": {
                "headers": {
                    "remove": ["X-Gone"],
                    "rename": {"X-Old": "X-New"},
                    "set": {"X-Set": "1"},
                    "add": {"X-Added": "1"},
                },
                "body": {"remove": ["gone"], "rename": {"old": "new"}, "add": {"n": 1}},
            },
        },
        {
            "name": "search",
            "prefix": "/api/v1/search",
            "upstream": "search",
            "cache": {},
            "fallback": {"stale": True},
        },
        {
            "name": "reports",
            "prefix": "/reports",
            "upstream": "shop",
            "fallback": {"upstream": "spare"},
            "mirror": {"upstream": "spare", "percent": 10},
        },
        {
            "name": "closed",
            "prefix": "/closed",
            "exact": True,
            "methods": ["GET"],
            "answer": {"status": 410, "body": "gone", "headers": {"X-A": "1"}},
        },
        {"name": "rest", "prefix": "/", "upstream": "shop", "authentication": "none"},
    ],
}

# Another value for an option, by the name of its part and its own.
OTHERS: dict[str, Any] = {
    "Tls.certificate": "tls/b.pem",
    "Tls.key": "tls/b.key",
    "Tls.client_ca": "tls/other.pem",
    "ClientLimits.head_bytes": 65_536,
    "ClientLimits.header_count": 50,
    "ClientLimits.target_bytes": 4_096,
    "ClientLimits.head_seconds": 3.0,
    "ClientLimits.body_seconds": 600.0,
    "ClientLimits.idle_seconds": 7.0,
    "ClientLimits.write_seconds": 700.0,
    "ClientLimits.connections": 123,
    "Listen.address": "127.0.0.1:8444",
    "Listen.trusted_proxies": ("192.168.0.0/16",),
    "Listen.backlog": 99,
    "Admin.address": "127.0.0.1:8010",
    "Admin.token_file": "tokens/other",
    "Admin.registration_token_file": "tokens/other",
    "AccessLog.path": "access.log",
    "AccessLog.flush_milliseconds": 50,
    "Keys.file": "keys/other.json",
    "Keys.refresh_seconds": 60.0,
    "Authentication.keys": {"url": "https://shop.example/.well-known/jwks.json"},
    "Authentication.issuer": "https://other.example",
    "Authentication.audience": "other",
    "Authentication.algorithms": ("RS256",),
    "Authentication.leeway_seconds": 9.0,
    "Authentication.token_type": "jwt",
    "Authentication.opaque_headers": ("Cart-Token",),
    "Authentication.staff_claim": "role",
    "Authentication.staff_word": "operator",
    "Authentication.remembered_tokens": 77,
    "Authentication.bad_tokens_per_minute": 7,
    "Cors.origins": ("https://other.example",),
    "Cors.credentials": True,
    "Cors.exposed_headers": ("X-Other",),
    "RateLimit.requests": 5,
    "RateLimit.seconds": 30.0,
    "RateLimit.per": "address",
    "SharedLimits.redis": "redis://127.0.0.1:6380/0",
    "SharedLimits.timeout_seconds": 0.1,
    "Instance.address": "127.0.0.1:9011",
    "Instance.weight": 5,
    "Dns.name": "payment.default.svc",
    "Dns.port": 9013,
    "Dns.refresh_seconds": 50.0,
    "Registry.url": "http://127.0.0.1:9006/search",
    "Registry.refresh_seconds": 3.0,
    "Registry.ttl_seconds": 30.0,
    "Registry.role": "origin",
    "Connections.connect_seconds": 0.5,
    "Connections.idle_seconds": 5.0,
    "Connections.idle": 9,
    "Connections.requests": 50,
    "Bulkhead.concurrent": 64,
    "Bulkhead.queue": 1024,
    "Bulkhead.queue_seconds": 0.5,
    "Breaker.window_seconds": 20.0,
    "Breaker.minimum": 5,
    "Breaker.ratio": 0.9,
    "Breaker.rest_seconds": 50.0,
    "Breaker.probes": 1,
    "Outliers.consecutive_failures": 9,
    "Outliers.eject_seconds": 33.0,
    "Outliers.max_eject_seconds": 999.0,
    "Outliers.max_ejected_percent": 10,
    "Health.path": "/other",
    "Health.host": "other.internal",
    "Health.interval_seconds": 7.0,
    "Health.timeout_seconds": 0.5,
    "Health.healthy": 2,
    "Health.unhealthy": 9,
    "Health.statuses": (204,),
    "UpstreamTls.server_name": "other.internal",
    "UpstreamTls.ca": "tls/other.pem",
    "UpstreamTls.certificate": "tls/other.pem",
    "UpstreamTls.key": "tls/other.key",
    "RetryBudget.share": 0.5,
    "RetryBudget.reserve": 3.0,
    "Mirror.upstream": "payment",
    "Mirror.percent": 50,
    "Mirror.methods": ("GET",),
    "Mirror.concurrent": 3,
    "Mirror.deadline_seconds": 1.0,
    "Mirror.body_bytes": 10,
    "Mirror.record": True,
    "Mirror.confirm_seconds": 0.5,
    "Recording.file_bytes": 65_536,
    "Recording.files": 3,
    "Recording.total_bytes": 65_536,
    "Recording.body_bytes": 10,
    "Recording.queue": 3,
    "Recording.hidden_headers": ("X-Secret",),
    "Recording.hidden_members": ("secret",),
    "Hold.queue": 9,
    "Hold.seconds": 1.0,
    "Capability.monolith": "spare",
    "Capability.service": "spare",
    "Capability.phase": "monolith",
    "Capability.percent": 60,
    "Capability.epoch": 4,
    "Capability.held": True,
    "Retry.attempts": 4,
    "Retry.statuses": (500,),
    "Retry.body_bytes": 10,
    "Cache.default_seconds": 30.0,
    "Cache.stale_if_error_seconds": 600.0,
    "Cache.collapse_seconds": 1.0,
    "Cache.body_bytes": 1000,
    "Cache.cookies": True,
    "Cache.status_header": True,
    "Headers.remove": ("X-Other",),
    "Headers.rename": {"X-Other": "X-New"},
    "Headers.set": {"X-Set": "2 $x %y \"z'"},
    "Headers.add": {"X-Added": "2 $x %y \"z'"},
    "Fields.remove": ("other",),
    "Fields.rename": {"other": "new"},
    "Fields.add": {"page": True},
    "RequestRules.prefix": "/",
    "Answer.status": 418,
    "Answer.headers": {"X-B": "2"},
    "Answer.body": 'so "$x" \\ %y\nthere',
    "Fallback.statuses": (503,),
    "Fallback.upstream": "payment",
    "Route.name": "renamed",
    "Route.prefix": "/elsewhere",
    "Route.exact": True,
    "Route.hosts": ("*.example",),
    "Route.methods": ("GET", "POST"),
    "Route.capability": "cart",
    "Route.upstream": "spare",
    "Route.authentication": "optional",
    "Route.scopes": ("orders:write",),
    "Route.sticky": ("header:X-Other",),
    "Route.deadline_seconds": 90.0,
    "Route.request_bytes": 1000,
    "Route.response_bytes": 1000,
    "Route.rate_limits": (),
    "Route.fallback": {"stale": True},
    "Route.upgrade": ("websocket",),
    "Document.revision": 8,
    "Document.workers": 3,
    "Document.drain_seconds": 9.0,
    "Document.state": "other",
    "Document.cache_bytes": 1 << 24,
}
# What has one value only: the format's version.
WALKED = {"Document.version"}
# Options that cannot change alone, and the part with which they do.
TOGETHER = {"Fallback.stale": "Route.fallback", "Keys.url": "Authentication.keys"}


def full() -> Document:
    """The document with everything in it."""
    return msgspec.convert(FULL, Document)


def document(**parts: Any) -> Document:
    """A small document: one listener, and what is given."""
    base: dict[str, Any] = {"version": 1, "listen": [{"address": "127.0.0.1:8000"}], "routes": []}
    return msgspec.convert({**base, **parts}, Document)


@dataclass(frozen=True, slots=True)
class Variant:
    """The document with another value of one option; ``gone`` if it is left out."""

    path: str
    option: str
    document: Document
    gone: bool


def variants(whole: Document) -> list[Variant]:
    """Each option with another value, and left out if it may be, where it says something.

    That is wherever it is not at its default; an option that always is counts once.
    """
    found: dict[tuple[str, bool], list[Variant]] = {}
    for path, part, put in _parts(whole, "$", _itself):
        for field in msgspec.structs.fields(part):
            option, now = f"{type(part).__name__}.{field.name}", getattr(part, field.name)
            for other in _others(option, field, now):
                document = put(msgspec.structs.replace(part, **{field.name: other}))
                if not list(document_findings(document)):
                    variant = Variant(f"{path}.{field.name}", option, document, other is None)
                    found.setdefault((option, _is_default(field, now)), []).append(variant)
    said = {option for option, default in found if not default}
    return [
        variant
        for (option, default), group in found.items()
        if not default or option not in said
        for variant in (group[:1] if default else group)
    ]


def changed_everywhere(whole: Document, *, gone: bool) -> Document:
    """Every option with its other value, or every one left out that may be, all at once.

    What would no longer be a good document then is left as it is.
    """
    values = msgspec.json.decode(msgspec.json.encode(whole))
    for path, part, _ in _parts(whole, "$", _itself):
        for field in msgspec.structs.fields(part):
            option = f"{type(part).__name__}.{field.name}"
            for other in _others(option, field, getattr(part, field.name)):
                if (other is None) is gone:
                    values = _changed(values, path, field.name, other)
    return msgspec.convert(values, Document)


def _changed(values: dict[str, Any], path: str, name: str, other: Any) -> dict[str, Any]:
    """The values with another one in its place, if that is a good document."""
    copied = copy.deepcopy(values)
    inner: Any = copied
    for word in re.findall(r"\w+", path):
        inner = inner[int(word)] if isinstance(inner, list) else inner.get(word)
        if inner is None:  # left out already
            return values
    inner[name] = msgspec.json.decode(msgspec.json.encode(other))
    try:
        good = not list(document_findings(msgspec.convert(copied, Document)))
    except msgspec.ValidationError:
        return values
    return copied if good else values


def _itself(changed: Document) -> Document:
    return changed


def _others(option: str, field: FieldInfo, now: Any) -> Iterator[Any]:
    if option in OTHERS:
        other = msgspec.convert(OTHERS[option], field.type)
        if other != now:
            yield other
    if now is not None and type(None) in getattr(field.type, "__args__", ()):
        yield None


def _default(field: FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _is_default(field: FieldInfo, now: Any) -> bool:
    default = _default(field)
    return default is not msgspec.NODEFAULT and bool(default == now)


def _parts(value: Any, path: str, put: Any) -> Iterator[tuple[str, Part, Any]]:
    """Each part, its path, and how to put another in its place."""
    if isinstance(value, Part):
        yield path, value, put
        for field in msgspec.structs.fields(value):
            inner = getattr(value, field.name)

            def replace(changed: Any, name: str = field.name) -> Any:
                return put(msgspec.structs.replace(value, **{name: changed}))

            yield from _parts(inner, f"{path}.{field.name}", replace)
    elif isinstance(value, tuple):
        for at, element in enumerate(value):

            def exchange(changed: Any, at: int = at) -> Any:
                return put((*value[:at], changed, *value[at + 1 :]))

            yield from _parts(element, f"{path}[{at}]", exchange)
    elif isinstance(value, dict):
        for key, element in value.items():

            def assign(changed: Any, key: str = key) -> Any:
                return put({**value, key: changed})

            yield from _parts(element, f"{path}.{key}", assign)


def options(part: type[Struct] = Document) -> Iterator[str]:
    """``Listen.address`` and all others of the document that are no parts, from its types."""
    seen: set[type[Struct]] = set()
    waiting: list[type[Struct]] = [part]
    while waiting:
        struct = waiting.pop()
        if struct in seen:
            continue
        seen.add(struct)
        for field in msgspec.structs.fields(struct):
            inner = _structs(field.type)
            waiting += inner
            if not inner:
                yield f"{struct.__name__}.{field.name}"


def _structs(annotation: Any) -> list[type[Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return [annotation]
    return [found for one in getattr(annotation, "__args__", ()) for found in _structs(one)]
