"""What may come in ``traceparent`` and ``tracestate``, and what must go on: one table, two users.

It covers every behaviour that the W3C's own suite asks for (``trace_suite`` says which row is which
of its cases), and what level 2 adds. The pure function and the running front door are held to the
same rows.
"""

from __future__ import annotations

from dataclasses import dataclass

TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER = "5bd66ef5095369c7b0d1f8f4bd33716a"
PARENT = "b7ad6b7169203331"
PLAIN = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT}-00"
BEGUN = "02"  # flags of a trace that begins here: random, not sampled


@dataclass(frozen=True, slots=True)
class Case:
    """``continues`` is the trace id that must go on (None: a new one), ``state`` what must be
    sent as tracestate (None: nothing), ``flags`` the flags that must be sent."""

    name: str
    headers: tuple[tuple[str, str], ...]
    continues: str | None = None
    state: str | None = None
    flags: str = BEGUN


def _parent(name: str, *values: str, kept: bool = False, flags: str = "01") -> Case:
    headers = tuple(("traceparent", value) for value in values)
    return Case(name, headers, TRACE, None, flags) if kept else Case(name, headers)


def _state(name: str, *values: str, sent: str | None = None) -> Case:
    headers = (("traceparent", UNSAMPLED), *(("tracestate", value) for value in values))
    return Case(name, headers, TRACE, sent, "00")


def _named(name: str, field: str, *, kept: bool) -> Case:
    headers = ((field, PLAIN),)
    return Case(name, headers, TRACE, None, "01") if kept else Case(name, headers)


def _state_named(name: str, field: str, *, kept: bool) -> Case:
    headers = (("traceparent", UNSAMPLED), (field, "foo=1"))
    return Case(name, headers, TRACE, "foo=1" if kept else None, "00")


def _listed(first: int, last: int) -> str:
    return ",".join(f"key{number:02}={number:02}" for number in range(first, last + 1))


_KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
_VALUE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")
_FUTURE = f"{TRACE}-{PARENT}-01"

PRESENCE = (
    Case("nothing-came", ()),
    _parent("parent-without-state", PLAIN, kept=True),
    Case("state-without-parent", (("tracestate", "foo=1"),)),
    Case("longer-state-without-parent", (("tracestate", "foo=1,bar=2"),)),
    Case(
        "state-beside-a-bad-parent",
        (("traceparent", PLAIN + "."), ("tracestate", "foo=1")),
    ),
    Case(
        "parent-twice",
        (("traceparent", PLAIN), ("traceparent", f"00-{OTHER}-{PARENT}-01")),
    ),
    Case("the-same-parent-twice", (("traceparent", PLAIN), ("traceparent", PLAIN))),
    _parent("parent-empty", ""),
)
NAMES = (
    _named("parent-name-with-a-dash", "trace-parent", kept=False),
    _named("parent-name-with-a-dot", "trace.parent", kept=False),
    _named("parent-name-in-camel-case", "TraceParent", kept=True),
    _named("parent-name-in-mixed-case", "TrAcEpArEnT", kept=True),
    _named("parent-name-in-upper-case", "TRACEPARENT", kept=True),
    _state_named("state-name-with-a-dash", "trace-state", kept=False),
    _state_named("state-name-with-a-dot", "trace.state", kept=False),
    _state_named("state-name-in-camel-case", "TraceState", kept=True),
    _state_named("state-name-in-mixed-case", "TrAcEsTaTe", kept=True),
    _state_named("state-name-in-upper-case", "TRACESTATE", kept=True),
)
VERSIONS = (
    _parent("version-00-and-a-tail", PLAIN + "."),
    _parent("version-00-and-a-field-more", PLAIN + "-what-the-future-brings"),
    _parent("later-version", f"cc-{_FUTURE}", kept=True),
    _parent("later-version-with-a-field-more", f"cc-{_FUTURE}-what-the-future-brings", kept=True),
    _parent("later-version-with-a-dash-more", f"01-{_FUTURE}-", kept=True),
    _parent("later-version-and-a-tail-without-dash", f"cc-{_FUTURE}.what-the-future-brings"),
    _parent("later-version-with-long-flags", f"cc-{_FUTURE}0"),
    _parent("later-version-too-short", f"cc-{TRACE}-{PARENT}-1"),
    _parent("later-version-with-a-zero-trace-id", f"cc-{'0' * 32}-{PARENT}-01"),
    _parent("later-version-with-a-zero-parent-id", f"cc-{TRACE}-{'0' * 16}-01"),
    _parent("later-version-twice", f"cc-{_FUTURE}", f"cc-{_FUTURE}"),
    _parent("version-ff", f"ff-{_FUTURE}"),
    _parent("version-ff-with-a-field-more", f"ff-{_FUTURE}-more"),
    _parent("version-with-a-dot-first", f".0-{_FUTURE}"),
    _parent("version-with-a-dot-last", f"0.-{_FUTURE}"),
    _parent("version-in-upper-case", f"CC-{_FUTURE}"),
    _parent("version-of-three-digits", f"000-{_FUTURE}"),
    _parent("version-of-four-digits", f"0000-{_FUTURE}"),
    _parent("version-of-one-digit", f"0-{_FUTURE}"),
)
TRACE_IDS = (
    _parent("trace-id-of-zeros", f"00-{'0' * 32}-{PARENT}-01"),
    _parent("trace-id-with-a-dot-first", f"00-.{TRACE[1:]}-{PARENT}-01"),
    _parent("trace-id-with-a-dot-last", f"00-{TRACE[:-1]}.-{PARENT}-01"),
    _parent("trace-id-in-upper-case", f"00-{TRACE.upper()}-{PARENT}-01"),
    _parent("trace-id-too-long", f"00-{TRACE}3-{PARENT}-01"),
    _parent("trace-id-too-short", f"00-{TRACE[:-1]}-{PARENT}-01"),
)
PARENT_IDS = (
    _parent("parent-id-of-zeros", f"00-{TRACE}-{'0' * 16}-01"),
    _parent("parent-id-with-a-dot-first", f"00-{TRACE}-.{PARENT[1:]}-01"),
    _parent("parent-id-with-a-dot-last", f"00-{TRACE}-{PARENT[:-1]}.-01"),
    _parent("parent-id-in-upper-case", f"00-{TRACE}-{PARENT.upper()}-01"),
    _parent("parent-id-too-long", f"00-{TRACE}-{PARENT}7-01"),
    _parent("parent-id-too-short", f"00-{TRACE}-{PARENT[:-1]}-01"),
)
FLAGS = (
    _parent("flags-with-a-dot-first", f"00-{TRACE}-{PARENT}-.0"),
    _parent("flags-with-a-dot-last", f"00-{TRACE}-{PARENT}-0."),
    _parent("flags-in-upper-case", f"00-{TRACE}-{PARENT}-0A"),
    _parent("flags-too-long", f"00-{TRACE}-{PARENT}-001"),
    _parent("flags-too-short", f"00-{TRACE}-{PARENT}-1"),
    _parent("not-sampled-stays-so", UNSAMPLED, kept=True, flags="00"),
    _parent("random-stays-so", f"00-{TRACE}-{PARENT}-02", kept=True, flags="02"),
    _parent("sampled-and-random-stay-so", f"00-{TRACE}-{PARENT}-03", kept=True, flags="03"),
    _parent("unknown-flags-are-cleared", f"00-{TRACE}-{PARENT}-ff", kept=True, flags="03"),
    _parent("flags-of-a-later-version", f"cc-{TRACE}-{PARENT}-fd-x", kept=True, flags="01"),
)
PARENT_SPACES = (
    _parent("space-before-the-parent", f" {PLAIN}", kept=True),
    _parent("tab-before-the-parent", f"\t{PLAIN}", kept=True),
    _parent("space-after-the-parent", f"{PLAIN} ", kept=True),
    _parent("tab-after-the-parent", f"{PLAIN}\t", kept=True),
    _parent("white-space-around-the-parent", f"\t {PLAIN} \t", kept=True),
    _parent("space-inside-the-parent", PLAIN.replace("-b7", "- b7")),
)
STATES = (
    _state("state-is-inherited", "foo=1,bar=2", sent="foo=1,bar=2"),
    _state("state-empty", ""),
    _state("state-empty-after-another", "foo=1", "", sent="foo=1"),
    _state("state-empty-before-another", "", "foo=1", sent="foo=1"),
    _state("state-of-commas", " , ,\t, "),
    _state(
        "state-in-several-headers",
        *("foo=1,bar=2", "rojo=1,congo=2", "baz=3"),
        sent="foo=1,bar=2,rojo=1,congo=2,baz=3",
    ),
    _state("state-with-every-character", f"{_KEY}={_VALUE}", sent=f"{_KEY}={_VALUE}"),
    _state(
        "tenant-state-with-every-character",
        f"{_KEY}@a-z0-9_-*/={_VALUE}",
        sent=f"{_KEY}@a-z0-9_-*/={_VALUE}",
    ),
    _state("key-begins-with-a-digit", "1foo=1", sent="1foo=1"),
    _state("value-with-inner-spaces", "foo=  a b", sent="foo=  a b"),
)
STATE_SPACES = (
    _state("spaces-around-commas", "foo=1 \t , \t bar=2, \t baz=3", sent="foo=1,bar=2,baz=3"),
    _state("tabs-around-commas", "foo=1\t \t,\t \tbar=2,\t \tbaz=3", sent="foo=1,bar=2,baz=3"),
    _state("space-before-the-state", " foo=1", sent="foo=1"),
    _state("tab-before-the-state", "\tfoo=1", sent="foo=1"),
    _state("space-after-the-state", "foo=1 ", sent="foo=1"),
    _state("tab-after-the-state", "foo=1\t", sent="foo=1"),
    _state("white-space-around-the-state", "\t foo=1 \t", sent="foo=1"),
)
BAD_STATES = (
    _state("same-key-same-value", "foo=1,foo=1"),
    _state("same-key-other-value", "foo=1,foo=2"),
    _state("same-key-same-value-in-two-headers", "foo=1", "foo=1"),
    _state("same-key-other-value-in-two-headers", "foo=1", "foo=2"),
    _state("key-with-a-space", "foo =1"),
    _state("key-in-upper-case", "FOO=1"),
    _state("key-with-a-dot", "foo.bar=1"),
    _state("key-empty", "=1,bar=2"),
    _state("key-alone", "foo,bar=2"),
    _state("key-with-an-empty-system", "foo@=1,bar=2"),
    _state("key-with-an-empty-tenant", "@foo=1,bar=2"),
    _state("key-with-two-ats-together", "foo@@bar=1,bar=2"),
    _state("key-with-two-ats", "foo@bar@baz=1,bar=2"),
    _state("key-with-a-digit-after-the-at", "foo@1bar=1,bar=2"),
    _state("value-with-an-equals-sign", "foo=bar=baz"),
    _state("value-empty", "foo=,bar=3"),
    _state("value-with-a-tab", "foo=a\tb,bar=3"),
    _state("value-beyond-ascii", "foo=ü,bar=3"),
)
LIMITS = (
    _state(
        "state-of-32-members",
        *(_listed(1, 10), _listed(11, 20), _listed(21, 30), _listed(31, 32)),
        sent=_listed(1, 32),
    ),
    _state(
        "state-of-33-members",
        *(_listed(1, 10), _listed(11, 20), _listed(21, 30), _listed(31, 33)),
    ),
    _state("key-of-256", "foo=1", f"{'z' * 256}=1", sent=f"foo=1,{'z' * 256}=1"),
    _state("key-of-257", "foo=1", f"{'z' * 257}=1"),
    _state(
        "tenant-of-241-and-system-of-14",
        *("foo=1", f"{'t' * 241}@{'v' * 14}=1"),
        sent=f"foo=1,{'t' * 241}@{'v' * 14}=1",
    ),
    _state("tenant-of-242", "foo=1", f"{'t' * 242}@v=1"),
    _state("system-of-15", "foo=1", f"t@{'v' * 15}=1"),
    _state("value-of-256", f"foo={'v' * 256}", sent=f"foo={'v' * 256}"),
    _state("value-of-257", f"foo={'v' * 257}"),
    _state(
        "512-characters-go-on",
        f"foo={'v' * 246},bar={'w' * 251},baz=1"[:512],
        sent=f"foo={'v' * 246},bar={'w' * 251},baz=1"[:512],
    ),
    _state(
        "beyond-512-large-members-go-first",
        f"big={'v' * 200},{_listed(1, 30)},small={'w' * 100}",
        sent=f"{_listed(1, 30)},small={'w' * 100}",
    ),
    _state(
        "beyond-512-the-last-large-member-goes-first",
        f"one={'v' * 250},two={'w' * 250},three=3",
        sent=f"one={'v' * 250},three=3",
    ),
    _state(
        "beyond-512-small-members-go-from-the-end",
        ",".join(f"key{number}={'v' * 100}" for number in range(1, 7)),
        sent=",".join(f"key{number}={'v' * 100}" for number in range(1, 5)),
    ),
)

CASES = (
    *(*PRESENCE, *NAMES, *VERSIONS, *TRACE_IDS, *PARENT_IDS, *FLAGS, *PARENT_SPACES),
    *(*STATES, *STATE_SPACES, *BAD_STATES, *LIMITS),
)


def faults(case: Case, sent: list[tuple[str, str]]) -> list[str]:
    """What is wrong with the trace headers that went to the upstream; nothing, if all is well."""
    parents = [value for name, value in sent if name.lower() == "traceparent"]
    states = [value for name, value in sent if name.lower() == "tracestate"]
    if len(parents) != 1:
        return [f"{len(parents)} traceparent headers"]
    if parents[0].count("-") != 3:
        return [f"traceparent: {parents[0]!r}"]
    version, trace_id, span_id, flags = parents[0].split("-")
    came = "".join(value for _, value in case.headers)
    checks = {
        "version": version == "00",
        "trace id": _is_id(trace_id, 32)
        and (trace_id == case.continues if case.continues else trace_id not in came),
        "span id": _is_id(span_id, 16) and span_id not in came,
        "flags": flags == case.flags,
        "tracestate": states == ([] if case.state is None else [case.state]),
    }
    return [f"{what}: {sent}" for what, holds in checks.items() if not holds]


def _is_id(text: str, digits: int) -> bool:
    return len(text) == digits and set(text) <= set("0123456789abcdef") and set(text) != {"0"}
