"""Who sits at the desk."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from modules.accounts.models import User

LogIn = Callable[..., Client]


@pytest.fixture
def log_in() -> LogIn:
    """``log_in("view_stock")``: a client of staff with these permissions."""

    def staff(*permissions: str) -> Client:
        user = User.objects.create_user(email="op@shop.test", password="x")
        user.is_staff = True
        user.save()
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return staff


@pytest.fixture
def operator(log_in: LogIn) -> Client:
    """May look at stock and move it, and nothing more."""
    return log_in("view_stock", "move_stock")


@pytest.fixture
def superuser() -> Client:
    """May do whatever anybody may."""
    user = User.objects.create_superuser(email="root@shop.test", password="x")
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
