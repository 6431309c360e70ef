"""The same request reaches the same upstream, whichever data plane has the document."""

from __future__ import annotations

import time

import pytest

from strangler_proxy.render import Target, render
from tests.ports import free_port
from tests.proxy.render.echo import upstreams
from tests.proxy.render.planes import running
from tests.proxy.render.routing import CASES, NAMES, Case, expected, routing_document

PLANES = [
    Target.ENVOY,
    pytest.param(Target.HAPROXY, marks=pytest.mark.debian),
    pytest.param(Target.NGINX, marks=pytest.mark.debian),
]
# What a note at $.routes says: Envoy refuses what is encoded without need.
NEEDLESS = ("/%72pc", "/%72%70%63/x", "/stripped/%72pc")
OWN_COHORTS = "/api/v1/payment"  # nginx has others


def differs(target: Target, case: Case) -> bool:
    """Whether a note says that the target does otherwise."""
    if target is Target.ENVOY:
        return case.target in NEEDLESS
    return target is Target.NGINX and case.target.startswith(OWN_COHORTS)


@pytest.mark.parametrize("target", PLANES)
def test_every_request_reaches_the_upstream_that_the_front_door_chooses(target: Target) -> None:
    """Hosts, prefixes, exact paths, methods, phases and doubtful paths, one request for each."""
    port = free_port()
    with upstreams(*NAMES) as servers:
        whole = routing_document(port, servers)
        wrong = {}
        with running(target, render(whole, target), port) as plane:
            for case in CASES:
                answer = plane.ask(
                    case.method, case.target, list(case.headers.items()), host=case.host
                )
                outcome = answer.outcome
                wanted = expected(whole, case, time.time())
                if case.method == "HEAD" and answer.status == 200:
                    outcome = wanted  # it has no body that could say who answered
                if outcome != wanted and not differs(target, case):
                    wrong[str(case)] = (outcome, wanted)
    assert wrong == {}


@pytest.mark.parametrize("target", PLANES)
def test_targets_go_on_as_they_came(target: Target) -> None:
    """Encodings, dots, empty segments and queries are not tidied up on the way."""
    port = free_port()
    sent = ["/a%20b", "/a%C3%A4?x=%2F..", "/a.b/c..d", "/...", "/a;v=1/b", "/a?b=../c", "/a?%zz"]
    sent += ["/a!$&'()*+,=:@b", "/%7Bx%7D", "/a?x=//y", "/a?"]
    if target is not Target.ENVOY:  # a note says that it merges slashes
        sent += ["//a", "/a//b", "/a//"]
    with upstreams(*NAMES) as servers:
        whole = routing_document(port, servers)
        with running(target, render(whole, target), port) as plane:
            found = [plane.ask("GET", one).seen["target"] for one in sent]
    assert found == sent
