"""The cases of the W3C's own trace-context suite (its 40, level 2), and our rows for each.

``ROWS`` names the rows of ``trace_cases`` that ask what a case of the suite asks; ``SEVERAL`` its
cases of three requests in a row, which are tests of their own. Rows that no case names are ours.
"""

from __future__ import annotations

ROWS: dict[str, tuple[str, ...]] = {
    "both_traceparent_and_tracestate_missing": ("nothing-came",),
    "traceparent_included_tracestate_missing": ("parent-without-state",),
    "traceparent_duplicated": ("parent-twice",),
    "traceparent_header_name": ("parent-name-with-a-dash", "parent-name-with-a-dot"),
    "traceparent_header_name_valid_casing": (
        "parent-name-in-camel-case",
        "parent-name-in-mixed-case",
        "parent-name-in-upper-case",
    ),
    "traceparent_version_0x00": ("version-00-and-a-tail", "version-00-and-a-field-more"),
    "traceparent_version_0xcc": (
        "later-version",
        "later-version-with-a-field-more",
        "later-version-and-a-tail-without-dash",
    ),
    "traceparent_version_0xff": ("version-ff",),
    "traceparent_version_illegal_characters": (
        "version-with-a-dot-first",
        "version-with-a-dot-last",
    ),
    "traceparent_version_too_long": ("version-of-three-digits", "version-of-four-digits"),
    "traceparent_version_too_short": ("version-of-one-digit",),
    "traceparent_trace_id_all_zero": ("trace-id-of-zeros",),
    "traceparent_trace_id_illegal_characters": (
        "trace-id-with-a-dot-first",
        "trace-id-with-a-dot-last",
    ),
    "traceparent_trace_id_too_long": ("trace-id-too-long",),
    "traceparent_trace_id_too_short": ("trace-id-too-short",),
    "traceparent_parent_id_all_zero": ("parent-id-of-zeros",),
    "traceparent_parent_id_illegal_characters": (
        "parent-id-with-a-dot-first",
        "parent-id-with-a-dot-last",
    ),
    "traceparent_parent_id_too_long": ("parent-id-too-long",),
    "traceparent_parent_id_too_short": ("parent-id-too-short",),
    "traceparent_trace_flags_illegal_characters": (
        "flags-with-a-dot-first",
        "flags-with-a-dot-last",
    ),
    "traceparent_trace_flags_too_long": ("flags-too-long",),
    "traceparent_trace_flags_too_short": ("flags-too-short",),
    "traceparent_ows_handling": (
        "space-before-the-parent",
        "tab-before-the-parent",
        "space-after-the-parent",
        "tab-after-the-parent",
        "white-space-around-the-parent",
    ),
    "tracestate_included_traceparent_missing": (
        "state-without-parent",
        "longer-state-without-parent",
    ),
    "tracestate_included_traceparent_included": ("state-is-inherited",),
    "tracestate_header_name": ("state-name-with-a-dash", "state-name-with-a-dot"),
    "tracestate_header_name_valid_casing": (
        "state-name-in-camel-case",
        "state-name-in-mixed-case",
        "state-name-in-upper-case",
    ),
    "tracestate_empty_header": (
        "state-empty",
        "state-empty-after-another",
        "state-empty-before-another",
    ),
    "tracestate_multiple_headers_different_keys": ("state-in-several-headers",),
    "tracestate_duplicated_keys": (
        "same-key-same-value",
        "same-key-other-value",
        "same-key-same-value-in-two-headers",
        "same-key-other-value-in-two-headers",
    ),
    "tracestate_all_allowed_characters": (
        "state-with-every-character",
        "tenant-state-with-every-character",
    ),
    "tracestate_ows_handling": (
        "spaces-around-commas",
        "tabs-around-commas",
        "space-before-the-state",
        "tab-before-the-state",
        "space-after-the-state",
        "tab-after-the-state",
        "white-space-around-the-state",
    ),
    "tracestate_key_illegal_characters": (
        "key-with-a-space",
        "key-in-upper-case",
        "key-with-a-dot",
    ),
    "tracestate_key_illegal_vendor_format": (
        "key-with-an-empty-system",
        "key-with-an-empty-tenant",
        "key-with-two-ats-together",
        "key-with-two-ats",
    ),
    "tracestate_member_count_limit": ("state-of-32-members", "state-of-33-members"),
    "tracestate_key_length_limit": (
        "key-of-256",
        "key-of-257",
        "tenant-of-241-and-system-of-14",
        "tenant-of-242",
        "system-of-15",
    ),
    "tracestate_value_illegal_characters": ("value-with-an-equals-sign", "value-empty"),
}
SEVERAL = (
    "multiple_requests_with_valid_traceparent",
    "multiple_requests_without_traceparent",
    "multiple_requests_with_illegal_traceparent",
)
_ASKED_BY = {row: case for case, rows in ROWS.items() for row in rows}


def identified(row: str) -> str:
    """The id of a row's test: the suite's case and our name, or ours alone."""
    return f"{_ASKED_BY[row]}:{row}" if row in _ASKED_BY else row
