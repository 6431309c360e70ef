"""The addresses of ``rpc_host``."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from modules.platform.contracts.codec import encode
from modules.platform.observability.probes import livez
from tests.benchmarks.rpc_host import ANSWER

_BYTES = encode(ANSWER)


@csrf_exempt
def bare(request: HttpRequest) -> HttpResponse:
    """The same bytes both ways, and nothing else: the least that a call over HTTP can be."""
    assert request.body
    length = {"Content-Length": str(len(_BYTES))}
    return HttpResponse(_BYTES, content_type="application/json", headers=length)


urlpatterns = [
    path("livez", livez),
    path("bare", bare),
    path("rpc/", include("modules.platform.rpc.urls")),
]
