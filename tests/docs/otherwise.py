"""Another value for options that cannot be left out, to see whether an example minds.

Options of which exactly one must stand (``upstream`` or ``answer``) count among them: another of
them takes their place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Part = dict[str, Any]
Alter = Callable[[Part, Part, str], None]
NOBODY = "127.0.0.1:9009"
ANSWER = {"status": 299, "body": "otherwise\n"}
INSTANCES = [{"address": NOBODY}]
# By option: what stands there instead.
VALUES: dict[str, Any] = {
    "Authentication.audience": "another",
    "Authentication.issuer": "https://another.example",
    "Authentication.keys": {"file": "new-keys.json"},
    "Dns.name": "127.0.0.2",
    "Dns.port": 9009,
    "Document.listen": [{"address": NOBODY}],
    "Document.routes": [],
    "Fallback.answer": {"status": 299},
    "Instance.address": NOBODY,
    "Keys.file": "new-keys.json",
    "Listen.address": NOBODY,
    "RateLimit.requests": 1000,
    "RateLimit.seconds": 1.0,
    "Route.answer": ANSWER,
    "Route.hosts": ["another.example.org"],
    "Route.name": "another",
    "Route.prefix": "/another",
    "SharedLimits.redis": f"redis://{NOBODY}/0",
}
# By option: what takes its place, and that of others beside it.
PLACES: dict[str, Part] = {
    "Fallback.stale": {"answer": {"status": 299}},
    "Fallback.upstream": {"answer": {"status": 299}},
    "Keys.url": {"file": "new-keys.json"},
    "Registry.url": {},
    "Route.capability": {"answer": ANSWER},
    "Route.exact": {"prefix": "/another"},
    "Route.upstream": {"answer": ANSWER},
    "Upstream.dns": {"instances": INSTANCES},
    "Upstream.instances": {"instances": INSTANCES},
    "Upstream.registry": {"instances": INSTANCES},
    "UpstreamTls.certificate": {"key": None},
    "UpstreamTls.key": {"certificate": None},
}
UPSTREAMS = ("Capability.monolith", "Capability.service", "Mirror.upstream")  # by name


def otherwise(option: str) -> Alter | None:
    """How to change it where it stands; None for what has no other value."""
    if option in VALUES:
        return lambda _document, holder, name: holder.update({name: VALUES[option]})
    if option in PLACES:
        return lambda _document, holder, name: _replace(holder, name, PLACES[option])
    return _another_upstream if option in UPSTREAMS else None


def _replace(holder: Part, name: str, others: Part) -> None:
    del holder[name]
    for other, value in others.items():
        holder.pop(other, None)
        if value is not None:
            holder[other] = value


def _another_upstream(document: Part, holder: Part, name: str) -> None:
    taken = {holder.get(one) for one in ("monolith", "service", "upstream")}
    document["upstreams"]["nobody"] = {"instances": INSTANCES}
    holder[name] = next(one for one in ("nobody", *document["upstreams"]) if one not in taken)
