"""What an announcer asks the host that it announces: is it ready, and how much has it under way?"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import msgspec

from modules.platform.contracts.codec import decoder_of
from modules.platform.keys.authorities import authorities

PATIENCE = 2.0  # seconds for an answer: well within the registry's time to live


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """``waiting_for`` says why it is not ready; ``in_flight`` is None where it does not tell."""

    ready: bool
    waiting_for: str = ""
    in_flight: int | None = None


Probe = Callable[[], Health]


class _Answer(msgspec.Struct):
    ready: bool
    waiting_for: dict[str, str] = {}
    in_flight: int | None = None


class ReadinessProbe:
    """Asks ``<url>/readyz``: ``{"ready", "waiting_for", "in_flight"?}``. Never raises."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url = f"{url.rstrip('/')}/readyz"
        self._http = httpx.Client(
            timeout=PATIENCE, trust_env=False, transport=transport, verify=authorities(url)
        )

    def __call__(self) -> Health:
        try:
            answer = decoder_of(_Answer).decode(self._http.get(self._url).content)
        except httpx.HTTPError as error:
            return Health(ready=False, waiting_for=f"{self._url}: {error!r}")
        except msgspec.MsgspecError as error:
            return Health(ready=False, waiting_for=f"{self._url} cannot be read: {error}")
        waiting = ", ".join(f"{name}: {why}" for name, why in answer.waiting_for.items())
        return Health(ready=answer.ready, waiting_for=waiting, in_flight=answer.in_flight)


class ListeningProbe:
    """Whether somebody listens at ``host:port``. Never raises.

    It asks no more than that: a server that is told to stop listens no longer, and one whose
    threads are all busy would answer too late and be taken for gone.
    """

    def __init__(self, address: str) -> None:
        """Raises ValueError for what is not like ``host:port``."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"{address!r} is not like host:port")
        self._address = (host.strip("[]"), int(port))

    def __call__(self) -> bool:
        try:
            with socket.create_connection(self._address, timeout=PATIENCE):
                return True
        except (OSError, OverflowError):
            return False
