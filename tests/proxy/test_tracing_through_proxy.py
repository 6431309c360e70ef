"""The table of trace cases through a running front door: what the upstream gets of each."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.proxy import front
from tests.proxy.origin import Got, Origin, ok, origin
from tests.proxy.trace_cases import CASES, PLAIN, TRACE, Case, faults
from tests.proxy.trace_suite import SEVERAL, identified


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    """Keeps every request."""
    with origin() as running:
        yield running


@pytest.fixture(scope="module")
def port(upstream: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a front door that sends everything upstream."""
    document = {
        "upstreams": {"all": {"instances": [{"address": upstream.address}]}},
        "routes": [
            {"name": "all", "prefix": "/", "upstream": "all", "authentication": "none"},
        ],
    }
    with front.front_door(tmp_path_factory.mktemp("door"), document) as door:
        yield door.port


def sent_on(port: int, upstream: Origin, *requests: tuple[tuple[str, str], ...]) -> list[Got]:
    """Send requests on one connection; what the upstream got of them."""
    before = len(upstream.got)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for headers in requests:
            lines = "".join(f"{name}:{value}\r\n" for name, value in headers)
            client.sendall(f"GET /traced HTTP/1.1\r\nHost: h\r\n{lines}\r\n".encode())
            answer = b""
            while not answer.endswith(ok()[-6:]):
                piece = client.recv(65536)
                assert piece, f"the connection was closed after {answer!r}"
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200 ")
    return upstream.got[before:]


def trace_headers(got: Got) -> list[tuple[str, str]]:
    """The trace headers as they stood in the head, repeated ones apart."""
    lines = got.raw.decode().split("\r\n")[1:]
    pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return [pair for pair in pairs if pair[0].lower() in ("traceparent", "tracestate")]


@pytest.mark.parametrize("case", CASES, ids=[identified(case.name) for case in CASES])
def test_upstream_gets_the_trace(case: Case, port: int, upstream: Origin) -> None:
    """Each row of the table holds for the bytes that reach the upstream."""
    (got,) = sent_on(port, upstream, case.headers)
    assert faults(case, trace_headers(got)) == []


@pytest.mark.parametrize("_case", SEVERAL[:1])
def test_requests_of_one_trace_have_spans_of_their_own(
    _case: str, port: int, upstream: Origin
) -> None:
    """Three requests with the same parent share the trace and differ in the span."""
    parent = (("traceparent", PLAIN),)
    traces = [got.headers["traceparent"] for got in sent_on(port, upstream, parent, parent, parent)]
    assert {trace.split("-")[1] for trace in traces} == {TRACE}
    assert len({trace.split("-")[2] for trace in traces}) == 3


@pytest.mark.parametrize(
    "headers", [(), (("traceparent", f"00-{'0' * 32}-b7ad6b7169203331-01"),)], ids=SEVERAL[1:]
)
def test_requests_without_a_trace_begin_one_each(
    headers: tuple[tuple[str, str], ...], port: int, upstream: Origin
) -> None:
    """Three requests without a parent that can be read are three traces."""
    traces = [got.headers["traceparent"] for got in sent_on(port, upstream, *[headers] * 3)]
    assert len({trace.split("-")[1] for trace in traces}) == 3
    assert len({trace.split("-")[2] for trace in traces}) == 3


def test_request_id_is_taken_or_made(port: int, upstream: Origin) -> None:
    """A well-formed one goes on; else trace and span id are the request's id."""
    taken, made = sent_on(port, upstream, (("X-Request-Id", "abc-1"),), (("X-Request-Id", "a b"),))
    assert taken.headers["x-request-id"] == "abc-1"
    assert made.headers["x-request-id"] == made.headers["traceparent"][3:52]
