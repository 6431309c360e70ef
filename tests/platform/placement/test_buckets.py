"""Sticky: who is in a share, and that the front door says the same of the same shopper."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.platform.contracts import SYSTEM, Actor, ActorKind, CallContext
from modules.platform.messaging.subscriptions import PARTS
from modules.platform.placement.buckets import (
    bucket_of,
    bucket_of_call,
    bucket_of_part,
    is_in,
    key_of,
)
from modules.platform.rest.authentication import guest_owner
from strangler_proxy import cohorts

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


@pytest.mark.parametrize(
    ("context", "key"),
    [
        (CallContext(actor=GUEST, correlation_id="c"), guest_owner("a-token").encode()),
        (CallContext(actor=SYSTEM, correlation_id="c", request_id="r"), b"c"),
        (CallContext(actor=Actor(kind=ActorKind.SERVICE, id="orders"), request_id="r"), b"r"),
        (CallContext(correlation_id="c"), b"c"),
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
