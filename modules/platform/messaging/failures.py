"""What a failure means: whether to try again, when, and which failures are the same."""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from random import Random
from types import TracebackType

from billiard.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from modules.platform.contracts import ContractError
from modules.platform.messaging.errors import NoTimerHandler, Undeliverable

LONGEST_DELAY = 300.0  # seconds
ERROR_LIMIT = 8_000  # characters of traceback kept


class Kind(StrEnum):
    """What sort of failure it was."""

    TRANSIENT = "transient"  # the error says itself that it may work later
    UNKNOWN = "unknown"  # nobody can tell
    REFUSED = "refused"  # a contract's error that is not retryable
    BUG = "bug"  # the same code will fail the same way


# Retries after the first attempt. A refusal or a bug does not heal by waiting: it becomes a dead
# letter at once, so that somebody hears of it in seconds and not after ten minutes.
RETRIES = {Kind.TRANSIENT: 5, Kind.UNKNOWN: 5, Kind.REFUSED: 0, Kind.BUG: 0}

_TRANSIENT = (OperationalError, InterfaceError, TimeoutError, ConnectionError)
_BUGS = (
    TypeError,
    AttributeError,
    NameError,
    ImportError,
    NotImplementedError,
    AssertionError,
    Undeliverable,
    NoTimerHandler,
)


def kind_of(error: BaseException) -> Kind:
    """The sort of ``error``."""
    if isinstance(error, ContractError):
        return Kind.TRANSIENT if error.retryable else Kind.REFUSED
    if isinstance(error, (*_TRANSIENT, SoftTimeLimitExceeded)):
        return Kind.TRANSIENT
    return Kind.BUG if isinstance(error, _BUGS) else Kind.UNKNOWN


def retry_in(error: BaseException, attempts: int, random: Random) -> timedelta | None:
    """How long to wait before the next attempt after ``attempts`` of them; None: no more.

    Full jitter: uniform between nothing and min(300 s, 4^n s), n the number of the retry.
    """
    if attempts > RETRIES[kind_of(error)]:
        return None
    # 4^5 is past the longest delay already; a far larger exponent would overflow.
    return timedelta(seconds=random.uniform(0, min(LONGEST_DELAY, 4.0 ** min(attempts, 5))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure as it is shown: the same ``fingerprint`` means the same error in the same place."""

    fingerprint: str
    place: str
    text: str


def describe(error: BaseException) -> Failure:
    """``error`` with its place: the innermost line of a module's own code."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    function, where = _place(error.__traceback__)
    digest = hashlib.sha256(f"{kind}|{function}".encode()).hexdigest()[:12]
    text = "".join(traceback.format_exception(error))
    return Failure(
        fingerprint=digest,
        place=f"{type(error).__qualname__} at {where}",
        text=text[-ERROR_LIMIT:],
    )


def _place(trace: TracebackType | None) -> tuple[str, str]:
    """The function that failed, and the same with its line (which moves with every edit)."""
    found = ("unknown", "unknown")
    while trace is not None:
        code = trace.tb_frame.f_code
        name = trace.tb_frame.f_globals.get("__name__", "")
        if not name.startswith(("django.", "psycopg", "msgspec", "contextlib")):
            function = f"{name}:{code.co_qualname}"
            found = (function, f"{function}:{trace.tb_lineno}")
        trace = trace.tb_next
    return found
