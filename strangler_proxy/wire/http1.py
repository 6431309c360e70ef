"""HTTP/1.1 heads, read strictly: what two readers could understand in two ways is refused.

httptools (llhttp) finds bad names, values, numbers, line ends and foldings; this file adds the
rules that concern the message as a whole (RFC 9112 sections 3, 6 and 11).

What has been read is remembered, by whole heads and by lines, for nearly all come again; so is
what a plain line says, which httptools takes for certain. It is asked for all other heads, and for
those in which a line may be good or bad because of another one: it says yes or no, and the lines
that it has found good are read here.
"""

from __future__ import annotations

import re
from typing import Final

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
    HttpResponseParser,
)

from strangler_proxy.auth.remembered import Remembered
from strangler_proxy.errors import BadAnswer
from strangler_proxy.wire.framing import BadHead, repeated, take_framing
from strangler_proxy.wire.heads import LOWER, Names, RequestHead, ResponseHead, lines, names_of
from strangler_proxy.wire.known_lines import (
    LINE,
    NO_REQUEST,
    PLAIN_REQUEST,
    RequestLine,
    StatusLine,
    answer_fields,
    known,
    learn,
    request_fields,
    request_lines,
    status_lines,
)

END: Final = b"\r\n\r\n"
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?\Z")
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ ")
_ABSOLUTE = re.compile(rb"https?://([^/?#@\s]+)((?:/|\?|\Z)[^#\s]*)\Z", re.I)
_MEMORY = 4096  # hosts remembered
_HEADS = 1024  # remembered, of requests and of answers
_HEAD: Final = 2048  # bytes; longer ones are read each time
_ANSWER_FIELDS: Final = 1000
_SLASH: Final = ord("/")
_SPACE: Final = ord(" ")


# Whole heads of such lines: under load many come again within the second that their date says.
_requests: Final = Remembered[bytes, RequestHead](_HEADS)
_answers: Final = Remembered[bytes, ResponseHead](_HEADS)


class RequestReader:
    """Reads the heads of one client's connection."""

    __slots__ = ("_max_fields", "_max_target")

    def __init__(self, *, max_target: int, max_fields: int) -> None:
        self._max_target = max_target
        self._max_fields = max_fields

    def known(self, raw: bytes) -> RequestHead | None:
        """The head, if all its lines are known and none of them needs a look at the others.

        ``raw`` ends with an empty line. None says nothing: it is for ``read``, or no whole head,
        or two of them.
        """
        same = _requests.get(raw) if len(raw) <= _HEAD else None
        if same is not None:
            few = len(same.headers) <= self._max_fields and len(same.target) <= self._max_target
            return same.again() if few else None
        rows = raw.split(b"\n")
        line = request_lines.get(rows[0])
        if line is None:
            if len(rows[0]) > LINE or PLAIN_REQUEST(rows[0]) is None:
                return None
            line = RequestLine(rows[0])
            request_lines.keep(rows[0], line)
        spelled: list[bytes] = []
        headers = known(rows, request_fields, spelled)
        if headers is None:
            return None
        names = names_of(tuple(spelled))
        host = _hosts.get(headers.get(b"host", b""))
        if not names.simple or not host or len(spelled) > self._max_fields:
            return None
        if line.target[0] != _SLASH or len(line.target) > self._max_target:
            return None
        head = _begun(raw, line, names, headers)
        if not names.plain:
            take_framing(head, headers)
        head.host = host
        if names.recurring and len(raw) <= _HEAD:
            head.relayed()  # for all that come again
            _requests.keep(raw, head.again())
        return head

    def read(self, raw: bytes) -> RequestHead:
        """Read one whole head, including its empty line. Raises BadHead."""
        try:
            HttpRequestParser(None).feed_data(raw)
        except HttpParserUpgrade:
            pass  # where the tunnel begins is known from the head's end
        except HttpParserError as error:
            raise _bad(raw, error) from None
        rows = raw.split(b"\n")
        line = RequestLine(rows[0])
        if raw[0] <= _SPACE:  # llhttp would overlook an empty line
            raise BadHead(400, "malformed_request", NO_REQUEST)
        target = line.target
        if target and line.method != b"CONNECT" and line.end <= LINE:
            request_lines.keep(rows[0], line)
        spelled: list[bytes] = []
        headers = learn(rows, request_fields, spelled)
        names = names_of(tuple(spelled))
        head = _begun(raw, line, names, headers)
        if len(spelled) != len(headers) or len(spelled) > self._max_fields:
            headers = repeated(head, len(spelled), self._max_fields)
        if not names.plain:
            self._read_framing(head, headers)
        if not target or target[0] != _SLASH or len(target) > self._max_target:
            self._check_target(head)
        head.host = _hosts.get(headers.get(b"host", b"")) or _host(head)
        return head

    def _read_framing(self, head: RequestHead, headers: dict[bytes, bytes]) -> None:
        """What comes behind the head. Raises BadHead."""
        take_framing(head, headers)
        if b"expect" in headers and headers[b"expect"].strip().lower() != b"100-continue":
            raise BadHead(417, "expectation_unknown", "The only expectation met is 100-continue.")

    def _check_target(self, head: RequestHead) -> None:
        target = head.target
        if not target:
            raise BadHead(400, "malformed_request", NO_REQUEST)
        if len(target) > self._max_target:
            raise BadHead(414, "target_too_long", f"At most {self._max_target} bytes of target.")
        if b"://" in target:
            _take_absolute(head)


class ResponseReader:
    """Reads the heads of one upstream's connection."""

    __slots__ = ()

    def read(self, raw: bytes) -> ResponseHead:
        """Read one whole head. Raises BadAnswer."""
        same = _answers.get(raw) if len(raw) <= _HEAD else None
        if same is not None:
            return same
        rows = raw.split(b"\n")
        line = status_lines.get(rows[0])
        spelled: list[bytes] = []
        headers = known(rows, answer_fields, spelled) if line is not None else None
        names = names_of(tuple(spelled)) if headers is not None else None
        if line is None or headers is None or names is None or not names.simple:
            line = _look_at_answer(raw, rows[0])
            spelled = []
            headers = learn(rows, answer_fields, spelled)
            names = names_of(tuple(spelled))
        head = ResponseHead()
        head.raw, head.sent = raw, b""
        head.fields_at = line.end
        head.line, head.status, head.minor = line.line, line.status, line.minor
        head.unfit = names.unreturned
        head.headers = headers
        head.length, head.chunked, head.keep_alive = -1, False, line.minor == 1
        try:
            if len(spelled) != len(headers) or len(spelled) > _ANSWER_FIELDS:
                headers = repeated(head, len(spelled), _ANSWER_FIELDS)
            if not names.plain:
                take_framing(head, headers)
        except BadHead as error:
            raise BadAnswer(str(error)) from None
        if names.recurring and line.status >= 200 and len(raw) <= _HEAD:
            _answers.keep(raw, head)
        return head


def _look_at_answer(raw: bytes, first: bytes) -> StatusLine:
    """Let httptools read it all. Raises BadAnswer."""
    parser = HttpResponseParser(None)
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        pass  # where the tunnel begins is known from the head's end
    except HttpParserError as error:
        raise BadAnswer(f"malformed head: {error}") from None
    line = StatusLine(first, parser.get_status_code())
    if line.status >= 200 and line.end <= LINE:  # what 101 may say hangs on the fields
        status_lines.keep(first, line)
    return line


def _begun(raw: bytes, line: RequestLine, names: Names, headers: dict[bytes, bytes]) -> RequestHead:
    """A request's head without what concerns all of it."""
    head = RequestHead()
    head.raw, head.sent = raw, b""
    head.fields_at = line.end
    head.method, head.target, head.path = line.method, line.target, line.path
    head.minor = line.minor
    head.unfit = names.unforwarded
    head.headers = headers
    head.length, head.chunked, head.keep_alive = -1, False, line.minor == 1
    return head


def _bad(raw: bytes, error: HttpParserError) -> BadHead:
    if not isinstance(error, HttpParserInvalidMethodError):
        return BadHead(400, "malformed_request", f"{error}.")
    if _METHOD.match(raw):
        return BadHead(501, "method_unknown", "The method is not known here.")
    return BadHead(400, "malformed_request", "The method is not a token.")


def _take_absolute(head: RequestHead) -> None:
    """RFC 9112 section 3.2.2: the target's authority replaces the Host, for us and upstream."""
    match = _ABSOLUTE.match(head.target)
    if match is None:
        raise BadHead(400, "malformed_request", "The target is not an http or https URL.")
    authority, rest = match.groups()
    head.target = rest if rest[:1] == b"/" else b"/" + rest
    head.path = head.target.partition(b"?")[0]
    kept = [(name, value) for name, value in head.pairs if LOWER[name] != b"host"]
    head.headers[b"host"] = authority
    head.raw = lines([(b"Host", authority), *kept]) + b"\r\n"
    head.fields_at = 0


_hosts: Final[dict[bytes, bytes]] = {}  # as spelled, to plain


def _host(head: RequestHead) -> bytes:
    """The host in lower case, without port. Raises BadHead."""
    given = head.headers.get(b"host")
    if given is None:
        if head.minor == 1:
            raise BadHead(400, "no_host", "HTTP/1.1 needs a Host.")
        return b""
    if not _HOST.match(given):
        raise BadHead(400, "bad_host", "The Host is not a host name with an optional port.")
    known = given.lower()
    name, colon, port = known.rpartition(b":")
    if colon and port.isdigit():
        known = name
    if len(_hosts) < _MEMORY:
        _hosts[given] = known
    return known
