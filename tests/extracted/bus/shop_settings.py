"""The shop's settings, with a ledger for its subscribers."""

from __future__ import annotations

import os

from modules.platform.hosting.settings import development
from shop.host import HOST

globals().update(development(HOST))
INSTALLED_APPS = [*globals()["INSTALLED_APPS"], "tests.extracted.bus.ledger.LedgerConfig"]
BUS_LEASE = float(os.environ["BUS_LEASE"])
