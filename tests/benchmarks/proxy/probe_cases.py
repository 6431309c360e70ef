"""Requests that a proxy may be sent, and what RFC 9110 and RFC 9112 let it do with each.

What may become of a request, from the sender's and the upstream's side:

400, 431 ...  refused with this status; nothing reached the upstream
closed        refused without an answer
clean         sent on as well-formed requests, as many as were meant
cut           the upstream got a beginning and then the end of the connection, no whole request
silent        neither answered nor closed for a second
other         answered in something that is not HTTP/1
kept          sent on with bytes that should have been taken out
raw           sent on as bytes that are not HTTP/1.1
split         the proxy itself read more requests than were meant, and sent each on
smuggled      the upstream read more requests than the proxy: one got by it unseen
"""

from __future__ import annotations

from dataclasses import dataclass

SMUGGLED = b"GET /api/smuggled HTTP/1.1\r\nHost: door.example\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Case:
    """``accept``: what the standard allows. ``ours``: what our front door does of it.

    ``messages``: how many requests are meant. ``absent``: what must not reach the upstream, in
    lower case.
    """

    name: str
    sent: bytes
    accept: frozenset[str]
    ours: frozenset[str]
    reason: str
    section: str
    messages: int = 1
    absent: tuple[bytes, ...] = ()


def _case(
    name: str,
    sent: bytes,
    accept: str,
    ours: str,
    reason: str,
    section: str,
    **other: int | tuple[bytes, ...],
) -> Case:
    allowed, wanted = frozenset(accept.split()), frozenset(ours.split())
    return Case(name, sent, allowed, wanted, reason, section, **other)  # type: ignore[arg-type]


def _request(
    *lines: bytes,
    start: bytes = b"GET /api/probe HTTP/1.1",
    host: bytes | None = b"Host: door.example",
    body: bytes = b"",
) -> bytes:
    first = [start] if host is None else [start, host]
    return b"\r\n".join([*first, *lines]) + b"\r\n\r\n" + body


def _post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return _request(*lines, start=b"POST /api/probe HTTP/" + version, body=body)


def _chunked(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked", body=body)


_TE = b"Transfer-Encoding: chunked"
_CL5 = b"Content-Length: 5"
_END = b"0\r\n\r\n"
_HELLO = b"5\r\nhello\r\n" + _END
_HIDDEN = _END + SMUGGLED  # a body that is empty when read in chunks
_ALL = b"Content-Length: %d" % len(_HIDDEN)
_INSIDE = b"%x\r\n%s\r\n%s" % (len(SMUGGLED), SMUGGLED, _END)  # hidden in a chunk
_SHORT = b"Content-Length: %d" % (len(b"%x" % len(SMUGGLED)) + 2)

VALID = (
    _case("get", _request(), "clean", "clean", "an ordinary request", "9112 §2.1"),
    _case("post", _post(_CL5, body=b"hello"), "clean", "clean", "a body by length", "9112 §6.2"),
    _case("post-chunked", _chunked(_HELLO), "clean", "clean", "a body in chunks", "9112 §7.1"),
    _case(
        "pipelined",
        _request() + _request(),
        "clean",
        "clean",
        "two requests at once are two requests",
        "9112 §9.3.2",
        messages=2,
    ),
    _case(
        "pipelined-after-chunks",
        _chunked(_HELLO) + _request(),
        "clean",
        "clean",
        "what follows the last chunk is the next request",
        "9112 §9.3.2",
        messages=2,
    ),
    _case(
        "coding-in-capitals",
        _post(b"transfer-encoding: cHuNkEd", body=_HELLO),
        "clean",
        "clean",
        "names of codings have no case",
        "9112 §7",
    ),
    _case(
        "coding-after-tab",
        _post(b"Transfer-Encoding:\tchunked", body=_HELLO),
        "clean",
        "clean",
        "a tab is optional whitespace",
        "9112 §5",
    ),
    _case(
        "coding-before-space",
        _post(b"Transfer-Encoding: chunked  ", body=_HELLO),
        "clean",
        "clean",
        "whitespace after a value does not belong to it",
        "9112 §5",
    ),
    _case(
        "chunk-extension",
        _chunked(b'5;name=value;flag;q="a b"\r\nhello\r\n' + _END),
        "clean",
        "clean",
        "unknown chunk extensions are ignored",
        "9112 §7.1.1",
    ),
    _case(
        "trailer",
        _chunked(b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
        "clean",
        "clean",
        "fields may follow the last chunk",
        "9112 §7.1.2",
    ),
    _case(
        "empty-line-first",
        b"\r\n" + _request(),
        "clean 400",
        "clean",
        "an empty line before a request should be ignored",
        "9112 §2.2",
    ),
    _case(
        "get-with-body", _request(_CL5, body=b"hello"), "clean 400", "clean", "legal", "9110 §9.3.1"
    ),
    _case(
        "absolute-target",
        _request(start=b"GET http://door.example/api/probe HTTP/1.1"),
        "clean",
        "clean",
        "a server must take the absolute form",
        "9112 §3.2.2",
    ),
    _case(
        "expect-continue",
        _post(_CL5, b"Expect: 100-continue", body=b"hello"),
        "clean",
        "clean",
        "a client that does not wait is still served",
        "9110 §10.1.1",
    ),
    _case(
        "old-without-host",
        _request(start=b"GET /api/probe HTTP/1.0", host=None),
        "clean 400 426 505",
        "clean 400",
        "HTTP/1.0 knows no Host",
        "9112 §3.2",
    ),
    _case(
        "bytes-in-value",
        _request(b"X-Name: caf\xe9"),
        "clean 400",
        "clean 400",
        "obs-text",
        "9110 §5.5",
    ),
)

FRAMING = (
    _case(
        "both-length-first",
        _post(_ALL, _TE, body=_HIDDEN),
        "400 clean",
        "400",
        "refused, or read in chunks and the connection closed",
        "9112 §6.1",
    ),
    _case(
        "both-coding-first",
        _post(_TE, _ALL, body=_HIDDEN),
        "400 clean",
        "400",
        "the same in the other order",
        "9112 §6.1",
    ),
    _case(
        "both-length-short",
        _post(_SHORT, _TE, body=_INSIDE),
        "400 clean",
        "400",
        "read by length, the chunk is a request",
        "9112 §6.1",
    ),
    _case(
        "both-length-zero",
        _post(b"Content-Length: 0", _TE, body=_HELLO),
        "400 clean",
        "400",
        "a length of 0 is a length",
        "9112 §6.1",
    ),
    _case(
        "both-in-get",
        _request(_ALL, _TE, body=_HIDDEN),
        "400 clean",
        "400",
        "the method changes nothing",
        "9112 §6.1",
    ),
    _case(
        "old-with-coding",
        _post(b"Connection: keep-alive", _TE, body=_HELLO, version=b"1.0"),
        "400 426 501 505 closed",
        "400",
        "HTTP/1.0 has no codings: the framing is faulty",
        "9112 §6.1",
    ),
    _case(
        "old-with-both",
        _post(b"Connection: keep-alive", _ALL, _TE, body=_HIDDEN, version=b"1.0"),
        "400 426 501 505 closed",
        "400",
        "the same with a length",
        "9112 §6.1",
    ),
    _case(
        "coding-identity",
        _post(_CL5, b"Transfer-Encoding: identity", body=b"hello"),
        "400 501",
        "400 501",
        "a coding that is not known, beside a length",
        "9112 §6.1",
    ),
    _case(
        "coding-unknown",
        _post(_ALL, b"Transfer-Encoding: xchunked", body=_HIDDEN),
        "400 501",
        "400 501",
        "a coding that is not known",
        "9112 §6.1",
    ),
    _case(
        "coding-unknown-alone",
        _post(b"Transfer-Encoding: xchunked", body=SMUGGLED),
        "400 501",
        "400 501",
        "without chunks the body has no end",
        "9112 §6.3",
    ),
    _case(
        "coding-not-last",
        _post(b"Transfer-Encoding: chunked, identity", body=_HELLO),
        "400 501",
        "400 501",
        "chunked must be the last",
        "9112 §6.3",
    ),
    _case(
        "coding-gzip",
        _post(b"Transfer-Encoding: gzip, chunked", body=_HELLO),
        "400 501 clean",
        "400 501",
        "legal; who does not know it answers 501",
        "9112 §6.1",
    ),
    _case(
        "coding-twice",
        _post(_TE, _TE, body=_HELLO),
        "400 501",
        "400 501",
        "chunked must not be applied twice",
        "9112 §6.1",
    ),
    _case(
        "coding-twice-in-list",
        _post(b"Transfer-Encoding: chunked, chunked", body=_HELLO),
        "400 501",
        "400 501",
        "chunked must not be applied twice",
        "9112 §6.1",
    ),
    _case(
        "coding-then-identity",
        _post(_TE, b"Transfer-Encoding: identity", body=_HELLO),
        "400 501",
        "400 501",
        "two fields are one list; chunked is not its last",
        "9112 §6.3",
    ),
    _case(
        "coding-empty-element",
        _post(b"Transfer-Encoding: , chunked", body=_HELLO),
        "400 501 clean",
        "400 501 clean",
        "empty elements of lists are ignored",
        "9110 §5.6.1.2",
    ),
    _case(
        "coding-quoted",
        _post(_ALL, b'Transfer-Encoding: "chunked"', body=_HIDDEN),
        "400 501",
        "400 501",
        "a quoted name is not the name",
        "9112 §7",
    ),
    _case(
        "coding-with-parameter",
        _post(b"Transfer-Encoding: chunked;q=1", body=_HELLO),
        "400 501",
        "400 501",
        "chunked has no parameters",
        "9112 §7.1",
    ),
    _case(
        "coding-vertical-tab",
        _post(_ALL, b"Transfer-Encoding: \x0bchunked", body=_HIDDEN),
        "400 501",
        "400 501",
        "a vertical tab is not whitespace",
        "9110 §5.5",
    ),
    _case(
        "coding-nul",
        _post(_ALL, b"Transfer-Encoding: chunked\x00", body=_HIDDEN),
        "400 501",
        "400",
        "NUL in a value",
        "9110 §5.5",
    ),
    _case(
        "coding-folded",
        _post(_ALL, b"Transfer-Encoding:\r\n chunked", body=_HIDDEN),
        "400 clean",
        "400",
        "a folded line is refused or joined, and then both are there",
        "9112 §5.2",
    ),
    _case(
        "coding-space-before-colon",
        _post(_ALL, b"Transfer-Encoding : chunked", body=_HIDDEN),
        "400",
        "400",
        "no whitespace before the colon",
        "9112 §5.1",
    ),
    _case(
        "coding-tab-before-colon",
        _post(_ALL, b"Transfer-Encoding\t: chunked", body=_HIDDEN),
        "400",
        "400",
        "no whitespace before the colon",
        "9112 §5.1",
    ),
    _case(
        "coding-after-bare-lf",
        _post(_ALL, b"X: y\nTransfer-Encoding: chunked", body=_HIDDEN),
        "400 clean",
        "400",
        "who takes LF as an end of line sees both",
        "9112 §2.2",
    ),
    _case(
        "coding-after-bare-cr",
        _post(_ALL, b"X: y\rTransfer-Encoding: chunked", body=_HIDDEN),
        "400 clean",
        "400",
        "a bare CR is invalid, or a space",
        "9112 §2.2",
    ),
    _case(
        "coding-underscore",
        _post(_ALL, b"Transfer_Encoding: chunked", body=_HIDDEN),
        "400 clean",
        "400 clean",
        "another field; not to be read as Transfer-Encoding",
        "9110 §5.1",
    ),
    _case(
        "coding-space-line",
        _post(_ALL, b" Transfer-Encoding: chunked", body=_HIDDEN),
        "400 clean",
        "400",
        "a line that begins with a space continues the one before",
        "9112 §5.2",
    ),
)

_VALUE = "a length is digits and nothing else"

LENGTHS = (
    _case(
        "length-twice",
        _post(_CL5, _CL5, body=b"hello"),
        "400 clean",
        "400",
        "equal ones may be joined",
        "9112 §6.3",
    ),
    _case(
        "length-differs",
        _post(_CL5, b"Content-Length: 0", body=b"hello"),
        "400",
        "400",
        "unequal ones cannot be mended",
        "9112 §6.3",
    ),
    _case(
        "length-list",
        _post(b"Content-Length: 5, 5", body=b"hello"),
        "400 clean",
        "400",
        "equal ones may be joined",
        "9112 §6.3",
    ),
    _case(
        "length-list-differs",
        _post(b"Content-Length: 5, 0", body=b"hello"),
        "400",
        "400",
        _VALUE,
        "9112 §6.3",
    ),
    _case(
        "length-negative",
        _post(b"Content-Length: -5", body=b"hello"),
        "400",
        "400",
        _VALUE,
        "9110 §8.6",
    ),
    _case(
        "length-plus",
        _post(b"Content-Length: +5", body=b"hello"),
        "400",
        "400",
        _VALUE,
        "9110 §8.6",
    ),
    _case(
        "length-hex",
        _post(b"Content-Length: 0x5", body=b"hello"),
        "400",
        "400",
        _VALUE,
        "9110 §8.6",
    ),
    _case(
        "length-empty", _post(b"Content-Length:", body=b"hello"), "400", "400", _VALUE, "9110 §8.6"
    ),
    _case(
        "length-letters",
        _post(b"Content-Length: 5a", body=b"hello"),
        "400",
        "400",
        _VALUE,
        "9110 §8.6",
    ),
    _case(
        "length-fraction",
        _post(b"Content-Length: 5.0", body=b"hello"),
        "400",
        "400",
        _VALUE,
        "9110 §8.6",
    ),
    _case(
        "length-exponent",
        _post(b"Content-Length: 5e0", body=b"hello"),
        "400",
        "400",
        _VALUE,
        "9110 §8.6",
    ),
    _case(
        "length-underscore",
        _post(b"Content-Length: 0_5", body=b"hello"),
        "400",
        "400",
        _VALUE,
        "9110 §8.6",
    ),
    _case(
        "length-two-numbers",
        _post(b"Content-Length: 5 5", body=b"hello"),
        "400",
        "400",
        _VALUE,
        "9110 §8.6",
    ),
    _case(
        "length-superscript",
        _post(b"Content-Length: \xb2", body=b"he"),
        "400",
        "400",
        _VALUE,
        "9110 §8.6",
    ),
    _case(
        "length-wide-digit",
        _post(b"Content-Length: \xef\xbc\x95", body=b"hello"),
        "400",
        "400",
        _VALUE,
        "9110 §8.6",
    ),
    _case(
        "length-too-large",
        _post(b"Content-Length: 18446744073709551621", body=b"hello"),
        "400 413",
        "400 413",
        "2^64 + 5: a number must not wrap",
        "9110 §8.6",
    ),
    _case(
        "length-zeros",
        _post(b"Content-Length: 0005", body=b"hello"),
        "400 clean",
        "400 clean",
        "leading zeros are digits",
        "9110 §8.6",
    ),
    _case(
        "length-space-before-colon",
        _post(b"Content-Length : 5", body=b"hello"),
        "400",
        "400",
        "no whitespace before the colon",
        "9112 §5.1",
    ),
    _case(
        "length-folded",
        _post(b"Content-Length:\r\n 5", body=b"hello"),
        "400 clean",
        "400",
        "a folded line is refused or joined",
        "9112 §5.2",
    ),
)

_CHUNK = "a chunk begins with its size in hexadecimal digits"
_LINE = "lines of chunks end with CRLF"

CHUNKS = (
    _case(
        "chunk-hex-prefix",
        _chunked(b"0x5\r\nhello\r\n" + _END),
        "400 cut",
        "400 cut",
        _CHUNK,
        "9112 §7.1",
    ),
    _case(
        "chunk-negative",
        _chunked(b"-5\r\nhello\r\n" + _END),
        "400 cut",
        "400 cut",
        _CHUNK,
        "9112 §7.1",
    ),
    _case(
        "chunk-plus", _chunked(b"+5\r\nhello\r\n" + _END), "400 cut", "400 cut", _CHUNK, "9112 §7.1"
    ),
    _case(
        "chunk-underscore",
        _chunked(b"0_5\r\nhello\r\n" + _END),
        "400 cut",
        "400 cut",
        _CHUNK,
        "9112 §7.1",
    ),
    _case(
        "chunk-letters",
        _chunked(b"zz\r\nhello\r\n" + _END),
        "400 cut",
        "400 cut",
        _CHUNK,
        "9112 §7.1",
    ),
    _case(
        "chunk-empty", _chunked(b"\r\nhello\r\n" + _END), "400 cut", "400 cut", _CHUNK, "9112 §7.1"
    ),
    _case(
        "chunk-space-first",
        _chunked(b" 5\r\nhello\r\n" + _END),
        "400 cut",
        "400 cut",
        _CHUNK,
        "9112 §7.1",
    ),
    _case(
        "chunk-space-after",
        _chunked(b"5 \r\nhello\r\n" + _END),
        "400 cut clean",
        "400 cut clean",
        "not in the grammar, but old senders pad",
        "9112 §7.1",
    ),
    _case(
        "chunk-nul",
        _chunked(b"5\x00\r\nhello\r\n" + _END),
        "400 cut",
        "400 cut",
        _CHUNK,
        "9112 §7.1",
    ),
    _case(
        "chunk-too-large",
        _chunked(b"10000000000000005\r\nhello\r\n" + _END),
        "400 413 cut",
        "400 413 cut",
        "2^64 + 5: a number must not wrap",
        "9112 §7.1",
    ),
    _case(
        "chunk-zeros",
        _chunked(b"0000000000000000000000005\r\nhello\r\n" + _END),
        "400 cut clean",
        "400 cut clean",
        "leading zeros are digits",
        "9112 §7.1",
    ),
    _case(
        "chunk-bare-lf", _chunked(b"5\nhello\r\n" + _END), "400 cut", "400 cut", _LINE, "9112 §7.1"
    ),
    _case(
        "chunk-data-bare-lf",
        _chunked(b"5\r\nhello\n" + _END),
        "400 cut",
        "400 cut",
        _LINE,
        "9112 §7.1",
    ),
    _case(
        "chunk-bare-cr", _chunked(b"5\rhello\r\n" + _END), "400 cut", "400 cut", _LINE, "9112 §7.1"
    ),
    _case(
        "chunk-end-bare-lf",
        _chunked(b"5\r\nhello\r\n0\n\n"),
        "400 cut",
        "400 cut",
        _LINE,
        "9112 §7.1",
    ),
    _case(
        "chunk-longer",
        _chunked(b"5\r\nhelloX\r\n" + _END),
        "400 cut",
        "400 cut",
        "more than its size",
        "9112 §7.1",
    ),
    _case(
        "chunk-not-ended",
        _chunked(b"5\r\nhello" + _END),
        "400 cut",
        "400 cut",
        "CRLF follows the data",
        "9112 §7.1",
    ),
    _case(
        "extension-bare-lf",
        _chunked(b"5;a\nb\r\nhello\r\n" + _END),
        "400 cut",
        "400 cut",
        "an extension does not span lines: two parsers would disagree where the data begin",
        "9112 §7.1.1",
    ),
    _case(
        "extension-hides-request",
        _chunked(b"2;\nxx\r\n%x\r\n0\r\n\r\n%s\r\n" % (len(SMUGGLED) + 5, SMUGGLED) + _END),
        "400 cut",
        "400 cut",
        "the same, used to hide a request",
        "9112 §7.1.1",
    ),
    _case(
        "extension-bare-cr",
        _chunked(b"5;a\rb\r\nhello\r\n" + _END),
        "400 cut",
        "400 cut",
        "an extension does not span lines",
        "9112 §7.1.1",
    ),
    _case(
        "extension-huge",
        _chunked(b"5;" + b"a" * 65_536 + b"\r\nhello\r\n" + _END),
        "400 413 431 cut clean",
        "400 413 431 cut clean",
        "the total ought to be limited",
        "9112 §7.1.1",
    ),
    _case(
        "trailer-framing",
        _chunked(b"5\r\nhello\r\n0\r\nContent-Length: 50\r\nHost: evil.example\r\n\r\n"),
        "400 clean cut",
        "400 clean cut",
        "framing in a trailer means nothing",
        "9110 §6.5.1",
    ),
    _case(
        "trailer-malformed",
        _chunked(b"5\r\nhello\r\n0\r\nno colon\r\n\r\n"),
        "400 cut",
        "400 cut",
        "a trailer is made of fields",
        "9112 §7.1.2",
    ),
    _case(
        "trailer-bare-lf",
        _chunked(b"5\r\nhello\r\n0\r\nX: y\nZ: w\r\n\r\n"),
        "400 cut clean",
        "400 cut",
        "lines end with CRLF",
        "9112 §2.2",
    ),
)

FIELDS = (
    _case(
        "all-bare-lf",
        b"GET /api/probe HTTP/1.1\nHost: door.example\n\n",
        "400 clean",
        "400",
        "LF may be taken as an end of line",
        "9112 §2.2",
    ),
    _case(
        "one-bare-lf",
        b"GET /api/probe HTTP/1.1\r\nHost: door.example\nX: y\r\n\r\n",
        "400 clean",
        "400",
        "LF may be taken as an end of line",
        "9112 §2.2",
    ),
    _case(
        "head-ends-bare-lf",
        b"GET /api/probe HTTP/1.1\r\nHost: door.example\r\n\n",
        "400 clean",
        "400",
        "LF may be taken as an end of line",
        "9112 §2.2",
    ),
    _case(
        "request-line-bare-lf",
        b"GET /api/probe HTTP/1.1\nHost: door.example\r\n\r\n",
        "400 clean",
        "400",
        "LF may be taken as an end of line",
        "9112 §2.2",
    ),
    _case(
        "bare-cr-in-value",
        _request(b"X: a\rb"),
        "400 clean",
        "400",
        "a bare CR is invalid, or a space",
        "9112 §2.2",
    ),
    _case(
        "bare-cr-ends-line",
        b"GET /api/probe HTTP/1.1\rHost: door.example\r\r",
        "400 closed silent",
        "400 silent",
        "CR alone ends no line",
        "9112 §2.2",
    ),
    _case(
        "folded",
        _request(b"X: a", b" b"),
        "400 clean",
        "400",
        "a folded line is refused or joined",
        "9112 §5.2",
    ),
    _case(
        "folded-with-tab",
        _request(b"X: a", b"\tb"),
        "400 clean",
        "400",
        "a folded line is refused or joined",
        "9112 §5.2",
    ),
    _case(
        "folded-first",
        _request(b" X: a", host=None) + b"",
        "400",
        "400",
        "whitespace before the first field, and no Host",
        "9112 §2.2",
    ),
    _case(
        "space-before-first",
        b"GET /api/probe HTTP/1.1\r\n X-Odd: a\r\nHost: door.example\r\n\r\n",
        "400 clean",
        "400",
        "refused, or the line left out",
        "9112 §2.2",
        absent=(b"x-odd",),
    ),
    _case(
        "nul-in-value",
        _request(b"X: a\x00b"),
        "400 clean",
        "400",
        "refused, or a space",
        "9110 §5.5",
    ),
    _case("nul-in-name", _request(b"X\x00Y: a"), "400", "400", "a name is a token", "9110 §5.1"),
    _case(
        "control-in-value",
        _request(b"X: a\x01b"),
        "400 clean raw",
        "400",
        "invalid; it may be kept where it is safe",
        "9110 §5.5",
    ),
    _case("control-in-name", _request(b"X\x01: a"), "400", "400", "a name is a token", "9110 §5.1"),
    _case("space-in-name", _request(b"X Y: a"), "400", "400", "a name is a token", "9110 §5.1"),
    _case(
        "space-before-colon",
        _request(b"X : a"),
        "400",
        "400",
        "no whitespace before the colon",
        "9112 §5.1",
    ),
    _case(
        "name-empty",
        _request(b": a"),
        "400",
        "400",
        "a name has at least one character",
        "9110 §5.1",
    ),
    _case(
        "name-bytes", _request(b"caf\xc3\xa9: a"), "400", "400", "a name is a token", "9110 §5.1"
    ),
    _case("name-brackets", _request(b"X(1): a"), "400", "400", "a name is a token", "9110 §5.1"),
    _case("name-quoted", _request(b'"X": a'), "400", "400", "a name is a token", "9110 §5.1"),
    _case("no-colon", _request(b"garbage"), "400", "400", "a field has a colon", "9112 §5"),
    _case(
        "field-huge",
        _request(b"X: " + b"a" * 65_536),
        "431 400 413 clean",
        "431",
        "who has a limit says so with 4xx",
        "9110 §5.4",
    ),
    _case(
        "fields-many",
        _request(*(b"X-%d: a" % number for number in range(500))),
        "431 400 413 clean",
        "431",
        "who has a limit says so with 4xx",
        "9110 §5.4",
    ),
    _case(
        "head-endless",
        b"GET /api/probe HTTP/1.1\r\nHost: door.example\r\n" + b"X: aaaaaaaa\r\n" * 10_000,
        "431 400 413 closed silent",
        "431",
        "an end that does not come is not waited for with all of it in memory",
        "9110 §5.4",
    ),
)

HOSTS = (
    _case("host-missing", _request(host=None), "400", "400", "HTTP/1.1 has a Host", "9112 §3.2"),
    _case("host-twice", _request(b"Host: door.example"), "400", "400", "exactly one", "9112 §3.2"),
    _case(
        "host-differs", _request(b"Host: evil.example"), "400", "400", "exactly one", "9112 §3.2"
    ),
    _case(
        "host-list",
        _request(host=b"Host: door.example, evil.example"),
        "400",
        "400",
        "not a host",
        "9112 §3.2",
    ),
    _case(
        "host-space",
        _request(host=b"Host: door.example evil"),
        "400",
        "400",
        "not a host",
        "9112 §3.2",
    ),
    _case(
        "host-path",
        _request(host=b"Host: door.example/evil"),
        "400",
        "400",
        "not a host",
        "9112 §3.2",
    ),
    _case(
        "host-user",
        _request(host=b"Host: evil@door.example"),
        "400",
        "400",
        "not a host",
        "9112 §3.2",
    ),
    _case(
        "host-port-letters",
        _request(host=b"Host: door.example:abc"),
        "400",
        "400",
        "not a port",
        "9112 §3.2",
    ),
    _case(
        "host-space-before-colon",
        _request(host=b"Host : door.example"),
        "400",
        "400",
        "no whitespace before the colon",
        "9112 §5.1",
    ),
    _case(
        "host-folded",
        _request(host=b"Host: door.example\r\n .evil.example"),
        "400 clean",
        "400",
        "a folded line is refused or joined",
        "9112 §5.2",
    ),
    _case(
        "host-empty",
        _request(host=b"Host:"),
        "400 clean",
        "400 clean",
        "legal where the target has no authority",
        "9112 §3.2",
    ),
    _case(
        "host-and-absolute-differ",
        _request(start=b"GET http://other.example/api/probe HTTP/1.1"),
        "clean 400 404 421",
        "clean 400 404 421",
        "the target's host counts, not the field's",
        "9112 §3.2.2",
        absent=(b"host: door.example",),
    ),
)

_OLDER = b"GET /api/probe\r\n"

STARTS = (
    _case(
        "http-0.9",
        _OLDER + b"\r\n",
        "400 426 505 closed silent clean",
        "400",
        "not HTTP/1",
        "9112 §3",
    ),
    _case(
        "http-2.0",
        _request(start=b"GET /api/probe HTTP/2.0"),
        "400 426 505",
        "400 505",
        "another major version has another syntax",
        "9110 §15.6.6",
    ),
    _case(
        "http-1.2",
        _request(start=b"GET /api/probe HTTP/1.2"),
        "clean 400 426 505",
        "clean 400 505",
        "a higher minor version may be read as 1.1",
        "9110 §2.5",
    ),
    _case(
        "http-1.10",
        _request(start=b"GET /api/probe HTTP/1.10"),
        "400 505",
        "400 505",
        "one digit",
        "9112 §2.3",
    ),
    _case(
        "http-lower",
        _request(start=b"GET /api/probe http/1.1"),
        "400 505",
        "400 505",
        "has case",
        "9112 §2.3",
    ),
    _case(
        "http-none",
        _request(start=b"GET /api/probe HTTP/"),
        "400 505",
        "400 505",
        "no version",
        "9112 §2.3",
    ),
    _case(
        "http-other",
        _request(start=b"GET /api/probe SIP/2.0"),
        "400 505",
        "400 505",
        "not HTTP",
        "9112 §2.3",
    ),
    _case(
        "http-2-preface",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "400 404 405 501 505 closed silent other",
        "400 404 405 501 505",
        "HTTP/2 without having been agreed on",
        "9113 §3.4",
    ),
    _case(
        "tls-hello",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x00" * 160 + b"\r\n\r\n",
        "400 closed other",
        "400 closed",
        "TLS where none is expected",
        "9112 §3",
    ),
    _case(
        "method-unknown",
        _request(start=b"FROB /api/probe HTTP/1.1"),
        "clean 400 405 501",
        "clean 400 405 501",
        "methods are open-ended",
        "9110 §9.1",
    ),
    _case(
        "method-lower",
        _request(start=b"get /api/probe HTTP/1.1"),
        "clean 400 405 501",
        "clean 400 405 501",
        "methods have case: this one is unknown",
        "9110 §9.1",
    ),
    _case(
        "method-invalid",
        _request(start=b"GE(T /api/probe HTTP/1.1"),
        "400 405 501",
        "400",
        "a token",
        "9110 §9.1",
    ),
    _case(
        "method-empty",
        _request(start=b" /api/probe HTTP/1.1"),
        "400",
        "400",
        "there is none",
        "9112 §3",
    ),
    _case(
        "method-nul",
        _request(start=b"GET\x00 /api/probe HTTP/1.1"),
        "400 405 501",
        "400",
        "a method is a token",
        "9110 §9.1",
    ),
    _case(
        "method-long",
        _request(start=b"G" * 9_000 + b" /api/probe HTTP/1.1"),
        "400 405 414 431 501 clean",
        "400 405 414 431 501",
        "longer than any that is known",
        "9112 §3",
    ),
    _case(
        "two-spaces",
        _request(start=b"GET  /api/probe HTTP/1.1"),
        "400 clean",
        "400",
        "one space; more may be forgiven",
        "9112 §3",
    ),
    _case(
        "tab-for-space",
        _request(start=b"GET\t/api/probe\tHTTP/1.1"),
        "400 clean",
        "400",
        "one space; other whitespace may be forgiven",
        "9112 §3",
    ),
    _case(
        "space-after-version",
        _request(start=b"GET /api/probe HTTP/1.1 "),
        "400 clean",
        "400",
        "nothing follows the version; whitespace may be forgiven",
        "9112 §3",
    ),
    _case(
        "space-first",
        b" " + _request(),
        "400 clean",
        "400",
        "nothing precedes the method",
        "9112 §3",
    ),
    _case(
        "lf-first",
        b"\n" + _request(),
        "400 clean",
        "400 clean",
        "an empty line of sorts",
        "9112 §2.2",
    ),
    _case(
        "nul-first",
        b"\x00" + _request(),
        "400 closed",
        "400",
        "nothing precedes the method",
        "9112 §3",
    ),
    _case(
        "space-in-target",
        _request(start=b"GET /api/a b HTTP/1.1"),
        "400 301",
        "400",
        "refused or redirected, never mended",
        "9112 §3.2",
    ),
    _case(
        "nul-in-target",
        _request(start=b"GET /api/\x00 HTTP/1.1"),
        "400",
        "400",
        "not a character",
        "9112 §3.2",
    ),
    _case(
        "control-in-target",
        _request(start=b"GET /api/\x01 HTTP/1.1"),
        "400",
        "400",
        "not a character",
        "9112 §3.2",
    ),
    _case(
        "cr-in-target",
        _request(start=b"GET /api/\rx HTTP/1.1"),
        "400",
        "400",
        "not a character",
        "9112 §2.2",
    ),
    _case(
        "bytes-in-target",
        _request(start=b"GET /api/caf\xc3\xa9 HTTP/1.1"),
        "400 301 clean",
        "400",
        "to be percent-encoded",
        "9112 §3.2",
    ),
    _case(
        "fragment-in-target",
        _request(start=b"GET /api/probe#part HTTP/1.1"),
        "400 clean",
        "400",
        "a fragment is not sent",
        "9112 §3.2.1",
    ),
    _case(
        "target-without-slash",
        _request(start=b"GET api/probe HTTP/1.1"),
        "400 404",
        "400",
        "neither a path nor absolute",
        "9112 §3.2",
    ),
    _case(
        "target-missing", _request(start=b"GET HTTP/1.1"), "400", "400", "there is none", "9112 §3"
    ),
    _case(
        "target-other-scheme",
        _request(start=b"GET ftp://door.example/api/probe HTTP/1.1"),
        "400 403 404 421 501",
        "400 404 421",
        "we do not speak that",
        "9110 §7.4",
    ),
    _case(
        "target-authority",
        _request(start=b"CONNECT door.example:443 HTTP/1.1"),
        "400 403 404 405 501",
        "400 404 405 501",
        "this is no forward proxy",
        "9110 §9.3.6",
    ),
    _case(
        "target-authority-get",
        _request(start=b"GET door.example:443 HTTP/1.1"),
        "400 404",
        "400",
        "only CONNECT has that form",
        "9112 §3.2.3",
    ),
    _case(
        "target-asterisk",
        _request(start=b"OPTIONS * HTTP/1.1"),
        "200 204 400 404 405 clean",
        "200 204 400 404 405",
        "asks about the server itself",
        "9110 §9.3.7",
    ),
    _case(
        "target-asterisk-get",
        _request(start=b"GET * HTTP/1.1"),
        "400 404 405",
        "400 404 405",
        "only OPTIONS has that form",
        "9112 §3.2.4",
    ),
    _case(
        "target-long",
        _request(start=b"GET /api/" + b"a" * 12_000 + b" HTTP/1.1"),
        "414 400 431 clean",
        "414",
        "who has a limit says so",
        "9112 §3",
    ),
    _case(
        "dot-segments",
        _request(start=b"GET /api/../rpc/secret HTTP/1.1"),
        "400 403 404",
        "400 404",
        "what the route allows must be what the upstream reads",
        "9110 §4.2.3",
        absent=(b"/api/../", b" /rpc/"),
    ),
    _case(
        "dot-segments-encoded",
        _request(start=b"GET /api/%2e%2e/rpc/secret HTTP/1.1"),
        "400 403 404",
        "400 404",
        "the same, encoded",
        "9110 §4.2.3",
        absent=(b"%2e%2e", b" /rpc/", b"/../"),
    ),
)

_HOPS = "fields for one connection end there"

HOPS = (
    _case(
        "connection-names-field",
        _request(b"Connection: keep-alive, X-Secret", b"X-Secret: 1"),
        "clean",
        "clean",
        "what Connection names is taken out",
        "9110 §7.6.1",
        absent=(b"x-secret",),
    ),
    _case(
        "connection-names-host",
        _request(b"Connection: keep-alive, Host"),
        "clean 400",
        "clean 400",
        "not to be used to take out Host",
        "9110 §7.6.1",
    ),
    _case(
        "connection-names-length",
        _post(
            b"Connection: keep-alive, Content-Length",
            b"Content-Length: %d" % len(SMUGGLED),
            body=SMUGGLED,
        ),
        "clean 400",
        "clean 400",
        "not to be used to take out the length",
        "9110 §7.6.1",
    ),
    _case(
        "keep-alive",
        _request(b"Connection: keep-alive", b"Keep-Alive: timeout=5"),
        "clean",
        "clean",
        _HOPS,
        "9110 §7.6.1",
        absent=(b"keep-alive: timeout",),
    ),
    _case(
        "proxy-connection",
        _request(b"Proxy-Connection: keep-alive"),
        "clean",
        "clean",
        _HOPS,
        "9110 §7.6.1",
        absent=(b"proxy-connection",),
    ),
    _case(
        "te",
        _request(b"TE: gzip", b"Connection: TE"),
        "clean",
        "clean",
        _HOPS,
        "9110 §7.6.1",
        absent=(b"te: gzip",),
    ),
    _case(
        "upgrade-http-2",
        _request(
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABkAAQAAP__",
        ),
        "clean 400 501 other",
        "clean 400 501",
        "an upgrade that the proxy does not follow lets requests through unseen",
        "9110 §7.8",
        absent=(b"upgrade: h2c", b"http2-settings"),
    ),
    _case(
        "expect-unknown",
        _request(b"Expect: miracles"),
        "clean 400 417",
        "clean 400 417",
        "an expectation that cannot be met may be refused",
        "9110 §10.1.1",
    ),
)

CASES = (*VALID, *FRAMING, *LENGTHS, *CHUNKS, *FIELDS, *HOSTS, *STARTS, *HOPS)
