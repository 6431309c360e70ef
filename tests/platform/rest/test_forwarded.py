"""Whom the web believes about the client's address and scheme."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings

from modules.platform.rest.forwarded import ForwardedMiddleware, address_of, is_within, networks

DOOR, BALANCER, CLIENT = "10.0.0.1", "10.0.9.9", "203.0.113.7"
TRUSTED = ["10.0.0.0/16", "::1"]


def seen(peer: str, **headers: str) -> HttpRequest:
    """The request as the rest of the shop sees it."""
    requests: list[HttpRequest] = []

    def remember(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return HttpResponse()

    with override_settings(TRUSTED_PROXIES=TRUSTED):
        request = RequestFactory().get("/", headers=headers)
        request.META["REMOTE_ADDR"] = peer
        ForwardedMiddleware(remember)(request)
    return requests[0]


@pytest.mark.parametrize(
    ("peer", "chain", "address"),
    [
        (DOOR, CLIENT, CLIENT),
        (DOOR, f"{CLIENT}, {BALANCER}", CLIENT),
        (DOOR, f"198.51.100.1, {CLIENT}", CLIENT),  # the first one is what the client said
        (DOOR, f"198.51.100.1, {CLIENT}, {BALANCER}", CLIENT),
        ("::1", "2001:db8::7", "2001:db8::7"),
        (DOOR, "", DOOR),
        (DOOR, "unix", DOOR),
        (DOOR, f"nonsense, {BALANCER}", BALANCER),
        (CLIENT, "198.51.100.1", CLIENT),
        ("", CLIENT, ""),
    ],
)
def test_address_is_the_last_one_that_nobody_trusted_has(
    peer: str, chain: str, address: str
) -> None:
    """Of a trusted peer's chain, from the right; of another peer its own."""
    headers = {"X-Forwarded-For": chain} if chain else {}
    assert address_of(seen(peer, **headers)) == address


@pytest.mark.parametrize(("peer", "secure"), [(DOOR, True), (CLIENT, False)])
def test_scheme_is_believed_of_the_front_door_only(peer: str, secure: bool) -> None:
    """Whoever comes past it cannot claim to have come by TLS."""
    assert seen(peer, **{"X-Forwarded-Proto": "https"}).is_secure() is secure


def test_what_a_stranger_says_is_removed() -> None:
    """Nothing behind can read it by mistake."""
    said = {"Forwarded": "for=1.2.3.4", "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "evil"}
    left = [name for name in seen(CLIENT, **said).META if "FORWARDED" in name]
    assert left == []


def test_networks_of_the_other_version_hold_nobody() -> None:
    """An IPv6 address is in no IPv4 network, and no address is in none at all."""
    trusted = networks(TRUSTED)
    assert not is_within("2001:db8::1", trusted)
    assert not is_within("localhost", trusted)
