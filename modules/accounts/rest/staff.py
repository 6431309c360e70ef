"""Customers and API keys for staff, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog

from modules.accounts import api_keys, customers, queries
from modules.accounts.contract import (
    ApiKeyNotFound,
    CustomerNotFound,
    NotAboveYou,
    ScopeNotYours,
    ScopeUnknown,
)
from modules.accounts.rest import serializers as s
from modules.accounts.tokens import utc_now
from modules.platform.rest.access import scope
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import ListQuery, Page, keyset
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest

log = structlog.get_logger(__name__)
LONGEST_KEY = timedelta(days=3653)  # ten years


class CustomerQuery(ListQuery, kw_only=True):
    """Which customers; ``email`` is exact, but for capitals."""

    email: str = ""


class CustomersView(ApiView):
    """All accounts, for staff."""

    @operation(
        "List customers, newest first",
        query=CustomerQuery,
        returns=Page[s.Me],
        access=scope("accounts:read"),
    )
    def get(self, request: ApiRequest, *, query: CustomerQuery) -> Page[s.Me]:
        rows = queries.customers(email=query.email)
        found, following, previous = keyset(
            rows, order=("-id",), cursor=query.cursor, limit=query.limit
        )
        return Page(data=[s.me_of(user) for user in found], next=following, previous=previous)


class CustomerView(ApiView):
    """One account, for staff."""

    @operation(
        "Show a customer",
        returns=s.Me,
        access=scope("accounts:read"),
        etag=True,
        errors=(CustomerNotFound,),
    )
    def get(self, request: ApiRequest, *, customer_id: UUID) -> Answer:
        user = customers.get(customer_id)
        return Answer(body=s.me_of(user), version=user.version)


class CustomerDeactivateView(ApiView):
    """The account logs in no more; its sessions end."""

    @operation(
        "Deactivate a customer",
        body=s.ReasonBody,
        returns=s.Me,
        access=scope("accounts:write"),
        errors=(CustomerNotFound, NotAboveYou),
    )
    def post(self, request: ApiRequest, *, customer_id: UUID, body: s.ReasonBody) -> Answer:
        _refuse_above(request, customer_id)
        user = customers.deactivate(user_id=customer_id, now=utc_now())
        _record("customer.deactivated", request, customer_id, body.reason)
        return Answer(body=s.me_of(user), version=user.version)


class CustomerReactivateView(ApiView):
    """The account logs in again."""

    @operation(
        "Reactivate a customer",
        body=s.ReasonBody,
        returns=s.Me,
        access=scope("accounts:write"),
        errors=(CustomerNotFound,),
    )
    def post(self, request: ApiRequest, *, customer_id: UUID, body: s.ReasonBody) -> Answer:
        user = customers.reactivate(user_id=customer_id)
        _record("customer.reactivated", request, customer_id, body.reason)
        return Answer(body=s.me_of(user), version=user.version)


class ApiKeysView(ApiView):
    """Machines' credentials."""

    @operation(
        "List API keys, newest first",
        query=ListQuery,
        returns=Page[s.ApiKeyView],
        access=scope("accounts:read"),
    )
    def get(self, request: ApiRequest, *, query: ListQuery) -> Page[s.ApiKeyView]:
        found, following, previous = keyset(
            queries.api_keys(), order=("-id",), cursor=query.cursor, limit=query.limit
        )
        return Page(data=[s.key_of(row) for row in found], next=following, previous=previous)

    @operation(
        "Make an API key; the key is shown this once",
        body=s.ApiKeyBody,
        returns={201: s.NewApiKey},
        access=scope("accounts:write"),
        errors=(ScopeUnknown, ScopeNotYours),
    )
    def post(self, request: ApiRequest, *, body: s.ApiKeyBody) -> Answer:
        now = utc_now()
        if body.expires_at is not None and not now < body.expires_at < now + LONGEST_KEY:
            raise Problem.invalid("/expires_at", "must be in the next ten years")
        row, key = api_keys.create(
            label=body.label,
            scopes=frozenset(body.scopes),
            expires_at=body.expires_at,
            creator=request.actor,
        )
        return Answer(
            body=s.new_key_of(row, key), status=201, headers={"Cache-Control": "no-store"}
        )


class ApiKeyRevokeView(ApiView):
    """Every process refuses the key within five seconds."""

    @operation(
        "Revoke an API key",
        body=s.ReasonBody,
        returns=s.ApiKeyView,
        access=scope("accounts:write"),
        errors=(ApiKeyNotFound,),
    )
    def post(self, request: ApiRequest, *, key_id: UUID, body: s.ReasonBody) -> s.ApiKeyView:
        row = api_keys.revoke(key_id=key_id, reason=body.reason, now=utc_now())
        _record("api_key.revoked", request, key_id, body.reason)
        return s.key_of(row)


def _refuse_above(request: ApiRequest, customer_id: UUID) -> None:
    """Nobody locks out a superuser but a superuser."""
    if customers.get(customer_id).is_superuser and not request.actor.may("*"):
        raise NotAboveYou


def _record(event: str, request: ApiRequest, subject: UUID, reason: str) -> None:
    actor = request.actor
    log.info(event, subject=str(subject), by=actor.label or actor.id, reason=reason)
