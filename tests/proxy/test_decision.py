"""Deciding where a request goes: phases, cohorts, overrides, credentials, paths."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strangler_proxy.auth.identity import Identity
from strangler_proxy.cohorts import bucket_of, cookie, is_in
from strangler_proxy.config import Phase
from strangler_proxy.decision import Decision, Reason, Side, decide
from strangler_proxy.errors import Refusal
from strangler_proxy.explain import PlainRequest
from strangler_proxy.paths import canonical, is_internal, split_absolute
from strangler_proxy.table import Table, load_table
from tests.proxy.tables import (
    CUSTOMER,
    SAMPLE,
    STAFF,
    asked,
    decided,
    document_with,
    documents,
    identities,
    moving,
    requests,
    subjects,
)

PHASES = [phase.value for phase in Phase]


def table_of(values: dict[str, Any]) -> Table:
    return load_table(json.dumps(values))


# ---------------------------------------------------------------- phases


@pytest.mark.parametrize(
    ("phase", "side", "upstream", "alternative"),
    [
        ("monolith", Side.MONOLITH, "shop", None),
        ("shadow", Side.MONOLITH, "shop", None),
        ("extracted", Side.SERVICE, "service", None),
        ("retired", Side.SERVICE, "service", None),
    ],
)
def test_a_phase_has_its_side(
    phase: str, side: Side, upstream: str, alternative: str | None
) -> None:
    """The monolith answers until the capability is extracted; then nobody stands in for it."""
    decision = decided(table_of(moving(phase, epoch=4)), asked())
    assert (decision.side, decision.upstream, decision.alternative) == (side, upstream, alternative)
    assert (decision.reason, decision.phase, decision.epoch) == (Reason.PHASE, phase, 4)
    assert (decision.bucket, decision.key) == (-1, "")


def test_a_canary_is_divided_by_the_bucket() -> None:
    """The last buckets go to the service, which the monolith can stand in for."""
    table = table_of(moving("canary", 25))
    for number in range(200):
        identity = Identity(f"cus_{number}", frozenset(), 9e9, staff=False)
        decision = decided(table, asked(), identity)
        assert decision.bucket == xxhash.xxh64_intdigest(f"cus_{number}".encode()) % 100
        assert decision.key == f"cus_{number}"
        assert decision.reason is Reason.COHORT
        if decision.bucket >= 75:
            assert (decision.side, decision.alternative) == (Side.SERVICE, "shop")
        else:
            assert (decision.side, decision.alternative) == (Side.MONOLITH, None)


@pytest.mark.parametrize(
    ("request_headers", "identity", "key"),
    [
        ({"cookie": "a=1; side=left; side=right"}, CUSTOMER, "left"),
        ({"cookie": 'side="left"'}, CUSTOMER, "left"),
        ({"x_key": "k"}, CUSTOMER, "k"),
        ({"x_key": ""}, CUSTOMER, "cus_1"),
        ({}, CUSTOMER, "cus_1"),
        ({}, None, "192.0.2.7"),
    ],
)
def test_the_first_sticky_key_that_is_there_counts(
    request_headers: dict[str, str], identity: Identity | None, key: str
) -> None:
    """A key that the request does not have, or has empty, is passed over."""
    sticky = ["cookie:side", "header:X-Key", "identity", "address"]
    table = table_of(moving("canary", 50, sticky=sticky))
    decision = decided(table, asked(**request_headers), identity)
    assert (decision.key, decision.bucket) == (key, bucket_of(key.encode()))


def test_a_request_without_key_stays_with_the_monolith() -> None:
    """Nobody without a key changes sides from request to request; at 100 % all are in."""
    for percent in (0, 1, 99, 100):
        table = table_of(moving("canary", percent, sticky=["header:X-Key"]))
        decision = decided(table, asked())
        assert decision.side is (Side.SERVICE if percent == 100 else Side.MONOLITH)
        assert (decision.reason, decision.bucket) == (Reason.NO_KEY, -1)


def test_a_cookie_is_found_by_its_whole_name() -> None:
    """No other cookie's name or value is taken for it."""
    assert cookie(b"xside=1; side2=2; a=side=3", b"side") == b""
    assert cookie(b"xside=1;side=4", b"side") == b"4"
    assert cookie(b'side="', b"side") == b'"'
    assert cookie(b"side", b"side") == b""


def test_commands_are_held_while_authority_moves() -> None:
    """Reads flow, everything else waits, in every phase, and what waits is not mirrored."""
    for phase in PHASES:
        mirror = {"upstream": "other", "methods": ["GET", "POST"]}
        table = table_of(moving(phase, held=True, mirror=mirror))
        for method in ("GET", "HEAD", "OPTIONS", "TRACE"):
            assert not decided(table, asked(method)).held
        for method in ("POST", "PUT", "PATCH", "DELETE", "LOCK"):
            assert decided(table, asked(method)).held
        assert decided(table, asked("GET")).mirror is not None
        assert decided(table, asked("POST")).mirror is None


def test_a_mirror_gets_its_share() -> None:
    """In phase shadow the service gets so many of a hundred, of the methods that are named."""
    values = moving("shadow")
    values["capabilities"]["one"]["mirror"] = {"upstream": "own", "percent": 30}
    table = table_of(values)
    rng = random.Random(1)
    copied = Counter(
        decide(asked(), table, 0.0, rng, identify=lambda _r, _n: None).mirror is not None
        for _ in range(10_000)
    )
    assert 2_800 < copied[True] < 3_200
    values["capabilities"]["one"]["mirror"]["percent"] = 100
    table = table_of(values)
    mirror = decided(table, asked("GET")).mirror
    assert mirror is not None
    assert mirror.upstream == "own"
    assert decided(table, asked("POST")).mirror is None


def test_the_shadow_gets_what_the_monolith_answers() -> None:
    """The capability's mirror comes before the route's, in the phases shadow and canary."""
    for phase in PHASES:
        values = moving(phase, mirror={"upstream": "other"})
        values["capabilities"]["one"]["mirror"] = {"upstream": "own"}
        table = table_of(values)
        mirror = decided(table, asked()).mirror
        assert mirror is not None
        assert mirror.upstream == ("own" if phase in ("shadow", "canary") else "other")
    table = table_of(
        moving("shadow") | {"capabilities": {"one": {
            "monolith": "shop", "service": "service", "phase": "shadow",
            "mirror": {"upstream": "other"}}}}
    )  # fmt: skip
    assert decided(table, asked(), STAFF).mirror is not None
    assert decided(table, asked(ficus_route="service"), STAFF).mirror is None


def test_a_route_without_capability_has_one_side() -> None:
    """It leads to its upstream or answers itself, whatever a tester wishes."""
    table = load_table(SAMPLE)
    decision = decided(table, asked(target="/api/v1/search", ficus_route="service"), STAFF)
    assert (decision.side, decision.upstream) == (Side.DIRECT, "search")
    decision = decided(table, asked(target="/healthz"))
    assert (decision.side, decision.reason, decision.refusal) == (
        *(Side.ANSWER, Reason.ANSWER),
        None,
    )
    assert decision.route is not None
    assert decision.route.name == "health"


# ---------------------------------------------------------------- overrides


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("wish", ["service", "monolith"])
def test_staff_may_choose_the_side_that_has_not_lost_authority(phase: str, wish: str) -> None:
    """A wish is granted or refused with 409, never ignored; and it has no alternative."""
    table = table_of(moving(phase))
    decision = decided(table, asked(ficus_route=wish), STAFF)
    if phase in ("extracted", "retired") and wish == "monolith":
        assert decision.refusal is not None
        assert (decision.refusal.status, decision.refusal.code) == (409, "side_unavailable")
        assert decision.reason is Reason.OVERRIDE_REFUSED
    else:
        assert (decision.side.value, decision.reason) == (wish, Reason.OVERRIDE)
        assert decision.alternative is None


def test_a_service_that_is_not_there_cannot_be_chosen() -> None:
    """Before there is a service, or with one bound to its own database, 409 says so."""
    values = moving("monolith")
    del values["capabilities"]["one"]["service"]
    refusal = decided(table_of(values), asked(ficus_route="service"), STAFF).refusal
    assert refusal is not None
    assert refusal.detail == "one has no service yet."
    for phase in ("monolith", "shadow"):
        table = table_of(moving(phase, service="own"))
        refusal = decided(table, asked(ficus_route="service"), STAFF).refusal
        assert refusal is not None
        assert "own database" in refusal.detail
    table = table_of(moving("extracted", service="own"))
    assert decided(table, asked(ficus_route="service"), STAFF).upstream == "own"


def test_only_staff_may_choose() -> None:
    """For everyone else the header means nothing, whatever it says."""
    for phase in PHASES:
        table = table_of(moving(phase))
        for identity in (CUSTOMER, None):
            for wish in ("service", "monolith", "nonsense"):
                plain = decided(table, asked(), identity)
                assert decided(table, asked(ficus_route=wish), identity) == plain


def test_a_wish_that_is_not_understood_is_refused() -> None:
    """A tester who misspells must not believe that the other side answered."""
    refusal = decided(table_of(moving("canary")), asked(ficus_route="servce"), STAFF).refusal
    assert refusal is not None
    assert refusal.status == 400
    assert decided(table_of(moving("canary")), asked(ficus_route=" Service"), STAFF).side == (
        "service"
    )


# ---------------------------------------------------------------- credentials


def test_a_route_that_requires_credentials_refuses_without() -> None:
    """401 with the challenge of RFC 6750; the refusal of wrong credentials passes as it is."""
    table = load_table(SAMPLE)
    decision = decided(table, asked(target="/api/v1/payment"), None)
    assert decision.refusal is not None
    assert (decision.refusal.status, decision.reason) == (401, Reason.CREDENTIALS)
    assert (b"WWW-Authenticate", b"Bearer") in decision.refusal.headers
    wrong = Refusal(401, "unauthenticated", "expired")
    for target in ("/api/v1/payment", "/api/v1/cart"):
        assert decided(table, asked(target=target), wrong).refusal is wrong


def test_optional_credentials_may_be_missing() -> None:
    """Without them the request goes on without an identity."""
    decision = decided(load_table(SAMPLE), asked(target="/api/v1/cart"), None)
    assert (decision.refusal, decision.identity) == (None, None)


def test_credentials_are_not_looked_at_where_none_count() -> None:
    """A route with ``none`` does not ask who it is, so a broken token does no harm there."""

    def never(_request: object, _now: float) -> Identity:
        raise AssertionError

    decision = decide(
        asked(target="/api/v1/search"),
        load_table(SAMPLE),
        0.0,
        random.Random(0),
        identify=never,
    )
    assert (decision.refusal, decision.identity) == (None, None)


def test_a_missing_scope_is_refused() -> None:
    """403 names the scopes; a wildcard of the module opens, opaque credentials do not."""
    table = load_table(SAMPLE)
    for scopes in ({"payment:read"}, {"payment:*"}, {"*"}, {"payment:read", "x"}):
        identity = Identity("usr", frozenset(scopes), 9e9, staff=False)
        assert decided(table, asked(target="/api/v1/payment"), identity).refusal is None
    for identity in (
        Identity("usr", frozenset({"payment:write"}), 9e9, staff=True),
        Identity("opaque:1", frozenset(), 9e9, staff=False, opaque=True),
    ):
        decision = decided(table, asked(target="/api/v1/payment"), identity)
        assert decision.refusal is not None
        assert (decision.refusal.status, decision.reason) == (403, Reason.SCOPES)
        (challenge,) = [v for n, v in decision.refusal.headers if n == b"WWW-Authenticate"]
        assert b'error="insufficient_scope"' in challenge
        assert b'scope="payment:read"' in challenge


def test_a_preflight_needs_no_credentials() -> None:
    """Browsers send it without; an OPTIONS that is none needs them."""
    table = load_table(SAMPLE)
    preflight = {"origin": "https://a.example.org", "access_control_request_method": "POST"}
    assert decided(table, asked("OPTIONS", "/api/v1/payment", **preflight)).refusal is None
    for name, value in preflight.items():
        assert decided(table, asked("OPTIONS", "/api/v1/payment", **{name: value})).refusal
    assert decided(table, asked("POST", "/api/v1/payment", **preflight)).refusal is not None


# ---------------------------------------------------------------- paths and methods


def test_a_method_that_is_not_listed_is_refused() -> None:
    """405 with Allow, although a shorter prefix would take it."""
    decision = decided(load_table(SAMPLE), asked("DELETE", "/api/v1/search/x"))
    assert decision.refusal is not None
    assert (decision.refusal.status, decision.reason) == (405, Reason.METHOD)
    assert decision.refusal.headers == ((b"Allow", b"GET, HEAD"),)


def test_an_unknown_path_is_refused() -> None:
    """404 where no route leads."""
    table = table_of(document_with([{"name": "a", "prefix": "/a", "upstream": "shop"}]))
    decision = decided(table, asked(target="/b"))
    assert decision.refusal is not None
    assert (decision.refusal.status, decision.reason) == (404, Reason.NO_ROUTE)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (b"/a/../b", "ambiguous_path"),
        (b"/a/..", "ambiguous_path"),
        (b"/./a", "ambiguous_path"),
        (b"/a/%2e%2E/b", "ambiguous_path"),
        (b"/a/.%2e;x=1/b", "ambiguous_path"),
        (b"/a%2fb", "ambiguous_path"),
        (b"/a%5Cb", "ambiguous_path"),
        (b"/a\\b", "ambiguous_path"),
        (b"/a%00", "ambiguous_path"),
        (b"/a%0d%0a", "ambiguous_path"),
        (b"/a\x7f", "ambiguous_path"),
        (b"/a%", "ambiguous_path"),
        (b"/a%2", "ambiguous_path"),
        (b"/a%zz", "ambiguous_path"),
        (b"/a#b", "ambiguous_path"),
        (b"/%2572pc", "ambiguous_path"),
        (b"*", "bad_target"),
        (b"", "bad_target"),
        (b"shop.example.org:443", "bad_target"),
        (b"ftp://shop.example.org/", "bad_target"),
        (b"http://", "bad_target"),
        (b"http://user@shop.example.org/", "bad_target"),
        (b"http://a/../b", "ambiguous_path"),
    ],
)
def test_a_doubtful_target_is_refused(target: bytes, code: str) -> None:
    """What an upstream could read in another way than we do gets 400."""
    decision = decided(load_table(SAMPLE), asked(target=target))
    assert decision.refusal is not None
    assert (decision.refusal.status, decision.refusal.code) == (400, code)
    assert decision.reason is Reason.BAD_PATH


@pytest.mark.parametrize(
    ("target", "route"),
    [
        (b"/api/v1/cart?x=/../", "cart"),
        (b"//api///v1/cart", "cart"),
        (b"/%61pi/v1/c%61rt/%7Euser", "cart"),
        (b"/api/v1/cart/.well-known", "cart"),
        (b"/api/v1/cart/a%20b;v=1/%C3%A9", "cart"),
        (b"/api/v1/cart/%252e", "cart"),
        (b"/api/v1/cart/...", "cart"),
        (b"http://shop.example.org/api/v1/cart", "cart"),
        (b"HTTP://a.STAFF.example.org:80/x", "staff"),
        (b"https://shop.example.org", "rest"),
        (b"http://staff.example.org?x", "staff"),
    ],
)
def test_spellings_of_a_path_find_the_same_route(target: bytes, route: str) -> None:
    """Encoding and repeated slashes do not matter; a whole URL brings its own host."""
    decision = decided(load_table(SAMPLE), asked(target=target), CUSTOMER)
    assert decision.refusal is None
    assert decision.route is not None
    assert decision.route.name == route


def test_an_absolute_target_is_split() -> None:
    """Host without port in lower case, and the target as an origin gets it."""
    assert split_absolute(b"http://Shop.example.org:80/a?b=c") == (b"shop.example.org", b"/a?b=c")
    assert split_absolute(b"https://[::1]:443?b") == (b"[::1]", b"/?b")
    for target in (b"http://a b/", b"http://a:x/", b"http:///a", b"//a/b", b"http://a/b#c"):
        assert split_absolute(target) is None


@st.composite
def spellings_of_rpc(draw: st.DrawFn) -> bytes:
    """``/rpc`` and below with any case, encoding, slashes and parameters."""
    letters = [
        draw(st.sampled_from((c, c.upper(), f"%{ord(c):02x}", f"%{ord(c.upper()):02X}")))
        for c in "rpc"
    ]
    slashes = draw(st.sampled_from(("/", "//", "///")))
    rest = draw(st.sampled_from(("", "/", "//x", "/shop/authorize", ";v=1", ";/x", "?x=1", "/a?b")))
    origin = draw(st.sampled_from(("", "http://shop.example.org", "HTTPS://a.example.org:80")))
    return (origin + slashes + "".join(letters) + rest).encode()


@settings(deadline=None, max_examples=60)
@given(st.lists(spellings_of_rpc(), min_size=1), documents(), identities)
@example([b"/rpc"], document_with([{"name": "a", "prefix": "/", "upstream": "shop"}]), STAFF)
def test_rpc_is_never_routed(
    targets: list[bytes], values: dict[str, Any], identity: Identity | Refusal | None
) -> None:
    """Whatever the table and whoever asks: 404, as if there were nothing."""
    table = table_of(values)
    for target in targets:
        decision = decided(table, asked(target=target), identity)
        assert decision.refusal is not None
        assert (decision.refusal.status, decision.refusal.code) == (404, "not_found")
        assert decision.upstream == ""


def test_rpc_is_not_reached_through_a_prefix_that_is_taken_away() -> None:
    """``/api/rpc`` would be ``/rpc`` at the upstream; other prefixes only look alike."""
    route = {
        "name": "a",
        "prefix": "/api",
        "upstream": "shop",
        "authentication": "none",
        "request": {"prefix": "/"},
    }
    table = table_of(document_with([route]))
    for target in ("/api/rpc", "/api//RPC/x", "/%61pi/%72pc;x/y"):
        decision = decided(table, asked(target=target))
        assert decision.reason is Reason.INTERNAL_PATH
        assert decision.refusal is not None
    for target in ("/api/rpcs", "/api/x/rpc", "/api"):
        assert decided(table, asked(target=target)).refusal is None


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=30))
def test_a_canonical_path_has_one_reading(tail: bytes) -> None:
    """What is not refused has no dots, no double slash, no control character left."""
    plain = canonical(b"/" + tail)
    if isinstance(plain, Refusal):
        assert plain.status == 400
        return
    assert b"//" not in plain
    assert not {b".", b".."} & set(plain.split(b"/"))
    assert min(plain) >= 0x20
    decoded_again = unquote_to_bytes(plain)
    assert is_internal(decoded_again) == is_internal(plain)


# ---------------------------------------------------------------- cohorts


# From the reference implementation of XXH64 with seed 0.
REFERENCE = {
    b"": 0xEF46DB3751D8E999,
    b"a": 0xD24EC4F1A98C6E5B,
    b"abc": 0x44BC2CF5AD770999,
    b"Nobody inspects the spammish repetition": 0xFBCEA83C8A378BF1,
}


@pytest.mark.parametrize(("key", "digest"), REFERENCE.items())
def test_buckets_are_those_of_the_reference(key: bytes, digest: int) -> None:
    """Envoy and HAProxy compute the same number."""
    assert xxhash.xxh64_intdigest(key) == digest
    assert bucket_of(key) == digest % 100


def test_buckets_are_even() -> None:
    """10,000 keys: no bucket is further from 100 than chance explains (chi-square, p > 0.001)."""
    counts = Counter(bucket_of(f"0192f3c4-7c1e-7b7e-{n:04x}".encode()) for n in range(10_000))
    assert sum((counts[bucket] - 100) ** 2 / 100 for bucket in range(100)) < 148.2
    for percent in (1, 5, 25, 50):
        share = sum(count for bucket, count in counts.items() if is_in(bucket, percent))
        assert abs(share - 100 * percent) < 4 * (100 * percent * (100 - percent) / 100) ** 0.5


@settings(deadline=None)
@given(subjects, st.integers(0, 100), st.integers(0, 100))
def test_cohorts_only_grow(subject: str, one: int, other: int) -> None:
    """Who is in at some percentage is in at every higher one."""
    low, high = sorted((one, other))
    sides = [
        decided(
            table_of(moving("canary", percent)),
            asked(),
            Identity(subject, frozenset(), 9e9, staff=False),
        ).side
        for percent in (0, low, high, 100)
    ]
    assert sides == sorted(sides)  # monolith before service
    assert (sides[0], sides[-1]) == (Side.MONOLITH, Side.SERVICE)


# ---------------------------------------------------------------- whatever comes


@settings(deadline=None, max_examples=150)
@given(documents(), st.lists(requests(), min_size=1, max_size=8), identities, st.integers(0, 3))
def test_every_table_decides_every_request(
    values: dict[str, Any],
    many: list[PlainRequest],
    identity: Identity | Refusal | None,
    seed: int,
) -> None:
    """Nothing raises, the same chance gives the same decision, and the phases' rules hold."""
    table = table_of(values)
    for request in many:
        decision = decided(table, request, identity, seed)
        assert decision == decided(table, request, identity, seed)
        check_shape(decision)
        capability = decision.route.capability if decision.route is not None else None
        if decision.refusal is None and capability is not None:
            check_capability(decision, values["capabilities"][capability.name], request)


def check_shape(decision: Decision) -> None:
    """What is refused or answered here goes nowhere; all else has an upstream."""
    assert (decision.upstream == "") == (decision.side is Side.ANSWER)
    if decision.refusal is not None:
        assert decision.side is Side.ANSWER
        assert decision.mirror is None
        assert not decision.held
    if decision.alternative is not None:
        assert decision.side is Side.SERVICE


def check_capability(decision: Decision, settings: dict[str, Any], request: PlainRequest) -> None:
    phase = settings["phase"]
    wished = decision.reason is Reason.OVERRIDE
    if phase in ("extracted", "retired"):
        assert (decision.side, decision.upstream) == (Side.SERVICE, settings["service"])
        assert decision.alternative is None
    elif phase != "canary" and not wished:
        assert (decision.side, decision.upstream) == (Side.MONOLITH, "shop")
    elif decision.side is Side.SERVICE:
        assert decision.alternative == (None if wished else "shop")
        assert settings["service"] != "own"
    if wished:
        assert decision.identity is not None
        assert decision.identity.staff
        assert request.headers[b"ficus-route"].strip().lower().decode() == decision.side
    assert decision.held == (
        settings["held"] and request.method not in (b"GET", b"HEAD", b"OPTIONS")
    )
    assert decision.epoch == settings["epoch"]
    assert decision.mirror is None or decision.mirror.upstream != decision.upstream


@pytest.mark.parametrize("hosts", [(), ("a.example",), ("*.example",)])
@pytest.mark.parametrize(
    "path", ["/api/v1/x", "/api%2fv1", "/api/../x", "/rpc/x", "/none", "//api"]
)
def test_a_path_that_was_asked_for_before_is_decided_alike(
    path: str, hosts: tuple[str, ...]
) -> None:
    """It is remembered for its host alone, and for all methods."""
    route = {"name": "one", "prefix": "/api", "upstream": "shop", "authentication": "none"}
    values = {
        "version": 1,
        "listen": [{"address": "127.0.0.1:8000"}],
        "upstreams": {"shop": {"instances": [{"address": "127.0.0.1:9000"}]}},
        "routes": [
            {**route, "methods": ["GET"]},
            {**route, "name": "other", "prefix": "/api/v1", "hosts": list(hosts) or ["b.example"]},
        ],
    }
    asking = [(m, h) for m in ("GET", "POST") for h in ("a.example", "b.example", "c.test")]

    def outcome(table: Table, method: str, host: str) -> tuple[Reason, str]:
        target = path.encode()
        request = PlainRequest(method.encode(), target, target, host.encode())
        decision = decide(request, table, 0.0, random.Random(1), lambda request, now: None)
        return decision.reason, decision.route.name if decision.route is not None else ""

    fresh = [outcome(table_of(values), *one) for one in asking]
    table = table_of(values)
    assert [outcome(table, *one) for one in asking] == fresh
    assert [outcome(table, *one) for one in asking] == fresh
