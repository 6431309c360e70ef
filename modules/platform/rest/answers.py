"""What a view gives back when a plain body is not enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A body with a status, headers and the resource's version (for its ETag)."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None
