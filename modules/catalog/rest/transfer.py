"""The catalogue as CSV over HTTP: import with a dry run, and export."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.renderers import BaseRenderer

from modules.catalog.exporting import export_pieces
from modules.catalog.importing.rows import BadHeader
from modules.catalog.importing.run import ImportReport, import_products, open_source
from modules.catalog.rest.bodies import ImportQuery
from modules.catalog.rest.products import WRITE
from modules.catalog.rest.references import now
from modules.platform.contracts import call_context, current_context
from modules.platform.rest.access import scope
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.problems import Problem
from modules.platform.rest.rendering import FastJSONRenderer
from modules.platform.rest.requests import ApiRequest

PATIENCE = timedelta(minutes=5)  # some 100,000 rows


class CsvRenderer(BaseRenderer):
    """Lets clients ask for ``text/csv``; the view hands over the text itself."""

    media_type = "text/csv"
    format = "csv"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return data


class ImportsView(ApiView):
    """Products from CSV."""

    @operation(
        "Import products",
        description="The body is CSV as `manage.py import_catalog` takes it. Bad rows are "
        "reported with line and reason and skipped; with `atomic` one bad row keeps all out.",
        query=ImportQuery,
        raw=("text/csv",),
        needs_length=True,
        returns=ImportReport,
        access=WRITE,
        problems={400: "bad_csv"},
        limit=PATIENCE,
    )
    def post(self, request: ApiRequest, *, query: ImportQuery) -> ImportReport:
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(request.body)
            file.flush()
            try:
                return import_products(
                    open_source(Path(file.name), name="upload.csv"),
                    now=now(),
                    by=request.actor.label,
                    dry_run=query.dry_run,
                    all_or_nothing=query.atomic,
                )
            except BadHeader as error:
                raise Problem(400, "bad_csv", f"The CSV cannot be read: {error}.") from error


class ExportView(ApiView):
    """Products as CSV."""

    renderer_classes = [CsvRenderer, FastJSONRenderer]

    @operation(
        "Export products",
        description="One row a SKU, as the import reads it.",
        returns=str,
        renders="text/csv",
        access=scope("catalog:read", "catalog:write"),
    )
    def get(self, request: ApiRequest) -> StreamingHttpResponse:
        pieces = (piece for _, piece in export_pieces())
        # With the first rows: what fails before the status is given is still a problem.
        beginning = next(pieces) + next(pieces, "")
        return StreamingHttpResponse(
            _streamed(beginning, pieces),
            content_type="text/csv",
            headers={"Content-Disposition": 'attachment; filename="products.csv"'},
        )


def _streamed(beginning: str, pieces: Iterator[str]) -> Iterator[str]:
    """The rest is read when the view has returned: for its caller, but past its deadline, after
    which the stock of the last products would be missing.
    """
    with call_context(replace(current_context(), deadline=None)):
        asking = copy_context()

    def read() -> Iterator[str]:
        yield beginning
        while piece := asking.run(next, pieces, ""):
            yield piece

    return read()
