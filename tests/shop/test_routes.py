"""The shop's routing document: what strangers may do, and where everything leads."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from shop.env import MODULES
from shop.running import public
from shop.running.public import Address
from strangler_proxy import config
from strangler_proxy.auth.identity import Identity
from strangler_proxy.decision import Decision, Side, decide
from strangler_proxy.explain import plain_request
from strangler_proxy.table import Table
from tests.platform.example import EXAMPLE
from tests.shop.routing import table

Operation = tuple[str, str]  # method and path
SOMEBODY = Identity("somebody", frozenset(), float("inf"), False)


@pytest.fixture
def routes(tmp_path: Path) -> Table:
    """With the defaults."""
    return table(tmp_path)


def ask(routes: Table, method: str, path: str, identity: Identity | None = None) -> Decision:
    """What the front door decides."""
    request = plain_request(method, path, [])
    return decide(request, routes, 0.0, random.Random(0), identify=lambda *_: identity)


def operations(*, secured: bool) -> list[Operation]:
    """Those of the OpenAPI document that need credentials, or that do not."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    return [
        (method.upper(), re.sub(r"{\w+}", "x", path))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if bool(operation.get("security")) is secured
    ]


def addresses(
    patterns: list[URLPattern | URLResolver] | None = None, before: str = "/"
) -> Iterator[str]:
    """A path for every address of the shop; with an x wherever there is a parameter."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = before + re.sub(r"<[^>]*>", "x", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, path)
        elif "^" not in path:  # the admin's own catch-alls
            yield path


def pages() -> list[str]:
    """Addresses of the API that are for browsers, and no operations: nobody has a token there."""
    known = {path for secured in (True, False) for _, path in operations(secured=secured)}
    return [path for path in addresses() if path.startswith("/api/") and path not in known]


def closed_to_strangers(routes: Table) -> list[Operation]:
    """Public operations and pages that the front door refuses without credentials."""
    asked = operations(secured=False) + [("GET", page) for page in pages()]
    return [one for one in asked if ask(routes, *one).refusal is not None]


def open_to_strangers(routes: Table) -> list[Operation]:
    """Operations that need credentials and that the front door passes on without any."""
    decisions = {one: ask(routes, *one).refusal for one in operations(secured=True)}
    return [one for one, refusal in decisions.items() if refusal is None or refusal.status != 401]


# ---------------------------------------------------------------- who may come in


def test_public_operations_need_no_credentials(routes: Table) -> None:
    """Each one that the OpenAPI document does not secure, and each page behind a mailed link."""
    assert len(operations(secured=False)) > 20
    assert closed_to_strangers(routes) == []


def test_protected_operations_are_refused_at_the_door(routes: Table) -> None:
    """Each one that the document secures is a 401 without credentials; none is left to the shop."""
    assert len(operations(secured=True)) > 80
    assert open_to_strangers(routes) == []


def test_protected_operations_are_passed_on_with_credentials(routes: Table) -> None:
    """Whether they suffice, the shop says."""
    refused = [
        one for one in operations(secured=True) if ask(routes, *one, SOMEBODY).refusal is not None
    ]
    assert refused == []


def test_nothing_is_open_that_no_public_operation_asks_for(routes: Table) -> None:
    """Each open route has an operation or a page that needs it: the table has no leftovers. Those
    of a retired module are its service's to need.
    """
    asked = {*operations(secured=False), *(("GET", page) for page in pages())}
    needed = {decision.route.name for one in asked if (decision := ask(routes, *one)).route}
    opened = {
        route.name
        for route in routes.document.routes
        if route.name.endswith("-open") and route.capability not in settings.FICUS_RETIRED
    }
    assert opened - needed == set()


@pytest.mark.parametrize(
    ("module", "addresses", "leak"),
    [
        ("catalog", (Address(path="", open=public.READ),), ("GET", "/api/v1/catalog/export")),
        ("orders", (Address(path="", open=public.READ),), ("GET", "/api/v1/orders/x")),
        ("inventory", public.ADDRESSES["inventory"][2:], ("GET", "/api/v1/inventory/stock")),
    ],
)
def test_an_opening_too_wide_is_noticed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    addresses: tuple[Address, ...],
    leak: Operation,
) -> None:
    """The check itself: whoever opens too much is told what leaks."""
    monkeypatch.setattr(public, "ADDRESSES", {**public.ADDRESSES, module: addresses})
    assert leak in open_to_strangers(table(tmp_path))


def test_a_missing_opening_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other check: a public operation that nobody opened is named."""
    monkeypatch.setattr(public, "ADDRESSES", {**public.ADDRESSES, "accounts": ()})
    assert ("POST", "/api/v1/accounts/token") in closed_to_strangers(table(tmp_path))


def test_browsers_ask_before_they_send_credentials(routes: Table) -> None:
    """A preflight reaches the shop, which knows the origins."""
    fields = ["Origin: https://a.example", "Access-Control-Request-Method: POST"]
    request = plain_request("OPTIONS", "/api/v1/orders", fields)
    decision = decide(request, routes, 0.0, random.Random(0), identify=lambda *_: None)
    assert decision.refusal is None


# ---------------------------------------------------------------- where it leads


def test_every_address_of_the_shop_is_routed_but_its_own(routes: Table) -> None:
    """What is in the urls is reached through the front door; probes, metrics and what other hosts
    ask are not.
    """
    found = [path for path in addresses() if not path.startswith(("/rpc/", "/registry/"))]
    assert len(found) > 150
    unrouted = {path for path in found if ask(routes, "GET", path, SOMEBODY).route is None}
    assert unrouted == {"/readyz", "/metrics"}
    assert ask(routes, "GET", "/livez").side is Side.ANSWER


@pytest.mark.parametrize(
    "path",
    ["/rpc/payment", "/%72pc/payment", "/registry/instances", "/nothing", "/api/v2/orders"],
)
def test_all_else_is_not_there(routes: Table, path: str) -> None:
    """404, and no upstream is asked."""
    refusal = ask(routes, "GET", path, SOMEBODY).refusal
    assert refusal is not None
    assert refusal.status == 404


def test_capabilities_are_the_modules_that_say_so(routes: Table) -> None:
    """Each module's declaration decides, or that it is one no more; and all of its addresses
    follow the capability.
    """
    declared = {
        name
        for name in MODULES
        if name in settings.FICUS_RETIRED
        or import_module(f"modules.{name}.module").MODULE.extractable
    }
    assert {"payment", "notification"} <= declared
    assert set(routes.document.capabilities) == declared
    shoppers, staff = ("identity", "header:Cart-Token", "address"), ("cookie:sessionid", "address")
    for name in declared:
        for path, sticky in (
            (f"/api/v1/{name}/anything", shoppers),
            (f"/admin/{name}/anything/1/", staff),
        ):
            decision = ask(routes, "GET", path, SOMEBODY)
            assert (decision.phase, decision.upstream) == standing(name), path
            assert decision.route is not None
            assert decision.route.settings.capability == name
            assert decision.route.settings.sticky == sticky


def standing(module: str) -> tuple[str, str]:
    """Phase and upstream where nothing is placed."""
    own = ("retired", f"{module}-own")
    return own if module in settings.FICUS_RETIRED else ("monolith", "monolith")


def test_files_of_a_services_pages_are_the_services(routes: Table, tmp_path: Path) -> None:
    """Whoever answers its pages now; where there is no service they lead where the pages do."""
    placing = table(tmp_path, PLACE_MODULES="true")
    assert ask(placing, "GET", f"/admin/{EXAMPLE}/static/a.css").upstream == EXAMPLE
    pages = f"/admin/{EXAMPLE}"
    for found, path in ((placing, f"{pages}/statics/a"), (routes, f"{pages}/static/a")):
        decision = ask(found, "GET", path)
        assert (decision.upstream, decision.phase) == ("monolith", "monolith")


def test_long_work_and_large_bodies_have_room(routes: Table) -> None:
    """Imports and exports of the catalogue take minutes, uploads in the admin are large."""
    plain, *patient = (
        settings_of(routes, *one)
        for one in [
            ("POST", "/api/v1/catalog/products"),
            ("POST", "/api/v1/catalog/imports"),
            ("GET", "/api/v1/catalog/export"),
            ("POST", "/admin/catalog/product/import/"),
        ]
    )
    assert plain.deadline_seconds > 30  # the shop's own limit: its answer comes first
    assert all(route.deadline_seconds > 300 for route in patient)
    assert plain.request_bytes == settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert patient[-1].request_bytes >= 50_000_000


def settings_of(routes: Table, method: str, path: str) -> config.Route:
    """The route's own part of the document."""
    route = ask(routes, method, path, SOMEBODY).route
    assert route is not None
    return route.settings


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("method", "path", "limits"),
    [
        ("POST", "/api/v1/accounts/token", ("sign-in", "address")),
        ("POST", "/api/v1/accounts/register", ("sign-in", "address")),
        ("POST", "/api/v1/accounts/password-reset", ("sign-in", "address")),
        ("POST", "/admin/login/", ("sign-in",)),
        ("GET", "/admin/login/", ("address",)),
        ("POST", "/api/v1/accounts/token/refresh", ("address",)),
        ("GET", "/api/v1/catalog/products", ("address",)),
        ("POST", "/api/v1/orders", ("identity", "address")),
        ("GET", "/static/x.css", ()),
    ],
)
def test_limits_by_what_is_asked(
    routes: Table, method: str, path: str, limits: tuple[str, ...]
) -> None:
    """Strict where passwords are tried and mails are sent; none for files."""
    assert settings_of(routes, method, path).rate_limits == limits


def test_limits_are_variables(tmp_path: Path) -> None:
    """Each can be set, or switched off with 0."""
    variables = {"RATE_LIMIT_IDENTITY": "0", "RATE_LIMIT_SIGN_IN": "5"}
    routes = table(tmp_path, **variables)
    assert settings_of(routes, "POST", "/api/v1/orders").rate_limits == ("address",)
    limits = routes.document.rate_limits
    assert set(limits) == {"address", "sign-in"}
    assert (limits["sign-in"].requests, limits["sign-in"].per) == (5, "address")
