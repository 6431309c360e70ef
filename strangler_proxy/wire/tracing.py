"""The trace a request belongs to (W3C Trace Context, levels 1 and 2) and the request's own id.

The front door is a participant, not a pass-through: the trace goes on under a span id of ours, or
begins here when what came is not readable. No spans are recorded, so a trace that begins here is
not sampled; the sampled flag of others is kept, as is their promise of a random trace id.

Where the levels differ: a key of ``tracestate`` may begin with a digit (level 2), and an ``@`` in
it separates a tenant from its system (level 1; level 2 allows it anywhere, the public test-suite
does not). ``tracestate`` is all or nothing: a bad member, a repeated key or a 33rd member and it
is dropped, while the trace goes on. More than 512 characters are cut down to whole members.
"""

from __future__ import annotations

import re
from binascii import hexlify
from random import Random
from typing import Final

STATE_MEMBERS = 32
STATE_CHARACTERS: Final = 512  # that everyone must be able to carry; so much and no more goes on
LARGE_MEMBER = 128  # characters; larger ones are the first to go
_SEPARATORS = 64  # commas; with more there is nothing to be read, however empty the members

_VERSION_00: Final = re.compile(
    rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})"
).fullmatch
# Later versions may only append, after a dash; ff is none.
_VERSION_LATER = re.compile(
    rb"(?!00|ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?"
).fullmatch

_KEY = rb"[a-z0-9][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}"
_VALUE = rb"[ -+\--<>-~]{0,255}[!-+\--<>-~]"  # printable, no comma, no equals sign
_MEMBER: Final = re.compile(rb"(?:%b)=%b" % (_KEY, _VALUE)).fullmatch

SAMPLED, RANDOM = 1, 2
_FLAGS: Final = {b"%02x" % flags: b"%02x" % (flags & (SAMPLED | RANDOM)) for flags in range(256)}
_BEGUN: Final = b"-%02x" % RANDOM
_DRAWN: Final = 64  # ids at a time
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._\-]{1,128}").fullmatch


class Trace:
    """The two headers as they go to the upstream."""

    __slots__ = ("traceparent", "tracestate")

    def __init__(self, traceparent: bytes, tracestate: bytes | None) -> None:
        self.traceparent = traceparent
        self.tracestate = tracestate

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return self.traceparent[3:35].decode()


def continue_trace(traceparent: bytes | None, tracestate: bytes | None, rng: Random) -> Trace:
    """Go on with the trace of these headers (repeated ones joined by a comma), or begin one.

    ``rng`` makes the span id and, for a new trace, the trace id; both are never zero.
    """
    if traceparent is None:
        return _begin(rng)
    match = _VERSION_00(traceparent) or _later_version(traceparent)
    if match is None:
        return _begin(rng)
    trace_id, flags = match.groups()
    return Trace(
        b"00-%b-%016x-%b" % (trace_id, rng.getrandbits(64) or 1, _FLAGS[flags]),
        None if tracestate is None else _readable_state(tracestate),
    )


def request_id(given: bytes | None, trace: Trace) -> bytes:
    """The request's id: that of ``X-Request-Id`` if it is well-formed by the shop's rule.

    Else trace and span id, ``<32 hex>-<16 hex>``: as unique as the span, and a reader of the log
    finds the trace by it.
    """
    if given is not None and _REQUEST_ID(given):
        return given
    return trace.traceparent[3:52]


class Beginnings:
    """New traces. Their ids are drawn many at a time: so one costs a quarter."""

    __slots__ = ("_made", "_rng")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._made: list[bytes] = []

    def trace(self) -> Trace:
        """One that begins here."""
        if not self._made:
            self._made = _begun(self._rng, _DRAWN)
        return Trace(self._made.pop(), None)


def _begin(rng: Random) -> Trace:
    return Trace(_begun(rng, 1)[0], None)


def _begun(rng: Random, count: int) -> list[bytes]:
    """So many headers of traces that begin here."""
    ids = hexlify(rng.getrandbits(192 * count).to_bytes(24 * count, "big"))
    made: list[bytes] = []
    for at in range(0, 48 * count, 48):
        trace_id, span_id = ids[at : at + 32], ids[at + 32 : at + 48]
        if span_id == _NO_SPAN or trace_id == _NO_TRACE:  # zeros mean none; once in 10^19 times
            trace_id, span_id = trace_id[1:] + b"1", span_id[1:] + b"1"
        made.append(b"00-" + trace_id + b"-" + span_id + _BEGUN)
    return made


def _later_version(traceparent: bytes) -> re.Match[bytes] | None:
    """What is not plainly version 00: with white space around it, or of a later version."""
    plain = traceparent.strip(b" \t")
    return _VERSION_00(plain) or _VERSION_LATER(plain)


def _readable_state(tracestate: bytes) -> bytes | None:
    """The members without the white space around them; None if there are none or one is bad."""
    if len(tracestate) <= STATE_CHARACTERS and _MEMBER(tracestate):
        return tracestate  # one member, as most often
    if tracestate.count(b",") >= _SEPARATORS:
        return None
    members = [plain for part in tracestate.split(b",") if (plain := part.strip(b" \t"))]
    keys = {member.partition(b"=")[0] for member in members if _MEMBER(member)}
    # One key for each member: else some member is bad, or some key is there twice.
    if not members or len(members) > STATE_MEMBERS or len(keys) != len(members):
        return None
    joined = b",".join(members)
    return joined if len(joined) <= STATE_CHARACTERS else _cut(members)


def _cut(members: list[bytes]) -> bytes | None:
    """Drop whole members until the rest fits: large ones first, from the end."""
    length = sum(map(len, members)) + len(members) - 1
    large = [place for place, member in enumerate(members) if len(member) > LARGE_MEMBER]
    small = [place for place, member in enumerate(members) if len(member) <= LARGE_MEMBER]
    kept = dict(enumerate(members))
    for place in (*reversed(large), *reversed(small)):
        if length <= STATE_CHARACTERS:
            break
        length -= len(kept.pop(place)) + 1
    return b",".join(kept.values()) or None
