"""Lets a person turn single calls off, with a reason, without a release."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from modules.platform.resilience.errors import SwitchedOff

ALL = "*"


class KillSwitch:
    """Names that are off: ``payment.refund``, ``payment.*`` or ``*``. Safe between threads.

    The state is replaced as a whole, so that reading it takes no lock.
    """

    def __init__(self, off: Mapping[str, str] | None = None) -> None:
        self._off = dict(off or {})
        self._writing = threading.Lock()

    def turn_off(self, name: str, *, reason: str) -> None:
        """Refuse ``name`` from now on. Raises ``ValueError`` without a reason."""
        if not reason.strip():
            raise ValueError(f"switching {name} off needs a reason")
        with self._writing:
            self._off = {**self._off, name: reason}

    def turn_on(self, name: str) -> None:
        """Let ``name`` through again; not being off is no error."""
        with self._writing:
            self._off = {key: reason for key, reason in self._off.items() if key != name}

    def replace(self, off: Mapping[str, str]) -> None:
        """Take over what is stored elsewhere: name to reason."""
        with self._writing:
            self._off = dict(off)

    def reason(self, name: str) -> str | None:
        """Why ``name`` is off; None when it is on."""
        off = self._off
        if not off:
            return None
        family = f"{name.partition('.')[0]}.{ALL}"
        return off.get(name) or off.get(family) or off.get(ALL)

    def check(self, name: str) -> None:
        """Raises SwitchedOff when ``name``, its family or everything is off."""
        reason = self.reason(name)
        if reason is not None:
            raise SwitchedOff(name, reason)

    def off(self) -> dict[str, str]:
        """What is off, and why."""
        return dict(self._off)
