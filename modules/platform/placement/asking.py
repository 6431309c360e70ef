"""The table read over HTTP by a host that does not keep it: ``Watcher(AskedSource(url))``.

There is nobody to wake it, so it looks every interval.
"""

from __future__ import annotations

import time

import httpx
import msgspec

from modules.platform.contracts.codec import decoder_of
from modules.platform.discovery.access import Credentials, credentials
from modules.platform.discovery.wire import call_of
from modules.platform.keys.authorities import authorities
from modules.platform.placement.placed import Placed, Placements
from modules.platform.placement.wire import Rows

PATIENCE = 2.0  # seconds for connecting, and for an answer


class TableUnread(Exception):
    """No table in the answer; the message says whose and why."""


class AskedSource:
    """Asks the registry's address ``url`` (which ends in ``/registry``). For one thread.

    Its methods raise httpx's errors and TableUnread.
    """

    def __init__(self, url: str, *, token: Credentials = credentials) -> None:
        self._url = f"{url.rstrip('/')}/placement"
        self._token = token
        self._http: httpx.Client | None = None

    def read(self) -> Placements:
        """The whole table, as it stands there now."""
        if self._http is None:
            # trust_env: a proxy for the world outside must not be asked for the house's own.
            self._http = httpx.Client(
                timeout=PATIENCE, trust_env=False, verify=authorities(self._url)
            )
        request = self._http.build_request("GET", self._url)
        if token := self._token(call_of("GET", request.url.path), b""):
            request.headers["Authorization"] = f"Bearer {token}"
        answer = self._http.send(request)
        if answer.status_code != httpx.codes.OK:
            raise TableUnread(f"{self._url} answered {answer.status_code}")
        try:
            rows = decoder_of(Rows).decode(answer.content).placements
        except msgspec.MsgspecError as error:
            raise TableUnread(f"{self._url} answered no table: {error}") from error
        return {
            row.module: Placed(percent=row.percent, revision=row.revision, attended=row.attended)
            for row in rows
        }

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        """Hang up; the next ``read`` connects anew."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def after_fork(self) -> None:
        """The parent's connection is the parent's: two on one socket would mix their answers."""
        self._http = None
