"""Passwords of the modules' roles: read from a file or stdin, or made and written to a file.

Never from arguments or the environment: both are shown to every process of the machine.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from modules.platform.databases.aliases import role_of

BYTES = 24  # of randomness in a password: 32 characters of base64


class UnreadablePasswords(Exception):
    """The list of passwords is not one; the message names the line and never shows it."""


def read_passwords(source: str, modules: Iterable[str]) -> dict[str, str]:
    """Module to password from lines ``payment=secret``; ``-`` is stdin, else a file.

    Raises UnreadablePasswords, also when a module is missing, and ``OSError``.
    """
    text = sys.stdin.read() if source == "-" else Path(source).read_text()
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        module, equals, password = line.partition("=")
        if not equals or not password or module.strip() not in set(modules):
            raise UnreadablePasswords(f"line {number} is not MODULE=PASSWORD of a known module")
        found[module.strip()] = password
    missing = [module for module in modules if module not in found]
    if missing:
        raise UnreadablePasswords(f"no password for {', '.join(missing)}")
    return found


def make_passwords(modules: Iterable[str]) -> dict[str, str]:
    """A new password for each module."""
    return {module: secrets.token_urlsafe(BYTES) for module in modules}


def write_urls(path: Path, url: str, passwords: Mapping[str, str]) -> None:
    """Write ``<MODULE>_DATABASE_URL=...`` lines to a new file that only its owner may read.

    Raises ``FileExistsError`` rather than overwrite one.
    """
    lines = [f"{m.upper()}_DATABASE_URL={url_of(m, url, one)}" for m, one in passwords.items()]
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write("\n".join(lines) + "\n")


def url_of(module: str, url: str, password: str) -> str:
    """``url`` with the module's role and password in place of its own."""
    parts = dict(conninfo_to_dict(url))
    name = quote(str(parts.pop("dbname", "") or "ficus"), safe="")
    parts |= {"user": role_of(module), "password": password}
    query = urlencode({key: value for key, value in parts.items() if value is not None})
    return f"postgresql:///{name}?{query}"
