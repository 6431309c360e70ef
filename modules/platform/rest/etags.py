"""Versions as ETags: If-Match guards a change, If-None-Match spares an answer."""

from __future__ import annotations

from modules.platform.rest.problems import Problem


def etag_of(version: int) -> str:
    """A version as a strong ETag."""
    return f'"{version}"'


def expected_version(header: str | None, *, required: bool) -> int | None:
    """The version in ``If-Match``; None for ``*`` or (when not required) for no header.

    Raises Problem 428 when it is missing and required, 412 when no version can match it.
    """
    if not header:
        if required:
            raise Problem(
                428, "precondition_required", "Send If-Match with the ETag you have read."
            )
        return None
    if header.strip() == "*":
        return None
    tag = header.strip().removeprefix("W/").strip('"')
    if not tag.isascii() or not tag.isdigit() or len(tag) > 18:
        raise Problem(412, "stale_version", "If-Match names no version of this resource.")
    return int(tag)


def is_unchanged(header: str | None, version: int | None) -> bool:
    """Whether ``If-None-Match`` has the version that stands."""
    if not header or version is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or etag_of(version) in tags
