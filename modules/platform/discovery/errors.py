"""Errors of discovery.

ContractError
├── Unavailable
│   └── NoInstance             a caller finds nobody who answers for the module
├── NotFound
│   └── InstanceUnknown        the registry has no instance of that id
└── Conflict
    └── IdTaken                the id is another issuer's or another module's

DiscoveryError                 between an instance or a caller and a registry elsewhere
├── RegistryAway               it cannot be reached or is in trouble: ask again later
└── RegistryRefused            it understood, and does not take it
    └── NotRegistered          it does not know the instance (any more): register again
"""

from __future__ import annotations

from dataclasses import dataclass

from modules.platform.contracts import Conflict, NotFound, Unavailable


@dataclass(kw_only=True, eq=False)
class NoInstance(Unavailable):
    """Nobody who answers for the module is known now."""

    code = "discovery.no_instance"
    module: str

    def sentence(self) -> str:
        return f"No instance of {self.module} is known at this moment."


@dataclass(kw_only=True, eq=False)
class InstanceUnknown(NotFound):
    """The registry has no instance of that id."""

    code = "discovery.instance_unknown"
    id: str

    def sentence(self) -> str:
        return f"The registry has no instance {self.id}."


@dataclass(kw_only=True, eq=False)
class IdTaken(Conflict):
    """The id belongs to an instance of another issuer or module."""

    code = "discovery.id_taken"
    id: str

    def sentence(self) -> str:
        return f"The id {self.id} is another's: choose one that nobody else has."


class DiscoveryError(Exception):
    """Root of what goes wrong between an instance or a caller and a registry."""


class RegistryAway(DiscoveryError):
    """No usable answer; the message says which registry and why."""


class RegistryRefused(DiscoveryError):
    """The registry's problem: its HTTP ``status``, stable ``code`` and ``detail``; ``faults`` are
    the codes of what is wrong with single members.
    """

    def __init__(
        self, status: int, code: str, detail: str, faults: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(f"the registry answered {status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = faults


class NotRegistered(RegistryRefused):
    """The registry has forgotten the instance."""
