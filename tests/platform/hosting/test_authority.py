"""Which hosts ask a database of their own whether a module is theirs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings

from shop.env import ROOT

SAY = """
import django
django.setup()
from modules.platform.databases.ownership import OwnDatabase
from modules.platform.messaging import authority
print(isinstance(getattr(authority._has_authority, "__self__", None), OwnDatabase))
"""


@pytest.mark.parametrize(("role", "asks"), [("own", "True"), ("origin", "False")])
def test_a_service_asks_the_database_that_is_its_own(role: str, asks: str) -> None:
    """One on the monolith's data works whenever the monolith gives it something to do."""
    done = subprocess.run(
        [sys.executable, "-c", SAY],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "extracted.payment.settings.dev",
            "INSTANCE_ROLE": role,
            "DATABASE_URL": settings.DATABASE_URL,
            "PAYMENT_DATABASE_URL": settings.DATABASE_URL if role == "origin" else "",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split()[-1] == asks
