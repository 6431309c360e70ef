"""The environment variables that notification reads, and the settings made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.platform.hosting.environment import WEB, Environment
from modules.platform.hosting.kinds import Port
from modules.platform.hosting.variables import variable

MAIL = ("smtp", "smtp+starttls", "smtps")
VARIABLES = (
    variable("MAILBOX_PORT", Port, 8025, "SMTP port of the local mailbox."),
    variable("SMTP_URL", str, "", "smtp://user:password@host:port; empty: the local mailbox."),
    variable("MAIL_FROM", str, "shop@localhost", "Sender of the shop's mails."),
    variable("SMS_GATEWAY_URL", str, "", "HTTP endpoint that takes SMS; empty: SMS is off."),
)


def settings(env: Environment, home: Path) -> dict[str, Any]:
    """Django settings by name. Raises EnvError."""
    return {
        "SMTP_URL": env.server("SMTP_URL", MAIL) or f"smtp://127.0.0.1:{env.read('MAILBOX_PORT')}",
        "MAIL_FROM": env.read("MAIL_FROM"),
        "SMS_GATEWAY_URL": env.server("SMS_GATEWAY_URL", WEB),
    }
