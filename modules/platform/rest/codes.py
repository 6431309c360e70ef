"""The list of problem codes that the API may answer with, published at ``/api/v1/problems``."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from modules.platform.contracts import ContractError
from modules.platform.rest.problems import TITLES, status_of

# What the edge itself finds; everything else comes from the modules' error trees.
EDGE: tuple[tuple[str, int, str], ...] = (
    ("bad_request", 400, "The request was refused as it stands."),
    ("malformed_body", 400, "The body is not JSON."),
    ("cut_off", 400, "The body ended too soon."),
    ("idempotency_key_missing", 400, "The operation needs an Idempotency-Key header."),
    ("idempotency_key_invalid", 400, "The Idempotency-Key is not 1 to 255 printable characters."),
    ("unauthenticated", 401, "No valid access token, API key or Cart-Token was sent."),
    ("forbidden", 403, "The token or key lacks the scope."),
    ("not_found", 404, "There is nothing at this address, or not for this caller."),
    ("method_not_allowed", 405, "The address does not know the method."),
    ("not_acceptable", 406, "The answer cannot be given in the media type asked for."),
    ("idempotency_key_in_use", 409, "The request with this Idempotency-Key is still running."),
    ("length_required", 411, "The operation needs a Content-Length: its body may not break off."),
    ("stale_version", 412, "If-Match names another version than the one that stands."),
    ("too_large", 413, "The body is larger than is taken."),
    ("unsupported_media_type", 415, "The body's media type is not taken."),
    ("invalid_request", 422, "A field is wrong; errors[] points at it."),
    ("idempotency_key_reused", 422, "The Idempotency-Key came with another request before."),
    ("precondition_required", 428, "The operation needs an If-Match header."),
    ("too_many_requests", 429, "Wait as long as Retry-After says."),
    ("internal_error", 500, "Something went wrong here; it was recorded under request_id."),
    (
        "database_unavailable",
        503,
        "The database does not answer; try again soon, with the same Idempotency-Key.",
    ),
)


# What the front door answers by itself, beside those of the edge that it shares.
FRONT_DOOR: tuple[tuple[str, int, str], ...] = (
    ("ambiguous_path", 400, "Two servers might read the path differently."),
    ("bad_target", 400, "The address of the request cannot be read."),
    ("malformed_request", 400, "What came is not HTTP/1.1 as it must be."),
    ("body_timeout", 408, "The body stopped coming."),
    ("head_timeout", 408, "The head of the request took too long."),
    ("side_unavailable", 409, "Ficus-Route names a side that the capability does not have now."),
    ("head_too_long", 431, "The head of the request is too long or has too many fields."),
    ("upstream_failed", 502, "The service that answers this failed; it may have acted or not."),
    ("upstream_bad_answer", 502, "The service that answers this gave no usable answer."),
    ("upstream_lost", 502, "The answer did not come whole; the service may have acted or not."),
    (
        "upstream_unreachable",
        502,
        "The service that answers this cannot be reached; nothing was done.",
    ),
    ("authority_moving", 503, "The module is being moved; the same request works in a moment."),
    ("keys_unavailable", 503, "Access tokens cannot be verified yet; try again soon."),
    ("upstream_overloaded", 503, "Too many requests wait for this already; nothing was done."),
    (
        "upstream_unavailable",
        503,
        "The service that answers this is not available; nothing was done.",
    ),
    ("not_cached", 504, "Only a stored answer was wanted, and there is none."),
    (
        "upstream_timeout",
        504,
        "The answer did not come in time; the service may have acted or not.",
    ),
)


class ProblemCode(msgspec.Struct, kw_only=True):
    """One code: stable, with its HTTP status and what it means."""

    code: str
    status: int
    title: str
    meaning: str


class ProblemCodes(msgspec.Struct, kw_only=True):
    """Every code, by name."""

    data: list[ProblemCode]


def problem_codes() -> ProblemCodes:
    """Every code that the modules of this host, the edge and the front door may answer with."""
    found = {code: (status, meaning) for code, status, meaning in (*EDGE, *FRONT_DOOR)}
    for error in _leaves(ContractError):
        meaning = (error.__doc__ or "").strip().splitlines()[0]
        found.setdefault(error.code, (status_of(error), meaning))
    return ProblemCodes(
        data=[
            ProblemCode(code=code, status=status, title=TITLES.get(status, "Error"), meaning=text)
            for code, (status, text) in sorted(found.items())
        ]
    )


def _leaves(root: type[ContractError]) -> Iterator[type[ContractError]]:
    for error in root.__subclasses__():
        if error.__subclasses__():
            yield from _leaves(error)
        elif error.__module__.startswith("modules."):
            yield error
