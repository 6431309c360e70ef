"""A registry elsewhere, over HTTP: asked by callers, told by instances."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from modules.platform.contracts.codec import decoder_of
from modules.platform.discovery.access import Credentials, credentials
from modules.platform.discovery.errors import (
    DiscoveryError,
    InstanceUnknown,
    NotRegistered,
    RegistryAway,
    RegistryRefused,
)
from modules.platform.discovery.forking import renew_after_fork
from modules.platform.discovery.instances import Instance
from modules.platform.discovery.wire import (
    Announcement,
    Heard,
    Heartbeat,
    Listing,
    Welcome,
    call_of,
    instance,
)
from modules.platform.keys.authorities import authorities

PATIENCE = 2.0  # seconds for connecting, and again for each part of an answer
LARGEST = 4 * 1024 * 1024  # bytes of an answer: about 20,000 instances

T = TypeVar("T")


class RegistryClient:
    """Speaks to the registry below ``url`` (which ends in ``/registry``).

    Every method raises RegistryAway when there is no usable answer, and RegistryRefused when the
    answer is no. One connection, kept; threads take turns.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Credentials = credentials,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._transport = transport
        self._etag = ""
        self._last: tuple[Instance, ...] = ()
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """The parent's connection is the parent's: two on one socket would mix their answers."""
        self._lock = threading.Lock()
        # trust_env: a proxy for the world outside must not be asked for the house's own.
        self._http = httpx.Client(
            timeout=PATIENCE,
            trust_env=False,
            transport=self._transport,
            verify=authorities(self.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def instances(self) -> tuple[Instance, ...]:
        """The live instances of all modules. Unchanged ones cost a 304."""
        headers = {"If-None-Match": self._etag} if self._etag else {}
        answer = self._ask("GET", "/instances", headers=headers)
        if answer.status_code != httpx.codes.NOT_MODIFIED:
            found = self._read(answer, Listing).instances
            self._last = tuple(instance(one) for one in found)
            self._etag = answer.headers.get("ETag", "")
        return self._last

    def schema(self, fingerprint: str) -> str:
        """The schema of a contract that some instance has announced."""
        return self._ask("GET", f"/contracts/{quote(fingerprint, safe='')}").text

    def announce_contract(self, fingerprint: str, schema: str) -> None:
        """Leave the schema that ``fingerprint`` stands for."""
        self._ask("PUT", f"/contracts/{fingerprint}", content=schema.encode())

    def register(self, id: str, said: Announcement) -> Welcome:
        """Add or replace an instance; the answer says how often to be heard."""
        answer = self._ask("PUT", _path(id), content=msgspec.json.encode(said))
        return self._read(answer, Welcome)

    def heartbeat(self, id: str, *, in_flight: int | None) -> Heard:
        """Still here. Raises NotRegistered when the registry has forgotten it."""
        content = msgspec.json.encode(Heartbeat(in_flight=in_flight))
        return self._read(self._ask("POST", f"{_path(id)}/heartbeat", content=content), Heard)

    def deregister(self, id: str) -> None:
        """Gone. Raises NotRegistered when the registry did not know it."""
        self._ask("DELETE", _path(id))

    def _ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            with self._lock:
                request = self._http.build_request(method, self.url + path, **how)
                self._authorize(request)
                answer = self._http.send(request)
        except httpx.HTTPError as error:
            raise RegistryAway(f"{self.url} cannot be asked: {error!r}") from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise RegistryAway(f"{self.url}{path} answered {answer.status_code}")
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise _refusal(answer)
        return answer

    def _authorize(self, request: httpx.Request) -> None:
        token = self._token(call_of(request.method, request.url.path), request.content)
        if token:
            request.headers["Authorization"] = f"Bearer {token}"

    def _read(self, answer: httpx.Response, as_type: type[T]) -> T:
        try:
            read: T = decoder_of(as_type).decode(answer.content)
        except msgspec.MsgspecError as error:
            raise RegistryAway(f"{self.url} answered what cannot be read: {error}") from error
        return read


class _Fault(msgspec.Struct):
    code: str = ""


class _Problem(msgspec.Struct):
    code: str = ""
    detail: str = ""
    errors: list[_Fault] = []


def _refusal(answer: httpx.Response) -> DiscoveryError:
    try:
        problem = decoder_of(_Problem).decode(answer.content)
    except msgspec.MsgspecError:
        problem = _Problem(detail="not by a problem; is this the registry's address?")
    unknown = problem.code == InstanceUnknown.code
    kind = NotRegistered if unknown else RegistryRefused
    faults = frozenset(fault.code for fault in problem.errors)
    return kind(answer.status_code, problem.code, problem.detail, faults)


def _path(id: str) -> str:
    return f"/instances/{quote(id, safe='')}"
