"""Who may call an operation."""

from __future__ import annotations

from dataclasses import dataclass

from modules.platform.contracts import Actor, ActorKind
from modules.platform.rest.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A rule about the actor. ``scopes`` are those of which one must be granted."""

    name: str
    scopes: tuple[str, ...] = ()
    guests: bool = True
    strangers: bool = True

    def check(self, actor: Actor) -> None:
        """Raises Problem 401 when nobody is known, 403 when the known one may not."""
        known = actor.kind is not ActorKind.ANONYMOUS
        if not known and not (self.strangers or (self.guests and actor.owners)):
            raise Problem.unauthorized()
        if self.scopes and not any(actor.may(each) for each in self.scopes):
            raise Problem.forbidden(self.scopes) if known else Problem.unauthorized()


def anybody() -> Access:
    """No token is needed."""
    return Access(name="anybody")


def identified() -> Access:
    """An access token, an API key, or a guest's ``Cart-Token``: somebody who can own things."""
    return Access(name="identified", strangers=False)


def signed_in() -> Access:
    """An access token or an API key."""
    return Access(name="signed_in", strangers=False, guests=False)


def scope(*scopes: str) -> Access:
    """A token or key that carries one of ``scopes``, such as ``payment:write``."""
    return Access(name="scope", scopes=scopes, strangers=False, guests=False)
