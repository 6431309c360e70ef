"""The trace goes on, or begins anew: the table of cases on the pure function, and its laws."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy.wire.tracing import Trace, continue_trace, request_id
from tests.proxy.trace_cases import CASES, PLAIN, TRACE, UNSAMPLED, Case, faults
from tests.proxy.trace_suite import ROWS, SEVERAL, identified

NAMES = [case.name for case in CASES]


def joined(case: Case, name: str) -> bytes | None:
    """A header as the head hands it over: repeated ones joined by a comma."""
    values = [value for field, value in case.headers if field.lower() == name]
    return ", ".join(values).encode() if values else None


def sent(trace: Trace) -> list[tuple[str, str]]:
    """The headers of a trace as they go to the upstream."""
    headers = [("traceparent", trace.traceparent.decode())]
    if trace.tracestate is not None:
        headers.append(("tracestate", trace.tracestate.decode()))
    return headers


@pytest.mark.parametrize("case", CASES, ids=map(identified, NAMES))
def test_trace_goes_on_or_begins_anew(case: Case) -> None:
    """Each row of the table: the trace id, a span id of our own, the flags and the tracestate."""
    trace = continue_trace(joined(case, "traceparent"), joined(case, "tracestate"), Random(7))
    assert faults(case, sent(trace)) == []
    assert trace.trace_id == trace.traceparent[3:35].decode()


def test_each_case_of_the_w3c_suite_has_rows() -> None:
    """All 40 of it: 37 by rows of the table, each of one case; 3 by tests of several requests."""
    named = [row for rows in ROWS.values() for row in rows]
    assert set(named) <= set(NAMES)
    assert len(set(named)) == len(named)
    assert all(ROWS.values())
    assert len(ROWS) + len(SEVERAL) == 40


def test_case_names_are_unique() -> None:
    """No row hides another."""
    assert len(set(NAMES)) == len(NAMES)


def test_table_finds_faults() -> None:
    """A front door that only passes the headers on fails rows of the table."""
    failed = {case.name for case in CASES if faults(case, list(case.headers))}
    assert failed >= {"nothing-came", "parent-without-state", "version-ff", "same-key-same-value"}


def test_each_request_gets_a_span_id_of_its_own() -> None:
    """Three requests with one parent share the trace and differ in the span."""
    rng = Random(1)
    traces = [continue_trace(PLAIN.encode(), None, rng) for _ in range(3)]
    assert {trace.trace_id for trace in traces} == {TRACE}
    assert len({trace.traceparent for trace in traces}) == 3


@pytest.mark.parametrize("parent", [None, b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01"])
def test_each_request_without_a_readable_parent_begins_a_trace(parent: bytes | None) -> None:
    """Three requests without a parent that can be read are three traces with three spans."""
    rng = Random(1)
    traces = [continue_trace(parent, None, rng) for _ in range(3)]
    assert len({trace.trace_id for trace in traces}) == 3
    assert len({trace.traceparent[36:52] for trace in traces}) == 3


def test_ids_are_never_zero() -> None:
    """Where chance gives only zeros, the ids are still valid."""

    class Zeros(Random):
        def getrandbits(self, bits: int, /) -> int:
            return 0

    begun = continue_trace(None, None, Zeros())
    assert begun.traceparent == b"00-" + b"0" * 31 + b"1-" + b"0" * 15 + b"1-02"
    assert continue_trace(PLAIN.encode(), None, Zeros()).traceparent[36:52] == b"0" * 15 + b"1"


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_whatever_comes_the_trace_is_valid(parent: bytes, state: bytes) -> None:
    """No bytes make the function fail or send what it would not accept itself."""
    for given_parent in (parent, PLAIN.encode(), PLAIN[:40].encode() + parent):
        trace = continue_trace(given_parent, state, Random(3))
        again = continue_trace(trace.traceparent, trace.tracestate, Random(4))
        assert again.trace_id == trace.trace_id
        assert again.tracestate == trace.tracestate
        assert again.traceparent[-2:] == trace.traceparent[-2:]


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z0-9][a-z0-9_*/-]{0,40}", fullmatch=True),
            st.from_regex(r"[!-+\--<>-~]{1,200}", fullmatch=True),
        ),
        max_size=32,
        unique_by=lambda member: member[0],
    )
)
def test_what_is_cut_is_whole_members_in_their_order(members: list[tuple[str, str]]) -> None:
    """Of valid members at most 512 characters go on: whole ones, unchanged, in order."""
    state = ",".join(f"{key}={value}" for key, value in members).encode()
    kept = continue_trace(UNSAMPLED.encode(), state, Random(3)).tracestate
    if len(state) <= 512:
        assert kept == (state or None)
        return
    assert kept is not None
    assert len(kept) <= 512
    rest = iter(state.split(b","))
    assert all(member in rest for member in kept.split(b","))


@pytest.mark.parametrize(
    "given_id", [b"a", b"01890a5d-ac96-774b-bcce-b302099a8057", b"A.b_c-9", b"x" * 128]
)
def test_well_formed_request_id_is_taken(given_id: bytes) -> None:
    """A request id by the shop's rule is the request's id."""
    assert request_id(given_id, continue_trace(None, None, Random(1))) == given_id


@pytest.mark.parametrize(
    "given_id", [None, b"", b"x" * 129, b"a b", b"a, b", b"a\n", b'a"', b"\xe4", b"a/b", b"${jndi}"]
)
def test_other_request_id_is_replaced(given_id: bytes | None) -> None:
    """Anything else becomes the trace and span id, which the shop's rule accepts."""
    trace = continue_trace(PLAIN.encode(), None, Random(1))
    made = request_id(given_id, trace)
    assert made == f"{TRACE}-{trace.traceparent[36:52].decode()}".encode()
    assert request_id(made, trace) == made
