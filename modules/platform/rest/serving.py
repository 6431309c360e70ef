"""Puts a request's actor, deadline and trace around what it calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import cast

from modules.platform.contracts import (
    ANONYMOUS,
    Actor,
    call_context,
    current_context,
    deadline_in,
)
from modules.platform.rest.authentication import asker_of
from modules.platform.rest.requests import ApiRequest


@contextmanager
def serving(request: ApiRequest, *, limit: timedelta) -> Iterator[None]:
    """Serve ``request`` within ``limit``, or less where ``Request-Timeout`` (seconds) says so.

    A deadline that the front door has set stays, if it is sooner.
    """
    request.actor = cast(Actor, request.user or ANONYMOUS)
    asked = request.META.get("HTTP_REQUEST_TIMEOUT", "")
    if asked.isascii() and asked.isdigit():
        limit = min(limit, timedelta(seconds=int(asked[:6])))
    asker = asker_of(request, request.actor)
    context = replace(current_context(), actor=request.actor, asker=asker)
    with call_context(context), deadline_in(limit):
        yield
