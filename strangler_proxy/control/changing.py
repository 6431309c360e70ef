"""The admin endpoints that change something. Each needs a token and is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from strangler_proxy.config import Admin, Document
from strangler_proxy.control.bodies import (
    CapabilityPatch,
    etag,
    expected_revision,
    read_document,
    read_json,
)
from strangler_proxy.control.fleet import (
    Fleet,
    RevisionConflict,
    Unknown,
    lowered_epochs,
)
from strangler_proxy.control.masking import MASK, has_mask
from strangler_proxy.control.problems import Problem
from strangler_proxy.control.reading import answer
from strangler_proxy.control.tokens import authorize, authorize_registration
from strangler_proxy.discovery.announcement import Announcement
from strangler_proxy.discovery.registrations import ID
from strangler_proxy.document.loading import load
from strangler_proxy.errors import ProxyError, TableRefused

Edit = Callable[[Document | None], Document]
START_ONLY = (
    "listen",
    "admin",
    "workers",
    "state",
    "access_log",
    "recording",
)  # of the document: read at start
TRIES = 5  # when others change the table at the same time
log = logging.getLogger(__name__)


class Changing:
    """Endpoints for the control plane, for instances that register, and for operators."""

    def __init__(self, fleet: Fleet, admin: Admin) -> None:
        self._fleet = fleet
        self._admin = admin

    # ------------------------------------------------------------ the table

    async def put_table(self, request: Request) -> Response:
        """Replace the document; with ``If-Match`` only that revision."""
        authorize(request, self._admin)
        text = await read_document(request)
        return await self._apply(request, "table", lambda _before: _document(text))

    async def patch_capability(self, request: Request) -> Response:
        """Change service, phase, percent, epoch or held of one capability (JSON merge patch)."""
        authorize(request, self._admin)
        patch = await read_json(request, CapabilityPatch)
        name = request.path_params["name"]

        def edit(before: Document | None) -> Document:
            if before is None or name not in before.capabilities:
                raise Unknown(f"capability {name}", tuple(before.capabilities) if before else ())
            changed = {name: patch.onto(before.capabilities[name])}
            return replace(before, capabilities={**before.capabilities, **changed})

        return await self._apply(request, f"capability {name}", edit)

    async def reload(self, request: Request) -> Response:
        """Read the file again."""
        authorize(request, self._admin)
        before = self._fleet.document()
        try:
            revision = await self._fleet.reload()
        except OSError as error:
            _refused(request, "reload", error)
            raise Problem(422, "unreadable", str(error)) from error
        except ProxyError as error:
            _refused(request, "reload", error)
            raise
        return self._applied(request, "reload", before, revision)

    async def _apply(self, request: Request, what: str, edit: Edit) -> Response:
        expect = expected_revision(request)
        for _ in range(TRIES):
            before = self._fleet.document()
            current = before.revision if before else None
            if expect not in (None, current):
                raise RevisionConflict(expect or 0, current)
            try:
                after = edit(before)
                _check_epochs(before, after)
                if after == before:
                    return self._applied(request, what, before, before.revision)
                revision = await self._fleet.apply(after, expect=current)
            except RevisionConflict:  # somebody was faster; with If-Match that is the end of it
                continue
            except TableRefused as error:
                _refused(request, what, error)
                raise
            except OSError as error:  # a file that the document names
                _refused(request, what, error)
                raise Problem(422, "unreadable", str(error)) from error
            else:
                return self._applied(request, what, before, revision)
        raise Problem(503, "busy", "The table changes all the time; try again, or use If-Match.")

    def _applied(
        self, request: Request, what: str, before: Document | None, revision: int
    ) -> Response:
        _changed(request, f"{what}: revision {before and before.revision} -> {revision}")
        after = self._fleet.document()
        restart = [
            name
            for name in START_ONLY
            if before and after and getattr(before, name) != getattr(after, name)
        ]
        return answer({"revision": revision, "restart_needed_for": restart}, headers=etag(revision))

    # ------------------------------------------------------------ instances

    async def register(self, request: Request) -> Response:
        """An instance announces itself, or says that it is still there."""
        authorize_registration(request, self._admin)
        upstream, instance = _names(request)
        announcement = await read_json(request, Announcement)
        accepted = await self._fleet.register(upstream, instance, announcement)
        if accepted.new:
            _changed(request, f"upstream {upstream}: {instance} is at {announcement.address}")
        body = {"ttl_seconds": accepted.ttl_seconds}
        return answer(body, status=201 if accepted.new else 200)

    async def deregister(self, request: Request) -> Response:
        """An instance goes."""
        authorize_registration(request, self._admin)
        upstream, instance = _names(request)
        await self._fleet.deregister(upstream, instance)
        _changed(request, f"upstream {upstream}: {instance} is gone")
        return Response(status_code=204)

    async def drain_instance(self, request: Request) -> Response:
        """Send an instance nothing new."""
        return await self._drain_instance(request, draining=True)

    async def undrain_instance(self, request: Request) -> Response:
        """Use it again."""
        return await self._drain_instance(request, draining=False)

    async def _drain_instance(self, request: Request, *, draining: bool) -> Response:
        authorize(request, self._admin)
        upstream, address = request.path_params["upstream"], request.path_params["address"]
        await self._fleet.drain_instance(upstream, address, draining=draining)
        state = "is drained" if draining else "is used again"
        _changed(request, f"upstream {upstream}: {address} {state}")
        return Response(status_code=204)

    # ------------------------------------------------------------ this proxy

    async def drain(self, request: Request) -> Response:
        """Stop accepting, finish what is under way, end."""
        authorize(request, self._admin)
        _changed(request, "drain begins")
        await self._fleet.begin_drain()
        return answer({"draining": True}, status=202)


def _names(request: Request) -> tuple[str, str]:
    upstream, instance = request.path_params["upstream"], request.path_params["instance"]
    if not ID.fullmatch(instance):
        raise Problem(
            422, "bad_instance", f"An instance is named by {ID.pattern}, not {instance!r}."
        )
    return upstream, instance


def _document(text: bytes) -> Document:
    try:
        document = load(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Problem(422, "not_utf8", f"The document is not UTF-8: byte {error.start}.") from error
    if has_mask(document):
        raise Problem(
            422,
            "masked",
            f"The document has {MASK} for secrets: read it with the admin token first.",
        )
    return document


def _check_epochs(before: Document | None, after: Document) -> None:
    lowered = lowered_epochs(before, after)
    if lowered:
        raise Problem(409, "epoch_went_down", "; ".join(map(str, lowered)))


def _changed(request: Request, what: str) -> None:
    log.info("%s, by %s", what, _source(request))


def _refused(request: Request, what: str, error: Exception) -> None:
    log.warning("%s from %s: %s", what, _source(request), error)


def _source(request: Request) -> str:
    client = request.client
    return f"{client.host}:{client.port}" if client and client.host else "the admin socket"
