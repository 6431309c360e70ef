"""The declaration of accounts: who may call it, whom it calls, what it says."""

from __future__ import annotations

from modules.accounts.contract import (
    Accounts,
    CustomerDeactivated,
    CustomerRegistered,
    EmailVerified,
)
from modules.notification.contract import Notification
from modules.platform.contracts import Module

MODULE = Module(
    name="accounts",
    purpose="Know who shops and who runs the shop.",
    owner="team-identity",
    port=Accounts,
    calls=(Notification,),
    publishes=(CustomerRegistered, EmailVerified, CustomerDeactivated),
)
