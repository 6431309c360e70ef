"""PostgreSQL's refusals while a module's authority moves, as the errors that a contract has.

During an extraction triggers on the module's tables refuse whoever may not write there, with an
SQLSTATE of their own: for a moment (fenced), or because another database has the authority
(moved). Every connection of a host turns them into ``Fenced`` and ``Moved``, so REST, calls and the
bus say what they say of any other error, and nothing is lost on the way of nested handlers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import psycopg
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from modules.platform.contracts import Fenced, Moved
from modules.platform.databases.aliases import module_of_alias
from modules.platform.databases.retired import retired_since
from modules.platform.databases.roles import login

# The letters I to Z begin classes that the SQL standard leaves to implementations; of these
# PostgreSQL uses none that begins with M. The triggers say the epoch in the error's detail.
FENCED: Final = "MV001"
MOVED: Final = "MV002"
NO_TABLE: Final = "42P01"  # PostgreSQL's own
BESIDE: Final = "_move"
_EPOCH = re.compile(r"epoch (\d{1,18})")


def refusal_of(error: BaseException | None, module: str) -> Fenced | Moved | None:
    """What ``error`` (psycopg's, or Django's around it) says of ``module``'s authority, if it does.

    The epoch is 0 where the server did not say it.
    """
    seen = 0
    while error is not None and seen < 10:  # causes can be chained in a circle
        state = getattr(error, "sqlstate", None)
        if state == FENCED:
            return Fenced(module=module, epoch=_epoch_in(error))
        if state == MOVED:
            return Moved(module=module, epoch=_epoch_in(error))
        error, seen = error.__cause__, seen + 1
    return None


def is_moving(alias: str) -> bool:
    """Whether an extraction of the alias's module is under way: then it has a schema beside it.

    Raises psycopg's errors.
    """
    with login(alias) as connection:
        beside = f'"{module_of_alias(alias)}{BESIDE}"'
        row = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", [beside]).fetchone()
    return bool(row and row[0])


def install_refusals() -> None:
    """Let every connection that is opened from now on raise them."""
    connection_created.connect(_watch, dispatch_uid="ficus.refusals")


def _watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if not any(isinstance(one, _Typed) for one in connection.execute_wrappers):
        connection.execute_wrappers.append(_Typed(connection.alias))


class _Typed:
    def __init__(self, alias: str) -> None:
        self._alias, self._module = alias, module_of_alias(alias)

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        try:
            return execute(sql, params, many, context)
        except DatabaseError as error:
            refusal = refusal_of(error, self._module) or self._retired(error)
            if refusal is None:
                raise
            raise refusal from error

    def _retired(self, error: DatabaseError) -> Moved | None:
        """A table that is missed: it went to the service for good, while this process has the
        module's implementation still.
        """
        if getattr(error.__cause__, "sqlstate", None) != NO_TABLE:
            return None
        try:
            epoch = retired_since(self._alias)
        except psycopg.Error:  # then it is not known, and the first error says enough
            return None
        return None if epoch is None else Moved(module=self._module, epoch=epoch)


def _epoch_in(error: BaseException) -> int:
    detail = getattr(getattr(error, "diag", None), "message_detail", None) or ""
    found = _EPOCH.search(detail)
    return int(found[1]) if found else 0
