"""Names in a request for what they mean: an id with its prefix, or a slug."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from modules.platform.contracts import Actor
from modules.platform.rest.identifiers import Ids
from modules.platform.rest.problems import Problem


def reference(text: str, kind: Ids, *, pointer: str) -> UUID | str:
    """``cat_...`` as its UUID, anything else as the slug it is; ``pointer`` says where it stood."""
    if text.startswith(f"{kind.prefix}_"):
        try:
            return kind.parse(text)
        except ValueError as error:
            raise Problem.invalid(pointer, str(error), code="bad_id") from error
    return text


def staff_sees_all(actor: Actor) -> bool:
    """Whether drafts and hidden things are shown to the actor."""
    return actor.may("catalog:read") or actor.may("catalog:write")


def changes_of(body: msgspec.Struct) -> dict[str, Any]:
    """The fields that the client sent."""
    return {
        name: getattr(body, name)
        for name in body.__struct_fields__
        if getattr(body, name) is not msgspec.UNSET
    }


def now() -> datetime:
    return datetime.now(UTC)
