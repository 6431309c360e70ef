"""The rules of a route, compiled once: what is changed on the way in and on the way out.

A part without rules is None, so that the data path can ask before it does anything; a route
without rules has none of this. The head is changed by ``head``. A body is changed only whole:

1. ``body.scope(headers)``, with the head as it came, says what the body is. ``OTHER``: it streams.
2. ``JSON``: collect it, up to ``BODY_BYTES``, then ``body.change(content)``.
3. Changed: the head goes out as ``body.frame(fields, content)``. The same object: as it came.

| a body that should be changed, but | request         | answer       |
|------------------------------------|-----------------|--------------|
| it is not JSON that can be read    | refused, 400    | passes as is |
| it is coded (gzip, UTF-16)         | refused, 415    | passes as is |
| it is larger than ``BODY_BYTES``   | refused, 413    | passes as is |

A request is refused because the upstream's parser may read what ours does not, and would then get
a shape that the rules were to change. An answer passes because its status tells the client more
than an error of ours. Where answers are to be changed, the upstream is asked
for whole and plain ones (``asking_for_plain_json``), and answers without content (to HEAD, 304)
get ``body.frame(fields, None)``, so that their validators are those of the changed answer. As the
origin's own gateway we do not ask ``no-transform``.
"""

from __future__ import annotations

from collections.abc import Collection

from strangler_proxy import config
from strangler_proxy.errors import Field, Refusal, TableRefused
from strangler_proxy.transform.bodies import (
    BODY_BYTES,
    BodyRules,
    Scope,
    asking_for_plain_json,
    body_findings,
)
from strangler_proxy.transform.headers import (
    REQUEST_RESERVED,
    RESPONSE_RESERVED,
    HeaderRules,
    header_findings,
)
from strangler_proxy.transform.targets import TargetRules, target_findings

__all__ = [
    "BODY_BYTES",
    "CODED",
    "TOO_LARGE",
    "UNREADABLE",
    "RequestRules",
    "ResponseRules",
    "Scope",
    "asking_for_plain_json",
    "compile_request_rules",
    "compile_response_rules",
]

UNREADABLE = Refusal(400, "malformed_body", "The body is not JSON, or too deep.")
CODED = Refusal(
    415,
    "unsupported_media_type",
    "The body must be JSON in UTF-8, without a content coding.",
    ((b"Accept-Encoding", b"identity"),),
)
TOO_LARGE = Refusal(413, "too_large", f"The body is larger than {BODY_BYTES} bytes.")

_NO_HEADERS = config.Headers()
_NO_FIELDS = config.Fields()


class RequestRules:
    """What is changed on the way in."""

    __slots__ = ("body", "headers", "target")

    def __init__(self, rules: config.RequestRules, route_prefix: str) -> None:
        changes_target = rules.prefix is not None or rules.query != _NO_FIELDS
        self.target = (
            TargetRules(rules.prefix, rules.query, route_prefix) if changes_target else None
        )
        self.headers = HeaderRules(rules.headers) if rules.headers != _NO_HEADERS else None
        self.body = BodyRules(rules.body) if rules.body != _NO_FIELDS else None

    def head(self, target: bytes, fields: Collection[Field]) -> tuple[bytes, Collection[Field]]:
        """Target and fields as the upstream gets them; the same objects if no rule is for them."""
        if self.target is not None:
            target = self.target.apply(target)
        if self.headers is not None:
            fields = self.headers.apply(fields)
        return target, fields


class ResponseRules:
    """What is changed on the way out."""

    __slots__ = ("body", "headers")

    def __init__(self, rules: config.ResponseRules) -> None:
        self.headers = HeaderRules(rules.headers) if rules.headers != _NO_HEADERS else None
        self.body = BodyRules(rules.body) if rules.body != _NO_FIELDS else None

    def head(self, fields: Collection[Field]) -> Collection[Field]:
        """The fields as the client gets them; the same object if no rule is for them."""
        return fields if self.headers is None else self.headers.apply(fields)


def compile_request_rules(
    rules: config.RequestRules | None, route_prefix: str, path: str = "$.request"
) -> RequestRules | None:
    """The rules ready for use; None if there are none.

    Raises TableRefused with a finding for each rule that cannot be used; ``path`` is where the
    rules stand in the document.
    """
    if rules is None or rules == config.RequestRules():
        return None
    findings = [
        *header_findings(rules.headers, REQUEST_RESERVED, f"{path}.headers"),
        *target_findings(rules, path),
        *body_findings(rules.body, f"{path}.body"),
    ]
    if findings:
        raise TableRefused(findings)
    return RequestRules(rules, route_prefix)


def compile_response_rules(
    rules: config.ResponseRules | None, path: str = "$.response"
) -> ResponseRules | None:
    """The rules ready for use; None if there are none. Raises TableRefused, as for requests."""
    if rules is None or rules == config.ResponseRules():
        return None
    findings = [
        *header_findings(rules.headers, RESPONSE_RESERVED, f"{path}.headers"),
        *body_findings(rules.body, f"{path}.body"),
    ]
    if findings:
        raise TableRefused(findings)
    return ResponseRules(rules)
