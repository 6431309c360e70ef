"""Checks passwords, with a lockout (django-axes) that the API and the admin share."""

from __future__ import annotations

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_client_ip_address, get_cool_off
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from modules.accounts.contract import InvalidCredentials, LoginLocked, PasswordRefused
from modules.accounts.domain import normal_email
from modules.accounts.models import User


def check(request: HttpRequest, *, email: str, password: str) -> User:
    """The user whose password it is. Raises InvalidCredentials, LoginLocked.

    An unknown address costs as much time as a wrong password (Django hashes anyway). A success
    forgets the failures counted for this address from this client.
    """
    username = normal_email(email)
    user = authenticate(request, username=username, password=password)
    if isinstance(user, User):
        forget_failures(email=username, ip_address=get_client_ip_address(request))
        return user
    if getattr(request, "axes_locked_out", False):
        raise LoginLocked(retry_after=_cool_off(request))
    raise InvalidCredentials


def validate(password: str, *, user: User) -> None:
    """Raises PasswordRefused with every reason."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordRefused(reasons=tuple(error.messages)) from error


def forget_failures(*, email: str, ip_address: str | None = None) -> int:
    """Forget the failed log-ins counted for the address; how many rows there were."""
    return int(AxesProxyHandler.reset_attempts(username=email, ip_address=ip_address))


def _cool_off(request: HttpRequest) -> int:
    cool_off = get_cool_off(request)
    return int(cool_off.total_seconds()) if cool_off else 60
