"""Where requests lead: a route for each address of each module, and for what belongs to none.

Which modules are capabilities stands in their own declarations, what strangers may do in
``public.py``. The front door refuses what is not named here: the monolith's ``/livez``,
``/readyz`` and ``/metrics`` are not reached from outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from django.conf import settings

from modules.platform.contracts import Module
from modules.platform.databases.aliases import OWN
from modules.platform.hosting.rooms import has_admin, has_rest
from modules.platform.operators.cookies import SHOP_SESSION, pages_of
from shop.running.public import Address, addresses_of

API = "/api/v1"
MONOLITH = "monolith"
# Longer than the monolith takes at most (30 s, or 5 min), so that its own answer arrives: an order
# that takes too long is a 202 there.
DEADLINE, PATIENCE = 35.0, 330.0
UPLOAD_BYTES = 100_000_000  # pictures and product files, in the admin
STICKY = ["identity", "header:Cart-Token", "address"]
# Staff have no token: their session at the shop's admin keeps them on one side, wherever they are.
STICKY_STAFF = [f"cookie:{SHOP_SESSION}", "address"]
Part = dict[str, Any]


def extractable_modules() -> tuple[str, ...]:
    """The modules of this host that say of themselves that they may be moved out, and those that
    have been, for good.
    """
    here = (name for name in settings.FICUS_MODULES if _declaration(name).extractable)
    return (*here, *settings.FICUS_RETIRED)


def _declaration(module: str) -> Module:
    declared: Module = import_module(f"modules.{module}.module").MODULE
    return declared


def all_routes(limits: Sequence[str], services: Sequence[str] = ()) -> list[Part]:
    """Every route of the document. ``limits`` are the rate limits that are switched on,
    ``services`` the upstreams that are modules' own hosts.
    """
    return [
        {**route, "rate_limits": [name for name in route.get("rate_limits", []) if name in limits]}
        for route in _routes(services)
    ]


def _routes(services: Sequence[str]) -> Iterator[Part]:
    """With all the limits that there may be."""
    capabilities = extractable_modules()
    retired = settings.FICUS_RETIRED
    for module in (*settings.FICUS_MODULES, *retired):
        target = {"capability": module, "sticky": STICKY}
        to = target if module in capabilities else {"upstream": MONOLITH}
        # What a retired one has, its service knows, and answers 404 for the rest.
        if module in retired or has_rest(module):
            for address in addresses_of(module):
                yield from _api_routes(module, address, to)
        if module in retired or (module in capabilities and has_admin(module)):
            service = upstream_of(module)
            if service in services:
                yield _service_files(module, service)
            staff = {"capability": module, "sticky": STICKY_STAFF}
            yield _admin(f"admin-{module}", pages_of(module).rstrip("/"), staff)
    yield from _own_pages()


def _api_routes(module: str, address: Address, to: Part) -> Iterator[Part]:
    """The route of an address and, where strangers may do something there, theirs before it."""
    prefix = f"{API}/{module}{address.path}"
    name = "-".join([module, *_words(address.path), *(["exact"] if address.exact else [])])
    route: Part = {
        "prefix": prefix,
        **({"exact": True} if address.exact else {}),
        **to,
        "deadline_seconds": PATIENCE if address.patient else DEADLINE,
        "request_bytes": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    }
    if address.open:
        opened = {"methods": list(address.open), "authentication": "optional"}
        # Not by identity: where there is none it would be the address again, and that is often
        # many customers behind one.
        limits = ["sign-in", "address"] if address.sign_in else ["address"]
        yield {"name": f"{name}-open", **route, **opened, "rate_limits": limits}
    # An API key or a Cart-Token is verified by the monolith only, and anyone can make one up:
    # so both limits.
    limits = ["identity", "address"]
    yield {"name": name, **route, "authentication": "required", "rate_limits": limits}


def _words(path: str) -> Sequence[str]:
    return [word for word in path.replace(".", "/").split("/") if word]


def _admin(name: str, prefix: str, to: Part, **more: Any) -> Part:
    """Pages of the admin, which has sessions of its own."""
    return {
        "name": name,
        "prefix": prefix,
        **to,
        "authentication": "none",
        "deadline_seconds": PATIENCE,
        "request_bytes": UPLOAD_BYTES,
        "rate_limits": ["address"],
        **more,
    }


def upstream_of(module: str) -> str:
    """The upstream of its service: on this host's data, or, where it is retired, on its own."""
    return f"{module}-{OWN}" if module in settings.FICUS_RETIRED else module


def _service_files(module: str, service: str) -> Part:
    """What a page of the service is made with is the service's, also when the next page is not."""
    return _page(f"admin-{module}-static", f"{pages_of(module)}static", {"upstream": service})


def _own_pages() -> Iterator[Part]:
    """What belongs to no module."""
    monolith = {"upstream": MONOLITH}
    login = {"exact": True, "methods": ["POST"], "rate_limits": ["sign-in"]}
    yield _admin("admin-login", "/admin/login/", monolith, **login)
    yield _admin("admin-login-page", "/admin/login/", monolith, exact=True)
    yield _admin("admin", "/admin", monolith)
    for name in ("schema", "docs", "problems"):
        yield _page(name, f"{API}/{name}", monolith, rate_limits=["address"])
    for name in ("static", "media"):
        yield _page(name, f"/{name}", monolith)
    yield _page("home", "/", {"answer": {"status": 302, "headers": {"Location": f"{API}/docs"}}})
    yield _page("favicon", "/favicon.ico", {"answer": {"status": 204}})
    alive = {"status": 200, "headers": {"Content-Type": "text/plain"}, "body": "ok\n"}
    # Of the front door itself, for what stands before it.
    yield _page("livez", "/livez", {"answer": alive})


def _page(name: str, prefix: str, to: Part, **more: Any) -> Part:
    exact = {"exact": True} if "answer" in to else {}
    return {"name": name, "prefix": prefix, **exact, **to, "authentication": "none", **more}
