"""Messages, preferences and unsubscribing, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from modules.notification import preferences, queries, service
from modules.notification.contract import (
    CannotSwitchOff,
    Category,
    LinkInvalid,
    MessageNotFound,
    NotRetryable,
)
from modules.notification.rest import serializers as s
from modules.notification.rest.pages import UnsubscribePage
from modules.platform.contracts import Actor
from modules.platform.rest.access import identified, scope
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import Page, keyset
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest

WRITE = "notification:write"


class MessagesView(ApiView):
    """What was sent. Staff see all of it, others what was sent about their own things."""

    @operation(
        "List messages, newest first",
        query=s.MessageQuery,
        returns=Page[s.MessageView],
        access=identified(),
    )
    def get(self, request: ApiRequest, *, query: s.MessageQuery) -> Page[s.MessageView]:
        rows = service.without_bodies(queries.messages_for(request.actor))
        if query.order_id:
            rows = rows.filter(order_id=_order_id(query.order_id))
        if query.recipient:
            rows = rows.filter(recipient=query.recipient)
        if query.state is not None:
            rows = rows.filter(state=query.state)
        found, following, previous = keyset(
            rows, order=("-id",), cursor=query.cursor, limit=query.limit
        )
        return Page(data=[s.message_of(row) for row in found], next=following, previous=previous)


class MessageView(ApiView):
    """One message."""

    @operation(
        "Show a message",
        returns=s.MessageDetail,
        access=identified(),
        errors=(MessageNotFound,),
    )
    def get(self, request: ApiRequest, *, message_id: UUID) -> s.MessageDetail:
        row = queries.message_for(request.actor, message_id)
        return s.detail_of(row, staff=request.actor.may(queries.READ))


class MessageRetryView(ApiView):
    """A dead message goes out after all."""

    @operation(
        "Send a dead message again",
        body=s.ReasonBody,
        returns={202: s.MessageView},
        access=scope(WRITE),
        errors=(MessageNotFound, NotRetryable),
    )
    def post(self, request: ApiRequest, *, message_id: UUID, body: s.ReasonBody) -> s.MessageView:
        return s.message_of(service.requeue(message_id=message_id, reason=body.reason))


class PreferencesView(ApiView):
    """What one wants to hear of. Messages about one's orders and account cannot be refused."""

    @operation(
        "Show one's own preferences",
        returns=s.PreferencesView,
        access=identified(),
        problems={403: "forbidden"},
    )
    def get(self, request: ApiRequest) -> s.PreferencesView:
        return s.PreferencesView(**preferences.of(_own(request.actor)))

    @operation(
        "Set one's own preferences",
        body=s.PreferencesBody,
        returns=s.PreferencesView,
        access=identified(),
        errors=(CannotSwitchOff,),
        problems={403: "forbidden"},
    )
    def put(self, request: ApiRequest, *, body: s.PreferencesBody) -> s.PreferencesView:
        wanted = {
            Category.MARKETING: body.marketing,
            Category.TRANSACTIONAL: body.transactional,
        }
        present = preferences.choose(owner=_own(request.actor), wanted=wanted)
        return s.PreferencesView(**present)


class UnsubscribeView(ApiView):
    """The link in a message (RFC 8058): mail programs post to it without asking further."""

    @operation(
        "Unsubscribe by a mailed link",
        query=s.UnsubscribeQuery,
        raw=("application/x-www-form-urlencoded", "multipart/form-data"),  # either may come
        errors=(LinkInvalid, CannotSwitchOff),
    )
    def post(self, request: ApiRequest, *, query: s.UnsubscribeQuery) -> None:
        preferences.unsubscribe(token=query.token)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A browser that opens the link is shown a page with a button."""
        if request.method == "GET":
            return UnsubscribePage.as_view()(request)
        return super().dispatch(request, *args, **kwargs)


def _order_id(text: str) -> UUID:
    try:
        return s.ORDERS.parse(text)
    except ValueError as error:
        raise Problem.invalid("query/order_id", "is no order's id") from error


def _own(actor: Actor) -> str:
    """The owner whose preferences are meant: the account's, else the guest's."""
    if not actor.owners:
        raise Problem(403, "forbidden", "This is for people; an API key has no preferences.")
    return min(actor.owners)  # "customer:" sorts before "guest:"
