"""What of a value may be kept: a beginning of it, or of a personal one its kind and length. Pure.

The front door has hidden credentials before (``hidden:...``). Here goes what says who somebody is.
"""

from __future__ import annotations

import json
import re
from typing import Any

from modules.extraction.shadowing.comparing import ABSENT

LONGEST = 60  # characters of a value
# Parts of the names of members; `_` and case do not matter.
PERSONAL = (
    *("email", "phone", "mobile", "firstname", "lastname", "fullname", "surname", "street"),
    *("address", "city", "postcode", "postal", "zip", "birth", "owner", "customer", "recipient"),
    *("user", "ipaddress", "vat", "taxid", "account", "note", "message", "comment", "name"),
)
_LOOKS = re.compile(
    r"[^\s@]+@[^\s@]+\.\w|\+\d[\d ()/-]{6,}|\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:\d[ -]?){13,19}\b"
)
_IN_PATHS = re.compile(
    r"^(?:\d+|[0-9a-f]{8,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?=[^/]*\d)[\w~.-]{16,}|hidden:.*|.*@.*)$",
    re.I,
)


def shown(value: Any, member: str, allowed: frozenset[str]) -> str:
    """A value for a sample. ``member`` is the member that has it; ``allowed`` are shown whole."""
    if value is ABSENT:
        return "(none)"
    if isinstance(value, dict | list):
        return f"{'object' if isinstance(value, dict) else 'list'}({len(value)})"
    text = value if isinstance(value, str) else json.dumps(value)
    if not text.startswith("hidden:") and is_personal(text, member) and member not in allowed:
        return f"{_KINDS.get(type(value), 'value')}({len(text)})"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)})"


def is_personal(text: str, member: str) -> bool:
    """By the name of the member, or by how the value looks."""
    name = member.lower().replace("_", "").replace("-", "")
    return any(part in name for part in PERSONAL) or _LOOKS.search(text) is not None


def template_of(target: str) -> str:
    """A target with ids as ``{}`` and without its query: ``/api/v1/payment/payments/{}``."""
    path = target.partition("?")[0]
    return "/".join("{}" if _IN_PATHS.match(part) else part for part in path.split("/"))


def asked_as(target: str) -> str:
    """A target for a sample: ids are kept, of the query the names, of an address nothing."""
    path, _, query = target.partition("?")
    path = "/".join("{}" if "@" in part else part for part in path.split("/"))
    names = [part.partition("=")[0] for part in query.split("&") if part]
    return f"{path}?{'&'.join(f'{name}=' for name in names)}" if names else path


_KINDS: dict[type, str] = {str: "text", int: "number", float: "number", bool: "boolean"}
