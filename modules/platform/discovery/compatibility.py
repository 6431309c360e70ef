"""Whether a caller and an instance get along: their contracts' snapshots compared.

Equal fingerprints are equal contracts. Different ones are compared by the rules by which a change
of a contract is released (``contracts.compatibility``), events left out: they travel by the bus
and have versions of their own. Which of two contracts is the older nobody knows, so it is enough
that one of them could have been released after the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock

from modules.platform.contracts.compatibility import breaches
from modules.platform.contracts.schema import Snapshot, dump, load

DIGITS = 32  # of SHA-256 in hexadecimal: enough that no two contracts ever share them


class BadSchema(ValueError):
    """A text that is no contract's schema."""


def fingerprint_of(schema: str) -> tuple[str, str]:
    """Module and fingerprint of a ``schema.json``, whatever its layout. Raises BadSchema."""
    try:
        snapshot = load(schema)
        canonical = dump(snapshot)
    except (ValueError, RecursionError) as error:
        raise BadSchema(str(error)) from error
    if not isinstance(snapshot.module, str):
        raise BadSchema("its module is no text")
    return snapshot.module, hashlib.sha256(canonical.encode()).hexdigest()[:DIGITS]


def schema_of(module: str, root: Path) -> str:
    """The contract's ``schema.json`` below ``root``. Raises FileNotFoundError."""
    return (root / "modules" / module / "contract" / "schema.json").read_text()


def why_not(mine: Snapshot, theirs: Snapshot) -> str:
    """Why the two cannot call each other; empty when they can."""
    mine, theirs = replace(mine, events={}), replace(theirs, events={})
    if not breaches(theirs, mine, can_upcast=_never):
        return ""
    found = breaches(mine, theirs, can_upcast=_never)
    return f"{found[0].place}: {found[0].fact}" if found else ""


def _never(type_name: str, old: int, new: int) -> bool:
    return False


class Contracts:
    """This process's contracts, and its judgement of those that others serve. Thread-safe."""

    def __init__(self, schemas: Mapping[str, str]) -> None:
        """``schemas``: module to the text of its schema.json. Raises BadSchema."""
        self._own = {module: fingerprint_of(text)[1] for module, text in schemas.items()}
        self._snapshots = {module: load(text) for module, text in schemas.items()}
        self._judged: dict[tuple[str, str], str] = {}
        self._lock = Lock()

    @classmethod
    def below(cls, root: Path) -> Contracts:
        """Of every module whose contract is in this host's tree."""
        found = sorted(root.glob("modules/*/contract/schema.json"))
        return cls({path.parent.parent.name: path.read_text() for path in found})

    def own(self, module: str) -> str:
        """The fingerprint of this process's contract of ``module``; empty when it has none."""
        return self._own.get(module, "")

    def is_judged(self, module: str, fingerprint: str) -> bool:
        """Whether ``why_not`` can tell, without the other's schema."""
        own = self._own.get(module)
        known = (module, fingerprint) in self._judged
        return not own or not fingerprint or fingerprint == own or known

    def judge(self, module: str, fingerprint: str, schema: str) -> None:
        """Compare once with the schema that ``fingerprint`` stands for. Raises BadSchema."""
        if fingerprint_of(schema) != (module, fingerprint):
            raise BadSchema(f"this is not the contract {fingerprint} of {module}")
        reason = why_not(self._snapshots[module], load(schema))
        with self._lock:
            self._judged[module, fingerprint] = reason

    def why_not(self, module: str, fingerprint: str) -> str:
        """Why an instance with that contract must not be called; empty when it may be.

        One that has not said which contract it serves may be called.
        """
        if (module, fingerprint) in self._judged:
            return self._judged[module, fingerprint]
        known = self.is_judged(module, fingerprint)
        return "" if known else f"its contract {fingerprint} is not known here yet"
