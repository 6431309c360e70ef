"""Sticky: who is in a share, and that the front door says the same of the same shopper."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.http import HttpRequest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.request import Request

from modules.platform.contracts import ANONYMOUS, SYSTEM, Actor, ActorKind, CallContext
from modules.platform.messaging.subscriptions import PARTS
from modules.platform.placement.buckets import (
    bucket_of,
    bucket_of_call,
    bucket_of_part,
    is_in,
    key_of,
)
from modules.platform.rest.authentication import OPAQUE, asker_of, guest_owner
from strangler_proxy import cohorts
from strangler_proxy.auth.authenticator import Authenticator
from strangler_proxy.auth.identity import Identity
from strangler_proxy.config import Authentication, Keys

SHOPPER = "0190b5a0-0000-7000-8000-000000000001"
GUEST = Actor(owners=frozenset({guest_owner("a-token")}))


def test_front_door_and_calls_agree_over_ten_thousand_keys() -> None:
    """The bucket of each account's id, and which side it is on at every share."""
    for number in range(10_000):
        key = str(UUID(int=number * 7919)).encode()
        bucket = bucket_of(key)
        assert bucket == cohorts.bucket_of(key)
        assert is_in(bucket, number % 101) is cohorts.is_in(bucket, number % 101)


def test_call_of_a_customer_has_the_front_doors_key() -> None:
    """The actor's id is the token's subject, which the front door's ``identity`` is."""
    customer = Actor(kind=ActorKind.CUSTOMER, id=SHOPPER, owners=frozenset({f"customer:{SHOPPER}"}))

    class Identity:
        subject = SHOPPER

    class Request:
        headers: dict[bytes, bytes] = {}
        address = "203.0.113.9"

    doors = cohorts.KeySource("identity").key(Request(), Identity())
    assert key_of(CallContext(actor=customer)) == doors


class Asked:
    """A request of whoever shows ``credentials``, as the front door has it."""

    address = "203.0.113.9"

    def __init__(self, credentials: dict[str, str]) -> None:
        self.headers = {name.lower().encode(): v.encode() for name, v in credentials.items()}


class NoKeys:
    """Published keys, of which there are none."""

    keys: Any = {}

    def ask(self) -> None:
        """There is nobody to ask."""


def test_guests_and_api_keys_are_known_by_the_front_doors_name() -> None:
    """A guest's token, a key in either header, and both together: the same key on both sides."""
    doors = Authenticator(
        Authentication(
            keys=Keys(url="http://127.0.0.1:1/keys"),
            issuer="shop",
            audience="ficus-api",
            opaque_headers=tuple(name.title() for name in OPAQUE),
        ),
        NoKeys(),
    )
    for number in range(500):
        secret = f"a-token-{number * 7919}"
        for credentials in (
            {"Cart-Token": secret},
            {"Api-Key": secret},
            {"Authorization": f"Bearer {secret}"},
            {"Authorization": f"Bearer {secret}", "Cart-Token": "another"},
            {"Api-Key": secret, "Cart-Token": "another"},
        ):
            known = doors.identify(Asked(credentials), now=0.0)
            assert isinstance(known, Identity)
            meta = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in credentials.items()}
            request = Request(HttpRequest())
            request.META.update(meta)
            asker = asker_of(request, ANONYMOUS)
            assert asker == known.subject
            assert bucket_of_call(CallContext(asker=asker)) == known.bucket


def test_customer_is_known_by_account_whatever_else_they_show() -> None:
    """An access token comes before a cart's; somebody who shows nothing has no name."""
    request = Request(HttpRequest())
    request.META.update(HTTP_AUTHORIZATION="Bearer a.b.c", HTTP_CART_TOKEN="t")
    assert asker_of(request, Actor(kind=ActorKind.CUSTOMER, id=SHOPPER)) == SHOPPER
    assert asker_of(Request(HttpRequest()), ANONYMOUS) is None


@pytest.mark.parametrize(
    ("context", "key"),
    [
        (CallContext(actor=GUEST, correlation_id="c"), guest_owner("a-token").encode()),
        (CallContext(actor=SYSTEM, correlation_id="c", request_id="r"), b"c"),
        (CallContext(actor=Actor(kind=ActorKind.SERVICE, id="orders"), request_id="r"), b"r"),
        (CallContext(correlation_id="c"), b"c"),
        (CallContext(actor=SYSTEM, asker="opaque:1", correlation_id="c"), b"opaque:1"),
        (CallContext(), b""),
    ],
)
def test_key_is_whoever_asks_or_what_the_call_is_part_of(context: CallContext, key: bytes) -> None:
    """A guest by the owner reference; what nobody in particular does by its correlation."""
    assert key_of(context) == key


def test_call_that_belongs_to_nothing_is_drawn() -> None:
    """By chance, over all buckets."""
    assert bucket_of_call(CallContext(), chance=lambda: 0.0) == 0
    assert bucket_of_call(CallContext(), chance=lambda: 0.999) == 99


@given(key=st.binary(max_size=80))
def test_share_only_grows(key: bytes) -> None:
    """Who is in at some percent is in at every higher one; nobody at 0, everybody at 100."""
    sides = [is_in(bucket_of(key), percent) for percent in range(101)]
    assert sides == sorted(sides)
    assert (sides[0], sides[100]) == (False, True)


@pytest.mark.parametrize("parts", [1, PARTS, 64, 100])
def test_partitions_come_one_after_another(parts: int) -> None:
    """From 1 % on one of them, and never more than one beyond the share."""
    for percent in range(101):
        chosen = sum(is_in(bucket_of_part(part, parts), percent) for part in range(parts))
        assert percent * parts / 100 <= chosen < percent * parts / 100 + 1
