"""The settings of payment's host, with a ledger for its subscribers."""

from __future__ import annotations

import os

from extracted.payment.host import HOST
from modules.platform.hosting.settings import development

globals().update(development(HOST))
INSTALLED_APPS = [*globals()["INSTALLED_APPS"], "tests.extracted.bus.ledger.LedgerConfig"]
BUS_LEASE = float(os.environ["BUS_LEASE"])
