"""The table as JSON, between the host that keeps it and others."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One module."""

    module: str
    percent: Annotated[int, Meta(ge=0, le=100)]
    revision: Annotated[int, Meta(ge=0)]
    attended: bool = True


class Rows(msgspec.Struct, frozen=True):
    """All that were ever placed, by name."""

    placements: tuple[Row, ...]
