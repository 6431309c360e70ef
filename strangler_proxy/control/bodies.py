"""What is sent to the admin listener: read with a bound, decoded, told apart by revision."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.requests import Request

from strangler_proxy.config import Capability, Name, Percent, Phase
from strangler_proxy.control.problems import Problem
from strangler_proxy.document.text import SIZE_LIMIT

SMALL_BYTES = 64 << 10
_ETAG = re.compile(r'"(\d{1,18})"')
Body = TypeVar("Body", bound=Struct)


class CapabilityPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be changed of a capability while traffic flows (JSON merge patch, RFC 7396)."""

    service: Name | UnsetType = UNSET
    phase: Phase | UnsetType = UNSET
    percent: Percent | UnsetType = UNSET
    epoch: int | UnsetType = UNSET
    held: bool | UnsetType = UNSET

    def onto(self, capability: Capability) -> Capability:
        """The capability with what the patch says."""
        said = {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not UNSET
        }
        return msgspec.structs.replace(capability, **said)


async def read_document(request: Request) -> bytes:
    """The text of a document. Raises Problem 413 beyond what a file may have as well."""
    return await read(request, SIZE_LIMIT, "A document")


async def read(request: Request, limit: int = SMALL_BYTES, what: str = "What is sent") -> bytes:
    """The body. Raises Problem 413 beyond ``limit`` bytes, at once if their number is announced."""
    too_large = Problem(413, "too_large", f"{what} has at most {limit} bytes; this one has more.")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)


async def read_json(request: Request, shape: type[Body]) -> Body:
    """The JSON body as ``shape``. Raises Problem 413, 415, or 422 with what is wrong and where."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("application/json", "application/merge-patch+json"):
        raise Problem(415, "not_json", "Send JSON, and `Content-Type: application/json`.")
    try:
        return msgspec.json.decode(await read(request), type=shape)
    except msgspec.DecodeError as error:
        # Its message ends in " - at `$.path`" where it knows.
        reason, _, path = str(error).partition(" - at ")
        finding = {"line": None, "path": path.strip("`") or "$", "reason": reason}
        raise Problem(422, "refused", str(error), findings=[finding]) from error


def expected_revision(request: Request) -> int | None:
    """The revision of ``If-Match: "7"``, or None without the header or with ``*``.

    Raises Problem 400 for what can be no entity tag of ours.
    """
    given = request.headers.get("if-match", "*").strip()
    if given == "*":
        return None
    match = _ETAG.fullmatch(given)
    if match is None:
        raise Problem(
            400, "bad_if_match", f'If-Match takes the ETag of /-/table, like "7", not {given}.'
        )
    return int(match[1])


def etag(revision: int) -> dict[str, str]:
    """The header that names a revision."""
    return {"ETag": f'"{revision}"'}
