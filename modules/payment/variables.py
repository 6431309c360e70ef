"""The environment variables that payment reads, and the settings made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.platform.hosting.environment import WEB, Environment
from modules.platform.hosting.kinds import Port
from modules.platform.hosting.secrets import secret
from modules.platform.hosting.variables import variable

STANDIN = "standin"  # the name of the secret that is made for the stand-in

VARIABLES = (
    variable("STANDIN_PORT", Port, 8090, "Port of the stand-in payment provider."),
    variable("PAYMENT_PROVIDER", str, "standin", "Default provider: standin or stripe."),
    variable("STANDIN_URL", str, "", "The stand-in's address; empty: on STANDIN_PORT here."),
    variable(
        "STANDIN_WEBHOOK_SECRET", str, "", "Signs the stand-in's webhooks; empty: made at start."
    ),
    variable("STRIPE_API_KEY", str, "", "Secret key; empty: Stripe is off."),
    variable(
        "STRIPE_API_BASE", str, "https://api.stripe.com", "Stripe's address; tests point it away."
    ),
    variable("STRIPE_WEBHOOK_SECRET", str, "", "Verifies Stripe's webhooks."),
)


def settings(env: Environment, home: Path) -> dict[str, Any]:
    """Django settings by name. Raises EnvError."""
    return {
        "PAYMENT_PROVIDER": env.one_of("PAYMENT_PROVIDER", ("standin", "stripe")),
        "STANDIN_URL": env.server("STANDIN_URL", WEB)
        or f"http://127.0.0.1:{env.read('STANDIN_PORT')}",
        "STANDIN_WEBHOOK_SECRET": env.read("STANDIN_WEBHOOK_SECRET") or secret(home, STANDIN),
        "STRIPE_API_KEY": env.read("STRIPE_API_KEY"),
        "STRIPE_API_BASE": env.server("STRIPE_API_BASE", WEB),
        "STRIPE_WEBHOOK_SECRET": env.read("STRIPE_WEBHOOK_SECRET"),
    }
