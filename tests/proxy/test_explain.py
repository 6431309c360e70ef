"""Explaining a decision to whoever is on duty."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler_proxy.auth.identity import Identity
from strangler_proxy.errors import Refusal
from strangler_proxy.explain import Explanation, PlainRequest, explain, plain_request
from strangler_proxy.table import load_table
from tests.proxy.tables import (
    CUSTOMER,
    SAMPLE,
    STAFF,
    asked,
    decided,
    documents,
    identities,
    moving,
    requests,
)

TABLE = load_table(SAMPLE)


def explained(
    request: PlainRequest, identity: Identity | Refusal | None = None, table: Any = TABLE
) -> Explanation:
    return explain(table, request, 0.0, identify=lambda _request, _now: identity)


def rows(explanation: Explanation) -> dict[str, str]:
    """The labelled lines of the text."""
    lines = str(explanation).splitlines()[1:]
    return dict(re.split(r"  +", line.strip(), maxsplit=1) for line in lines if line[2] != " ")


def test_a_canary_reads_so() -> None:
    """The whole text: the answer, why, and what else belongs to the request."""
    text = str(explained(asked("POST", "/api/v1/payment/refunds?x=1"), CUSTOMER))
    assert (
        text
        == """\
POST shop.example.org/api/v1/payment/refunds?x=1
  goes to         payment (the service)
  if it is down   shop: the monolith still has the authority
  because         bucket 88 is one of the canary's, 75 to 99
  route           payment: prefix /api/v1/payment, any host, any method
  not             staff: is for staff.example.org *.staff.example.org
                  rest: prefix / is shorter
  capability      payment: phase canary 25 %, epoch 3
  sticky key      identity 'cus_1': bucket 88 of 0 to 99
  identity        cus_1, scopes payment:*
  limits          orders
  cache           none
  deadline        30 s, attempts 2
  table           revision 7"""
    )


@pytest.mark.parametrize(
    ("request_", "identity", "label", "text"),
    [
        (asked("GET", "/rpc/x"), None, "refused", "404 not_found: No route leads here."),
        (asked("GET", "/rpc/x"), None, "because", "/rpc is between hosts and is never routed"),
        (asked("GET", "/a/../b"), None, "because", "the target could be read in two ways"),
        (asked("GET", "orders"), None, "because",
         "a request names its target by a path, or by a whole URL"),
        (asked("PUT", "/api/v1/search"), None, "refused",
         "405 method_not_allowed: Here is only GET, HEAD."),
        (asked("GET", "/api/v1/payment"), None, "because",
         "the route asks for credentials, and these do not suffice"),
        (asked("GET", "/api/v1/payment"), Identity("u", frozenset(), 9e9, staff=False),
         "because", "the route asks for scopes that the token lacks"),
        (asked("GET", "/api/v1/payment", ficus_route="monolith"), STAFF, "because",
         "a member of staff asked for it by Ficus-Route"),
        (asked("GET", "/api/v1/payment", ficus_route="x"), STAFF, "because",
         "a member of staff asked by Ficus-Route for what cannot be"),
        (asked("GET", "/api/v1/cart"), None, "mirror", "50 % of GET HEAD to cart"),
        (asked("GET", "/api/v1/cart"), None, "because", "cart is in phase shadow"),
        (asked("GET", "/api/v1/cart"), None, "cache", "as RFC 9111 allows"),
        (asked("GET", "/api/v1/cart"), None, "fallback", "a stale answer for 502 503 504"),
        (asked("GET", "/api/v1/cart", cart_token="t"), None, "sticky key",
         "header:Cart-Token 't': bucket 32 of 0 to 99"),
        (asked("GET", "/healthz"), None, "answered", "by the front door itself"),
        (asked("GET", "/api/v1/search"), None, "goes to", "search"),
        (asked("GET", "/api/v1/search"), None, "identity", "credentials are not looked at"),
        (asked("GET", "/x", "a.staff.example.org"), STAFF, "route",
         "staff: prefix /, staff.example.org *.staff.example.org, any method"),
    ],
)  # fmt: skip
def test_a_line_says_what_matters(
    request_: PlainRequest, identity: Identity | None, label: str, text: str
) -> None:
    """Each kind of decision names its reason and its parts."""
    assert rows(explained(request_, identity))[label] == text


@pytest.mark.parametrize(
    ("request_", "route", "reason"),
    [
        (asked("GET", "/healthz/x"), "health", "matches exactly /healthz and nothing below"),
        (asked("GET", "/api/v1/cartoon"), "cart", "prefix /api/v1/cart ends inside a segment"),
        (asked("PUT", "/api/v1/search"), "search", "takes GET HEAD only"),
        (asked("PUT", "/api/v1/search"), "rest", "prefix / is shorter"),
        (asked("GET", "/", "staff.example.org"), "rest", "staff has a more specific host"),
        (asked("GET", "/", "x.example.org"), "staff",
         "is for staff.example.org *.staff.example.org"),
        (asked("GET", "/healthz"), "rest", "prefix / is shorter"),
    ],
)  # fmt: skip
def test_a_rival_has_its_reason(request_: PlainRequest, route: str, reason: str) -> None:
    """Whoever expected another route learns why it was not that one."""
    assert dict(explained(request_, STAFF).rivals)[route] == reason


def test_rivals_with_the_same_path() -> None:
    """A route that names the method, or the very path, comes before one that does not."""
    text = SAMPLE + (
        "  - {name: any, prefix: /api/v1/search, upstream: shop, authentication: none}\n"
        "  - {name: very, prefix: /x, exact: true, upstream: shop, authentication: none}\n"
        "  - {name: below, prefix: /x, upstream: shop, authentication: none}\n"
    )
    table = load_table(text)
    rivals = dict(explained(asked("GET", "/api/v1/search"), None, table).rivals)
    assert rivals["any"] == "search names the method"
    rivals = dict(explained(asked("GET", "/x"), None, table).rivals)
    assert rivals["below"] == "very has this very path"


def test_the_bucket_is_told_in_every_phase() -> None:
    """Before a canary begins one can see who will be in it; held commands are named."""
    table = load_table(json.dumps(moving("monolith", held=True)))
    explanation = explained(asked("POST", "/"), CUSTOMER, table)
    assert explanation.bucket == 88
    assert rows(explanation)["capability"] == "one: phase monolith, epoch 0, commands are held"
    assert "waits" in rows(explanation)["held"]


def test_a_request_is_made_of_a_command_line() -> None:
    """Header lines become fields as a parser would give them."""
    request = plain_request(
        "GET",
        "/a?b",
        ["Host: Shop.Example.org:8000", "X-Key: a:b", "x-key: c", "Cookie: a=1", "Cookie: b=2"],
        address="192.0.2.1",
    )
    assert (request.path, request.target, request.host) == (b"/a", b"/a?b", b"shop.example.org")
    assert request.headers[b"x-key"] == b"a:b, c"
    assert request.headers[b"cookie"] == b"a=1; b=2"
    assert plain_request("GET", "/", ["Host: [::1]"]).host == b"[::1]"
    assert plain_request("GET", "/", ["Host: [::1]:80"]).host == b"[::1]"
    for line in ("X-Key", ": x"):
        with pytest.raises(ValueError, match="write it as Name: value"):
            plain_request("GET", "/", [line])


def test_a_client_cannot_write_lines_of_its_own() -> None:
    """Control characters of a target are shown, not obeyed."""
    text = str(explained(asked("GET", b"/x\r\n  goes to  nowhere\x1b[2J")))
    assert text.splitlines()[0] == r"GET shop.example.org/x\r\n  goes to  nowhere\x1b[2J"


@settings(deadline=None, max_examples=60)
@given(documents(), st.lists(requests(), min_size=1, max_size=5), identities)
def test_every_decision_can_be_explained(
    values: dict[str, Any], many: list[PlainRequest], identity: Identity | Refusal | None
) -> None:
    """The explanation is of the decision that is made; it has text and plain values."""
    table = load_table(json.dumps(values))
    for request in many:
        explanation = explained(request, identity, table)
        decision = decided(table, request, identity)
        made = explanation.decision
        assert (made.side, made.upstream, made.reason) == (
            *(decision.side, decision.upstream),
            decision.reason,
        )
        assert rows(explanation)["because"] == explanation.because
        assert json.loads(json.dumps(explanation.members()))["reason"] == decision.reason
