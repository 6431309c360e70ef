"""What this host is: payment, alone."""

from __future__ import annotations

from pathlib import Path

from modules.platform.hosting.host import standalone_host

HOST = standalone_host("payment", folder=Path(__file__).resolve().parent, web_port=8101)
