"""The front doors, told by their admin listeners which share of a module's requests goes where.

Settings: ``PLACEMENT_FRONT_DOORS``, the addresses of their admin listeners (none: nobody is told);
the token is the file ``proxy_admin_token`` among the host's secrets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import structlog
from django.conf import settings

from modules.platform.hosting.secrets import secret_file
from modules.platform.keys.authorities import authorities
from modules.platform.messaging.authority import hosted
from modules.platform.placement.metrics import DOORS
from modules.platform.placement.placed import Placed

log = structlog.get_logger(__name__)

TOKEN = "proxy_admin_token"  # noqa: S105 - the name of the file
PATIENCE = 2.0  # seconds for connecting, and for an answer
# Phases of an extraction in which the share is not ours to say.
AUTHORITY_THERE = frozenset({"extracted", "retired"})
CANARY, MONOLITH = "canary", "monolith"
TRIES = 5  # when others change its document at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one front door does with a module's requests.

    ``follows``: as the table says, or where the data is a service's own, as the authority stands.
    Otherwise ``trouble`` is one line for people. ``phase`` is empty and ``is_known`` false where
    the door could not be asked.
    """

    door: str
    follows: bool
    phase: str = ""
    percent: int = 0
    service: str = ""
    trouble: str = ""

    @property
    def is_known(self) -> bool:
        return bool(self.phase)

    @property
    def is_ours(self) -> bool:
        """Whether placing has the say there."""
        return self.phase not in AUTHORITY_THERE


class DoorAway(Exception):
    """It gave no usable answer; the message is one line."""


class Door:
    """One front door's admin listener. Nothing here raises: what went wrong is in the Standing."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token

    def standing(self, module: str, placed: Placed) -> Standing:
        """How it stands beside ``placed``; changes nothing."""
        try:
            with self._client() as client:
                return self._asked(client, module, lambda: placed)[0]
        except DoorAway as error:
            return self._away(module, str(error))

    def follow(self, module: str, placed: Callable[[], Placed]) -> Standing:
        """Have it do as the table says, unless it does already or an extraction has the say.

        ``placed`` reads the table, each time after the door has said which revision it has, and
        only that revision is changed: of two who tell it at once the one with older news loses.
        What ``placed`` raises is raised.
        """
        try:
            with self._client() as client:
                for _ in range(TRIES):
                    standing, etag, wanted = self._asked(client, module, placed)
                    if standing.follows or not standing.is_ours or not hosted(module):
                        return standing
                    self._tell(client, module, etag, wanted)
                raise DoorAway(f"{self.url} is changed all the time")
        except DoorAway as error:
            return self._away(module, str(error))

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        # trust_env: a proxy for the world outside must not be asked for the house's own.
        return httpx.Client(
            timeout=PATIENCE, trust_env=False, headers=headers, verify=authorities(self.url)
        )

    def _asked(
        self, client: httpx.Client, module: str, placed: Callable[[], Placed]
    ) -> tuple[Standing, str, Placed]:
        """How it stands, by which revision of its document, beside what."""
        answer = self._sent(client, "GET", "/-/table")
        if answer.is_error:
            raise DoorAway(_refusal(answer))
        found = self._capability(answer, module)
        wanted, phase = placed(), found.get("phase", MONOLITH)
        share = found.get("percent", 0) if phase == CANARY else 0
        standing = Standing(
            door=self.url,
            follows=_is_right(module, phase, share, wanted),
            phase=phase,
            percent=share,
            service=found.get("service") or "",
        )
        DOORS.labels(module, self.url).set(standing.follows)
        return standing, answer.headers.get("ETag", "*"), wanted

    def _capability(self, answer: httpx.Response, module: str) -> dict[str, Any]:
        """What its document says; nothing for a module whose requests always go elsewhere."""
        try:
            found: dict[str, Any] = _json(answer)["capabilities"].get(module, {})
        except (KeyError, AttributeError) as error:
            raise DoorAway(f"{self.url} is no front door's admin listener") from error
        return found

    def _tell(self, client: httpx.Client, module: str, etag: str, wanted: Placed) -> None:
        percent = wanted.percent
        patch = {"phase": CANARY if percent else MONOLITH, "percent": percent}
        headers = {"If-Match": etag}
        answer = self._sent(
            client, "PATCH", f"/-/capabilities/{module}", json=patch, headers=headers
        )
        if answer.status_code == httpx.codes.PRECONDITION_FAILED:
            return
        if answer.is_error:
            raise DoorAway(_refusal(answer))
        log.info("placement.door_told", door=self.url, module=module, **patch)

    def _sent(self, client: httpx.Client, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            return client.request(method, self.url + path, **how)
        except httpx.HTTPError as error:
            raise DoorAway(f"{self.url} cannot be asked: {str(error) or repr(error)}") from error

    def _away(self, module: str, trouble: str) -> Standing:
        DOORS.labels(module, self.url).set(False)
        return Standing(door=self.url, follows=False, trouble=trouble)


def _is_right(module: str, phase: str, share: int, wanted: Placed) -> bool:
    """Whether a door does what it should: the table's share while the module's data is here, all to
    the service while it is there.
    """
    if phase in AUTHORITY_THERE or not hosted(module):
        return (phase in AUTHORITY_THERE) is not hosted(module)
    return share == wanted.percent


def _refusal(answer: httpx.Response) -> str:
    said = _json(answer).get("detail", answer.reason_phrase)
    return f"{answer.url} answered {answer.status_code}: {said}"


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def doors() -> tuple[Door, ...]:
    """Those of this host. Without a token none of them will do as it is told, and says so."""
    urls = getattr(settings, "PLACEMENT_FRONT_DOORS", ())
    path = secret_file(settings.FICUS_HOME, TOKEN)
    token = path.read_text().strip() if urls and path.is_file() else ""
    return tuple(Door(url, token) for url in urls)
