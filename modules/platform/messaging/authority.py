"""Which modules this host may send for and receive for. Extraction replaces the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modules.platform.contracts import Fenced, Moved
from modules.platform.databases import installed_modules
from modules.platform.databases.refusals import FENCED, MOVED

_has_authority: Callable[[str], bool] = lambda module: True  # noqa: E731
_refusal_states: set[str] = {FENCED, MOVED}


def install_authority(has_authority: Callable[[str], bool]) -> None:
    """Let ``has_authority(module)`` say whether this host's copy of a module is the live one."""
    global _has_authority
    _has_authority = has_authority


def refuse_on(*sqlstates: str) -> None:
    """Treat these SQLSTATEs as PostgreSQL saying that another host has the authority."""
    _refusal_states.update(sqlstates)


def hosted(module: str) -> bool:
    """Whether ``module`` is composed into this host and its live database is ours."""
    return module in installed_modules() and _has_authority(module)


def hosted_modules() -> tuple[str, ...]:
    """The modules whose outboxes this host's relays send."""
    return tuple(module for module in installed_modules() if _has_authority(module))


def refused(error: BaseException | None) -> bool:
    """Whether ``error`` means: not wrong, but not here and now. Nobody's attempt is counted."""
    seen = 0
    while error is not None and seen < 10:  # causes can be chained in a circle
        if isinstance(error, Fenced | Moved) or _sqlstate(error) in _refusal_states:
            return True
        error, seen = error.__cause__, seen + 1
    return False


def _sqlstate(error: Any) -> str | None:
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None
