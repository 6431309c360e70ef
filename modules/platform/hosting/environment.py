"""Typed reading of declared variables. A value that cannot be read is one sentence naming it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

import environ

from modules.platform.hosting.variables import Variable

_OVERRIDE = "_DATABASE_URL"  # <MODULE>_DATABASE_URL points one module elsewhere


class EnvError(Exception):
    """A variable is missing or cannot be read; the message names it and says what to do."""


class Environment:
    """Typed reading of ``variables`` from a mapping such as ``os.environ``."""

    def __init__(self, variables: Iterable[Variable], source: Mapping[str, str]) -> None:
        self.variables = tuple(variables)
        self._known = {variable.name: variable for variable in self.variables}
        self._source = source
        self._reader = environ.Env()
        self._reader.ENVIRON = dict(source)  # an own copy: reading must not depend on order

    def read(self, name: str) -> Any:
        """The variable's value or its default. Raises EnvError when it cannot be read."""
        variable = self._known[name]
        if not self._source.get(name):
            return variable.default
        try:
            return self._reader.get_value(name, cast=variable.kind)
        except (ValueError, environ.ImproperlyConfigured) as error:
            raise EnvError(
                f"{name}={self._source[name]!r} is not a valid {variable.kind.__name__}: "
                f"{variable.meaning}"
            ) from error

    def one_of(self, name: str, allowed: Iterable[str]) -> str:
        """The variable's value, which must be one of ``allowed``. Raises EnvError."""
        value, words = str(self.read(name)), tuple(allowed)
        if value not in words:
            raise EnvError(f"{name}={value!r} is none of {', '.join(words)}")
        return value

    def networks(self, name: str) -> list[str]:
        """The variable's networks and addresses. Raises EnvError naming what is neither."""
        found: list[str] = self.read(name)
        for text in found:
            try:
                ip_network(text, strict=False)
            except ValueError as error:
                raise EnvError(f"{name}: {text!r} is no network such as 10.0.0.0/8") from error
        return found

    def require(self) -> None:
        """Raises EnvError naming every required variable that is missing."""
        missing = [v.name for v in self.variables if v.required and not self._source.get(v.name)]
        if missing:
            raise EnvError(f"production needs {', '.join(missing)}; see .env.example")

    def database_overrides(self, modules: Iterable[str]) -> dict[str, str]:
        """Module to its own connection string, from ``<MODULE>_DATABASE_URL``."""
        urls = {m: self._source.get(f"{m.upper()}{_OVERRIDE}", "") for m in modules}
        return {module: url for module, url in urls.items() if url}
