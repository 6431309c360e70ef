"""The errors a port may raise; each is typed, coded and rebuilt as itself across the wire.

ContractError                  whatever a port may raise
├── Invalid                    the request contradicts itself or the rules     (HTTP 422)
├── NotFound                   what was named does not exist                   (404)
├── Conflict                   the state does not allow it now                 (409)
│   └── StaleVersion           somebody changed it since the caller looked     (412)
├── Forbidden                  the actor may not do it                         (403)
└── Unavailable                it may work later; retryable                    (503)
    ├── DeadlineExceeded       the caller's time is up                         (504)
    ├── Fenced                 writes are refused while authority moves
    └── Moved                  another host has the authority now

A module's own errors derive from its root and one of these kinds, and are declared as
``@dataclass(kw_only=True, eq=False)`` (not frozen: Python sets ``__traceback__`` on them).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar


class ContractError(Exception):
    """Root of all errors that cross a module's boundary."""

    code: ClassVar[str] = "contract_error"
    retryable: ClassVar[bool] = False

    def sentence(self) -> str:
        """One sentence for a person, made from the error's own fields."""
        return self.code.replace("_", " ").replace(".", ": ")

    def __str__(self) -> str:
        return self.sentence()

    def __reduce__(self) -> tuple[Any, ...]:
        """Its fields are keywords, of which an exception's own way knows nothing; Celery would
        tell of the nearest ancestor that it can pickle."""
        names = getattr(self, "__dataclass_fields__", ())
        return partial(type(self), **{name: getattr(self, name) for name in names}), ()


class Invalid(ContractError):
    """The request contradicts itself or the module's rules."""

    code = "invalid"


class NotFound(ContractError):
    """What the request names does not exist, or not for this actor."""

    code = "not_found"


class Conflict(ContractError):
    """The present state does not allow the request."""

    code = "conflict"


@dataclass(kw_only=True, eq=False)
class StaleVersion(Conflict):
    """The caller expected one version and another stands."""

    code = "stale_version"
    expected: int
    actual: int

    def sentence(self) -> str:
        return f"Version {self.expected} was expected and {self.actual} stands; read it again."


class Forbidden(ContractError):
    """The actor is known and may not do this."""

    code = "forbidden"


class Unavailable(ContractError):
    """The same request may succeed later."""

    code = "unavailable"
    retryable = True


@dataclass(kw_only=True, eq=False)
class DeadlineExceeded(Unavailable):
    """The caller's deadline passed before an answer was there."""

    code = "deadline_exceeded"
    method: str

    def sentence(self) -> str:
        return f"{self.method} did not answer within the caller's deadline."


@dataclass(kw_only=True, eq=False)
class Fenced(Unavailable):
    """Writes to the module are refused for a moment while its authority moves."""

    code = "fenced"
    module: str
    epoch: int = 0  # of the authority that refuses; 0 where it does not know it

    def sentence(self) -> str:
        return f"{self.module} is changing its authority; send the same command again."


@dataclass(kw_only=True, eq=False)
class Moved(Unavailable):
    """Another host has the module's authority since ``epoch``."""

    code = "moved"
    module: str
    epoch: int

    def sentence(self) -> str:
        return f"{self.module} has moved (epoch {self.epoch}); resolve it again."
