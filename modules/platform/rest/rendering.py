"""JSON in and out for DRF; views built on ``operation`` hand over bytes themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer


class FastJSONRenderer(BaseRenderer):
    """Any data as JSON."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else msgspec.json.encode(data)


class RawJSONParser(BaseParser):
    """Leaves the body alone: ``operation`` decodes it straight into the declared type."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return stream.read()
