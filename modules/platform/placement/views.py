"""The table over HTTP, for hosts that do not have it. The front door must not lead here."""

from __future__ import annotations

import msgspec
from django.http import HttpRequest, HttpResponse

from modules.platform.discovery.access import check_reader
from modules.platform.discovery.views import answers
from modules.platform.placement import table
from modules.platform.placement.wire import Row, Rows


def _list(request: HttpRequest) -> HttpResponse:
    check_reader(request)
    found = sorted(table.placements().items())
    rows = tuple(
        Row(module=module, percent=one.percent, revision=one.revision, attended=one.attended)
        for module, one in found
    )
    return HttpResponse(msgspec.json.encode(Rows(rows)), content_type="application/json")


placement = answers(GET=_list)
