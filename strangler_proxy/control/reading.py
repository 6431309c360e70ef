"""The admin endpoints that change nothing. They need no token; see ``app``."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from strangler_proxy.config import Admin, Document
from strangler_proxy.control import views
from strangler_proxy.control.bodies import etag, read_json
from strangler_proxy.control.exposition import exposition
from strangler_proxy.control.family import CONTENT_TYPE
from strangler_proxy.control.fleet import Fleet, Question
from strangler_proxy.control.masking import masked
from strangler_proxy.control.problems import Problem
from strangler_proxy.control.tokens import is_authorized
from strangler_proxy.document.schema import document_schema

# What is read here is of this moment, and differs between readers.
FRESH = {"Cache-Control": "no-store"}
YAML = "application/yaml"


class Reading:
    """Endpoints for probes, scrapers and people."""

    def __init__(self, fleet: Fleet, admin: Admin) -> None:
        self._fleet = fleet
        self._admin = admin

    async def live(self, _request: Request) -> Response:
        """200: the event loop turns."""
        return answer({"live": True})

    async def ready(self, _request: Request) -> Response:
        """200 if traffic may come here, else 503 with the reasons."""
        because = self._fleet.unready()
        if because:
            raise Problem(503, "not_ready", ", ".join(because), because=because)
        return answer({"ready": True, "revision": self._document().revision})

    async def metrics(self, _request: Request) -> Response:
        """Prometheus text."""
        fleet = self._fleet
        workers = await fleet.snapshots()
        text = await exposition(workers, fleet.document(), ready=not fleet.unready())
        return Response(text, headers={**FRESH, "Content-Type": CONTENT_TYPE})

    async def routes(self, request: Request) -> Response:
        """Routes and capabilities; ``?format=text`` for people."""
        document = self._document()
        if request.query_params.get("format") == "text":
            return PlainTextResponse(views.routes_text(document), headers=FRESH)
        return answer(views.routes(document), headers=etag(document.revision))

    async def upstreams(self, _request: Request) -> Response:
        """Instances with their health, breakers, ejections, requests and pools."""
        workers = await self._fleet.snapshots()
        return answer(views.upstreams(workers, self._fleet.document()))

    async def table(self, request: Request) -> Response:
        """The document; ``?format=yaml``. Secrets only for who has the admin token."""
        document = self._document()
        shown = (
            msgspec.to_builtins(document)
            if is_authorized(request, self._admin)
            else masked(document)
        )
        if request.query_params.get("format") != "yaml":
            return answer(shown, headers=etag(document.revision))
        text = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
        headers = {**FRESH, **etag(document.revision)}
        return Response(text, headers=headers, media_type=YAML)

    async def schema(self, _request: Request) -> Response:
        """JSON Schema of the document, for editors."""
        return answer(document_schema())

    async def explain(self, request: Request) -> Response:
        """Where a request would go, and why. Nothing is sent."""
        self._document()
        return answer(await self._fleet.explain(await read_json(request, Question)))

    def _document(self) -> Document:
        document = self._fleet.document()
        if document is None:
            raise Problem(503, "no_table", "No routing table is in force yet.")
        return document


def answer(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        headers={**FRESH, **(headers or {})},
        media_type="application/json",
    )
