"""What copies, waiting, fallbacks and renewals leave behind: nothing for the garbage collector."""

from __future__ import annotations

import pytest
import uvloop

from tests.ports import free_port
from tests.proxy.origin import CLOSE, Got, Step, ok, origin
from tests.proxy.stage import fenced, moved, nobody
from tests.proxy.test_garbage import GET, POST, SOME, _serve_and_look

DOCUMENT = """
version: 1
listen: [{{address: "127.0.0.1:{port}"}}]
upstreams:
  up: {{instances: [{{address: "{upstream}"}}], breaker: null, outliers: null,
    retry_budget: {{share: 1, reserve: 1000}}}}
  other: {{instances: [{{address: "{upstream}"}}], breaker: null, outliers: null}}
  dead: {{instances: [{{address: "127.0.0.1:{closed}"}}], breaker: null, outliers: null}}
capabilities:
  moving: {{monolith: up, service: other, hold: {{seconds: 0.05}}}}
  canary: {{monolith: up, service: dead, phase: canary, percent: 100}}
routes:
  - {{name: moving, prefix: /moving, capability: moving, authentication: none}}
  - {{name: canary, prefix: /canary, capability: canary, authentication: none}}
  - {{name: copied, prefix: /copied, upstream: up, authentication: none,
     mirror: {{upstream: other, methods: [GET, POST]}}}}
  - {{name: unheard, prefix: /unheard, upstream: up, authentication: none,
     mirror: {{upstream: dead}}}}
  - {{name: shaped, prefix: /shaped, upstream: up, authentication: none,
     request: {{body: {{add: {{a: 1}}}}}}, response: {{body: {{add: {{a: 1}}}}}}}}
  - {{name: spare, prefix: /spare, upstream: dead, authentication: none,
     fallback: {{upstream: up}}}}
  - {{name: sorry, prefix: /sorry, upstream: dead, authentication: none,
     fallback: {{answer: {{status: 200}}}}}}
  - {{name: renewed, prefix: /renewed, upstream: up, authentication: none, cache: {{}}}}
"""
JSON = b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
REQUESTS = {
    "copied": GET % b"/copied",
    "copied-with-a-body": POST % b"/copied",
    "copied-to-nobody": GET % b"/unheard",
    "shaped": b"POST /shaped HTTP/1.1\r\nHost: h\r\n" + JSON,
    "another-upstream": GET % b"/spare",
    "fixed-answer": GET % b"/sorry",
    "monolith-instead": POST % b"/canary",
    "fenced": POST % b"/moving/fenced",
    "moved": POST % b"/moving/moved",
    "renewed": GET % b"/renewed",
}


def respond(got: Got) -> bytes | list[Step]:
    """Fenced every second time; others well."""
    if got.target == "/moving/fenced":
        return ok() if got.number % 2 else fenced()
    if got.target == "/moving/moved":
        return moved(7)
    if got.target == "/renewed":
        control = "max-age=0, stale-while-revalidate=60"
        return [CLOSE] if got.number % 2 else ok(more=f"Cache-Control: {control}\r\n")
    return ok(b"{}", more="Content-Type: application/json\r\n")


@pytest.mark.parametrize("name", REQUESTS)
def test_a_detour_leaves_nothing_to_collect(name: str) -> None:
    """Requests that have left the straight line are gone when they are over."""
    count = 20 if name in ("fenced", "moved") else SOME
    with origin(respond) as upstream, nobody() as closed:
        port = free_port()
        text = DOCUMENT.format(port=port, upstream=upstream.address, closed=closed)
        found = uvloop.run(_serve_and_look(text, port, REQUESTS[name], count))
    assert found.total() < count / 10, found.most_common(20)
