"""The gRPC status of an outcome: for people and tools; the machinery reads the typed details."""

from __future__ import annotations

import grpc

from modules.platform.contracts import (
    Conflict,
    ContractError,
    DeadlineExceeded,
    Forbidden,
    Invalid,
    NotFound,
    StaleVersion,
    Unavailable,
)

# The most special kind first.
_KINDS: tuple[tuple[type[ContractError], grpc.StatusCode], ...] = (
    (DeadlineExceeded, grpc.StatusCode.DEADLINE_EXCEEDED),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
    (StaleVersion, grpc.StatusCode.ABORTED),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (Invalid, grpc.StatusCode.INVALID_ARGUMENT),
    (Conflict, grpc.StatusCode.FAILED_PRECONDITION),
)
_REFUSALS = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.UNIMPLEMENTED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def status_of(error: ContractError) -> grpc.StatusCode:
    """Of an error of a contract."""
    return next(
        (status for kind, status in _KINDS if isinstance(error, kind)), grpc.StatusCode.UNKNOWN
    )


def status_of_refusal(http: int) -> grpc.StatusCode:
    """Of a call that was not begun, by the status that HTTP gives it."""
    return _REFUSALS.get(http, grpc.StatusCode.INVALID_ARGUMENT)
