"""A door between a monolith and a service, and capabilities that tests move from one to the other.

Each test plays on a capability of its own, whose route is ``/<its name>``; so one door serves all.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.proxy.client import Reply, patch
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import Got, Origin, Respond, Step, ok, origin
from tests.waiting import eventually

EPOCH = 3  # of every capability in the beginning


class Side:
    """An upstream that answers for each capability what the test says, else its own name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.roles: dict[str, Respond] = {}
        self.origin: Origin

    def play(self, capability: str, *answers: bytes | Iterable[Step] | Respond) -> None:
        """Give these answers, one after the other; the last one again and again."""
        left = list(answers)

        def respond(got: Got) -> bytes | Iterable[Step]:
            answer = left.pop(0) if len(left) > 1 else left[0]
            return answer(got) if callable(answer) else answer

        self.roles[capability] = respond

    def respond(self, got: Got) -> bytes | Iterable[Step]:
        """To whatever comes."""
        role = self.roles.get(_capability(got))
        return role(got) if role else ok(self.name.encode())

    def got(self, capability: str) -> list[Got]:
        """What has come for a capability, in its order."""
        return [got for got in self.origin.got if _capability(got) == capability]


class Stage:
    """The door and both sides."""

    def __init__(self, door: FrontDoor, monolith: Side, service: Side) -> None:
        self.door = door
        self.port = door.port
        self.monolith = monolith
        self.service = service

    def held(self, capability: str, result: str = "held") -> float:
        """How many commands have waited, or what became of them."""
        name = "ficus_proxy_held_commands_total"
        return self.door.metric(name, capability=capability, result=result)

    def wait_until_held(self, capability: str, count: int) -> None:
        """So many have begun to wait."""
        eventually(lambda: self.held(capability) == count, f"not {count} of {capability} wait")

    def hold(self, capability: str) -> None:
        patch(self.door, capability, held=True)

    def move(self, capability: str, epoch: int = EPOCH + 1) -> None:
        """The service has the authority now."""
        patch(self.door, capability, phase="extracted", epoch=epoch, held=False)


def fenced(epoch: int = EPOCH + 1) -> bytes:
    """Writes are refused for a moment."""
    return ok(b"{}", status="503 Unavailable", more=f"Ficus-Fenced: {epoch}\r\n")


def moved(epoch: int | str = EPOCH + 1) -> bytes:
    """Another host has the authority."""
    return ok(b"{}", status="421 Misdirected", more=f"Ficus-Moved: {epoch}\r\n")


def assert_is_moving(reply: Reply) -> None:
    """A problem that says what is going on and when to come again."""
    assert reply.status == 503
    assert b'"code":"authority_moving"' in reply.body
    assert int(reply.headers["retry-after"]) >= 1


def capability(**changes: Any) -> dict[str, Any]:
    """One that the monolith has."""
    return {"monolith": "monolith", "service": "service", "epoch": EPOCH, **deepcopy(changes)}


def route(name: str, **more: Any) -> dict[str, Any]:
    """For ``/<name>``, open to all."""
    return {"name": name, "prefix": f"/{name}", "authentication": "none", **deepcopy(more)}


def instances(*origins: Origin | int, **more: Any) -> dict[str, Any]:
    """An upstream of these origins, or of what listens on these ports."""
    ports = [one if isinstance(one, int) else one.port for one in origins]
    # Parts used twice would become YAML aliases.
    return {"instances": [{"address": f"127.0.0.1:{port}"} for port in ports], **deepcopy(more)}


@contextmanager
def nobody() -> Iterator[int]:
    """A port where nobody listens, and nobody will while the block runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@contextmanager
def stage(
    folder: Path,
    capabilities: dict[str, dict[str, Any]],
    routes: dict[str, dict[str, Any]] | None = None,
    change: Callable[[dict[str, Any]], None] = lambda document: None,
    **upstream: Any,
) -> Iterator[Stage]:
    """A running stage. ``routes`` has what is special of a capability's route, ``upstream`` what
    is of both upstreams; ``change`` may change the document before it is used."""
    monolith, service = Side("monolith"), Side("service")
    with origin(monolith.respond) as old, origin(service.respond) as new:
        monolith.origin, service.origin = old, new
        document: dict[str, Any] = {
            "upstreams": {
                side.name: instances(side.origin, **upstream) for side in (monolith, service)
            },
            "capabilities": deepcopy(capabilities),
            "routes": [
                route(name, capability=name, **(routes or {}).get(name, {}))
                for name in capabilities
            ],
        }
        change(document)
        with front_door(folder, document) as door:
            yield Stage(door, monolith, service)


def _capability(got: Got) -> str:
    return got.target.split("/")[1].partition("?")[0]
