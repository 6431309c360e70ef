"""A real front door between a monolith and a service, and a host whose table it follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.test import override_settings

from modules.platform.placement.doors import TOKEN
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import Got, Origin, Respond, ok


def _saying(name: bytes) -> Any:
    def respond(request: Got) -> bytes:
        return ok(name)

    return respond


@contextmanager
def doorway(
    home: Path,
    *,
    module: str = "payment",
    registry: dict[str, Any] | None = None,
    respond: Respond | None = None,
    at_home: Respond | None = None,
    more: dict[str, Any] | None = None,
    **capability: Any,
) -> Iterator[FrontDoor]:
    """``GET /api/v1/<module>`` says ``monolith`` or ``service``; the header ``Shopper`` is the key.
    With ``respond`` the service answers otherwise, with ``at_home`` the monolith does; ``more`` is
    for its document.

    With ``registry`` the front door asks there for the service's instances. This process's
    settings are those of the host that places.
    """
    monolith = Origin(at_home or _saying(b"monolith"))
    service = Origin(respond or _saying(b"service"))
    fixed = {"instances": [{"address": service.address}]}
    document = {
        "upstreams": {
            "monolith": {"instances": [{"address": monolith.address}]},
            module: {"registry": registry} if registry else fixed,
        },
        "capabilities": {
            module: {"monolith": "monolith", "service": module} | capability,
        },
        "routes": [
            {
                "name": module,
                "prefix": f"/api/v1/{module}",
                "capability": module,
                "authentication": "none",
                "sticky": ["header:Shopper"],
            }
        ],
    }
    try:
        with front_door(home / "door", document | (more or {})) as door, telling(home, door):
            door.service_address = service.address  # type: ignore[attr-defined]
            yield door
    finally:
        monolith.close()
        service.close()


@contextmanager
def telling(home: Path, door: FrontDoor, *, token: str | None = None) -> Iterator[None]:
    """This process places, and tells ``door``."""
    secret = home / "secrets" / TOKEN
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text(door.token if token is None else token)
    with override_settings(FICUS_HOME=home, PLACEMENT_FRONT_DOORS=[door.admin_url]):
        yield
