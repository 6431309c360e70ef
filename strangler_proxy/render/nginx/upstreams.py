"""nginx's upstreams: instances, weights, limits, and who stands in for whom."""

from __future__ import annotations

import math

from strangler_proxy.config import Document, Upstream
from strangler_proxy.render.nginx.text import Lines, address, block, milliseconds
from strangler_proxy.render.plan import Sides, places, sides_of

NOBODY = "server 127.0.0.1:1 down;"  # an upstream needs a server


def pool_of(document: Document, sides: Sides, name: str) -> str:
    """The upstream block that ``name`` is asked by: with its relief, if it has one.

    A block has one way of speaking, so the relief must speak TLS as ``name`` does.
    """
    relief = sides.relief
    if relief is None or name != (sides.canary or sides.main):
        return name
    alike = document.upstreams[name].tls == document.upstreams[relief].tls
    return f"{name}.or.{relief}" if alike else name


def upstreams(document: Document) -> Lines:
    """A block for each upstream, and for each pair of one and its relief."""
    for name, upstream in document.upstreams.items():
        yield from block(f"upstream {name}", _upstream(upstream, None))
    pairs: dict[str, tuple[str, str]] = {}
    for place in places(document):
        sides = sides_of(document, place.route)
        if sides is not None and sides.relief is not None:
            name = sides.canary or sides.main
            pairs[pool_of(document, sides, name)] = (name, sides.relief)
    for pool, (name, relief) in pairs.items():
        if pool != name:
            lines = _upstream(document.upstreams[name], document.upstreams[relief])
            yield from block(f"upstream {pool}", lines)


def _upstream(upstream: Upstream, relief: Upstream | None) -> Lines:
    connections = upstream.connections
    yield "zone upstreams 1m;"
    yield "least_conn;"
    yield from _servers(upstream, "")
    if relief is not None:
        yield from _servers(relief, " backup")
    yield f"keepalive {connections.idle};"
    yield f"keepalive_timeout {milliseconds(connections.idle_seconds)};"
    yield f"keepalive_requests {connections.requests};"


def _servers(upstream: Upstream, more: str) -> Lines:
    outliers = upstream.outliers
    failing = "max_fails=0"
    if outliers is not None:
        rest = milliseconds(outliers.eject_seconds)
        failing = f"max_fails={outliers.consecutive_failures} fail_timeout={_whole(rest)}"
    if upstream.registry is not None:
        yield NOBODY
    if upstream.dns is not None:
        where = f"{upstream.dns.name}:{upstream.dns.port}"
        yield f"server {where} {failing} max_conns={upstream.bulkhead.concurrent}{more};"
    total = sum(instance.weight for instance in upstream.instances)
    for instance in upstream.instances:
        most = math.ceil(upstream.bulkhead.concurrent * instance.weight / total)
        options = f"weight={instance.weight} {failing} max_conns={most}"
        yield f"server {address(instance.address)} {options}{more};"


def _whole(time: str) -> str:
    """``fail_timeout`` takes whole seconds."""
    return f"{max(1, math.ceil(int(time.removesuffix('ms')) / 1000))}s"
