"""Hides the secrets of a document from readers without the admin token.

Two places may hold some: what stands before the @ of an URL, and the value of a header that a
route sets and whose name says that it is secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import to_builtins

from strangler_proxy.config import Document

MASK = "***"
SECRET_HEADER = re.compile(r"auth|cookie|token|secret|key|password", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/\s]+@")


def masked(document: Document) -> dict[str, Any]:
    """The document as JSON, with ``***`` for secrets."""
    plain: dict[str, Any] = _each_text(to_builtins(document), (), _mask)
    return plain


def has_mask(document: Document) -> bool:
    """Whether a masked document was sent back: its secrets are lost."""
    found: list[str] = []

    def look(path: tuple[str, ...], text: str) -> str:
        if (text == MASK and _is_secret_header(path)) or f"://{MASK}@" in text:
            found.append(text)
        return text

    _each_text(to_builtins(document), (), look)
    return bool(found)


def _mask(path: tuple[str, ...], text: str) -> str:
    if _is_secret_header(path):
        return MASK
    return _USERINFO.sub(f"{MASK}@", text)


def _is_secret_header(path: tuple[str, ...]) -> bool:
    return (
        len(path) >= 3
        and path[-3] == "headers"
        and path[-2] in ("set", "add")
        and bool(SECRET_HEADER.search(path[-1]))
    )


def _each_text(value: Any, path: tuple[str, ...], change: Callable[..., str]) -> Any:
    if isinstance(value, dict):
        return {key: _each_text(one, (*path, key), change) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(one, path, change) for one in value]
    return change(path, value) if isinstance(value, str) else value
