"""Why a request went to one route and not to another that has to do with its path."""

from __future__ import annotations

from collections.abc import Iterator

from strangler_proxy.compiled import CompiledRoute
from strangler_proxy.config import Route
from strangler_proxy.table import Table


def rivals(
    table: Table, method: bytes, host: bytes, path: bytes, chosen: CompiledRoute | None
) -> Iterator[tuple[str, str]]:
    """Name and reason of each route whose prefix begins the path and that was not ``chosen``."""
    entry = table.find(host, path)
    found = entry.all() if entry is not None else []
    best = chosen or next(iter(found), None)
    for route in table.routes:
        if route is chosen or not path.startswith(route.settings.prefix.rstrip("/").encode()):
            continue
        yield route.name, _mismatch(route, method, host, path) or _worse(route, host, best)


def _mismatch(route: CompiledRoute, method: bytes, host: bytes, path: bytes) -> str:
    """Why it cannot take the request; empty if it could."""
    settings = route.settings
    rest = path[len(route.prefix) :]
    if settings.exact and path != route.prefix:
        return f"matches exactly {settings.prefix} and nothing below"
    if rest and not rest.startswith(b"/"):
        return f"prefix {settings.prefix} ends inside a segment"
    if not _rank(settings, host):
        return f"is for {' '.join(settings.hosts)}"
    if route.methods and method not in route.methods:
        return f"takes {' '.join(settings.methods)} only"
    return ""


def _worse(route: CompiledRoute, host: bytes, best: CompiledRoute | None) -> str:
    """Why ``best`` came before it."""
    settings = route.settings
    if best is None:
        return "is closed"
    if _rank(best.settings, host) > _rank(settings, host):
        return f"{best.name} has a more specific host"
    if len(route.prefix) < len(best.prefix):
        return f"prefix {settings.prefix} is shorter"
    if best.settings.exact:
        return f"{best.name} has this very path"
    return f"{best.name} names the method"


def _rank(settings: Route, host: bytes) -> int:
    """How specific the route's hosts are for this one: 0 not at all, 1 any, more for named."""
    name = host.decode("latin-1").removesuffix(".")
    if not settings.hosts:
        return 1
    ranks = [
        (len(one) + (0 if one.startswith("*") else 1000))
        for one in settings.hosts
        if one == name or (one.startswith("*") and name.endswith(one[1:]) and name != one[1:])
    ]
    return max(ranks, default=0)
