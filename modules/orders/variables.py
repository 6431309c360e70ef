"""The environment variables that orders reads, and the settings made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.platform.hosting.environment import EnvError, Environment
from modules.platform.hosting.kinds import Whole
from modules.platform.hosting.variables import variable

LONGEST = 1_500  # seconds; the stock of an order is held for 1,800
VARIABLES = (
    variable(
        "PAYMENT_PATIENCE",
        Whole,
        900,
        f"Seconds an order waits for a payment module that is away; at most {LONGEST}.",
    ),
)


def settings(env: Environment, home: Path) -> dict[str, Any]:
    """Django settings by name. Raises EnvError."""
    patience = env.read("PAYMENT_PATIENCE")
    if patience > LONGEST:
        raise EnvError(f"PAYMENT_PATIENCE={patience}: an order can wait {LONGEST} seconds at most")
    return {"PAYMENT_PATIENCE": patience}
