"""Pure rules of identity: addresses of mail, roles and scopes, how long things live."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum

REFRESH_LIFE = timedelta(days=30)  # a session nobody used for so long is over
SESSION_LIFE = timedelta(days=180)  # however often it is refreshed
VERIFY_LIFE = timedelta(days=3)  # people read their mail at the weekend
RESET_LIFE = timedelta(hours=1)
MAIL_PAUSE = timedelta(seconds=60)  # between two mails of a kind to one person
MAIL_PATIENCE = timedelta(hours=24)  # an owed mail is dropped after it
MAX_ADDRESSES = 100  # entries of one address book
SCOPE = re.compile(r"^(\*|[a-z]{2,20}:(\*|read|write))$")
LOCALE = r"^[a-z]{2,3}(-[A-Z]{2})?$"


class MailKind(StrEnum):
    """What accounts writes to people; the value is notification's template."""

    VERIFY = "verify_email"
    RESET = "password_reset"


LIFE_OF_LINK = {MailKind.VERIFY: VERIFY_LIFE, MailKind.RESET: RESET_LIFE}


class Role(StrEnum):
    """What staff may do with one module."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    MANAGER = "manager"


ROLE_SCOPES: dict[Role, tuple[str, ...]] = {
    Role.VIEWER: ("read",),
    Role.OPERATOR: ("read", "write"),
    Role.MANAGER: ("read", "write"),
}


def normal_email(text: str) -> str:
    """The one spelling under which an address is known."""
    return text.strip().lower()


def group_name(module: str, role: Role) -> str:
    """The Django group of a role: ``payment-operator``."""
    return f"{module}-{role}"


def scopes_of_groups(groups: Iterable[str]) -> frozenset[str]:
    """The scopes that membership in ``groups`` gives; groups of other names give none."""
    found: set[str] = set()
    for name in groups:
        module, _, role = name.rpartition("-")
        if module and role in set(Role):
            found |= {f"{module}:{level}" for level in ROLE_SCOPES[Role(role)]}
    return frozenset(found)


def covers(granted: Iterable[str], wanted: str) -> bool:
    """Whether somebody with ``granted`` may hand out ``wanted``."""
    module = wanted.partition(":")[0]
    have = set(granted)
    if "*" in have or wanted in have or f"{module}:*" in have:
        return True
    return wanted == f"{module}:*" and {f"{module}:read", f"{module}:write"} <= have
