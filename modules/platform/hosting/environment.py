"""Typed reading of declared variables. A value that cannot be read is one sentence naming it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import environ
import psycopg
from psycopg.conninfo import conninfo_to_dict

from modules.platform.hosting.variables import Variable

_OVERRIDE = "_DATABASE_URL"  # <MODULE>_DATABASE_URL points one module elsewhere
WEB = ("http", "https")


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

    def read_all(self) -> None:
        """Raises EnvError for the first value that cannot be read, whoever would need it."""
        for one in self.variables:
            self.read(one.name)

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

    def database(self, name: str) -> str:
        """The variable's connection string, or nothing. Raises EnvError, without its password."""
        return self._connection_string(name, str(self.read(name)))

    def server(self, name: str, schemes: Iterable[str]) -> str:
        """The variable's URL with one of ``schemes``, or nothing. Raises EnvError likewise."""
        url, allowed = str(self.read(name)), tuple(schemes)
        try:
            parts = urlsplit(url)
            _ = parts.port  # reading it is what checks it
        except ValueError as error:
            raise EnvError(f"{name} is no address: {error}") from error
        if url and not (parts.scheme in allowed and (parts.hostname or parts.path)):
            expected = " or ".join(f"{scheme}://..." for scheme in allowed)
            raise EnvError(f"{name} is no address such as {expected}")
        return url

    def require(self) -> None:
        """Raises EnvError naming every required variable that is missing."""
        missing = [v.name for v in self.variables if v.required and not self._source.get(v.name)]
        if missing:
            raise EnvError(f"production needs {', '.join(missing)}; see .env.example")

    def database_overrides(self, modules: Iterable[str]) -> dict[str, str]:
        """Module to its own connection string, from ``<MODULE>_DATABASE_URL``. Raises EnvError."""
        names = {module: f"{module.upper()}{_OVERRIDE}" for module in modules}
        return {
            module: self._connection_string(name, url)
            for module, name in names.items()
            if (url := self._source.get(name, ""))
        }

    @staticmethod
    def _connection_string(name: str, text: str) -> str:
        try:
            conninfo_to_dict(text)
        except psycopg.Error as error:
            # What libpq says may repeat the text, and with it a password.
            raise EnvError(
                f"{name} is no connection string such as postgresql://user@host:5432/name"
            ) from error
        return text
