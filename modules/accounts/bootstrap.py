"""Accounts' defaults: a Django group per module and role, with the admin's permissions.

The control plane has them too: ``extraction-operator`` may press the buttons of the dashboard.
"""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission

from modules.accounts.domain import Role, group_name
from modules.accounts.keys import ring
from modules.platform.databases import atomic
from modules.platform.databases.aliases import schema_owners

# Tables of Django and its apps that belong to identity in the admin.
IDENTITY_APPS = ("accounts", "auth", "axes", "admin")


def bootstrap() -> None:
    """Make the signing key and the roles; their permissions follow the present models."""
    ring().signing()
    with atomic("accounts"):
        for module in schema_owners():
            for role in Role:
                group, _ = Group.objects.get_or_create(name=group_name(module, role))
                group.permissions.set(permissions(module, role))


def permissions(module: str, role: Role) -> list[Permission]:
    """What the role may do in the admin.

    Viewers look; operators also change and run the module's use cases (its custom permissions);
    managers also add and delete.
    """
    apps = IDENTITY_APPS if module == "accounts" else (module,)
    rows = Permission.objects.filter(content_type__app_label__in=apps)
    return [row for row in rows if _allows(role, row.codename)]


def _allows(role: Role, codename: str) -> bool:
    verb = codename.partition("_")[0]
    match role:
        case Role.VIEWER:
            return verb == "view"
        case Role.OPERATOR:
            return verb not in ("add", "delete")
        case Role.MANAGER:
            return True
