"""``/livez`` (the process runs), ``/readyz`` (it can do its work) and ``/metrics``."""

from __future__ import annotations

import os
from collections.abc import Callable

from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

Check = Callable[[], str | None]
_checks: dict[str, Check] = {}
# Apart from what processes count, which several of them share by files.
_asked = CollectorRegistry()


def add_readiness(name: str, check: Check) -> None:
    """Make readiness depend on ``check``: None when fine, else what it waits for."""
    _checks[name] = check


def add_collector(collector: Collector) -> None:
    """Have it asked at every scrape. What it says must not depend on which process is asked."""
    _asked.register(collector)


def livez(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when every database and check answers, else 503 naming what it waits for."""
    waiting = {f"database {alias}": trouble for alias in connections if (trouble := _ask(alias))}
    waiting |= {name: trouble for name, check in _checks.items() if (trouble := check())}
    status = 503 if waiting else 200
    return JsonResponse({"ready": not waiting, "waiting_for": waiting}, status=status)


def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics of this host's processes, and what is found out now, as Prometheus text."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    text = generate_latest(registry) + generate_latest(_asked)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _ask(alias: str) -> str | None:
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return str(error).splitlines()[0]
    return None
