"""The admin application: endpoints under ``/-/``.

Reads need no credentials: the port is a private one, reachable by operators and scrapers only.
Secrets in the document are masked for readers without the admin token. Everything that changes
something needs a token and is logged with what it did, the revisions before and after, and from
where.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from strangler_proxy.config import Admin
from strangler_proxy.control.changing import Changing
from strangler_proxy.control.fleet import Fleet
from strangler_proxy.control.problems import (
    Problem,
    on_bug,
    on_http_error,
    on_problem,
    on_proxy_error,
)
from strangler_proxy.control.reading import Reading
from strangler_proxy.errors import ProxyError


def admin_app(fleet: Fleet, admin: Admin) -> Starlette:
    """The ASGI application."""
    reads = Reading(fleet, admin)
    changes = Changing(fleet, admin)
    instance = "/-/upstreams/{upstream}/instances/{instance}"
    # An address may be unix:/some/path.
    address = "/-/upstreams/{upstream}/instances/{address:path}"
    return Starlette(
        routes=[
            Route("/-/live", reads.live),
            Route("/-/ready", reads.ready),
            Route("/-/metrics", reads.metrics),
            Route("/-/routes", reads.routes),
            Route("/-/upstreams", reads.upstreams),
            Route("/-/table", reads.table, methods=["GET"]),
            Route("/-/table", changes.put_table, methods=["PUT"]),
            Route("/-/schema", reads.schema),
            Route("/-/explain", reads.explain, methods=["POST"]),
            Route("/-/capabilities/{name}", changes.patch_capability, methods=["PATCH"]),
            Route("/-/reload", changes.reload, methods=["POST"]),
            Route("/-/drain", changes.drain, methods=["POST"]),
            Route(f"{address}/drain", changes.drain_instance, methods=["POST"]),
            Route(f"{address}/undrain", changes.undrain_instance, methods=["POST"]),
            Route(instance, changes.register, methods=["PUT"]),
            Route(instance, changes.deregister, methods=["DELETE"]),
        ],
        exception_handlers={
            Problem: on_problem,
            ProxyError: on_proxy_error,
            HTTPException: on_http_error,
            Exception: on_bug,
        },
    )
