"""What hosts keep in a browser, so that several of them can share one address.

The front door gives all hosts one origin, so their cookies lie side by side. Each host's session
has a name of its own. Two are for all: the shop's session, which says that somebody is signed in at
all, and Django's CSRF token, which says that a form is from a page of this origin: a form that one
host has shown can be sent to another one, when its module has moved meanwhile.

Settings are made of this: nothing here may use Django's.
"""

from __future__ import annotations

from urllib.parse import urlencode

SHOP_SESSION = "sessionid"  # the monolith's; the front door's sticky key for staff, too
PASSES = "/admin/pass/"  # where the shop's admin gives them


def session_cookie(host: str) -> str:
    """The session at ``host``."""
    return f"{host}_session"


def pass_cookie(host: str) -> str:
    """The pass on its way from the shop's admin to ``host``: there for one request."""
    return f"{host}_pass"


def asked_cookie(host: str) -> str:
    """How often ``host`` has just asked for a pass in vain."""
    return f"{host}_asked"


def pages_of(module: str) -> str:
    """The address of the module's pages, wherever it runs: they keep it."""
    return f"/admin/{module}/"


def pass_address(module: str, wanted: str) -> str:
    """Where a browser gets a pass for the module's host, and comes back to ``wanted``."""
    return f"{PASSES}{module}/?{urlencode({'next': wanted})}"
