"""Templates and webhook endpoints for staff, over HTTP."""

from __future__ import annotations

from uuid import UUID

from modules.notification import endpoints, queries, samples, wording
from modules.notification.contract import (
    EndpointNotFound,
    EndpointRefused,
    TemplateExists,
    TemplateInvalid,
    TemplateNotFound,
)
from modules.notification.rest import serializers as s
from modules.platform.rest.access import scope
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import ListQuery, Page, keyset
from modules.platform.rest.requests import ApiRequest

READ, WRITE = "notification:read", "notification:write"


class TemplatesView(ApiView):
    """What is said to people."""

    @operation(
        "List templates",
        query=s.TemplateQuery,
        returns=Page[s.TemplateView],
        access=scope(READ),
    )
    def get(self, request: ApiRequest, *, query: s.TemplateQuery) -> Page[s.TemplateView]:
        rows = queries.templates(name=query.name)
        found, following, previous = keyset(
            rows, order=("name", "channel", "locale"), cursor=query.cursor, limit=query.limit
        )
        return Page(data=[s.template_of(row) for row in found], next=following, previous=previous)

    @operation(
        "Add a template",
        body=s.TemplateBody,
        returns={201: s.TemplateView},
        access=scope(WRITE),
        errors=(TemplateExists, TemplateInvalid),
    )
    def post(self, request: ApiRequest, *, body: s.TemplateBody) -> Answer:
        row = wording.create(
            name=body.name, channel=body.channel, locale=body.locale, texts=s.texts_of(body)
        )
        return Answer(body=s.template_of(row), status=201, version=row.version)


class TemplateView(ApiView):
    """One template."""

    @operation(
        "Show a template",
        returns=s.TemplateView,
        access=scope(READ),
        etag=True,
        errors=(TemplateNotFound,),
    )
    def get(self, request: ApiRequest, *, template_id: UUID) -> Answer:
        row = wording.get(template_id)
        return Answer(body=s.template_of(row), version=row.version)

    @operation(
        "Change a template",
        body=s.TextsBody,
        returns=s.TemplateView,
        access=scope(WRITE),
        if_match="required",
        errors=(TemplateNotFound, TemplateInvalid),
    )
    def put(self, request: ApiRequest, *, template_id: UUID, body: s.TextsBody) -> Answer:
        row = wording.change(
            template_id=template_id, texts=s.texts_of(body), expected=request.expected_version
        )
        return Answer(body=s.template_of(row), version=row.version)

    @operation(
        "Remove a template; a shipped one comes back with the next bootstrap",
        access=scope(WRITE),
        if_match="required",
        errors=(TemplateNotFound,),
    )
    def delete(self, request: ApiRequest, *, template_id: UUID) -> None:
        wording.remove(template_id=template_id, expected=request.expected_version)


class TemplatePreviewView(ApiView):
    """Nothing is sent."""

    @operation(
        "Show what a message would look like",
        body=s.PreviewBody,
        returns=s.PreviewView,
        access=scope(READ),
        errors=(TemplateNotFound, TemplateInvalid),
    )
    def post(self, request: ApiRequest, *, template_id: UUID, body: s.PreviewBody) -> s.PreviewView:
        source = wording.source_of(wording.get(template_id))
        return s.preview_of(wording.preview(source, body.variables or samples.variables()))


class EndpointsView(ApiView):
    """Systems that hear of messages by webhook."""

    @operation(
        "List webhook endpoints",
        query=ListQuery,
        returns=Page[s.EndpointView],
        access=scope(READ),
    )
    def get(self, request: ApiRequest, *, query: ListQuery) -> Page[s.EndpointView]:
        found, following, previous = keyset(
            queries.endpoints(), order=("id",), cursor=query.cursor, limit=query.limit
        )
        return Page(data=[s.endpoint_of(row) for row in found], next=following, previous=previous)

    @operation(
        "Register a webhook endpoint; its secret is shown this once",
        body=s.EndpointBody,
        returns={201: s.NewEndpoint},
        access=scope(WRITE),
        errors=(EndpointRefused,),
    )
    def post(self, request: ApiRequest, *, body: s.EndpointBody) -> Answer:
        row = endpoints.register(url=body.url, templates=tuple(body.templates))
        return Answer(
            body=s.new_endpoint_of(row), status=201, headers={"Cache-Control": "no-store"}
        )


class EndpointView(ApiView):
    """One webhook endpoint."""

    @operation("Remove a webhook endpoint", access=scope(WRITE), errors=(EndpointNotFound,))
    def delete(self, request: ApiRequest, *, endpoint_id: UUID) -> None:
        endpoints.remove(endpoint_id=endpoint_id)
