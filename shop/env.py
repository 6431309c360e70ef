"""Every variable the shop reads: every host's, its own (``shop/host.py``) and its modules'.

``.env.example`` is generated from them (``python -m shop.env``). A value that cannot be read raises
``EnvError`` with one sentence that names the variable.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from modules.platform.hosting import variables
from modules.platform.hosting.environment import Environment
from shop.host import HOST, MODULES, ROOT

__all__ = ["MODULES", "ROOT", "VARIABLES", "example", "load"]

VARIABLES = HOST.all_variables


def load(source: Mapping[str, str] | None = None) -> Environment:
    """The variables of ``source``, or of the process with a ``.env`` in the root under it."""
    return HOST.environment(source)


def example() -> str:
    """The text of ``.env.example``."""
    return variables.example(
        VARIABLES,
        header="Made from shop/env.py by `make env-example`; every line shows the default.",
        footer=["# Point one module at a database of its own.", "# PAYMENT_DATABASE_URL=", ""],
    )


if __name__ == "__main__":
    sys.stdout.write(example())
