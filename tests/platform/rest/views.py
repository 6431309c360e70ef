"""A small API of its own, so that the edge is tested without any module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from django.db import connections
from django.urls import path

from modules.platform.contracts import (
    Conflict,
    ContractError,
    Fenced,
    Moved,
    StaleVersion,
    Unavailable,
    current_context,
)
from modules.platform.rest.access import identified, scope
from modules.platform.rest.answers import Answer
from modules.platform.rest.identifiers import ids
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import ListQuery, Page
from modules.platform.rest.requests import ApiRequest
from tests.sessions import end_sessions

NOTES = ids("note")
KNOWN = UUID("01920000-0000-7000-8000-000000000001")
runs: list[str] = []
subjects: list[UUID | None] = []


class NoteBody(msgspec.Struct, kw_only=True):
    id: str
    text: str
    stars: int = 0


class NewNote(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    tags: list[Annotated[str, msgspec.Meta(max_length=5)]] = []


class NoteQuery(ListQuery, kw_only=True):
    stars__gte: Annotated[int, msgspec.Meta(ge=0, le=5)] = 0


@dataclass(kw_only=True, eq=False)
class TooManyNotes(Conflict):
    code = "notes.too_many"
    limit: int

    def sentence(self) -> str:
        return f"There are {self.limit} notes already."


class Busy(Unavailable):
    code = "notes.busy"


class BeingWritten(Conflict):
    code = "notes.being_written"
    retryable = True


class NoteView(ApiView):
    module: ClassVar[str] = "accounts"


class NoteList(NoteView):
    @operation("List notes", query=NoteQuery, returns=Page[NoteBody])
    def get(self, request: ApiRequest, query: NoteQuery) -> Page[NoteBody]:
        row = NoteBody(id=NOTES.text(KNOWN), text="one", stars=query.stars__gte)
        return Page(data=[row])

    @operation(
        "Add a note",
        body=NewNote,
        returns={201: NoteBody},
        access=identified(),
        idempotent=True,
        errors=(TooManyNotes, Busy, BeingWritten),
    )
    def post(self, request: ApiRequest, body: NewNote) -> Answer:
        runs.append(body.text)
        subjects.append(request.subject)
        _trouble(body.text)
        note = NoteBody(id=NOTES.text(KNOWN), text=body.text, stars=len(runs))
        return Answer(body=note, status=201, version=1, headers={"Location": "/here"})


class NoteDetail(NoteView):
    @operation(
        "Read a note",
        returns=NoteBody,
        etag=True,
        deprecated=date(2026, 1, 1),
        sunset=date(2027, 1, 1),
    )
    def get(self, request: ApiRequest, note_id: UUID) -> Answer:
        return Answer(body=NoteBody(id=NOTES.text(note_id), text="one"), version=7)

    @operation(
        "Remove a note", access=scope("notes:write"), if_match="required", errors=(StaleVersion,)
    )
    def delete(self, request: ApiRequest, note_id: UUID) -> None:
        if request.expected_version not in (None, 7):
            raise StaleVersion(expected=request.expected_version or 0, actual=7)


class Deadline(NoteView):
    @operation("Say how long is left", returns=float)
    def get(self, request: ApiRequest) -> float:
        left = current_context().remaining(datetime.now(UTC))
        return left.total_seconds() if left else 0.0


def _trouble(text: str) -> None:
    errors: dict[str, ContractError] = {
        "many": TooManyNotes(limit=3),
        "busy": Busy(),
        "in a moment": BeingWritten(),
        "fenced": Fenced(module=NoteView.module, epoch=7),
        "moved": Moved(module=NoteView.module, epoch=8),
        "payment fenced": Fenced(module="payment", epoch=7),
        "payment moved": Moved(module="payment", epoch=8),
    }
    if text in errors:
        raise errors[text]
    if text == "lost" or (text == "lost at first" and len(runs) == 1):
        end_sessions(connections["default"].connection.info.backend_pid)
    if text == "lost":
        connections["default"].cursor().execute("SELECT 1")
    if text == "crash":
        raise RuntimeError("a bug with a password=hunter2 in it")


urlpatterns = [
    path("api/v1/notes/deadline", Deadline.as_view()),
    path("api/v1/notes", NoteList.as_view()),
    path("api/v1/notes/<note:note_id>", NoteDetail.as_view()),
]
