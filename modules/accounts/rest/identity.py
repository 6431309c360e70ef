"""Who is asking, for operations on one's own account; and 401/429 for what concerns log-in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from modules.accounts.contract import (
    AccountsError,
    AddressInvalid,
    InvalidCredentials,
    LoginLocked,
    PasswordRefused,
    RefreshTokenInvalid,
)
from modules.platform.contracts import ActorKind
from modules.platform.rest.problems import FieldError, Problem
from modules.platform.rest.requests import ApiRequest

PEOPLE = (ActorKind.CUSTOMER, ActorKind.STAFF)
FLOOR = 0.06  # seconds; longer than either branch takes, so that time tells nothing


def own_id(request: ApiRequest) -> UUID:
    """The caller's account. Raises Problem 403 for a machine, which has none."""
    if request.actor.kind not in PEOPLE:
        raise Problem(403, "forbidden", "This is for people's accounts; an API key has none.")
    return UUID(request.actor.id)


@contextmanager
def login_problems(pointer: str = "/password") -> Iterator[None]:
    """Errors of log-in and of passwords as the problems they are to a client."""
    try:
        yield
    except (InvalidCredentials, RefreshTokenInvalid) as error:
        raise _unauthorized(error) from error
    except LoginLocked as error:
        headers = {"Retry-After": str(error.retry_after)}
        raise Problem(429, error.code, error.sentence(), headers=headers) from error
    except PasswordRefused as error:
        errors = [
            FieldError(pointer=pointer, code=error.code, detail=reason) for reason in error.reasons
        ]
        raise Problem(422, error.code, error.sentence(), errors=errors) from error


@contextmanager
def address_problems() -> Iterator[None]:
    """A wrong field of an address as a problem that points at it."""
    try:
        yield
    except AddressInvalid as error:
        place = FieldError(pointer=f"/address/{error.field}", code=error.code, detail=error.reason)
        raise Problem(422, error.code, error.sentence(), errors=[place]) from error


@contextmanager
def level_time() -> Iterator[None]:
    """Let what happens inside take FLOOR at least, whoever is or is not known."""
    started = time.monotonic()
    try:
        yield
    finally:
        time.sleep(max(0.0, FLOOR - (time.monotonic() - started)))


def _unauthorized(error: AccountsError) -> Problem:
    return Problem(401, error.code, error.sentence(), headers={"WWW-Authenticate": "Bearer"})
