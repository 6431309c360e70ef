"""Who may change something: whoever shows the bearer token that stands in a file.

The files are read at each change, so that a token is exchanged by replacing its file. The
registration token allows instances to announce themselves and nothing else.
"""

from __future__ import annotations

from hmac import compare_digest
from pathlib import Path

from starlette.requests import Request

from strangler_proxy.config import Admin
from strangler_proxy.control.problems import Problem

SHORTEST = 16  # characters; less can be guessed over a fast network


def authorize(request: Request, admin: Admin) -> None:
    """Raises Problem 401 or 403 unless the request has the admin token."""
    if not admin.token_file:
        raise Problem(
            403,
            "changes_not_configured",
            "Nothing can be changed here: name a file with a bearer token in admin.token_file"
            " and restart.",
        )
    _require(request, {"admin.token_file": admin.token_file})


def authorize_registration(request: Request, admin: Admin) -> None:
    """Raises Problem 401 or 403 unless it has the admin token or the registration token."""
    if not admin.registration_token_file:
        authorize(request, admin)
        return
    files = {"admin.registration_token_file": admin.registration_token_file}
    if admin.token_file:
        files["admin.token_file"] = admin.token_file
    _require(request, files)


def is_authorized(request: Request, admin: Admin) -> bool:
    """Whether the request has the admin token; for reads that show more to those who do."""
    try:
        authorize(request, admin)
    except Problem:
        return False
    return True


def _require(request: Request, files: dict[str, str]) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # All are compared, so that the time says nothing of which one was close.
    matches = [
        compare_digest(_token(option, path), given.strip().encode())
        for option, path in files.items()
    ]
    if scheme.lower() != "bearer" or not any(matches):
        raise Problem(
            401,
            "wrong_token",
            f"Send `Authorization: Bearer <token>` with the token of {' or '.join(files)}.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _token(option: str, path: str) -> bytes:
    try:
        token = Path(path).read_bytes().strip()
    except OSError as error:
        raise Problem(403, "token_unreadable", f"{option}: {path}: {error.strerror}") from error
    if len(token) < SHORTEST:
        raise Problem(
            403,
            "token_too_short",
            f"{option}: {path}: {len(token)} characters; make it {SHORTEST} or more.",
        )
    return token
