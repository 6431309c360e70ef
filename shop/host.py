"""The shop as a host: what it composes, and the variables that only it reads.

What every host and what each module reads is declared there; see ``shop/env.py`` for all of it.
"""

from __future__ import annotations

from pathlib import Path

from modules.platform.hosting.host import Host
from modules.platform.hosting.variables import variable

ROOT = Path(__file__).resolve().parent.parent

MODULES = (
    "accounts",
    "catalog",
    "cart",
    "orders",
    "inventory",
    "payment",
    "shipping",
    "notification",
)

HOST = Host(
    name="shop",
    package="shop",
    root=ROOT,
    folder=ROOT,
    modules=MODULES,
    variables=(
        variable(
            "FICUS_MODULES", list, list(MODULES), "The modules this host composes, comma-separated."
        ),
        variable(
            "PLACE_MODULES",
            bool,
            False,
            "Let `manage.py placement` have services do a share of a module's work.",
        ),
        variable(
            "PROXY_ADMIN_PORT",
            int,
            8009,
            "Port of the front door's own admin, on this machine only.",
        ),
        variable(
            "PROXY_WORKERS",
            int,
            1,
            "Front door processes; from 2 on, limits are counted in Redis.",
        ),
        variable(
            "RATE_LIMIT_IDENTITY",
            int,
            600,
            "Requests a minute of one customer or key; 0: any number.",
        ),
        variable(
            "RATE_LIMIT_ADDRESS", int, 3000, "Requests a minute of one address; 0: any number."
        ),
        variable(
            "RATE_LIMIT_SIGN_IN",
            int,
            30,
            "Log-ins and registrations a minute of one address; 0: any.",
        ),
        variable("WEB_PORT", int, 8001, "Port of the monolith's web server."),
    ),
)
