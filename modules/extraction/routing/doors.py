"""Front doors, told whose a module is: hold its commands, then send them to the new authority.

A door's document names one service of a capability. While the data is the monolith's that is the
upstream of instances with the role ``origin``; for the move another upstream is put beside it, of
the same registry and with the role ``own``, and named instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import structlog
from django.conf import settings

from modules.platform.hosting.secrets import secret_file
from modules.platform.keys.authorities import authorities
from modules.platform.placement.doors import AUTHORITY_THERE, TOKEN

log = structlog.get_logger(__name__)

PATIENCE = 2.0  # seconds for connecting, and for an answer
TRIES = 5  # when others change its document at the same time
OWN, ORIGIN = "own", "origin"
KNOWN_WITHIN = 10.0  # seconds: two looks of a front door at the registry
LOOK = 0.1  # seconds


class DoorAway(Exception):
    """A front door cannot be told; the message is one line."""


class Door:
    """One front door's admin listener. Its methods raise DoorAway."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._http: httpx.Client | None = None

    def capability(self, module: str) -> dict[str, Any]:
        """What its document says of the module."""
        found: dict[str, Any] = self._document()[0].get("capabilities", {}).get(module, {})
        return found

    def document(self) -> dict[str, Any]:
        """The table in force."""
        return self._document()[0]

    def metrics(self) -> str:
        """All that it counts, as Prometheus text."""
        return self._sent("GET", "/-/metrics").text

    def prepare(self, module: str) -> None:
        """Have it look for the instances with a database of their own. While commands wait there
        is no time for a whole table, nor to look: from here on a word is enough.
        """
        self.change(lambda document: with_own(document, module))

    def wait_for_own(self, module: str, *, seconds: float = KNOWN_WITHIN) -> None:
        """Until it knows such an instance, once it is prepared."""
        name, until = own_upstream(module), time.monotonic() + seconds
        while not self._sent("GET", "/-/upstreams").json()["upstreams"][name]["members"]:
            if time.monotonic() > until:
                raise DoorAway(f"{self.url} finds no instance of {name} in the registry")
            time.sleep(LOOK)

    def hold(self, module: str) -> None:
        """Let commands wait, and name the instances with a database of their own: it is prepared
        for them.
        """
        self._patch(module, {"service": own_upstream(module), "held": True})

    def release(self, module: str) -> None:
        """Let commands go on where they went before."""
        self._patch(module, {"held": False})
        self._name_origin(module)

    def give(self, module: str, epoch: int, *, to_service: bool) -> None:
        """Send everything to whoever has the authority since ``epoch``; what was held as well. For
        the service it is prepared.
        """
        to = {"phase": "monolith"}
        if to_service:
            to = {"phase": "extracted", "service": own_upstream(module)}
        self._patch(module, {**to, "percent": 0, "epoch": epoch, "held": False})
        if not to_service:
            self._name_origin(module)

    def change(self, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Put what ``edit`` makes of its table in force; nothing where that is the same."""
        for _ in range(TRIES):
            document, etag = self._document()
            after = edit(document)
            if after == document or self._put(after, etag):
                return
        raise DoorAway(f"{self.url} is changed all the time")

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _name_origin(self, module: str) -> None:
        """Name the instances on the monolith's data again, for a canary, where there are any."""
        name = _origin_upstream(self.document(), module)
        if name is not None:
            self._patch(module, {"service": name})

    def _document(self) -> tuple[dict[str, Any], str]:
        answer = self._sent("GET", "/-/table")
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict) or "capabilities" not in found:
            raise DoorAway(f"{self.url} is no front door's admin listener")
        return found, answer.headers.get("ETag", "*")

    def _put(self, document: dict[str, Any], etag: str) -> bool:
        """Whether it was taken; not when somebody else was faster."""
        answer = self._sent(
            "PUT", "/-/table", json=document, headers={"If-Match": etag}, may_be=(412,)
        )
        return answer.status_code != httpx.codes.PRECONDITION_FAILED

    def _patch(self, module: str, patch: dict[str, Any]) -> None:
        self._sent("PATCH", f"/-/capabilities/{module}", json=patch)
        log.info("extraction.door_told", door=self.url, module=module, **patch)

    def _sent(
        self, method: str, path: str, *, may_be: tuple[int, ...] = (), **how: Any
    ) -> httpx.Response:
        if self._http is None:
            # Kept open: the connection for the moment of the switch is there already.
            # trust_env: a proxy for the world outside must not be asked for the house's own.
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            self._http = httpx.Client(
                timeout=PATIENCE, trust_env=False, headers=headers, verify=authorities(self.url)
            )
        try:
            answer = self._http.request(method, self.url + path, **how)
        except httpx.HTTPError as error:
            raise DoorAway(f"{self.url} cannot be told: {str(error) or repr(error)}") from error
        if answer.is_error and answer.status_code not in may_be:
            raise DoorAway(f"{self.url}{path} answered {answer.status_code}: {_why(answer)}")
        return answer


def _why(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        return answer.reason_phrase
    return str(said.get("detail", "")) if isinstance(said, dict) else answer.reason_phrase


def own_upstream(module: str) -> str:
    """The name of the upstream of instances with a database of their own."""
    return f"{module}-{OWN}"


def with_own(document: dict[str, Any], module: str) -> dict[str, Any]:
    """The document with that upstream. Raises DoorAway where it cannot be made."""
    capability = document.get("capabilities", {}).get(module)
    if not capability or not capability.get("service"):
        raise DoorAway(f"a front door knows no service of {module}: write one into its document")
    upstreams, name = document.get("upstreams", {}), own_upstream(module)
    if name in upstreams:
        return document
    template = upstreams.get(capability["service"], {})
    if not template.get("registry"):
        raise DoorAway(
            f"a front door has no upstream {name}, and that of {module}'s service has no registry "
            f"to make it from: write one into its document"
        )
    registry = {**template["registry"], "role": OWN}
    return {**document, "upstreams": {**upstreams, name: {**template, "registry": registry}}}


def _origin_upstream(document: dict[str, Any], module: str) -> str | None:
    """The upstream of the instances on the monolith's data, if others are named now.

    They are those of the same registry as the others; where none are, it stays as it is.
    """
    capability, upstreams = document["capabilities"][module], document.get("upstreams", {})
    own = upstreams.get(own_upstream(module), {}).get("registry")
    is_there = capability.get("phase") in AUTHORITY_THERE
    if is_there or own is None or capability.get("service") != own_upstream(module):
        return None
    origin = {**own, "role": ORIGIN}
    named = (name for name, upstream in upstreams.items() if upstream.get("registry") == origin)
    return next(named, None)


@contextmanager
def front_doors() -> Iterator[tuple[Door, ...]]:
    """Those of this host (``PLACEMENT_FRONT_DOORS``), for a while."""
    urls = getattr(settings, "PLACEMENT_FRONT_DOORS", ())
    path = secret_file(settings.FICUS_HOME, TOKEN)
    token = path.read_text().strip() if urls and path.is_file() else ""
    doors = tuple(Door(url, token) for url in urls)
    try:
        yield doors
    finally:
        for door in doors:
            door.close()
