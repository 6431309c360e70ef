"""What a call between hosts may raise besides the errors of the contract.

Unavailable (contract error, retryable: it may work later; the command may be sent again)
├── ModuleUnreachable      no usable answer: not connected, cut off, or something in between said no
│   └── ModuleResting      it failed too often lately and is left alone for a while
├── ModuleOverloaded       this process has too many calls to it under way
├── MethodSwitchedOff      a person has turned the call off
├── ModuleFailed           it met an unforeseen error; whether it acted is not known
└── ErrorNotUnderstood     it raised an error that is of no contract here; not retryable

BindingError (a mistake of a programmer or an operator; loud, never sent again)
└── CallError
    ├── CallRefused        it does not believe our token: trust, keys or clocks are wrong
    └── CallMisunderstood  it does not know the method or its arguments, or we not its answer
"""

from __future__ import annotations

from dataclasses import dataclass

from modules.platform.binding import BindingError
from modules.platform.contracts import Unavailable


@dataclass(kw_only=True, eq=False)
class ModuleUnreachable(Unavailable):
    """The module gave no usable answer; ``reason`` is for people."""

    code = "rpc.unreachable"
    module: str
    method: str
    reason: str = ""

    def sentence(self) -> str:
        return f"{self.module} cannot be reached for {self.method}: {self.reason}."


@dataclass(kw_only=True, eq=False)
class ModuleResting(ModuleUnreachable):
    """Its instances failed too often lately; they are tried again in ``retry_after`` seconds."""

    code = "rpc.resting"
    retry_after: float = 0.0

    def sentence(self) -> str:
        return (
            f"{self.module} failed too often lately; {self.method} is tried again in "
            f"{self.retry_after:.1f} s."
        )


@dataclass(kw_only=True, eq=False)
class ModuleOverloaded(Unavailable):
    """Too many calls of this process to the module are under way and waiting."""

    code = "rpc.overloaded"
    module: str
    method: str
    limit: int

    def sentence(self) -> str:
        return f"{self.limit} calls to {self.module} are under way; {self.method} was not begun."


@dataclass(kw_only=True, eq=False)
class MethodSwitchedOff(Unavailable):
    """Somebody has turned the call off; ``reason`` is theirs."""

    code = "rpc.switched_off"
    module: str
    method: str
    reason: str

    def sentence(self) -> str:
        return f"{self.method} is switched off: {self.reason}."


@dataclass(kw_only=True, eq=False)
class ModuleFailed(Unavailable):
    """The module met an error that nobody foresaw; its log has it under the request's id."""

    code = "rpc.failed"
    module: str
    method: str

    def sentence(self) -> str:
        return f"{self.module} failed at {self.method}; what became of it is not known."


@dataclass(kw_only=True, eq=False)
class ErrorNotUnderstood(Unavailable):
    """The module raised an error whose class is of no contract that this host has."""

    code = "rpc.error_not_understood"
    retryable = False
    module: str
    method: str
    error: str

    def sentence(self) -> str:
        return f"{self.method} raised {self.error}, which is of no contract here."


class CallError(BindingError):
    """Root of the mistakes that a call uncovers."""

    def __init__(self, method: str, reason: str, detail: str) -> None:
        super().__init__(f"{method}: {detail} ({reason})")
        self.method = method
        self.reason = reason
        self.detail = detail


class CallRefused(CallError):
    """The other host does not believe this host's token."""


class CallMisunderstood(CallError):
    """The two hosts have different ideas of the contract."""
