"""Heads read again: what is remembered of lines and heads changes nothing of what is read."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser
from hypothesis import example, given
from hypothesis import strategies as st

from strangler_proxy.errors import BadAnswer
from strangler_proxy.wire import http1, known_lines
from strangler_proxy.wire.framing import BadHead
from strangler_proxy.wire.heads import LOWER, Head, RequestHead
from strangler_proxy.wire.http1 import RequestReader, ResponseReader

LINES = (
    *("GET / HTTP/1.1", "GET /a?b=c HTTP/1.1", "POST /a/b HTTP/1.1", "GET / HTTP/1.0"),
    *("OPTIONS * HTTP/1.1", "CONNECT a:1 HTTP/1.1", "GET http://h/x HTTP/1.1", "GET  / HTTP/1.1"),
    *("FOO / HTTP/1.1", "GET / HTTP/2.0", "GET /a b HTTP/1.1", "GET /\x01 HTTP/1.1", " ", ""),
    *("GET /a#b HTTP/1.1", "GET /a|b HTTP/1.1", "GET / HTTP/1.1\nA: b", "\r\nGET / HTTP/1.1"),
)
STATUS_LINES = (
    *("HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 204 None", "HTTP/1.1 304 Same"),
    *("HTTP/1.1 100 Go", "HTTP/1.1 101 Switch", "HTTP/1.1 200", "HTTP/1.1 200 OK\nA: b"),
    *("HTTP/1.1 99 Odd", "HTTP/2 200 OK", "ICE/1.0 200 OK", "HTTP/1.1  200 OK", ""),
)
FIELDS = (
    *("Host: a.b", "host: A.B:80", "Host: a b", "Host:", "Host: a ", "X-A: 1", "x-a: 2", "A:b"),
    *("Content-Length: 5", "Content-Length: 5 ", "Content-Length: +5", "Content-Length: 5, 5"),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Transfer_Encoding: chunked"),
    *("Connection: close", "Connection: keep-alive", "connection: keep-alive", "Connection: x-a"),
    *("Connection: upgrade", "Upgrade: websocket", "Proxy-Connection: close", "Keep-Alive: 5"),
    *("Expect: 100-continue", "Expect: 200", "Cookie: a=b", "Cookie: c=d", "X-Forwarded-For: x"),
    *("Ficus-Route: service", "Ficus-Subject: me", "X_Forwarded_For: 1", "traceparent: 00-1-2-01"),
    *("A: b\nB: c", "A: b\rB: c", " folded", "\tfolded: 1", ": x", "A : b", "no colon", "A: \x01"),
    *("A: \x7f", "A: \xff", "A: \t b \t", "A:  b", "A: b\tc", "Long: " + "y" * 1100),
)
HEADS = st.tuples(st.sampled_from(LINES), st.lists(st.sampled_from(FIELDS), max_size=5))
ANSWERS = st.tuples(st.sampled_from(STATUS_LINES), st.lists(st.sampled_from(FIELDS), max_size=5))
MEMORIES = ("request_lines", "request_fields", "status_lines", "answer_fields")
NAMES = ("raw", "fields_at", "minor", "unfit", "headers", "length", "chunked", "keep_alive")


def whole(first: str, fields: list[str]) -> bytes:
    return "\r\n".join([first, *fields, "", ""]).encode("latin-1")


def forget() -> None:
    for name in MEMORIES:
        getattr(known_lines, name).clear()
    for name in ("_requests", "_answers"):
        getattr(http1, name).clear()


def said(head: Head) -> dict[str, Any]:
    """All that is known of a head."""
    request = isinstance(head, RequestHead)
    names = ["method", "target", "path", "host"] if request else ["status", "line"]
    found = {name: getattr(head, name) for name in (*NAMES, *names)}
    return {**found, "pairs": head.pairs, "relayed": head.relayed()}  # type: ignore[attr-defined]


def asked(raw: bytes, **limits: int) -> object:
    """What becomes of a request's head, as the connection reads it."""
    reader = RequestReader(**{"max_target": 64, "max_fields": 4, **limits})
    try:
        head = reader.known(raw) or reader.read(raw[: raw.index(b"\r\n\r\n") + 4])
    except BadHead as error:
        return error.refusal
    return said(head)


def answered(raw: bytes) -> object:
    try:
        return said(ResponseReader().read(raw))
    except BadAnswer as error:
        return str(error)


def accepts(parser: HttpRequestParser | HttpResponseParser, raw: bytes) -> bool:
    """Whether httptools has nothing against a head."""
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        return True
    except HttpParserError:
        return False
    return True


@given(st.lists(HEADS, max_size=6), HEADS)
@example([("GET / HTTP/1.1", ["Host: a.b"])], ("GET / HTTP/1.1", ["Host: a.b", "Host: a.b"]))
def test_request_is_read_alike_whatever_was_read_before(
    before: list[tuple[str, list[str]]], last: tuple[str, list[str]]
) -> None:
    """Lines that other heads had, and the same head a second and a third time."""
    forget()
    fresh = asked(whole(*last))
    forget()
    for one in before:
        asked(whole(*one))
    assert [asked(whole(*last)) for _ in range(3)] == [fresh] * 3


@given(st.lists(ANSWERS, max_size=6), ANSWERS)
@example(
    [("HTTP/1.1 200 OK", ["Content-Length: 5"])],
    ("HTTP/1.1 200 OK", ["Content-Length: 5", "Content-Length: 5"]),
)
def test_answer_is_read_alike_whatever_was_read_before(
    before: list[tuple[str, list[str]]], last: tuple[str, list[str]]
) -> None:
    forget()
    fresh = answered(whole(*last))
    forget()
    for one in before:
        answered(whole(*one))
    assert [answered(whole(*last)) for _ in range(3)] == [fresh] * 3


@given(HEADS)
def test_what_httptools_refuses_is_never_known(head: tuple[str, list[str]]) -> None:
    """Whatever was remembered of its lines, and if it is read without httptools."""
    raw = whole(*head)
    asked(raw)
    if not accepts(HttpRequestParser(None), raw):
        assert RequestReader(max_target=64, max_fields=9).known(raw) is None
        assert not isinstance(asked(raw), dict)


@given(ANSWERS)
def test_what_httptools_refuses_is_no_answer(head: tuple[str, list[str]]) -> None:
    raw = whole(*head)
    if not accepts(HttpResponseParser(None), raw):
        assert not isinstance(answered(raw), dict)
        assert not isinstance(answered(raw), dict)


@given(st.from_regex(known_lines.PLAIN_FIELD.__self__, fullmatch=True))  # type: ignore[attr-defined]
def test_plain_lines_are_what_httptools_reads(row: bytes) -> None:
    """Name and value alike; those that it judges beyond their letters are left to it."""
    field = known_lines.plain_field(row, known_lines.request_fields)
    if field is None:
        return
    found: list[tuple[bytes, bytes]] = []

    class Fields:
        def on_header(self, name: bytes, value: bytes) -> None:
            found.append((LOWER[name], value))

    HttpRequestParser(Fields()).feed_data(b"GET / HTTP/1.1\r\n%b\n\r\n" % row)
    assert found == [field]


@given(st.from_regex(known_lines.PLAIN_REQUEST.__self__, fullmatch=True))  # type: ignore[attr-defined]
def test_plain_first_lines_are_what_httptools_reads(row: bytes) -> None:
    parser = HttpRequestParser(None)
    parser.feed_data(row + b"\n\r\n")
    line = known_lines.RequestLine(row)
    assert line.method == parser.get_method()
    assert f"1.{line.minor}" == parser.get_http_version()


def test_two_heads_at_once_are_not_one() -> None:
    """Both may have been read before."""
    raw = whole("GET / HTTP/1.1", ["Host: a.b"])
    asked(raw)
    reader = RequestReader(max_target=64, max_fields=4)
    assert reader.known(raw) is not None
    assert reader.known(raw + raw) is None


@pytest.mark.parametrize("limits", [{"max_target": 3}, {"max_fields": 1}])
def test_a_known_head_keeps_to_each_listeners_limits(limits: dict[str, int]) -> None:
    raw = whole("GET /long HTTP/1.1", ["Host: a.b", "X-A: 1"])
    assert isinstance(asked(raw), dict)
    assert isinstance(asked(raw), dict)
    assert not isinstance(asked(raw, **limits), dict)


def test_memory_is_bounded() -> None:
    """Lines and heads that come once push out others like them."""
    forget()
    for number in count():
        asked(whole(f"GET /{number} HTTP/1.1", ["Host: a.b", f"X-A: {number}"]))
        answered(whole("HTTP/1.1 200 OK", [f"X-A: {number}"]))
        if number == 5000:
            break
    assert max(len(getattr(known_lines, name)) for name in MEMORIES) <= known_lines.LINES
    assert max(len(http1._requests), len(http1._answers)) <= http1._HEADS
    long = whole("GET / HTTP/1.1", ["Host: a.b", "X-A: " + "a" * 2000])
    asked(long)
    assert long.split(b"\n")[2] not in known_lines.request_fields.young
    assert long not in http1._requests.young
