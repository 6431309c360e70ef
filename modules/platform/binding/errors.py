"""Errors of binding: mistakes of the programmer or the host, never of the caller's request.

BindingError
├── NotAPort                   the Protocol breaks a rule of contracts
├── NotBound                   no host has said where this port is answered
└── CallInsideTransaction      a call to another module while a transaction is open
"""

from __future__ import annotations


class BindingError(Exception):
    """Root of the errors of binding."""


class NotAPort(BindingError):
    """A port's method or type breaks the rules for contracts; the message names it."""


class NotBound(BindingError):
    """No implementation is bound to the port in this process."""

    def __init__(self, port: type) -> None:
        super().__init__(
            f"{port.__module__}.{port.__name__} is not bound in this process; "
            f"is its module in FICUS_MODULES, and does its apps.py call bind()?"
        )


class CallInsideTransaction(BindingError):
    """A module was called while the caller held a transaction open."""

    def __init__(self, method: str, alias: str) -> None:
        super().__init__(
            f"{method} was called inside an open transaction on {alias!r}: it would hold locks "
            f"across what may be a network. Commit first, or do it in a saga step or a task."
        )
