"""Errors of writing contracts as Protocol Buffers.

ProtoError (a mistake of a programmer, found when a contract is generated or loaded)
├── NoProto         a type or name that proto3 cannot hold
├── ProtoMissing    a contract has no .proto
└── ProtoStale      a contract is not what its .proto says
"""

from __future__ import annotations


class ProtoError(Exception):
    """Root of the errors of generating and loading."""


class NoProto(ProtoError):
    """Something in a contract has no form in proto3; the message names the place."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where


class ProtoMissing(ProtoError):
    """The contract has no .proto yet."""

    def __init__(self, module: str) -> None:
        super().__init__(
            f"the contract of {module} has no .proto: run manage.py modules proto --write"
        )


class ProtoStale(ProtoError):
    """The contract has changed since its .proto was written."""

    def __init__(self, module: str, lacking: str) -> None:
        super().__init__(
            f"the .proto of {module} does not know {lacking}: run manage.py modules proto --write"
        )
