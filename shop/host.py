"""The shop as a host: what it composes, and the variables that only it reads.

What every host and what each module reads is declared there; see ``shop/env.py`` for all of it.
"""

from __future__ import annotations

from pathlib import Path

from modules.platform.hosting.host import Host
from modules.platform.hosting.kinds import Count, Port, Whole
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

# Modules that have a host of their own in ``extracted/``, and the port that it has by default.
SERVICES = {"payment": 8101, "notification": 8102}
# And that of the same host on a database of its own, once the module is being moved there.
OWN_SERVICES = {"payment": 8111, "notification": 8112}

HOST = Host(
    name="shop",
    package="shop",
    root=ROOT,
    folder=ROOT,
    modules=MODULES,
    control_plane=("extraction",),
    variables=(
        variable(
            "FICUS_MODULES", list, list(MODULES), "The modules this host composes, comma-separated."
        ),
        variable(
            "RETIRED_MODULES",
            list,
            [],
            "Modules that `strangler retire` has given to their services alone: contracts only.",
        ),
        variable(
            "PLACE_MODULES",
            bool,
            False,
            "Let services do a share of the work; `manage.py up` turns it on and starts them.",
        ),
        variable(
            "PROXY_ADMIN_PORT",
            Port,
            8009,
            "Port of the front door's own admin, on this machine only.",
        ),
        variable(
            "PROXY_WORKERS",
            Count,
            1,
            "Front door processes; from 2 on, limits are counted in Redis.",
        ),
        variable(
            "RATE_LIMIT_IDENTITY",
            Whole,
            600,
            "Requests a minute of one customer or key; 0: any number.",
        ),
        variable(
            "RATE_LIMIT_ADDRESS", Whole, 3000, "Requests a minute of one address; 0: any number."
        ),
        variable(
            "RATE_LIMIT_SIGN_IN",
            Whole,
            30,
            "Log-ins and registrations a minute of one address; 0: any.",
        ),
        variable("WEB_PORT", Port, 8001, "Port of the monolith's web server."),
        *(
            variable(f"{name.upper()}_PORT", Port, port, f"Port of {name}'s service.")
            for name, port in SERVICES.items()
        ),
        *(
            variable(
                f"{name.upper()}_OWN_PORT",
                Port,
                port,
                f"Port of {name}'s service with a database of its own.",
            )
            for name, port in OWN_SERVICES.items()
        ),
    ),
)
